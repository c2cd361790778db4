import Units

/// The bound on an iteration and what binds it.
public struct Prediction: Sendable {
  public var work: IterationWork
  public var machine: Machine
  /// Tokens that the work is paid with.
  public var tokens: Tokens
  public var times: ResourceTimes

  public init(_ work: IterationWork, on machine: Machine, tokens: Tokens) {
    self.work = work
    self.machine = machine
    self.tokens = tokens
    times = machine.times(of: work.total)
  }

  /// Tokens a second that no schedule exceeds: tokens over the longest of all resources' times.
  public var throughput: TokenRate { tokens / times.bound }

  /// The same with every part at the speed of what binds it and one part after the other: less than
  /// the bound, and what a machine could reach that does one thing at a time. No bound.
  public var throughputInTurn: TokenRate { tokens / work.timeInTurn(on: machine) }
}
