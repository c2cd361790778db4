import Foundation
import Testing
import Units

@testable import Engine

// One contract, one suite, run over every queue. The oracle is a sorted array.

@Suite struct EventQueueTests {
  @Test func anEventIs24Bytes() {
    #expect(MemoryLayout<Event>.stride == 24)
  }

  @Test func anEventGivesBackWhatWasPushed() {
    let event = Event(
      SimTime(picoseconds: -3), .activation, sequence: (1 << 56) - 1, payload: .max)
    #expect(event.time == SimTime(picoseconds: -3))
    #expect(event.priority == .activation)
    #expect(event.payload == .max)
  }

  @Test func orderIsTimeThenClassThenSequence() {
    func order(_ time: Int64, _ priority: PriorityClass, _ sequence: UInt64) -> Int128 {
      Event(SimTime(picoseconds: time), priority, sequence: sequence, payload: 0).order
    }
    #expect(order(1, .observation, 9) < order(2, .capacityChange, 0))
    #expect(order(1, .completion, 9) < order(1, .activation, 0))
    #expect(order(1, .completion, 0) < order(1, .completion, 1))
    #expect(order(-1, .observation, 9) < order(0, .capacityChange, 0))
    #expect(order(.min, .observation, 9) < order(.max, .capacityChange, 0))
  }

  @Test func completionsComeAfterCapacityChangesAndBeforeActivations() {
    #expect(
      PriorityClass.allCases.sorted { $0.rawValue < $1.rawValue } == [
        .capacityChange, .completion, .activation, .observation,
      ])
  }

  @Test(arguments: Kind.allCases) func anEmptyQueueHasNothing(_ kind: Kind) {
    kind.run { queue in
      #expect(queue.count == 0)
      #expect(queue.next == nil)
      #expect(queue.pop() == nil)
      #expect(queue.pop() == nil)
      #expect(queue.count == 0)
    }
  }

  @Test(arguments: Kind.allCases) func classesGoBeforeSequences(_ kind: Kind) {
    kind.run { queue in
      for priority in PriorityClass.allCases.reversed() {
        for _ in 0..<100 { queue.push(.zero, priority, payload: UInt64(priority.rawValue)) }
      }
      for priority in PriorityClass.allCases {
        for _ in 0..<100 { #expect(queue.pop()?.payload == UInt64(priority.rawValue)) }
      }
    }
  }

  @Test(arguments: Kind.allCases) func tiesAreFirstInFirstOut(_ kind: Kind) {
    kind.run { queue in
      for payload in 0..<100_000 as Range<UInt64> {
        queue.push(.zero, .completion, payload: payload)
      }
      // Half of them leave; the tie is then pushed to again, and the newcomers wait their turn.
      for payload in 0..<50_000 as Range<UInt64> {
        guard queue.pop()?.payload == payload else { return #expect(Bool(false), "\(payload)") }
      }
      for payload in 100_000..<150_000 as Range<UInt64> {
        queue.push(.zero, .completion, payload: payload)
      }
      for payload in 50_000..<150_000 as Range<UInt64> {
        guard queue.pop()?.payload == payload else { return #expect(Bool(false), "\(payload)") }
      }
      #expect(queue.count == 0)
    }
  }

  @Test(arguments: Kind.allCases) func theLastTimeOfAllIsATimeLikeAnother(_ kind: Kind) {
    // 100 events are too many to sort at once, so the ladder has to spread [zero, never] over rungs,
    // where the widths and ends of buckets are at the limits of 64 bits.
    let times = [.max, 0, .max - 1, .min].map { SimTime(picoseconds: $0) }
    kind.run { queue in
      for payload in 0..<400 {
        queue.push(times[payload % 4], .completion, payload: UInt64(payload))
      }
      for time in times.sorted() {
        for _ in 0..<100 { #expect(queue.pop()?.time == time) }
        // Into the past, when the last bucket is open.
        queue.push(time, .capacityChange, payload: 1000)
        #expect(queue.pop()?.payload == 1000)
      }
    }
  }

  @Test(arguments: Kind.allCases) func aClearedQueueIsAsGoodAsNew(_ kind: Kind) {
    kind.run { queue in
      for keepingCapacity in [true, false, true] {
        for size in [1, 10, 1000] {
          var random = Xorshift(seed: 7)
          for payload in 0..<size {
            queue.push(
              SimTime(picoseconds: random.below(10_000)), .completion, payload: UInt64(payload))
          }
          for _ in 0..<size / 3 { _ = queue.pop() }
          queue.removeAll(keepingCapacity: keepingCapacity)
          #expect(queue.count == 0)
          #expect(queue.next == nil)
          #expect(queue.pop() == nil)
          // The sequence starts anew too: a second run is the first run again.
          queue.push(.zero, .completion, payload: 5)
          #expect(queue.pop() == Event(.zero, .completion, sequence: 0, payload: 5))
          queue.removeAll(keepingCapacity: keepingCapacity)
        }
      }
    }
  }

  @Test(arguments: Kind.allCases, Increments.allCases)
  func popsAreSorted(_ kind: Kind, _ increments: Increments) {
    var random = Xorshift(seed: 1)
    let times = (0..<20_000).map { _ in increments.draw(&random) }
    let expected = times.indices.sorted { a, b in
      times[a] != times[b] ? times[a] < times[b] : a < b
    }
    kind.run { queue in
      for (index, time) in times.enumerated() {
        queue.push(SimTime(picoseconds: time), .completion, payload: UInt64(index))
      }
      #expect(queue.count == times.count)
      let actual = times.indices.map { _ in Int(queue.pop()?.payload ?? .max) }
      #expect(actual == expected)
    }
  }

  /// Holds, bursts of pushes, bursts of pops, pushes into the past: after each operation the queue
  /// agrees with a sorted array about the count and the next event.
  @Test(arguments: Kind.allCases, Increments.allCases)
  func anyInterleavingAgreesWithASortedArray(_ kind: Kind, _ increments: Increments) {
    for seed in 1...4 as ClosedRange<UInt64> {
      kind.run { queue in
        var random = Xorshift(seed: seed)
        var oracle: [Event] = []  // latest first
        var now: Int64 = 0
        var sequence: UInt64 = 0
        // Popped from a half, then two thirds of the time: the queue swells and then empties.
        for step in 0..<4_000 {
          let pops = step < 2_000 ? 40 : 60
          if random.below(100) < pops {
            let event = queue.pop()
            guard event == oracle.popLast() else {
              return #expect(Bool(false), "pop \(step) of seed \(seed)")
            }
            now = event?.picoseconds ?? now
          } else {
            var time = now.addingReportingOverflow(increments.draw(&random)).partialValue
            if time < 0 { time = .max }
            if random.below(20) == 0 { time = random.below(max(now, 1)) }
            let priority = PriorityClass.allCases[Int(random.below(4))]
            let event = Event(
              SimTime(picoseconds: time), priority, sequence: sequence, payload: random.next())
            sequence += 1
            queue.push(event.time, priority, payload: event.payload)
            oracle.insert(event, at: oracle.place(of: event))
          }
          guard queue.count == oracle.count, queue.next == oracle.last else {
            return #expect(Bool(false), "after step \(step) of seed \(seed)")
          }
        }
        while let event = oracle.popLast() {
          guard queue.pop() == event else { return #expect(Bool(false), "drain, seed \(seed)") }
        }
        #expect(queue.pop() == nil)
      }
    }
  }

  @Test(arguments: Kind.allCases) func timeMayRunBackwards(_ kind: Kind) {
    kind.run { queue in
      for time in (0..<100_000 as Range<Int64>).reversed() {
        queue.push(SimTime(picoseconds: time), .completion, payload: UInt64(time))
      }
      for time in 0..<100_000 as Range<UInt64> {
        guard queue.pop()?.payload == time else { return #expect(Bool(false), "\(time)") }
      }
    }
  }

  /// A queue that a run was heavy on is light on a later one: clusters, one at each power of two,
  /// are what spreads a ladder over the most rungs.
  @Test(arguments: Kind.allCases) func clustersAtEveryScaleAreSorted(_ kind: Kind) {
    kind.run { queue in
      var times: [Int64] = []
      for exponent in 0..<63 as Range<Int64> {
        for offset in 0..<100 as Range<Int64> { times.append((1 << exponent) + offset) }
      }
      for time in times { queue.push(SimTime(picoseconds: time), .completion, payload: 0) }
      for time in times.sorted() {
        guard queue.pop()?.picoseconds == time else { return #expect(Bool(false), "\(time)") }
      }
    }
  }
}

enum Kind: CaseIterable {
  case fourAryHeap, ladderQueue

  func run(_ body: (inout any EventQueue & ~Copyable) -> Void) {
    var queue: any EventQueue & ~Copyable =
      switch self {
      case .fourAryHeap: FourAryHeap()
      case .ladderQueue: LadderQueue()
      }
    body(&queue)
  }
}

extension [Event] {
  /// Where the event belongs in an array whose latest event is first.
  fileprivate func place(of event: Event) -> Int {
    var places = 0..<count + 1
    while places.count > 1 {
      let middle = (places.lowerBound + places.upperBound) / 2
      places =
        event.order < self[middle - 1].order
        ? middle..<places.upperBound : places.lowerBound..<middle
    }
    return places.lowerBound
  }
}

/// What is added to the present to get an event's time.
enum Increments: CaseIterable {
  case exponential, bimodal, equal, zeroOrOne, triangular, pareto, farJumps

  func draw(_ random: inout Xorshift) -> Int64 {
    switch self {
    case .exponential: Int64(-log(random.unit()) * 1e6)
    // Most soon, every tenth a thousand times later.
    case .bimodal: random.below(1_000) + (random.below(10) == 0 ? 1_000_000 : 0)
    case .equal: 1_000
    // Nothing to separate: ties, and their neighbours.
    case .zeroOrOne: random.below(2)
    case .triangular: random.below(1_000_000) + random.below(1_000_000)
    // Shape 1: no mean, no variance.
    case .pareto: Int64(1_000 / random.unit())
    // Near ones, and some at every distance up to the end of time.
    case .farJumps: Int64.max >> (random.below(4) == 0 ? random.below(63) : 55)
    }
  }
}

/// Marsaglia's 64-bit xorshift: three lines, so that a failure is the same everywhere.
struct Xorshift {
  private var state: UInt64

  init(seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 }

  mutating func next() -> UInt64 {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return state
  }

  mutating func below(_ bound: Int64) -> Int64 { Int64(next() % UInt64(bound)) }

  /// Above 0, at most 1.
  mutating func unit() -> Double { Double((next() >> 11) + 1) * 0x1p-53 }
}
