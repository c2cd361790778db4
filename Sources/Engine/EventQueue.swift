import Units

/// The events of a run that are still to come, earliest first.
///
///     var queue = FourAryHeap()
///     queue.push(SimTime(microseconds: 3), .completion, payload: 7)
///     while let event = queue.pop() { handle(event) }
///
/// What every queue keeps:
///  - `pop` returns events ordered by (time, priority class, sequence of pushing); ties are first in,
///    first out.
///  - Any time may be pushed at any moment, also one before the last popped. (A run loop that never
///    goes back in time has to see to that itself.)
///  - Memory grows to the largest number of pending events and is then reused: in steady state
///    nothing is allocated.
///
/// With n events pending:
///
/// | queue | `push` | `pop` | `next` | bytes per event |
/// |---|---|---|---|---|
/// | ``FourAryHeap`` | O(1) at random, O(log n) worst | O(log n) | O(1) | 24 |
/// | ``LadderQueue`` | O(1) amortised, O(log n) worst | O(1) amortised, O(log n) worst | O(1) | 28 + 8 to 16 |
///
/// Queues own raw memory and are not copyable: there is one future. Hold one in a noncopyable
/// struct, a local variable or a final class; be generic over `some EventQueue & ~Copyable` where
/// either may come.
public protocol EventQueue: ~Copyable {
  /// An empty queue. O(1).
  init()

  /// How many events are pending. O(1).
  var count: Int { get }

  /// The event that `pop` would return. O(1).
  var next: Event? { get }

  /// Adds an event behind all that were pushed before it with the same time and class.
  mutating func push(_ time: SimTime, _ priority: PriorityClass, payload: UInt64)

  /// Removes and returns the earliest event.
  mutating func pop() -> Event?

  /// Drops every event and starts the sequence anew. O(1) if the capacity is kept.
  mutating func removeAll(keepingCapacity: Bool)
}

/// The queue to take unless something speaks against it.
///
/// Between 100 and 10,000 pending events, where simulations of serving live, a pop and a push take
/// the ladder 0.4 to 0.7 of the heap's time (`Benchmarks/README.md`). At some dozens of events the two
/// are about equal; ``FourAryHeap`` is the one whose single operations are bounded.
public typealias DefaultEventQueue = LadderQueue

extension EventQueue where Self: ~Copyable {
  public var isEmpty: Bool { count == 0 }
}
