import Units

/// Events sorted as late and as little as possible: O(1) amortised, whatever the number pending.
///
///     var queue = LadderQueue()
///     queue.push(.zero, .completion, payload: 1)
///     queue.pop()?.payload  // 1
///
/// After W. T. Tang, R. S. M. Goh and I. L. Thng, "Ladder queue: an O(1) priority queue structure
/// for large-scale discrete event simulation", ACM Transactions on Modeling and Computer Simulation
/// 15(3), 2005. The future is three parts:
///
///  - *rungs* of unsorted buckets of equal width. A bucket that holds too many events when its turn
///    comes becomes a narrower rung below, so the widths follow the events, not a guess;
///  - the *bottom*, the few earliest events, sorted; `pop` takes from here;
///  - what lies beyond a rung goes to that rung's last bucket, which has no upper end. (The paper's
///    Top is the last bucket of our uppermost rung.)
///
/// It differs from the paper in three things. Widths are powers of two, so that a bucket is found by
/// a shift. A bucket of at most ``sortable`` events is sorted by rank (each event's place is the
/// number of events before it, counted without a branch). And events that no rung can separate, a
/// crowd at one picosecond or a run of pushes each before the last, go to a ``FourAryHeap``, which
/// makes O(log n) the worst amortised cost, where sorted insertion would make it O(n).
///
/// The choice from some dozens of pending events on; it is ``DefaultEventQueue``.
public struct LadderQueue: EventQueue, ~Copyable {
  // Invariants between calls:
  //  1. Bottom, or else the heap, holds the earliest event unless the queue is empty; one is empty.
  //  2. Every event in a rung is later than the rung's `consumed`, and every event in a rung further
  //     in, in the bottom or in the heap is not.
  //  3. The rungs' buckets lie one after the other in `buckets`, the uppermost rung's first.

  /// The most events that are sorted at once.
  private static let sortable = 32
  /// The most events the sorted bottom holds: a sorted bucket and as many pushes into it.
  private static let bottomCapacity = 2 * sortable
  /// Eight rungs with only 32 buckets each tell a picosecond from 2^40 of them.
  private static let mostRungs = 8

  public private(set) var count = 0
  private var nextSequence: UInt64 = 0

  private var bottom = Slab<Event>(capacity: bottomCapacity)
  private var bottomStart = 0
  private var bottomEnd = 0
  private var heap = FourAryHeap()

  private var rungs = Slab<Rung>(capacity: mostRungs)
  private var depth = 0
  /// The first event of each bucket's list.
  private var buckets = Slab<Link>(capacity: 256)
  private let unsorted = Slab<Event>(capacity: sortable)

  // The events in rungs and, apart from them, how they are strung together. The links of 100,000
  // events fit a second-level cache, so a list is walked there while the events are still coming.
  private var events = Slab<Event>(capacity: 256)
  private var links = Slab<Link>(capacity: 256)
  private var firstFree = Link.none
  /// Slots from here on have never been used.
  private var firstFresh: Link = 0

  /// An empty queue. O(1).
  public init() {}

  /// O(1).
  public var next: Event? {
    bottomStart < bottomEnd ? bottom[bottomStart] : heap.next
  }

  /// O(1) amortised; O(log n) among events that no rung separates.
  public mutating func push(_ time: SimTime, _ priority: PriorityClass, payload: UInt64) {
    let event = Event(time, priority, sequence: nextSequence, payload: payload)
    nextSequence += 1
    count += 1
    var level = 0
    while level < depth {
      if event.picoseconds > rungs[level].consumed {
        link(store(event), into: rungs[level], at: event.picoseconds)
        return
      }
      level += 1
    }
    insertIntoBottom(event)
  }

  /// O(1) amortised; O(log n) among events that no rung separates.
  public mutating func pop() -> Event? {
    let event: Event
    if bottomStart < bottomEnd {
      event = bottom[bottomStart]
      bottomStart += 1
    } else if let earliest = heap.pop() {
      event = earliest
    } else {
      return nil
    }
    count -= 1
    if bottomStart == bottomEnd && depth > 0 && heap.isEmpty { refill() }
    return event
  }

  /// O(1).
  public mutating func removeAll(keepingCapacity: Bool) {
    if !keepingCapacity {
      buckets = Slab(capacity: 256)
      events = Slab(capacity: 256)
      links = Slab(capacity: 256)
    }
    heap.removeAll(keepingCapacity: keepingCapacity)
    count = 0
    nextSequence = 0
    bottomStart = 0
    bottomEnd = 0
    depth = 0
    firstFree = Link.none
    firstFresh = 0
  }
}

// MARK: - Rungs

/// A row of buckets of equal width, the last one open-ended.
struct Rung: BitwiseCopyable {
  /// The time at which the first bucket begins.
  var start: Int64
  /// Events up to this time, inclusive, have left the rung; later ones still enter it.
  var consumed: Int64
  /// A bucket is 2^shift picoseconds wide.
  var shift: UInt64
  /// Where the buckets lie among those of all rungs; `first + last` is the open-ended one.
  var first: Int
  var last: Int
  /// The bucket whose turn it is.
  var current = 0

  /// The bucket of an event that is not before `start`.
  func bucket(of picoseconds: Int64) -> Int {
    // The difference of any two Int64 fits 64 bits without a sign.
    let offset = UInt64(bitPattern: picoseconds &- start) &>> shift
    return first + Int(truncatingIfNeeded: min(offset, UInt64(last)))
  }

  /// Goes on to the next bucket.
  mutating func advance() {
    current += 1
    // The end of a bucket can be one more than UInt64.max; taking 1 away wraps it back.
    let end = (UInt64(current) &<< shift) &- 1
    let room = UInt64(bitPattern: Int64.max &- start)
    consumed = start &+ Int64(bitPattern: min(end, room))
  }
}

/// The slot of an event in a rung.
typealias Link = UInt32

extension Link {
  static let none = Link.max
}

extension LadderQueue {
  /// Fills the empty bottom, or the heap, with the earliest events of the rungs.
  private mutating func refill() {
    while depth > 0 {
      var rung = rungs[depth - 1]
      while rung.current < rung.last && buckets[rung.first + rung.current] == Link.none {
        rung.current += 1
      }
      let list = buckets[rung.first + rung.current]
      if rung.current == rung.last {
        depth -= 1
      } else {
        buckets[rung.first + rung.current] = Link.none
        rung.advance()
        rungs[depth - 1] = rung
      }
      if list == Link.none { continue }
      if sortIntoBottom(list) { return }
      if !spawn(from: list) {
        pourIntoHeap(list)
        return
      }
    }
  }

  /// Spreads the list over a new rung; says no if one rung more would not separate its events.
  private mutating func spawn(from list: Link) -> Bool {
    guard depth < Self.mostRungs else { return false }
    var earliest = Int64.max
    var latest = Int64.min
    var size = 0
    var slot = list
    while slot != Link.none {
      let time = events[Int(slot)].picoseconds
      earliest = min(earliest, time)
      latest = max(latest, time)
      size += 1
      slot = links[Int(slot)]
    }
    guard earliest < latest else { return false }
    let rung = addRung(from: earliest, to: latest, for: size)
    slot = list
    while slot != Link.none {
      let following = links[Int(slot)]
      link(slot, into: rung, at: events[Int(slot)].picoseconds)
      slot = following
    }
    return true
  }

  /// Two to four empty buckets for each of `events` events, and one for what comes after `latest`.
  ///
  /// A rung stays in use while new events come in behind its first ones: at exponential increments
  /// a bucket holds about ln(n) / 3 events when its turn comes.
  private mutating func addRung(from earliest: Int64, to latest: Int64, for events: Int) -> Rung {
    let range = UInt64(bitPattern: latest &- earliest)
    let widths = range / UInt64(4 * events)
    let shift = UInt64(UInt64.bitWidth - widths.leadingZeroBitCount)
    var first = 0
    if depth > 0 { first = rungs[depth - 1].first + rungs[depth - 1].last + 1 }
    let rung = Rung(
      start: earliest, consumed: earliest, shift: shift, first: first,
      last: Int(range >> shift) + 1)
    let end = first + rung.last + 1
    // For the most buckets that so many events can get, so that a later rung needs no more.
    buckets.grow(toHold: first + 4 * events + 2, keeping: first)
    buckets.fill(first..<end, with: Link.none)
    rungs[depth] = rung
    depth += 1
    return rung
  }

  private func link(_ slot: Link, into rung: Rung, at picoseconds: Int64) {
    let bucket = rung.bucket(of: picoseconds)
    links[Int(slot)] = buckets[bucket]
    buckets[bucket] = slot
  }

  private mutating func store(_ event: Event) -> Link {
    var slot = firstFree
    if slot == Link.none {
      slot = firstFresh
      firstFresh += 1
      events.grow(toHold: Int(firstFresh), keeping: Int(slot))
      links.grow(toHold: Int(firstFresh), keeping: Int(slot))
    } else {
      firstFree = links[Int(slot)]
    }
    events[Int(slot)] = event
    return slot
  }
}

// MARK: - Bottom

extension LadderQueue {
  /// Sorts a list into the empty bottom and frees its slots; does nothing and says no if it is long.
  private mutating func sortIntoBottom(_ list: Link) -> Bool {
    var size = 0
    var slot = list
    var last = list
    while slot != Link.none {
      if size == Self.sortable { return false }
      unsorted[size] = events[Int(slot)]
      size += 1
      last = slot
      slot = links[Int(slot)]
    }
    links[Int(last)] = firstFree
    firstFree = list
    for i in 0..<size {
      let event = unsorted[i]
      let order = event.order
      var place = 0
      // The checked sum keeps the compiler from vectorising, which is slower for so few.
      for j in 0..<size { place += unsorted[j].order < order ? 1 : 0 }
      bottom[place] = event
    }
    bottomStart = 0
    bottomEnd = size
    return true
  }

  private mutating func pourIntoHeap(_ list: Link) {
    bottomStart = 0
    bottomEnd = 0
    var slot = list
    while slot != Link.none {
      heap.insert(events[Int(slot)])
      let following = links[Int(slot)]
      links[Int(slot)] = firstFree
      firstFree = slot
      slot = following
    }
  }

  /// Adds an event that belongs before everything in the rungs.
  private mutating func insertIntoBottom(_ event: Event) {
    guard heap.isEmpty else {
      heap.insert(event)
      return
    }
    if bottomEnd == Self.bottomCapacity {
      if bottomStart == 0 {
        spreadBottom(with: event)
        return
      }
      bottom.move(from: bottomStart, to: 0, count: bottomEnd - bottomStart)
      bottomEnd -= bottomStart
      bottomStart = 0
    }
    let order = event.order
    var place = bottomEnd
    while place > bottomStart && order < bottom[place - 1].order {
      bottom[place] = bottom[place - 1]
      place -= 1
    }
    bottom[place] = event
    bottomEnd += 1
  }

  /// Turns the full bottom and one event more into a rung, or a heap if no rung separates them.
  private mutating func spreadBottom(with event: Event) {
    let earliest = min(event.picoseconds, bottom[0].picoseconds)
    let latest = max(event.picoseconds, bottom[bottomEnd - 1].picoseconds)
    if depth < Self.mostRungs && earliest < latest {
      let rung = addRung(from: earliest, to: latest, for: bottomEnd + 1)
      for i in 0..<bottomEnd {
        link(store(bottom[i]), into: rung, at: bottom[i].picoseconds)
      }
      link(store(event), into: rung, at: event.picoseconds)
      bottomStart = 0
      bottomEnd = 0
      refill()
    } else {
      for i in 0..<bottomEnd { heap.insert(bottom[i]) }
      heap.insert(event)
      bottomStart = 0
      bottomEnd = 0
    }
  }
}
