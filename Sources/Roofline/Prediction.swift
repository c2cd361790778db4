import Units

/// The bound on an iteration and what binds it.
public struct Prediction: Sendable {
  public var work: IterationWork
  /// Tokens that the work is paid with.
  public var tokens: Tokens
  public var times: ResourceTimes

  public init(_ work: IterationWork, tokens: Tokens) {
    self.work = work
    self.tokens = tokens
    times = work.machine.times(of: work.total)
  }

  public var machine: Machine { work.machine }

  /// Tokens a second that no schedule exceeds: tokens over the longest of all resources' times.
  public var throughput: TokenRate { tokens / times.bound }

  /// The same with every launch at the speed of what binds it and one after the other: less than the
  /// bound, and what a machine could reach that does one thing at a time. No bound.
  public var throughputInTurn: TokenRate { tokens / work.timeInTurn }
}
