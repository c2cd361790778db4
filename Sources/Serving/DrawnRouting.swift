import Models
import Statistics
import Traces

/// How selections are drawn where none were recorded.
public enum SelectionLaw: Hashable, Sendable {
  /// k distinct experts for each token and layer, all alike.
  case uniform
  /// k distinct experts, one after the other, the i-th most wanted one with a probability in
  /// proportion to 1/(i+1)^exponent among those that are left. Which expert is the i-th is random,
  /// another order for each layer.
  case zipf(exponent: Double)

  /// As a trace's name says it: `drawn zipf 0.8`.
  public var words: String {
    switch self {
    case .uniform: "drawn uniform"
    case .zipf(let exponent): "drawn zipf \(exponent)"
    }
  }

  fileprivate var provenance: String {
    switch self {
    case .uniform: "uniformly random selections"
    case .zipf(let exponent): "random selections by Zipf's law with exponent \(exponent)"
    }
  }
}

/// How many tokens are drawn, and in which sequences.
///
/// As many as a run takes where that costs little; at least as many as an iteration takes, up to a
/// million; beyond that an iteration repeats them. All are of the phase that is replayed.
struct DrawnLength: Hashable {
  /// Never more tokens than this are drawn, and never more selections (a quarter of a gigabyte).
  static let mostTokens = 1_000_000
  static let mostSelections = 1 << 27
  /// Up to here the tokens of a whole run are drawn, which takes a second or so.
  static let cheapSelections = 1 << 25
  /// A generated answer is not drawn longer than this.
  static let mostDecodeTokens = 256

  var sequences: Int
  /// Of each sequence.
  var tokens: Int

  /// - Parameters:
  ///   - places: Sequences in work at a time.
  ///   - tokensEach: New tokens of each of them in an iteration.
  init(
    shape: RoutingShape, phase: Phase, places: Int, tokensEach: Int, measurement: Measurement
  ) {
    let row = shape.selectionsPerToken
    let most = max(1, min(Self.mostTokens, Self.mostSelections / row))
    let cheap = min(most, Self.cheapSelections / row)
    let iterations = min(max(1, measurement.warmup + measurement.iterations), most)
    let places = min(max(1, places), most)
    let each = min(max(1, tokensEach), most)
    switch phase {
    case .decode:
      sequences = places
      let needed = min(each, max(1, most / places))
      tokens = max(needed, min(iterations * each, Self.mostDecodeTokens, cheap / places))
    case .prefill:
      tokens = each
      let needed = min(places, max(1, most / each))
      sequences = max(needed, min(cheap / each, places * iterations))
    }
  }
}

extension RoutingTrace {
  /// A trace of a model's own shape that nobody recorded. Marked synthetic. Draws are from the
  /// stream "drawn routing", orders of experts from "popular experts", one for each layer.
  ///
  /// - Parameters:
  ///   - sequences: How many are in work at a time, of all attention groups.
  ///   - tokensEach: New tokens of each of them in an iteration: its prompt's in prefill.
  /// - Throws: ``TraceError/impossibleShape(detail:)`` where the model has no experts to choose from.
  public init(
    drawing law: SelectionLaw, for model: ModelArchitecture, phase: Phase, sequences: Int,
    tokensEach: Int, measurement: Measurement, seed: UInt64
  ) throws(TraceError) {
    let shape = try RoutingShape(
      model: model.name, layerIDs: model.expertLayers, experts: model.experts.count,
      topK: model.experts.topK)
    let length = DrawnLength(
      shape: shape, phase: phase, places: sequences, tokensEach: tokensEach,
      measurement: measurement)
    let isDecode = phase == .decode
    try self.init(
      shape: shape, origin: .synthetic,
      provenance: "synthetic: \(law.provenance), drawn in place of a recording",
      sequences: (0..<length.sequences).map {
        TraceSequence(
          name: "drawn-\($0)", source: "drawn", firstToken: $0 * length.tokens,
          prefillTokens: isDecode ? 0 : length.tokens, decodeTokens: isDecode ? length.tokens : 0)
      },
      selections: law.selections(
        shape, tokens: length.sequences * length.tokens, seed: seed, stream: "drawn routing"),
      name: law.words)
  }

  /// Whether the program drew it, by this law.
  func isDrawn(by law: SelectionLaw) -> Bool { origin == .synthetic && file == law.words }

  /// Sequences of the same lengths with selections that are uniformly random: k distinct experts for
  /// each token and layer. Marked synthetic. Draws are from the stream "uniform routing".
  ///
  /// - Parameter wanted: How many tokens there should be at least, so that an iteration does not use
  ///   one many times; the recorded sequences are repeated to reach it.
  func withUniformSelections(tokens wanted: Int, seed: UInt64) throws(TraceError) -> RoutingTrace {
    let enough = min(max(wanted, tokens), DrawnLength.mostTokens)
    var drawn: [TraceSequence] = []
    var count = 0
    while count < enough {
      let like = sequences[drawn.count % sequences.count]
      drawn.append(
        TraceSequence(
          name: like.name, source: like.source, firstToken: count,
          prefillTokens: like.prefillTokens, decodeTokens: like.decodeTokens))
      count += like.tokens
    }
    return try RoutingTrace(
      shape: shape, origin: .synthetic, provenance: "uniformly random selections on \(file)",
      sequences: drawn,
      selections: SelectionLaw.uniform.selections(
        shape, tokens: count, seed: seed, stream: "uniform routing"),
      name: file)
  }
}

extension SelectionLaw {
  /// Selections in the order `[token][layer][k]`. O(tokens x layers x k) expected; where few experts
  /// have nearly all the weight, up to O(experts) for each selection.
  func selections(
    _ shape: RoutingShape, tokens: Int, seed: UInt64, stream: String
  ) -> [UInt16] {
    var random = RandomStream(seed: seed, name: stream)
    var selections: [UInt16] = []
    selections.reserveCapacity(tokens * shape.selectionsPerToken)
    switch self {
    case .uniform:
      var experts = (0..<shape.experts).map { UInt16($0) }
      for _ in 0..<tokens * shape.layers {
        // A Fisher-Yates shuffle that stops after k places.
        for choice in 0..<shape.topK {
          experts.swapAt(choice, choice + random.below(shape.experts - choice))
          selections.append(experts[choice])
        }
      }
    case .zipf(let exponent):
      var urn = WeightedUrn(zipf: exponent, count: shape.experts)
      let orders = (0..<shape.layers).map { layer in
        var order = RandomStream(seed: seed, name: "popular experts", index: layer)
        return (0..<UInt16(shape.experts)).shuffled(using: &order)
      }
      for _ in 0..<tokens {
        for order in orders {
          for _ in 0..<shape.topK { selections.append(order[urn.draw(&random)]) }
          urn.putBack()
        }
      }
    }
    return selections
  }
}
