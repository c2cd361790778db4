import Engine
import Foundation
import Units

/// PHOLD (Fujimoto, "Performance of Time Warp under synthetic workloads", SCS Multiconference on
/// Distributed Simulation, 1990): 1,024 processes and 16 messages for each of them. A process that
/// gets a message draws from its own generator when and where the next one arrives. Events per
/// second of one core, handler and all.
@Sendable func pholdBenchmark(quick: Bool) throws -> [BenchmarkRow] {
  let events = quick ? 1_000_000 : 5_000_000
  let repetitions = quick ? 3 : 9
  var contestants: [(name: String, run: () throws -> Measurement)] = [
    ("LadderQueue", { Phold.measure(LadderQueue(), events: events) }),
    ("FourAryHeap", { Phold.measure(FourAryHeap(), events: events) }),
  ]
  if let peer = Peer.priorityQueue() {
    contestants.append((peer.name, { try peer.measure(["phold", "\(events)"]) }))
  }
  let figures = try compare(repetitions, contestants)
  var rows = zip(contestants, figures).map { contestant, figures in
    BenchmarkRow("phold, \(contestant.name)", figures.map { $0 / 1e6 }, unit: "M events/s")
  }
  if figures.count == 3 {
    rows.append(
      BenchmarkRow(
        "phold, LadderQueue vs \(contestants[2].name)", zip(figures[0], figures[2]).map { $0 / $1 },
        unit: "x", note: "faster, pair by pair"))
  }
  if let simPy = Peer.simPy() {
    let fewer = 200_000
    let figures = try compare(
      min(repetitions, 3),
      [
        ("LadderQueue", { Phold.measure(LadderQueue(), events: fewer) }),
        (simPy.name, { try simPy.measure(["\(fewer)"]) }),
      ])
    rows.append(BenchmarkRow("phold, SimPy", figures[1].map { $0 / 1e6 }, unit: "M events/s"))
    rows.append(
      BenchmarkRow(
        "phold, LadderQueue vs SimPy", zip(figures[0], figures[1]).map { $0 / $1 }, unit: "x",
        note: "faster, pair by pair"))
  }
  return rows
}

enum Phold {
  static let processes = 1_024
  static let messages = 16
  static let lookahead: Int64 = 100_000

  static func measure<Queue: EventQueue & ~Copyable>(
    _ empty: consuming Queue, events: Int
  ) -> Measurement {
    var queue = empty
    var states = (1...processes).map { Xorshift(state: UInt64($0) &* 0x9e37_79b9_7f4a_7c15) }
    for process in 0..<processes {
      for _ in 0..<messages {
        let time = SimTime(picoseconds: lookahead + states[process].exponential())
        queue.push(time, .completion, payload: UInt64(process))
      }
    }
    var checksum: UInt64 = 0
    let seconds = states.withUnsafeMutableBufferPointer { states in
      run(processes * messages * 4, on: &queue, states, &checksum)
      return secondsTaken { run(events, on: &queue, states, &checksum) }
    }
    return Measurement(figure: Double(events) / seconds, checksum: checksum)
  }

  private static func run<Queue: EventQueue & ~Copyable>(
    _ events: Int, on queue: inout Queue, _ states: UnsafeMutableBufferPointer<Xorshift>,
    _ checksum: inout UInt64
  ) {
    for _ in 0..<events {
      guard let event = queue.pop() else { return }
      let time = event.time.picoseconds
      let process = Int(truncatingIfNeeded: event.payload)
      checksum = checksum &* 31 &+ (UInt64(bitPattern: time) ^ event.payload)
      let delay = lookahead + states[process].exponential()
      queue.push(
        SimTime(picoseconds: time + delay), .completion,
        payload: states[process].state % UInt64(processes))
    }
  }
}
