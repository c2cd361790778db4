/// How a layer lets tokens see each other.
public enum Attention: Hashable, Sendable {
  case grouped(GroupedAttention)
  case latent(LatentAttention)

  /// Query heads.
  public var heads: Int {
    switch self {
    case .grouped(let attention): attention.heads
    case .latent(let attention): attention.heads
    }
  }
}

/// Multi-head attention whose heads share keys and values in groups (arXiv 2305.13245).
/// `keyValueHeads` equal to `heads` is plain multi-head attention, 1 is multi-query.
public struct GroupedAttention: Hashable, Sendable {
  public var heads: Int
  public var keyValueHeads: Int
  public var headDimension: Int
  /// Keys a query sees in layers of `windowedLayers`.
  public var window: Int?
  public var windowedLayers: LayerSet
  /// Whether positions enter by rotating queries and keys (OPT and T5 do otherwise).
  public var hasRotaryEmbedding: Bool

  public init(
    heads: Int, keyValueHeads: Int, headDimension: Int, window: Int? = nil,
    windowedLayers: LayerSet = .none, hasRotaryEmbedding: Bool = true
  ) {
    self.heads = heads
    self.keyValueHeads = keyValueHeads
    self.headDimension = headDimension
    self.window = window
    self.windowedLayers = windowedLayers
    self.hasRotaryEmbedding = hasRotaryEmbedding
  }
}

/// Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434, section 2.1): keys and values are
/// kept as one latent vector of `keyValueRank` for each token, and one rotated key that all heads
/// share. The dimensions are those of Hugging Face's `config.json`.
public struct LatentAttention: Hashable, Sendable {
  public var heads: Int
  /// `q_lora_rank`; nil where queries are projected straight (DeepSeek-V2-Lite).
  public var queryRank: Int?
  /// `kv_lora_rank`.
  public var keyValueRank: Int
  /// `qk_rope_head_dim`: the rotated part of a query or key.
  public var rotaryDimension: Int
  /// `qk_nope_head_dim`: the part without position.
  public var plainDimension: Int
  /// `v_head_dim`.
  public var valueDimension: Int

  public init(
    heads: Int, queryRank: Int?, keyValueRank: Int, rotaryDimension: Int, plainDimension: Int,
    valueDimension: Int
  ) {
    self.heads = heads
    self.queryRank = queryRank
    self.keyValueRank = keyValueRank
    self.rotaryDimension = rotaryDimension
    self.plainDimension = plainDimension
    self.valueDimension = valueDimension
  }

  /// Width of a query or key for each head.
  public var keyDimension: Int { plainDimension + rotaryDimension }
  /// Elements of the cache for one token and layer.
  public var cacheElements: Int { keyValueRank + rotaryDimension }
}

/// A selective state space layer in place of attention (Mamba, arXiv 2312.00752, section 3.4).
public struct Mamba: Hashable, Sendable {
  /// Width inside the layer, commonly twice the hidden width.
  public var innerDimension: Int
  public var stateDimension: Int
  public var convolutionWidth: Int
  /// Rank of the step size's projection, commonly hidden / 16.
  public var stepRank: Int

  public init(innerDimension: Int, stateDimension: Int, convolutionWidth: Int, stepRank: Int) {
    self.innerDimension = innerDimension
    self.stateDimension = stateDimension
    self.convolutionWidth = convolutionWidth
    self.stepRank = stepRank
  }
}
