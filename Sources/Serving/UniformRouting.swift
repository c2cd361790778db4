import Statistics
import Traces

extension RoutingTrace {
  /// At most this many tokens are drawn; an iteration of more repeats them.
  static let uniformTokens = 1_000_000

  /// The same sequences with selections that are uniformly random: k distinct experts for each token
  /// and layer. Marked synthetic. Draws are from the stream "uniform routing".
  func withUniformSelections(seed: UInt64) throws(TraceError) -> RoutingTrace {
    var kept: [TraceSequence] = []
    var tokenCount = 0
    for sequence in sequences where kept.isEmpty || tokenCount < Self.uniformTokens {
      kept.append(sequence)
      tokenCount += sequence.tokens
    }
    var random = RandomStream(seed: seed, name: "uniform routing")
    var selections: [UInt16] = []
    selections.reserveCapacity(tokenCount * shape.selectionsPerToken)
    var experts = (0..<shape.experts).map { UInt16($0) }
    for _ in 0..<tokenCount * shape.layers {
      // A Fisher-Yates shuffle that stops after k places.
      for choice in 0..<shape.topK {
        experts.swapAt(choice, choice + random.below(shape.experts - choice))
        selections.append(experts[choice])
      }
    }
    return try RoutingTrace(
      shape: shape, origin: .synthetic, provenance: "uniformly random selections on \(file)",
      sequences: kept, selections: selections, name: file)
  }
}
