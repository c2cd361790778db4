import Units

/// Launches one after the other: what they ask together, and how long each of them is bound by what.
///
/// A sum of maxima, which is no less than the maximum of the sums that ``Machine/times(of:)`` has of all of
/// them: prompts bound by arithmetic hide nothing of decoding bound by memory.
public struct Launches: Hashable, Sendable {
  public private(set) var work = Work()
  /// By resource: the time of the launches that it binds.
  public private(set) var inTurn = ResourceTimes()

  public init() {}

  /// One launch, divided perfectly over the machine.
  public init(_ work: Work, on machine: Machine) {
    self.work = work
    let times = machine.times(of: work)
    if let binding = times.binding { inTurn[binding] = times.bound }
  }

  public mutating func add(_ other: Launches, times count: Double = 1) {
    work.add(other.work, times: count)
    inTurn.add(other.inTurn, times: count)
  }

  /// Of all of them.
  public var timeInTurn: Seconds { inTurn.sum }

  /// The resource that binds for the longest time; nil where nothing takes any.
  public var binding: Resource? { inTurn.binding }
}
