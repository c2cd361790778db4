import Engine
import Units

/// When one task ran, from its release to its end.
public struct TaskSpan: Hashable, Sendable, BitwiseCopyable {
  public var start: SimTime
  public var end: SimTime
  public var label: TaskLabel
  public var iteration: Int32

  public init(start: SimTime, end: SimTime, label: TaskLabel, iteration: Int) {
    self.start = start
    self.end = end
    self.label = label
    self.iteration = Int32(truncatingIfNeeded: iteration)
  }
}
