/// The tokens of one phase that go through a layer on one device, as attention sees them.
///
///     TokenBatch(decoding: 128, context: 2048)               // one new token for each sequence
///     TokenBatch(prefilling: 4 * 512, of: 4, context: 512)   // four whole prompts
public struct TokenBatch: Hashable, Sendable {
  public var phase: Phase
  /// New tokens of all sequences together.
  public var newTokens: Int
  public var sequences: Int
  /// Tokens that a sequence has when its new ones are in, these among them; the mean where
  /// sequences differ. (FLOPs and bytes are linear in it, but for windows and for prefills of
  /// unequal length, which cost a little more than their mean.) Never less than the new tokens of a
  /// sequence: `init` raises what is.
  public var context: Double
  /// Tokens of the encoder's output that each sequence attends to; read for encoder-decoder models.
  public var sourceContext: Double

  public init(
    phase: Phase, newTokens: Int, sequences: Int, context: Double, sourceContext: Double = 0
  ) {
    self.phase = phase
    self.newTokens = newTokens
    self.sequences = sequences
    let least = sequences > 0 ? Double(newTokens) / Double(sequences) : 0
    self.context = max(context, least)
    self.sourceContext = sourceContext
  }

  public init(decoding sequences: Int, context: Double, sourceContext: Double = 0) {
    self.init(
      phase: .decode, newTokens: sequences, sequences: sequences, context: context,
      sourceContext: sourceContext)
  }

  public init(
    prefilling newTokens: Int, of sequences: Int, context: Double, sourceContext: Double = 0
  ) {
    self.init(
      phase: .prefill, newTokens: newTokens, sequences: sequences, context: context,
      sourceContext: sourceContext)
  }
}
