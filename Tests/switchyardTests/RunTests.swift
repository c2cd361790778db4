import Foundation
import Testing

/// What these tests read of `run --json`.
private struct Summary: Decodable {
  struct Stage: Decodable {
    var stage: String
    var share: Double
    var meanDeviceSecondsPerIteration: Double
  }
  struct Iteration: Decodable { var meanSeconds: Double }
  struct Layer: Decodable { var tokenExpertPairs: Int }

  var stages: [Stage]
  var layers: [Layer]
  var iteration: Iteration
  var tokens: Int
  var measuredSeconds: Double
  var measuredIterations: Int
  var tokensPerSecond: Double
  var tokensPerSecondPerDevice: Double
  var seed: Int
  var traceIsSynthetic: Bool
  var remarks: [String]

  init(_ text: String) throws {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    self = try decoder.decode(Summary.self, from: Data(text.utf8))
  }
}

@Suite("switchyard run")
struct RunTests {
  let bench: Workbench

  init() throws { bench = try Workbench() }

  @Test("The quickstart prints its summary on standard output and writes no file")
  func summary() throws {
    let text = try bench.output(of: "run", Workbench.quickstart)
    let lines = text.split(separator: "\n")
    #expect(
      lines.first == "Quickstart, DeepSeek-V2-Lite cut to eight layers, decode on one DGX H100")
    #expect(lines.contains("50 iterations measured after 5 of warm-up; seed 1; version 0.1.0"))
    for words in [
      "throughput ", "tokens/s per device", "  attention ", "  gate ", "  dispatch ", "  experts ",
      "  combine ", "  waiting ", "bound by", "load of the most loaded device", "utilisation ",
      "energy ",
      "  - sequences are drawn with replacement: the trace has 300 with decode tokens, the batch "
        + "needs 1024",
    ] { #expect(text.contains(words), "\(words)") }
    #expect(!text.contains("synthetic"))
    #expect(try bench.contents == [])
  }

  @Test("The parts of every device add up with microbatches, streams and guesses as well")
  func sharesOfMicrobatches() throws {
    // A run ends with an error where a device's parts do not add up to its time.
    try bench.scenario()
    for batching in [
      "{kind: static, microbatches: 2}",
      "{kind: static, microbatches: 3, streams: {attention: 88, experts: 44}}",
    ] {
      let summary = try Summary(
        bench.output(
          of: "run", "scenario.yaml", "--json", "--set", "policies.batching=\(batching)", "--set",
          "workload.speculation={tokens: 2, acceptance: 60 %}"))
      #expect(abs(summary.stages.reduce(0) { $0 + $1.share } - 1) < 1e-9)
      let exchanges = summary.stages.filter { $0.stage == "dispatch" || $0.stage == "combine" }
      #expect(exchanges.count == 2)
      // Tokens of each iteration: 1 + 0.6 + 0.36 for each sequence, of which one in three is brought.
      let brought = Double(summary.layers[0].tokenExpertPairs) / 6
      #expect(abs(Double(summary.tokens) / (brought / 3) / 1.96 - 1) < 1e-3)
    }
  }

  @Test("The shares of stages and waiting add up to the whole iteration")
  func shares() throws {
    try bench.scenario()
    let summary = try Summary(bench.output(of: "run", "scenario.yaml", "--json"))
    #expect(abs(summary.stages.map(\.share).reduce(0, +) - 1) < 1e-9)
    let seconds = summary.stages.map(\.meanDeviceSecondsPerIteration).reduce(0, +)
    #expect(abs(seconds / summary.iteration.meanSeconds - 1) < 1e-9)
    #expect(summary.stages.last?.stage == "waiting")
  }

  @Test("Tokens per second are the tokens over the measured time")
  func throughput() throws {
    try bench.scenario()
    let summary = try Summary(bench.output(of: "run", "scenario.yaml", "--json"))
    // 3 iterations of one new token for each of 128 sequences in each of 8 groups.
    #expect(summary.measuredIterations == 3)
    #expect(summary.tokens == 3 * 128 * 8)
    let rate = Double(summary.tokens) / summary.measuredSeconds
    #expect(abs(summary.tokensPerSecond / rate - 1) < 1e-12)
    #expect(abs(summary.tokensPerSecondPerDevice * 8 / rate - 1) < 1e-12)
    #expect(abs(summary.iteration.meanSeconds * 3 / summary.measuredSeconds - 1) < 1e-12)
    // Every token goes to 6 experts in each of the 8 layers.
    #expect(
      summary.layers.map(\.tokenExpertPairs) == Array(repeating: summary.tokens * 6, count: 8))
  }

  @Test("--layers lists every layer in the place of --json's")
  func layers() throws {
    try bench.scenario()
    let short = try bench.output(of: "run", "scenario.yaml")
    let long = try bench.output(of: "run", "scenario.yaml", "--layers")
    let added = Set(long.split(separator: "\n")).subtracting(short.split(separator: "\n"))
    #expect(added.count == 9)  // 8 layers and the heads of the columns
  }

  @Test("--seed and --set change the run and nothing else does")
  func changes() throws {
    try bench.scenario()
    let first = try bench.output(of: "run", "scenario.yaml", "--json")
    #expect(try bench.output(of: "run", "scenario.yaml", "--json") == first)
    let seeded = try Summary(bench.output(of: "run", "scenario.yaml", "--json", "--seed", "2"))
    #expect(seeded.seed == 2)
    #expect(seeded.measuredSeconds != (try Summary(first)).measuredSeconds)
    let halved = try Summary(
      bench.output(of: "run", "scenario.yaml", "--json", "--set", "workload.batch=64"))
    #expect(halved.tokens == 3 * 64 * 8)
  }
}
