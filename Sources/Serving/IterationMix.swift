import Models

/// The new tokens of an attention group in one iteration, as attention tells them apart. All groups
/// of an iteration have the same mix.
struct IterationMix: Hashable, Sendable {
  /// Each of another phase or context.
  var parts: [TokenBatch]
  /// Sequences that get a token out of the iteration.
  var outputs: Int

  var tokens: Int { parts.reduce(0) { $0 + $1.newTokens } }
}

extension Workload {
  /// Of every iteration.
  var mix: IterationMix {
    IterationMix(
      parts: [
        TokenBatch(
          phase: phase, newTokens: tokensPerGroup, sequences: batch, context: Double(context))
      ], outputs: batch)
  }
}
