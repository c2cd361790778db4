import Testing
import Units

@testable import Validation

@Suite("What is computed from runs")
struct ArithmeticTests {
  let folder: PaperFolder

  init() throws { folder = try PaperFolder() }

  /// One figure of a new run of 20 ms and an old one of 80 ms an iteration.
  private func simulated(_ simulated: String, published: String) throws -> Double {
    try folder.expect(PaperFolder.figure(simulated, published: published))
    let validation = try folder.validation([
      "new": summary(milliseconds: 20, joules: 8), "old": summary(milliseconds: 80, joules: 2),
    ])
    return try #require(validation.rows.first).simulated
  }

  @Test("A value is the run's own, in the metric's unit")
  func values() throws {
    // 64 tokens in 20 ms on 2 devices, and one for each of 64 sequences.
    let expected: [(String, String, Double)] = [
      ("throughput", "1 tokens/s", 3200), ("throughput-per-device", "1 tokens/s", 1600),
      ("iteration-time", "1 ms", 0.02), ("iteration-time-p50", "1 ms", 0.015),
      ("iteration-time-p99", "1 ms", 0.04), ("time-per-token", "1 ms", 0.02),
      // 8 J in 10 iterations of 64 tokens.
      ("energy", "1 J", 0.8), ("energy-per-token", "1 mJ", 0.0125),
      // 2.5 ms of experts, and nobody waits for a combine.
      ("experts-time", "1 ms", 0.0025),
      ("{stage: experts}", "1 ms", 0.0025), ("{stage: waiting}", "1 ms", 0.0175),
    ]
    for (metric, published, value) in expected {
      let found = try simulated("{value: new.yaml, of: \(metric)}", published: published)
      #expect(abs(found / value - 1) < 1e-12, "\(metric)")
    }
    let metrics = expected.dropLast(2).map(\.0)
    #expect(metrics == Metric.allCases.map(\.rawValue))
  }

  @Test("Ratio, reduction and gain have the new run first")
  func pairs() throws {
    let pair = "[new.yaml, old.yaml], of: throughput}"
    #expect(abs(try simulated("{ratio: " + pair, published: "1") - 4) < 1e-12)
    #expect(abs(try simulated("{gain: " + pair, published: "1 %") - 300) < 1e-9)
    // A quarter of the time is three quarters less.
    let times = "[new.yaml, old.yaml], of: iteration-time}"
    #expect(abs(try simulated("{reduction: " + times, published: "1 %") - 75) < 1e-9)
    #expect(abs(try simulated("{gain: " + times, published: "-1 %") + 75) < 1e-9)
  }

  @Test("Mean and maximum are of figures, also of each other")
  func several() throws {
    let ratio = "{ratio: [new.yaml, old.yaml], of: throughput}"  // 4
    let inverse = "{ratio: [old.yaml, new.yaml], of: throughput}"  // 1/4
    #expect(try simulated("{mean: [\(ratio), \(inverse)]}", published: "1") == 2.125)
    #expect(try simulated("{maximum: [\(inverse), \(ratio)]}", published: "1") == 4)
    let nested = "{maximum: [{mean: [\(ratio), \(ratio), \(inverse)]}, \(inverse)]}"
    #expect(try simulated(nested, published: "1") == 2.75)
  }

  @Test("A tolerance of per cent is relative, one of points is absolute")
  func tolerances() throws {
    // The gain is 300 %.
    let gain = "{gain: [new.yaml, old.yaml], of: throughput}"
    let cases: [(String, String, Double, Bool)] = [
      ("280 %", "7 %", 300.0 / 280 - 1, false), ("280 %", "8 %", 300.0 / 280 - 1, true),
      ("280 %", "19 points", 20, false), ("280 %", "21 points", 20, true),
      ("310 %", "9 points", -10, false), ("0 %", "301 points", 300, true),
    ]
    for (published, tolerance, error, isMet) in cases {
      try folder.expect(PaperFolder.figure(gain, published: published, tolerance: tolerance))
      let validation = try folder.validation([
        "new": summary(milliseconds: 20), "old": summary(milliseconds: 80),
      ])
      let row = try #require(validation.rows.first)
      #expect(abs(row.error - error) < 1e-9, "\(published) \(tolerance)")
      #expect(row.isMet == isMet, "\(published) \(tolerance)")
      #expect(validation.missed == (isMet ? 0 : 1))
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
