import Engine
import Foundation
import Units

/// HOLD (Jones, "An empirical comparison of priority-queue and event-set implementations",
/// Communications of the ACM 29(4), 1986): pop the earliest event and push it back an exponential
/// increment later, with a constant number pending. Nanoseconds for the two together.
@Sendable func holdBenchmark(quick: Bool) throws -> [BenchmarkRow] {
  let peers = [
    Peer.priorityQueue(), Peer.ns3(scheduler: "MapScheduler"), Peer.ns3(scheduler: "HeapScheduler"),
  ].compactMap { $0 }
  var rows: [BenchmarkRow] = []
  for pending in [100, 1_000, 10_000, 100_000, 1_000_000] {
    let holds = quick ? 300_000 : 1_500_000
    let hold = Hold(pending: pending, warmup: 2 * pending, holds: holds)
    var contestants: [(name: String, run: () throws -> Measurement)] = [
      ("LadderQueue", { hold.measure(LadderQueue()) }),
      ("FourAryHeap", { hold.measure(FourAryHeap()) }),
    ]
    for peer in peers {
      contestants.append(
        (
          peer.name,
          { try peer.measure(["\(pending)", "\(hold.warmup)", "\(holds)"]) }
        ))
    }
    let figures = try compare(quick ? 3 : 9, contestants)
    for (contestant, figures) in zip(contestants, figures) {
      rows.append(
        BenchmarkRow("hold \(pending), \(contestant.name)", figures, unit: "ns"))
    }
    for (contestant, theirs) in zip(contestants, figures).dropFirst(2) {
      rows.append(
        BenchmarkRow(
          "hold \(pending), LadderQueue vs \(contestant.name)",
          zip(theirs, figures[0]).map { $0 / $1 }, unit: "x", note: "faster, pair by pair"))
    }
  }
  return rows
}

struct Hold {
  var pending: Int
  var warmup: Int
  var holds: Int

  func measure<Queue: EventQueue & ~Copyable>(_ empty: consuming Queue) -> Measurement {
    var queue = empty
    var random = Xorshift(state: 88_172_645_463_325_252)
    let increments = (0..<1 << 16).map { _ in random.exponential() }
    var checksum: UInt64 = 0
    let seconds = increments.withUnsafeBufferPointer { increments in
      for index in 0..<pending {
        queue.push(
          SimTime(picoseconds: increments[index & 0xffff]), .completion, payload: UInt64(index))
      }
      Self.run(warmup, on: &queue, increments, &checksum)
      return secondsTaken { Self.run(holds, on: &queue, increments, &checksum) }
    }
    return Measurement(figure: seconds / Double(holds) * 1e9, checksum: checksum)
  }

  /// Apart from `measure`, so that the queue's fields are no closure's captures.
  private static func run<Queue: EventQueue & ~Copyable>(
    _ holds: Int, on queue: inout Queue, _ increments: UnsafeBufferPointer<Int64>,
    _ checksum: inout UInt64
  ) {
    for index in 0..<holds {
      guard let event = queue.pop() else { return }
      let time = event.time.picoseconds
      checksum = checksum &* 31 &+ (UInt64(bitPattern: time) ^ event.payload)
      queue.push(
        SimTime(picoseconds: time + increments[index & 0xffff]), .completion,
        payload: event.payload)
    }
  }
}

/// Marsaglia's xorshift with shifts 13, 7 and 17, the same in every peer.
struct Xorshift {
  var state: UInt64

  mutating func next() -> UInt64 {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return state
  }

  /// Picoseconds with a mean of a microsecond.
  mutating func exponential() -> Int64 {
    Int64(-log(Double((next() >> 11) + 1) * 0x1p-53) * 1e6)
  }
}

/// Processor time, which a busy machine does not stretch as it does wall time. The peers use it too.
func secondsTaken(_ work: () -> Void) -> Double {
  func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
  let start = now()
  work()
  return now() - start
}
