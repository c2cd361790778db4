/// What a model's router chooses from: which layers have experts, how many, and how many a token
/// takes in each.
public struct RoutingShape: Hashable, Sendable {
  /// The model as its recorder named it.
  public let model: String
  /// The model's own number of each MoE layer, in the order in which a token meets them. Elsewhere
  /// in this target "layer" is a position in this list.
  public let layerIDs: [Int]
  /// Routed experts in a layer.
  public let experts: Int
  /// Distinct experts a token takes in a layer.
  public let topK: Int

  /// - Throws: ``TraceError/impossibleShape(detail:)`` where no trace could have this shape.
  public init(model: String, layerIDs: [Int], experts: Int, topK: Int) throws(TraceError) {
    guard (1...65_536).contains(experts) else {
      throw .impossibleShape(detail: "\(experts) experts in a layer; 1 to 65536 are possible")
    }
    guard (1...min(experts, 1_024)).contains(topK) else {
      throw .impossibleShape(
        detail: "top-\(topK) of \(experts) experts; 1 to \(min(experts, 1_024)) are possible")
    }
    guard (1...65_536).contains(layerIDs.count) else {
      throw .impossibleShape(detail: "\(layerIDs.count) MoE layers; 1 to 65536 are possible")
    }
    guard layerIDs.allSatisfy({ (0...Int(Int32.max)).contains($0) }),
      Set(layerIDs).count == layerIDs.count
    else {
      throw .impossibleShape(detail: "layer ids must be distinct and not negative")
    }
    self.model = model
    self.layerIDs = layerIDs
    self.experts = experts
    self.topK = topK
  }

  /// The number of MoE layers.
  public var layers: Int { layerIDs.count }
  /// The bytes of one expert id, in memory and on disk.
  public var idBytes: Int { experts <= 256 ? 1 : 2 }
  /// The expert ids of one token.
  public var selectionsPerToken: Int { layers * topK }
  /// The bytes of one token's expert ids.
  var rowBytes: Int { selectionsPerToken * idBytes }

  /// As an error message says it: `26 MoE layers of 64 experts, top-6`.
  public var summary: String { Self.summary(layers: layers, experts: experts, topK: topK) }

  static func summary(layers: Int, experts: Int, topK: Int) -> String {
    "\(layers) MoE \(layers == 1 ? "layer" : "layers") of \(experts) experts, top-\(topK)"
  }
}

/// Where a trace's selections come from.
public enum TraceOrigin: Hashable, Sendable {
  /// A router's choices, written down while a model ran.
  case recorded
  /// Drawn at random from the statistics of a recorded trace.
  case synthetic

  /// As tables and errors say it.
  public var word: String { self == .recorded ? "recorded" : "synthetic" }
}

/// One request's tokens, in order: `prefillTokens` of its prompt, then `decodeTokens` generated.
public struct TraceSequence: Hashable, Sendable {
  /// The request's name in the data it came from.
  public let name: String
  /// The data set or topic it belongs to; may be empty.
  public let source: String
  /// The index, in the whole trace, of its first token.
  public let firstToken: Int
  public let prefillTokens: Int
  public let decodeTokens: Int

  public init(
    name: String, source: String = "", firstToken: Int, prefillTokens: Int, decodeTokens: Int
  ) {
    self.name = name
    self.source = source
    self.firstToken = firstToken
    self.prefillTokens = prefillTokens
    self.decodeTokens = decodeTokens
  }

  public var tokens: Int { prefillTokens + decodeTokens }
  /// The trace's token indices of the prompt.
  public var prefill: Range<Int> { firstToken..<firstToken + prefillTokens }
  /// The trace's token indices of the generated tokens.
  public var decode: Range<Int> { firstToken + prefillTokens..<firstToken + tokens }
}
