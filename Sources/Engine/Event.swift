import Units

/// Something that is to happen: when, before what else at that instant, and what.
///
/// A plain value of 24 bytes, so that queues move events without boxing, counting or calling back.
/// What the payload means is its pusher's business: the engine packs an index and a generation.
///
/// Events are ordered by (time, priority class, sequence). The queue hands out the sequence, so no
/// two of its events are equal, ties are first in, first out, and the order depends on nothing but
/// the pushes themselves. That is what makes a run reproducible.
public struct Event: Equatable, Sendable, BitwiseCopyable {
  let picoseconds: Int64
  /// The priority class in the upper 8 bits, the sequence in the lower 56: a queue that is pushed to
  /// a hundred million times a second runs out after 22 years.
  let rank: UInt64
  public let payload: UInt64

  init(_ time: SimTime, _ priority: PriorityClass, sequence: UInt64, payload: UInt64) {
    picoseconds = time.picoseconds
    rank = UInt64(priority.rawValue) << 56 | sequence
    self.payload = payload
  }

  public var time: SimTime { SimTime(picoseconds: picoseconds) }

  /// The class whose turn this is at ``time``.
  public var priority: PriorityClass {
    PriorityClass(rawValue: UInt8(truncatingIfNeeded: rank >> 56)) ?? .observation
  }

  /// Time, class and sequence as one number. Comparing two of these takes a subtraction with borrow
  /// and no branch; a comparison field by field mispredicts half the time in a heap.
  var order: Int128 { Int128(picoseconds) << 64 | Int128(rank) }
}

/// Who goes first among the events of one instant.
///
/// Each place has a reason; an event that needs another place needs a class of its own, not a time
/// that is a picosecond off.
public enum PriorityClass: UInt8, CaseIterable, Sendable {
  /// A resource gets another capacity. First, because whatever else happens at this instant is to
  /// see the capacity that holds from it on; a task that completes now has no work left to be slowed.
  case capacityChange = 0
  /// A task is done. Before activations, because it gives back its share, and frees its successors,
  /// at the instant it ends: two tasks that follow each other on one resource never share it.
  case completion = 1
  /// A task becomes active and claims a share. After every completion of the instant, so that the
  /// sharing is solved once, among those that really run from here on.
  case activation = 2
  /// Somebody looks. Last, because an observer sees the state that holds until the next instant, not
  /// one of those that were passed through on the way.
  case observation = 3
}
