import Units

/// A heap in which each event has four children: half the depth of a binary heap, and the children
/// of one event lie on one or two cache lines (LaMarca and Ladner, "The influence of caches on the
/// performance of heaps", ACM Journal of Experimental Algorithmics 1, 1996).
///
///     var queue = FourAryHeap()
///     queue.push(.zero, .completion, payload: 1)
///     queue.pop()?.payload  // 1
///
/// The smallest child is found without a branch. `pop` leaves the root vacant, because a simulator
/// mostly pushes next: the new event then sinks from the root, and the heap is mended once instead
/// of twice.
///
/// The choice where few events are pending, where their times come from no distribution at all, or
/// where a bound on every single operation matters more than the mean. See ``LadderQueue`` for the
/// other case.
public struct FourAryHeap: EventQueue, ~Copyable {
  private var events: Slab<Event>
  /// Slots in use, a vacant root among them.
  private var used = 0
  private var rootIsVacant = false
  private var nextSequence: UInt64 = 0

  /// An empty heap. O(1).
  public init() { events = Slab(capacity: 64) }

  /// O(1).
  public var count: Int { used - (rootIsVacant ? 1 : 0) }

  /// The earliest event. O(1): the root, or the smallest of its four children.
  public var next: Event? {
    guard count > 0 else { return nil }
    return rootIsVacant ? events[smallest(from: 1, to: min(5, used))] : events[0]
  }

  /// O(1) in the mean where events come in random order, O(log n) in the worst case.
  public mutating func push(_ time: SimTime, _ priority: PriorityClass, payload: UInt64) {
    insert(Event(time, priority, sequence: nextSequence, payload: payload))
    nextSequence += 1
  }

  /// O(log n).
  public mutating func pop() -> Event? {
    if rootIsVacant {
      used -= 1
      guard used > 0 else {
        rootIsVacant = false
        return nil
      }
      sink(events[used])
    }
    guard used > 0 else { return nil }
    rootIsVacant = true
    return events[0]
  }

  /// O(1).
  public mutating func removeAll(keepingCapacity: Bool) {
    if !keepingCapacity { events = Slab(capacity: 64) }
    used = 0
    rootIsVacant = false
    nextSequence = 0
  }

  /// Adds an event that has its sequence already.
  mutating func insert(_ event: Event) {
    if rootIsVacant {
      rootIsVacant = false
      sink(event)
    } else {
      if used == events.capacity { events.grow(toHold: used + 1, keeping: used) }
      used += 1
      rise(event)
    }
  }

  /// Puts the event where the root is vacant, then below all that are earlier.
  private func sink(_ event: Event) {
    let order = event.order
    var vacant = 0
    while true {
      let child = 4 * vacant + 1
      guard child < used else { break }
      let least = child + 4 <= used ? smallestOfFour(child) : smallest(from: child, to: used)
      let candidate = events[least]
      guard candidate.order < order else { break }
      events[vacant] = candidate
      vacant = least
    }
    events[vacant] = event
  }

  /// Puts the event into the last slot in use, then above all that are later.
  private func rise(_ event: Event) {
    let order = event.order
    var vacant = used - 1
    while vacant > 0 {
      let parent = (vacant - 1) >> 2
      let candidate = events[parent]
      guard order < candidate.order else { break }
      events[vacant] = candidate
      vacant = parent
    }
    events[vacant] = event
  }

  @inline(__always)
  private func smallestOfFour(_ first: Int) -> Int {
    let a = first + (events[first + 1].order < events[first].order ? 1 : 0)
    let b = first + 2 + (events[first + 3].order < events[first + 2].order ? 1 : 0)
    return events[b].order < events[a].order ? b : a
  }

  private func smallest(from first: Int, to end: Int) -> Int {
    var least = first
    for other in first + 1..<end where events[other].order < events[least].order { least = other }
    return least
  }
}
