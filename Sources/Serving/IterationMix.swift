import Models

/// The new tokens of an attention group in one iteration, as attention tells them apart. All groups
/// of an iteration have the same mix, but where requests begin and end.
public struct IterationMix: Hashable, Sendable {
  /// Each of another phase or context.
  public var parts: [TokenBatch]
  /// Positions of which the iteration asks the next token: of each sequence that gets one, and of its
  /// guesses.
  public var outputs: Int

  public init(parts: [TokenBatch], outputs: Int) {
    self.parts = parts
    self.outputs = outputs
  }

  public var sequences: Int { parts.reduce(0) { $0 + $1.sequences } }
  public var tokens: Int { parts.reduce(0) { $0 + $1.newTokens } }

  /// The same of as many sequences as tokens, where each sequence brings one.
  func ofTokens(_ count: Int) -> IterationMix {
    var mix = self
    mix.outputs = count
    for part in mix.parts.indices {
      mix.parts[part].newTokens = count
      mix.parts[part].sequences = count
    }
    return mix
  }
}

extension Workload {
  /// Of every iteration.
  public var mix: IterationMix {
    IterationMix(
      parts: [
        TokenBatch(
          phase: phase, newTokens: tokensPerGroup, sequences: batch, context: Double(context),
          sourceContext: Double(source))
      ], outputs: predictedPositions)
  }
}
