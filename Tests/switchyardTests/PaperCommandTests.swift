import Foundation
import Testing

@Suite("switchyard validate papers")
struct PaperCommandTests {
  let bench: Workbench

  init() throws {
    bench = try Workbench()
    try bench.scenario("workload: {routing: {phase: decode}, batch: 8}")
  }

  private func expect(_ published: String, of quality: String = "iteration-time") throws {
    try bench.write(
      """
      system: Quickstart
      figures:
        - name: iteration
          published: \(published)
          simulated: {value: scenario.yaml, of: \(quality)}
          tolerance: 1 %
          source: nowhere
          unknown: everything
      """, to: "expected.yaml")
  }

  /// The run's own iteration time.
  private func iterationSeconds() throws -> Double {
    struct Summary: Decodable {
      struct Iteration: Decodable { var meanSeconds: Double }
      var iteration: Iteration
    }
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let text = try bench.output(of: "run", "scenario.yaml", "--json")
    return try decoder.decode(Summary.self, from: Data(text.utf8)).iteration.meanSeconds
  }

  @Test("A figure that the run's own number meets is met, and one beside it is missed")
  func verdicts() throws {
    let seconds = try iterationSeconds()
    try expect("\(seconds * 1e6) us")
    let met = try bench.run(["validate", "papers", ".", "--strict"])
    #expect(met.exitCode == 0)
    #expect(met.output.contains("1 of 1 figure met, from 1 run\n"), "\(met.output)")
    #expect(met.output.contains("  - Quickstart, iteration: everything"))
    try expect("\(seconds * 1.02e6) us")
    let missed = try bench.run(["validate", "papers", "."])
    #expect(missed.exitCode == 0)
    #expect(missed.output.contains("-2.0 %"), "\(missed.output)")
    #expect(missed.output.contains("0 of 1 figure met"))
    let strict = try bench.run(["validate", "papers", ".", "--strict", "--markdown"])
    #expect(strict.exitCode == 1)
    #expect(strict.output.contains("| missed | nowhere |"))
    #expect(strict.errors.hasSuffix("switchyard: 1 figure is missed\n"))
  }

  @Test("Bad input is told in a sentence, with exit code 2")
  func badInput() throws {
    #expect(try bench.refusal("validate", "papers") == "scenarios/papers:1:1: no such folder")
    #expect(
      try bench.refusal("validate", "papers", ".")
        == ".:1:1: the folder holds no expected.yaml, which says what a paper's scenarios are held to"
    )
    try expect("1 ms", of: "{stage: dense feed-forward}")
    #expect(
      try bench.refusal("validate", "papers", ".").hasSuffix(
        "expected.yaml:5:24: the run of 'scenario.yaml' has no stage 'dense feed-forward'"))
    #expect(
      try bench.usageError("validate", "papers", ".", "--json", "--markdown")
        == "Error: --json and --markdown exclude each other; give one")
  }

  @Test("Help lists every metric")
  func help() throws {
    let text = try bench.output(of: "validate", "papers", "--help")
    for metric in ["throughput ", "iteration-time-p99 ", "energy-per-token ", "{stage: experts}"] {
      #expect(text.contains(metric), "\(metric)")
    }
  }
}
