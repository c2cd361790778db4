import Testing
import Units

@testable import Validation

@Suite("What is computed from runs")
struct ArithmeticTests {
  let folder: PaperFolder

  init() throws { folder = try PaperFolder() }

  /// Figures of a new run of 20 ms and an old one of 80 ms an iteration.
  private func rows(
    _ figures: [(simulated: String, published: String, tolerance: String)]
  ) throws -> [PaperValidation.Row] {
    try folder.expect(
      figures.enumerated().map { index, figure in
        PaperFolder.figure(
          figure.simulated, published: figure.published, tolerance: figure.tolerance,
          name: "figure \(index)")
      }.joined())
    return try folder.validation([
      "new": summary(milliseconds: 20, joules: 8), "old": summary(milliseconds: 80, joules: 2),
    ]).rows
  }

  private func hold(_ figures: [(simulated: String, published: String, value: Double)]) throws {
    let rows = try rows(figures.map { ($0.simulated, $0.published, "1 %") })
    try #require(rows.count == figures.count)
    for (row, figure) in zip(rows, figures) {
      #expect(abs(row.simulated / figure.value - 1) < 1e-12, "\(figure.simulated)")
    }
  }

  @Test("A value is the run's own, in the metric's unit")
  func values() throws {
    // 64 tokens in 20 ms on 2 devices, and one for each of 64 sequences.
    let expected: [(metric: String, published: String, value: Double)] = [
      ("throughput", "1 tokens/s", 3200), ("throughput-per-device", "1 tokens/s", 1600),
      ("iteration-time", "1 ms", 0.02), ("iteration-time-p50", "1 ms", 0.015),
      ("iteration-time-p99", "1 ms", 0.04), ("time-per-token", "1 ms", 0.02),
      // 8 J in 10 iterations of 64 tokens.
      ("energy", "1 J", 0.8), ("energy-per-token", "1 mJ", 0.0125),
      // 2.5 ms of experts, and nobody waits for a combine.
      ("experts-time", "1 ms", 0.0025), ("device-utilisation", "1 %", 40),
      ("{stage: experts}", "1 ms", 0.0025), ("{stage: waiting}", "1 ms", 0.0175),
    ]
    #expect(expected.dropLast(2).map(\.metric) == Metric.allCases.map(\.rawValue))
    try hold(
      expected.map {
        (simulated: "{value: new.yaml, of: \($0.metric)}", published: $0.published, value: $0.value)
      })
  }

  @Test("Ratio, reduction and gain have the new run first")
  func pairs() throws {
    let times = "[new.yaml, old.yaml], of: iteration-time}"
    try hold([
      ("{ratio: [new.yaml, old.yaml], of: throughput}", "1", 4),
      ("{gain: [new.yaml, old.yaml], of: throughput}", "1 %", 300),
      // A quarter of the time is three quarters less.
      ("{reduction: " + times, "1 %", 75), ("{gain: " + times, "-1 %", -75),
    ])
  }

  @Test("Mean and maximum are of figures, also of each other")
  func several() throws {
    let ratio = "{ratio: [new.yaml, old.yaml], of: throughput}"  // 4
    let inverse = "{ratio: [old.yaml, new.yaml], of: throughput}"  // 1/4
    try hold([
      ("{mean: [\(ratio), \(inverse)]}", "1", 2.125),
      ("{maximum: [\(inverse), \(ratio)]}", "1", 4),
      ("{maximum: [{mean: [\(ratio), \(ratio), \(inverse)]}, \(inverse)]}", "1", 2.75),
    ])
  }

  @Test("A tolerance of per cent is relative, one of points is absolute")
  func tolerances() throws {
    // The gain is 300 %.
    let gain = "{gain: [new.yaml, old.yaml], of: throughput}"
    let cases: [(published: String, tolerance: String, error: Double, isMet: Bool)] = [
      ("280 %", "7 %", 300.0 / 280 - 1, false), ("280 %", "8 %", 300.0 / 280 - 1, true),
      ("280 %", "19 points", 20, false), ("280 %", "21 points", 20, true),
      ("310 %", "9 points", -10, false), ("0 %", "301 points", 300, true),
    ]
    let rows = try rows(cases.map { (gain, $0.published, $0.tolerance) })
    try #require(rows.count == cases.count)
    for (row, expected) in zip(rows, cases) {
      #expect(abs(row.error - expected.error) < 1e-9, "\(expected)")
      #expect(row.isMet == expected.isMet, "\(expected)")
    }
  }

  @Test("Errors are written with their sign, and none where they round to nothing")
  func errorText() {
    #expect(Tolerance.relative(0.1).text(ofError: 0.0316) == "+3.2 %")
    #expect(Tolerance.relative(0.1).text(ofError: -0.0004) == "0.0 %")
    #expect(Tolerance.points(5).text(ofError: -0.44) == "-0.4 points")
    #expect(Tolerance.relative(0.125).text == "12.5 %")
  }
}
