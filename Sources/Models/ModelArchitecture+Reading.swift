import StrictYAML

extension ModelArchitecture {
  /// Reads an architecture that stands in a file of its own or in a scenario:
  ///
  ///     layers: 32
  ///     hidden: 4096
  ///     vocabulary: 32000
  ///     attention: {kind: grouped, heads: 32, key-value-heads: 8, head-dimension: 128}
  ///     feed-forward: {matrices: 3}
  ///     experts: {count: 8, top-k: 2, intermediate: 14336}
  ///
  /// What is wrong goes to the reader's collector; the result is nil where something is.
  ///
  /// - Parameter name: What results call the model, where no key `name` says it.
  public init?(reading reader: MappingReader, name: String) {
    let named = reader.optionalText("name")
    let sourced = SourcedReader(reader, sources: nil)
    self.init(reading: sourced, name: named ?? name)
    sourced.finish()
  }

  /// Reads the keys of an architecture; the caller finishes the reader.
  init?(reading entry: SourcedReader, name: String) {
    let found = entry.reader.problems.count
    let layers = entry.integer("layers", in: 1...512)
    let hidden = entry.integer("hidden", in: 1...65_536)
    let vocabulary = entry.integer("vocabulary", in: 1...1 << 24)
    let encoderLayers = entry.optionalInteger("encoder-layers", in: 1...511)
    let predictionLayers = entry.optionalInteger("prediction-layers", in: 0...16)
    let isTied = entry.reader.boolean("tied-embeddings", default: false)
    // Where the number of layers is missing the rest is still read, for its own problems.
    let assumed = layers ?? 512
    let attention = Attention(reading: entry, layers: assumed)
    let experts = Experts(reading: entry, layers: assumed)
    let feedForward = FeedForward(reading: entry, layers: assumed, experts: experts)
    let mixers = Mamba.reading(entry, layers: assumed)
    guard let layers, let hidden, let vocabulary, let isTied, let attention, let experts,
      let feedForward
    else { return nil }
    self.init(
      name: name, layers: layers, hidden: hidden, attention: attention, vocabulary: vocabulary,
      feedForward: feedForward, experts: experts)
    self.encoderLayers = encoderLayers ?? 0
    mamba = mixers?.mamba
    attentionLayers = mixers?.attentionLayers ?? .none
    hasTiedEmbeddings = isTied
    self.predictionLayers = predictionLayers ?? 0
    checkEncoder(entry.reader)
    if entry.reader.problems.count > found { return nil }
  }

  private func checkEncoder(_ reader: MappingReader) {
    guard encoderLayers > 0 else { return }
    let place = reader.location(of: "encoder-layers")
    if encoderLayers >= layers {
      reader.problems.add(
        "'encoder-layers' is \(encoderLayers) of \(layers) layers; the decoder needs some",
        at: place)
    }
    if case .latent = attention {
      reader.problems.add(
        "'encoder-layers' stands beside latent attention; give 'attention' the kind 'grouped'",
        at: place)
    }
  }
}

extension Attention {
  private enum Kind: String, CaseIterable { case grouped, latent }

  fileprivate init?(reading entry: SourcedReader, layers: Int) {
    guard let reader = entry.mapping("attention", context: "'attention'") else { return nil }
    // Without a kind it is not known which keys are right.
    guard let kind = reader.reader.word("kind", Kind.self) else { return nil }
    defer { reader.finish() }
    switch kind {
    case .grouped:
      guard let grouped = GroupedAttention(reading: reader, layers: layers) else { return nil }
      self = .grouped(grouped)
    case .latent:
      guard let latent = LatentAttention(reading: reader) else { return nil }
      self = .latent(latent)
    }
  }
}

extension GroupedAttention {
  fileprivate init?(reading reader: SourcedReader, layers: Int) {
    let heads = reader.integer("heads", in: 1...4096)
    let keyValueHeads = reader.integer("key-value-heads", in: 1...4096)
    let dimension = reader.integer("head-dimension", in: 1...4096)
    let rotary = reader.reader.boolean("rotary", default: true)
    let window = reader.optionalInteger("window", in: 1...Int(Int32.max))
    let period = reader.optionalInteger("full-attention-every", in: 2...512)
    if period != nil, window == nil {
      reader.reader.problems.add(
        "'full-attention-every' has no effect without 'window'",
        at: reader.reader.location(of: "full-attention-every"))
    }
    guard let heads, let keyValueHeads, let dimension, let rotary else { return nil }
    guard heads % keyValueHeads == 0 else {
      reader.reader.problems.add(
        "\(heads) heads cannot share \(keyValueHeads) key-value heads evenly; "
          + "'key-value-heads' divides 'heads'", at: reader.reader.location(of: "key-value-heads"))
      return nil
    }
    let full = period.map { LayerSet.every($0, of: layers) } ?? .none
    self.init(
      heads: heads, keyValueHeads: keyValueHeads, headDimension: dimension, window: window,
      windowedLayers: window == nil ? .none : LayerSet(of: layers) { !full.contains($0) },
      hasRotaryEmbedding: rotary)
  }
}

extension LatentAttention {
  fileprivate init?(reading reader: SourcedReader) {
    let heads = reader.integer("heads", in: 1...4096)
    let queryRank = reader.optionalInteger("query-rank", in: 1...65_536)
    let keyValueRank = reader.integer("key-value-rank", in: 1...65_536)
    let rotary = reader.integer("rotary-dimension", in: 1...4096)
    let plain = reader.integer("plain-dimension", in: 1...4096)
    let value = reader.integer("value-dimension", in: 1...4096)
    guard let heads, let keyValueRank, let rotary, let plain, let value else { return nil }
    self.init(
      heads: heads, queryRank: queryRank, keyValueRank: keyValueRank, rotaryDimension: rotary,
      plainDimension: plain, valueDimension: value)
  }
}

extension Mamba {
  /// The state space layers, and the layers that attend instead; nil where there are none.
  fileprivate static func reading(
    _ entry: SourcedReader, layers: Int
  ) -> (mamba: Mamba, attentionLayers: LayerSet)? {
    guard let reader = entry.optionalMapping("mamba", context: "'mamba'") else { return nil }
    defer { reader.finish() }
    let inner = reader.integer("inner-dimension", in: 1...1 << 20)
    let state = reader.integer("state-dimension", in: 1...4096)
    let width = reader.integer("convolution-width", in: 1...64)
    let rank = reader.integer("step-rank", in: 1...65_536)
    let attending = LayerSet.reading(reader, "attention-layers", layers: layers)
    guard let inner, let state, let width, let rank, let attending else { return nil }
    let mamba = Mamba(
      innerDimension: inner, stateDimension: state, convolutionWidth: width, stepRank: rank)
    return (mamba, attending)
  }
}

extension ModelArchitecture.FeedForward {
  /// `intermediate` is required where a layer has no experts, and has no effect elsewhere.
  ///
  /// - Parameter experts: Nil where they are wrong, so that nobody knows which layers have some.
  fileprivate init?(
    reading entry: SourcedReader, layers: Int, experts: ModelArchitecture.Experts?
  ) {
    guard let reader = entry.mapping("feed-forward", context: "'feed-forward'") else { return nil }
    defer { reader.finish() }
    let matrices = reader.integer("matrices", in: 2...3)
    let intermediate: Int?
    if experts == nil {
      intermediate = reader.optionalInteger("intermediate", in: 1...1 << 20) ?? 0
    } else if let experts, experts.layers.count == layers {
      intermediate = 0
      if reader.optionalInteger("intermediate", in: 1...1 << 20) != nil {
        reader.reader.problems.add(
          "'intermediate' has no effect: every layer has experts",
          at: reader.reader.location(of: "intermediate"))
      }
    } else {
      intermediate = reader.integer("intermediate", in: 1...1 << 20)
    }
    guard let matrices, let intermediate else { return nil }
    self.init(matrices: matrices, intermediate: intermediate)
  }
}

extension ModelArchitecture.Experts {
  /// `.none` where the key is absent; nil where it is wrong.
  fileprivate init?(reading entry: SourcedReader, layers: Int) {
    guard entry.reader.has("experts") else {
      _ = entry.reader.optional("experts")
      self = .none
      return
    }
    guard let reader = entry.mapping("experts", context: "'experts'") else { return nil }
    defer { reader.finish() }
    let count = reader.integer("count", in: 1...65_535)
    let topK = reader.integer("top-k", in: 1...max(1, count ?? 65_535))
    let routerGroups = reader.optionalInteger("router-groups", in: 1...max(1, count ?? 65_535))
    let intermediate = reader.integer("intermediate", in: 1...1 << 20)
    let residual = reader.optionalInteger("residual-intermediate", in: 1...1 << 20)
    let set = LayerSet.reading(reader, "layers", layers: layers, default: .all(of: layers))
    let shared = reader.optionalMapping("shared", context: "'shared'")
    let sharedCount = shared?.integer("count", in: 1...1024)
    let sharedIntermediate = shared?.integer("intermediate", in: 1...1 << 20)
    shared?.finish()
    if let count, let routerGroups, count % routerGroups != 0 {
      reader.reader.problems.add(
        "'router-groups' is \(routerGroups), which does not divide \(count) experts evenly",
        at: reader.reader.location(of: "router-groups"))
    }
    guard let count, let topK, let intermediate, let set else { return nil }
    self.init(count: count, topK: topK, intermediate: intermediate, layers: set)
    self.routerGroups = routerGroups ?? 1
    self.shared = sharedCount ?? 0
    self.sharedIntermediate = sharedIntermediate ?? 0
    residualIntermediate = residual ?? 0
  }
}
