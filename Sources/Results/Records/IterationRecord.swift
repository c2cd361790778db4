import Units

/// One measured iteration.
public struct IterationRecord: Hashable, Sendable {
  public var index: Int
  public var start: SimTime
  public var end: SimTime
  /// Tokens that the iteration produced (decode) or took in (prefill), over all devices.
  public var tokens: Int

  public var duration: SimTime { end - start }

  public init(index: Int, start: SimTime, end: SimTime, tokens: Int) {
    self.index = index
    self.start = start
    self.end = end
    self.tokens = tokens
  }
}
