import Statistics
import Traces

extension RoutingTrace {
  /// Never more tokens than this are drawn; an iteration of more repeats them.
  static let mostUniformTokens = 1_000_000

  /// Sequences of the same lengths with selections that are uniformly random: k distinct experts for
  /// each token and layer. Marked synthetic. Draws are from the stream "uniform routing".
  ///
  /// - Parameter wanted: How many tokens there should be at least, so that an iteration does not use
  ///   one many times; the recorded sequences are repeated to reach it.
  func withUniformSelections(tokens wanted: Int, seed: UInt64) throws(TraceError) -> RoutingTrace {
    let enough = min(max(wanted, tokens), Self.mostUniformTokens)
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
      sequences: drawn, selections: Self.uniformSelections(shape, tokens: count, seed: seed),
      name: file)
  }

  private static func uniformSelections(
    _ shape: RoutingShape, tokens: Int, seed: UInt64
  ) -> [UInt16] {
    var random = RandomStream(seed: seed, name: "uniform routing")
    var selections: [UInt16] = []
    selections.reserveCapacity(tokens * shape.selectionsPerToken)
    var experts = (0..<shape.experts).map { UInt16($0) }
    for _ in 0..<tokens * shape.layers {
      // A Fisher-Yates shuffle that stops after k places.
      for choice in 0..<shape.topK {
        experts.swapAt(choice, choice + random.below(shape.experts - choice))
        selections.append(experts[choice])
      }
    }
    return selections
  }
}
