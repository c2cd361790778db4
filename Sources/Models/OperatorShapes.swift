import Units

/// A dense matrix multiplication: activations [m, k] by weights [k, n].
///
/// FLOPs: 2 m n k, one multiplication and one addition for each of the m n k terms.
public struct GEMM: Hashable, Sendable {
  /// Rows: tokens.
  public var m: Int
  /// Output width.
  public var n: Int
  /// Input width.
  public var k: Int
  /// Independent multiplications of this shape in one launch, each with inputs and weights of its
  /// own: the heads of an absorbed latent attention. 1 elsewhere.
  public var batch: Int

  @inlinable
  public init(m: Int, n: Int, k: Int, batch: Int = 1) {
    self.m = m
    self.n = n
    self.k = k
    self.batch = batch
  }

  @inlinable public var flops: FLOPs {
    FLOPs(2 * Double(batch) * Double(m) * Double(n) * Double(k))
  }
  /// Elements of the weights, of the inputs, of the outputs.
  @inlinable public var weights: Double { Double(batch) * Double(n) * Double(k) }
  @inlinable public var inputs: Double { Double(batch) * Double(m) * Double(k) }
  @inlinable public var outputs: Double { Double(batch) * Double(m) * Double(n) }
}

/// The multiplications of a device's experts in one launch: for each expert its tokens [t, k] by
/// its weights [k, n].
///
/// FLOPs: 2 tokens n k, whichever experts the tokens go to. Weights are read only for experts that
/// have a token: that number is what makes decoding with few tokens slow.
public struct GroupedGEMM: Hashable, Sendable {
  /// (token, expert) pairs: a token that two of the device's experts take counts twice.
  public var tokens: Int
  /// Experts with at least one token.
  public var activeExperts: Int
  /// Output width of each expert.
  public var n: Int
  /// Input width of each expert.
  public var k: Int

  @inlinable
  public init(tokens: Int, activeExperts: Int, n: Int, k: Int) {
    self.tokens = tokens
    self.activeExperts = activeExperts
    self.n = n
    self.k = k
  }

  @inlinable public var flops: FLOPs { FLOPs(2 * Double(tokens) * Double(n) * Double(k)) }
  /// Elements of the weights that are read.
  @inlinable public var weights: Double { Double(activeExperts) * Double(n) * Double(k) }
  @inlinable public var inputs: Double { Double(tokens) * Double(k) }
  @inlinable public var outputs: Double { Double(tokens) * Double(n) }
}

/// Scores, softmax and weighted sum of one attention launch, fused (FlashAttention,
/// arXiv 2205.14135: the score matrix never reaches memory).
///
/// FLOPs: 2 pairs heads (keyDimension + valueDimension), where pairs counts (query, key) pairs; the
/// softmax is left out, as in that paper. Which pairs there are, see ``pairs``.
public struct AttentionCore: Hashable, Sendable {
  public var phase: Phase
  /// Query tokens of all sequences.
  public var queries: Double
  public var sequences: Double
  /// Keys that the last query of a sequence may see, itself among them; the mean over sequences.
  public var context: Double
  /// Keys that a query sees at most, the newest ones; infinity without a sliding window.
  public var window: Double
  /// Whether a query sees only keys that are not newer than itself.
  public var isCausal: Bool
  /// Query heads on this device.
  public var heads: Double
  /// Width of a query or key, and of a value, for each head.
  public var keyDimension: Double
  public var valueDimension: Double
  /// Elements of keys and values that one token of context takes, for all heads of this device.
  public var keyValueElements: Double
  /// Elements that one new token adds to the KV cache; 0 where another kernel has written them.
  public var cacheElementsPerNewToken: Double
  /// Whether keys and values come from the KV cache; otherwise they are activations that a
  /// projection has just written (latent attention, expanded in prefill).
  public var readsCache: Bool

  @inlinable
  public init(
    phase: Phase, queries: Double, sequences: Double, context: Double, window: Double = .infinity,
    isCausal: Bool = true, heads: Double, keyDimension: Double, valueDimension: Double,
    keyValueElements: Double, cacheElementsPerNewToken: Double, readsCache: Bool = true
  ) {
    self.phase = phase
    self.queries = queries
    self.sequences = sequences
    self.context = context
    self.window = window
    self.isCausal = isCausal
    self.heads = heads
    self.keyDimension = keyDimension
    self.valueDimension = valueDimension
    self.keyValueElements = keyValueElements
    self.cacheElementsPerNewToken = cacheElementsPerNewToken
    self.readsCache = readsCache
  }

  /// (query, key) pairs that are computed.
  ///
  /// A sequence with q new tokens that ends at context c has queries at the positions c - q + 1 to
  /// c. Causal: the query at position p sees min(p, window) keys, so that whole prompts cost
  /// c (c + 1) / 2 and a decoded token c. Not causal: all c.
  @inlinable
  public var pairs: Double {
    guard queries > 0, sequences > 0 else { return 0 }
    guard isCausal else { return queries * Swift.min(context, window) }
    let each = queries / sequences
    let first = context - each + 1
    if context <= window { return queries * (first + context) / 2 }
    if first >= window { return queries * window }
    // Positions first ... window see all before them, the rest see the window.
    let growing = window - first + 1
    return sequences * (growing * (first + window) / 2 + (context - window) * window)
  }

  @inlinable public var flops: FLOPs {
    FLOPs(2 * pairs * heads * (keyDimension + valueDimension))
  }
  /// Tokens of context whose keys and values are read: each once for each sequence.
  @inlinable public var contextTokensRead: Double {
    guard queries > 0, sequences > 0 else { return 0 }
    // The oldest query of a sequence still sees window - 1 tokens before itself.
    return sequences * Swift.min(context, window + queries / sequences - 1)
  }
  @inlinable public var keyValueElementsRead: Double { contextTokensRead * keyValueElements }
  @inlinable public var cacheElementsWritten: Double { queries * cacheElementsPerNewToken }
  @inlinable public var queryElements: Double { queries * heads * keyDimension }
  @inlinable public var outputElements: Double { queries * heads * valueDimension }
}

/// Work that is done element by element: normalisation, rotary embedding, activation, top-k.
/// FLOPs are few beside the bytes; they are counted so that no operator is free.
public struct Elementwise: Hashable, Sendable {
  /// Elements read and written.
  public var read: Double
  public var written: Double
  public var flops: Double

  @inlinable
  public init(read: Double, written: Double, flops: Double) {
    self.read = read
    self.written = written
    self.flops = flops
  }
}

/// Elements moved within a device's memory: embedding lookup, permutation of tokens.
public struct Copy: Hashable, Sendable {
  /// Elements read and written.
  public var read: Double
  public var written: Double

  @inlinable
  public init(read: Double, written: Double) {
    self.read = read
    self.written = written
  }
}
