import Foundation
import Statistics
import Traces

/// Replay on one core from a trace file in the page cache: 58 layers, 256 experts, top-8, as many
/// tokens as a decode step of 30,720 sequences has.
///
/// Rates in selections per second, a selection being one expert of one token in one layer, after one
/// run that warms the cache; for one thread of its processor time, so that a machine's other work does
/// not count, else of the clock's. A checksum of what was counted is compared with the first run's, so that
/// nothing can be optimised away.
func replayBenchmark(quick: Bool) throws -> [BenchmarkRow] {
  let repetitions = quick ? 3 : 9
  let file = NSTemporaryDirectory() + "switchyard-replay-\(UUID().uuidString).routing"
  defer { try? FileManager.default.removeItem(atPath: file) }
  try writeRandomTrace(to: file, sequences: 30_720, tokens: 4)
  let trace = try RoutingTrace(opening: file)
  let perToken = Double(trace.shape.selectionsPerToken)
  func row(
    _ name: String, tokens: Int, threads: Int = 1, _ body: () throws -> Int
  ) throws -> BenchmarkRow {
    let clock = threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC
    let times = try seconds(repetitions, on: clock, body)
    return BenchmarkRow(
      "replay: \(name)", times.map { Double(tokens) * perToken / $0 }, unit: "selections/s")
  }
  var rows = [
    try row("counts per (layer, expert)", tokens: trace.tokens) {
      trace.expertTokens(in: 0..<trace.tokens).enumerated().reduce(0) {
        $0 &+ $1.offset &* Int($1.element)
      }
    }
  ]
  for (devices, threads) in [(8, 1), (64, 1), (320, 1), (320, 2)] {
    let slots = try ExpertSlots.contiguous(
      layers: 58, experts: 256, devices: devices, homeDevice: Array(0..<devices))
    var counts = RoutingCounts(slots: slots)
    let batch = decodeStep(of: trace, ranks: devices)
    let name = "byte matrix, \(devices) ranks and devices, \(threads) thread"
    rows.append(
      try row(name + (threads == 1 ? "" : "s"), tokens: batch.tokens.count, threads: threads) {
        try counts.replay(batch, of: trace, threads: threads)
        return counts.sent.reduce(0) { $0 &* 31 &+ Int($1) }
      })
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

/// The times of `body`, which returns a checksum that must not change.
private func seconds(
  _ repetitions: Int, on clock: clockid_t, _ body: () throws -> Int
) throws -> [Double] {
  let expected = try body()
  return try (0..<repetitions).map { _ in
    let start = now(clock)
    let found = try body()
    let elapsed = now(clock) - start
    guard found == expected else { throw ResultChanged() }
    return elapsed
  }
}

private func now(_ clock: clockid_t) -> Double {
  var time = timespec()
  clock_gettime(clock, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}
