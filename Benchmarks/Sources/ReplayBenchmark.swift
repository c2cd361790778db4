import Foundation
import Statistics
import Traces

/// Replay on one core from a trace file in the page cache: 58 layers, 256 experts, top-8, as many
/// tokens as a decode step of 30,720 sequences has.
///
/// Each figure is the median of `repetitions` runs after one that warms the cache: of the thread's own
/// time for one thread, so that a machine's other work does not count, else of the clock's. A checksum of what
/// was counted is compared with the first run's, so that nothing can be optimised away. Selections
/// are tokens x layers x top-k.
///
/// - Returns: `(name, value, unit)` rows; rates in selections per second.
func replayBenchmark(
  repetitions: Int = 9
) throws -> [(name: String, value: Double, unit: String)] {
  let file = NSTemporaryDirectory() + "switchyard-replay-\(UUID().uuidString).routing"
  defer { try? FileManager.default.removeItem(atPath: file) }
  try writeRandomTrace(to: file, sequences: 30_720, tokens: 4)
  let trace = try RoutingTrace(opening: file)
  let perToken = Double(trace.shape.selectionsPerToken)
  var rows: [(name: String, value: Double, unit: String)] = []

  let counting = try medianSeconds(repetitions) {
    trace.expertTokens(in: 0..<trace.tokens).enumerated().reduce(0) {
      $0 &+ $1.offset &* Int($1.element)
    }
  }
  rows.append(
    (
      "replay: counts per (layer, expert)", Double(trace.tokens) * perToken / counting,
      "selections/s"
    ))

  for devices in [8, 64, 320] {
    for threads in devices == 320 ? [1, 2] : [1] {
      let slots = try ExpertSlots.contiguous(
        layers: 58, experts: 256, devices: devices, homeDevice: Array(0..<devices))
      var counts = RoutingCounts(slots: slots)
      let batch = decodeStep(of: trace, ranks: devices)
      let seconds = try medianSeconds(
        repetitions, on: threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC
      ) {
        try counts.replay(batch, of: trace, threads: threads)
        return counts.sent.reduce(0) { $0 &* 31 &+ Int($1) }
      }
      rows.append(
        (
          "replay: byte matrix, \(devices) ranks and devices, \(threads) thread"
            + (threads == 1 ? "" : "s"), Double(batch.tokens.count) * perToken / seconds,
          "selections/s"
        ))
    }
  }
  return rows
}

/// One token of each of 30,720 sequences, divided among ranks.
private func decodeStep(of trace: RoutingTrace, ranks: Int) -> ReplayBatch {
  var stream = RandomStream(seed: 1, name: "replay benchmark: step")
  let tokens = trace.sequences.map { $0.firstToken + stream.below($0.tokens) }
  return ReplayBatch(
    ranks: (0..<ranks).map { rank in
      Array(tokens[tokens.count * rank / ranks..<tokens.count * (rank + 1) / ranks])
    })
}

/// Uniform selections: what they are does not matter to the speed, their spread over experts does.
private func writeRandomTrace(to file: String, sequences: Int, tokens: Int) throws {
  let shape = try RoutingShape(
    model: "uniform", layerIDs: Array(3..<61), experts: 256, topK: 8)
  let writer = try RoutingTraceWriter(
    to: file, shape: shape, origin: .synthetic, provenance: "uniform selections for a benchmark")
  var stream = RandomStream(seed: 1, name: "replay benchmark")
  var ids = [UInt16](repeating: 0, count: tokens * shape.selectionsPerToken)
  for sequence in 0..<sequences {
    for row in stride(from: 0, to: ids.count, by: 8) {
      // Eight distinct experts: an odd step from a random one.
      let bits = stream.next()
      for choice in 0..<8 {
        ids[row + choice] = UInt16((bits >> 8 &+ UInt64(choice) &* (bits & 255 | 1)) & 255)
      }
    }
    try writer.append(
      sequence: "\(sequence)", prefillTokens: 0, decodeTokens: tokens, selections: ids)
  }
  try writer.finish()
}

private struct ResultChanged: Error {}

/// The median time of `body`, which returns a checksum that must not change.
private func medianSeconds(
  _ repetitions: Int, on clock: clockid_t = CLOCK_THREAD_CPUTIME_ID, _ body: () throws -> Int
) throws -> Double {
  let expected = try body()
  var times: [Double] = []
  for _ in 0..<repetitions {
    let start = seconds(on: clock)
    let found = try body()
    times.append(seconds(on: clock) - start)
    guard found == expected else { throw ResultChanged() }
  }
  return quantile(0.5, of: times) ?? 0
}

private func seconds(on clock: clockid_t) -> Double {
  var time = timespec()
  clock_gettime(clock, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}
