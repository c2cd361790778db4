import Units

/// A resource has another capacity from a moment on: a link fails, a device slows down, both recover.
///
///     engine.schedule([
///       CapacityChange(at: SimTime(microseconds: 500), resource: link, capacity: 25e9)
///     ])
public struct CapacityChange: Hashable, Sendable {
  public var time: SimTime
  public var resource: ResourceID
  /// In base units per second. Less than zero, and undefined, mean zero.
  public var capacity: Double

  public init(at time: SimTime, resource: ResourceID, capacity: Double) {
    self.time = time
    self.resource = resource
    self.capacity = capacity
  }

  public init<Unit>(
    at time: SimTime, resource: ResourceID, capacity: Quantity<PerSecond<Unit>>
  ) {
    self.init(at: time, resource: resource, capacity: capacity.value)
  }
}

/// The changes that no run has reached yet, earliest first; those of one instant in the order in
/// which they were scheduled.
struct CapacitySchedule {
  private var changes: [CapacityChange] = []
  /// How many of them are past.
  private var taken = 0

  var nextTime: SimTime? { taken < changes.count ? changes[taken].time : nil }

  /// O(changes x log changes).
  mutating func add(_ more: [CapacityChange]) {
    changes.removeFirst(taken)
    taken = 0
    let all = changes + more
    let order = all.indices.sorted { (all[$0].time, $0) < (all[$1].time, $1) }
    changes = order.map { all[$0] }
  }

  /// The next change if it is due by `time`. O(1).
  mutating func take(dueBy time: SimTime) -> CapacityChange? {
    guard taken < changes.count, changes[taken].time <= time else { return nil }
    taken += 1
    return changes[taken - 1]
  }
}
