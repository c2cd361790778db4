/// How one element of a weight, an activation or a cache entry is stored.
///
/// The raw value is the word a scenario uses.
public enum Precision: String, CaseIterable, Hashable, Sendable {
  case fp32, bf16, fp16, fp8, int8, fp4, int4

  /// Bytes of one element. The scales of block formats (MXFP4: one byte for 32 elements) are not
  /// counted.
  @inlinable
  public var bytes: Double {
    switch self {
    case .fp32: 4
    case .bf16, .fp16: 2
    case .fp8, .int8: 1
    case .fp4, .int4: 0.5
    }
  }

  /// The precision in which a device multiplies elements of `self` and `other`: the wider one,
  /// because the narrower operand is converted on its way in (4-bit weights under bf16
  /// activations run at the bf16 rate). Of two equally wide ones the receiver wins.
  @inlinable
  public func multiplied(by other: Precision) -> Precision {
    other.bytes > bytes ? other : self
  }
}

/// The precisions in which a model is served.
public struct Precisions: Hashable, Sendable {
  public var weights: Precision
  /// What goes into a matrix multiplication beside the weights.
  public var activations: Precision
  public var kvCache: Precision

  public init(weights: Precision, activations: Precision, kvCache: Precision) {
    self.weights = weights
    self.activations = activations
    self.kvCache = kvCache
  }

  /// One precision for everything.
  public init(_ all: Precision) { self.init(weights: all, activations: all, kvCache: all) }

  /// What kernels compute in: matrix multiplications, attention over the cache, everything else.
  public var arithmetic: [Precision] {
    [
      activations.multiplied(by: weights), activations.multiplied(by: kvCache), outputs,
      unquantized,
    ]
  }

  /// What a kernel writes, and what normalisations and activation functions work in: no narrower
  /// than 16 bits, because inputs are quantised just before a multiplication and its sums are
  /// written in bf16 (DeepSeek-V3, arXiv 2412.19437, section 3.3).
  @inlinable
  public var outputs: Precision { activations.bytes < 2 ? .bf16 : activations }

  /// What embedding, router and head are stored in: they are left as they were trained where other
  /// weights are quantised (DeepSeek-V3, section 3.3.1; the 4-bit checkpoints people serve do the
  /// same).
  @inlinable
  public var unquantized: Precision { weights.bytes < 2 ? outputs : weights }
}

/// Which part of serving a token belongs to.
public enum Phase: String, CaseIterable, Hashable, Sendable {
  /// The prompt's tokens, many at once.
  case prefill
  /// One new token for each sequence.
  case decode
}
