/// The dimensions of a language model: what its weights take, what its tokens cost.
///
///     let model = try ModelCatalogue.load().named("mixtral-8x7b").architecture
///     model.parameters.total                                 // 46.7e9
///     model.keyValueBytesPerToken(.bf16)                     // 131072 B
///     model.attention(layer: 0, of: batch, Precisions(.bf16)) { graph.append($0) }
///
/// Normalisation vectors and biases are left out of every count: together they are below 0.02 % of
/// any model here.
public struct ModelArchitecture: Hashable, Sendable {
  public var name: String
  /// All layers; in an encoder-decoder model the encoder's come first.
  public var layers: Int
  /// Width of a token's vector between layers.
  public var hidden: Int
  public var attention: Attention
  /// Entries of the token table.
  public var vocabulary: Int
  public var feedForward: FeedForward
  public var experts: Experts
  /// Layers of the encoder; 0 for decoder-only models.
  public var encoderLayers = 0
  /// What layers outside `attentionLayers` do instead of attention; nil where all attend.
  public var mamba: Mamba?
  /// Read only where `mamba` is set.
  public var attentionLayers = LayerSet.none
  /// Whether the head multiplies by the embedding table, which is then stored once.
  public var hasTiedEmbeddings = false
  /// Further layers that guess the token after the next one (multi-token prediction); no part of the
  /// counts of parameters, and idle unless a workload speculates.
  public var predictionLayers = 0

  public init(
    name: String, layers: Int, hidden: Int, attention: Attention, vocabulary: Int,
    feedForward: FeedForward, experts: Experts = .none
  ) {
    self.name = name
    self.layers = layers
    self.hidden = hidden
    self.attention = attention
    self.vocabulary = vocabulary
    self.feedForward = feedForward
    self.experts = experts
  }

  public struct FeedForward: Hashable, Sendable {
    /// 3 for gated networks (gate, up, down: SwiGLU, arXiv 2002.05202), 2 for plain ones.
    public var matrices: Int
    /// Intermediate width in layers without experts; 0 where every layer has experts.
    public var intermediate: Int

    public init(matrices: Int, intermediate: Int) {
      self.matrices = matrices
      self.intermediate = intermediate
    }
  }

  public struct Experts: Hashable, Sendable {
    /// Routed experts of a layer; 0 for dense models.
    public var count: Int
    /// Experts each token goes to.
    public var topK: Int
    /// Equal runs of experts of which the router first chooses some for a token, whose experts are then
    /// all that it chooses from; 1 where it does not.
    public var routerGroups = 1
    /// Intermediate width of one expert.
    public var intermediate: Int
    /// The layers that have experts.
    public var layers: LayerSet
    /// Shared experts of a layer, which every token passes.
    public var shared = 0
    /// Intermediate width of all shared experts of a layer together.
    public var sharedIntermediate = 0
    /// Intermediate width of a dense network beside the experts (Snowflake Arctic); 0 elsewhere.
    public var residualIntermediate = 0

    public init(count: Int, topK: Int, intermediate: Int, layers: LayerSet) {
      self.count = count
      self.topK = topK
      self.intermediate = intermediate
      self.layers = layers
    }

    public static let none = Experts(count: 0, topK: 0, intermediate: 0, layers: .none)
  }
}

extension ModelArchitecture {
  public func hasExperts(layer: Int) -> Bool { experts.layers.contains(layer) }

  /// Whether the layer attends; false for a Mamba layer.
  public func attends(layer: Int) -> Bool { mamba == nil || attentionLayers.contains(layer) }

  public func isEncoder(layer: Int) -> Bool { layer < encoderLayers }

  /// Whether the layer also attends to the encoder's output.
  public func hasCrossAttention(layer: Int) -> Bool { encoderLayers > 0 && layer >= encoderLayers }
}

/// What makes the attention of one layer cost more or less than another's.
public struct AttentionKind: Hashable, Sendable {
  var attends: Bool
  var isEncoder: Bool
  var hasCrossAttention: Bool
  var window: Double
}

extension ModelArchitecture {
  /// Layers of one kind have the same operators in ``attention(layer:of:_:tensorParallel:_:)``.
  public func attentionKind(layer: Int) -> AttentionKind {
    AttentionKind(
      attends: attends(layer: layer), isEncoder: isEncoder(layer: layer),
      hasCrossAttention: hasCrossAttention(layer: layer), window: window(layer: layer))
  }

  /// The layers that tokens of a phase go through: of an encoder-decoder model the encoder's in
  /// prefill, the decoder's in decode; of others all.
  public func layers(of phase: Phase) -> Range<Int> {
    guard encoderLayers > 0 else { return 0..<layers }
    return phase == .prefill ? 0..<encoderLayers : encoderLayers..<layers
  }
}

/// The largest of `parts` nearly equal slices of `whole`.
@inline(__always)
func slice(_ whole: Int, _ parts: Int) -> Int { parts == 1 ? whole : (whole + parts - 1) / parts }
