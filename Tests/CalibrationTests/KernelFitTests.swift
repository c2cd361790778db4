import Foundation
import Hardware
import Models
import Statistics
import Testing

@testable import Calibration

/// The devices of the shared tables, from their data sheets.
enum MeasuredMachines {
  static let h100 = machines(bf16: 989e12, fp8: 1979e12, 3350e9, cache: 50e6, units: 132)
  static let a100 = machines(bf16: 312e12, fp8: nil, 2039e9, cache: 40e6, units: 108)
  static let h20 = machines(bf16: 148e12, fp8: 296e12, 4000e9, cache: 60e6, units: 78)

  static func machines(
    bf16: Double, fp8: Double?, _ bandwidth: Double, cache: Double, units: Int
  ) -> @Sendable (Precision) -> KernelMachine? {
    { precision in
      let peak: Double? =
        switch precision {
        case .bf16, .fp16: bf16
        case .fp8, .int8: fp8
        default: nil
        }
      return peak.map {
        KernelMachine(peak: $0, bandwidth: bandwidth, cache: cache, units: units)
      }
    }
  }
}

extension ErrorSummary {
  /// Of bare errors.
  static func median(_ errors: [Double]) -> Double { quantile(0.5, of: errors.map(abs)) ?? 0 }
  static func ninetieth(_ errors: [Double]) -> Double { quantile(0.9, of: errors.map(abs)) ?? 0 }
}

/// t = launch + work / rate: enough to see what a fit does.
struct LineLaw: KernelLaw {
  struct Work: SizedWork {
    static let sizeNames = ["size"]
    var size: Double
    var sizes: [Int] { [Int(size)] }
  }

  var launch: Double
  var rate: Double

  static let terms = [
    KernelTerm("launch", unit: "s", meaning: "Before the work.", start: 5e-6, in: 1e-7...1e-4),
    KernelTerm(
      "rate", unit: "1", meaning: "Share of the bandwidth.", start: 0.5, in: 0.1...1, scale: .linear
    ),
  ]

  init(_ values: [Double]) {
    launch = values.isEmpty ? 5e-6 : values[0]
    rate = values.count > 1 ? values[1] : 0.5
  }

  var values: [Double] { [launch, rate] }

  func parts(of work: Work, on machine: KernelMachine) -> KernelParts {
    let memory = work.size / (rate * machine.bandwidth)
    return KernelParts(launch: launch, compute: 0, memory: memory, total: launch + memory)
  }
}

@Suite("A fit of any kernel's law")
struct KernelFitTests {
  private static let machine = KernelMachine(
    peak: 1e15, bandwidth: 1e12, cache: 1e7, units: 100)

  private func rows(outliers: Bool) -> [KernelMeasurement<LineLaw.Work>] {
    var stream = RandomStream(seed: 3, name: "line")
    let law = LineLaw([12e-6, 0.8])
    return (0..<200).map { index in
      let work = LineLaw.Work(size: pow(10, 4 + 5 * Double(index) / 200))
      var time = law.parts(of: work, on: Self.machine).total
      time *= 0.98 + 0.04 * stream.uniform()
      if outliers && index % 7 == 0 { time *= 3 }
      return KernelMeasurement(
        work, on: Self.machine, time: time, family: "line", place: "made-up.csv:\(index + 2)")
    }
  }

  @Test("finds the values that made the rows", arguments: [false, true])
  func known(outliers: Bool) throws {
    let fit = try KernelFit<LineLaw>(rows(outliers: outliers))
    #expect(abs(fit.law.launch / 12e-6 - 1) < 0.02)
    #expect(abs(fit.law.rate / 0.8 - 1) < 0.02)
    #expect(ErrorSummary.median(fit.errors) < 0.02)
    #expect(fit.relativeErrors.allSatisfy { $0 > 0 && $0 < 0.05 })
    // A fifth of 200, five standard deviations of sqrt(200 x 0.16) = 5.7 allowed.
    #expect(abs(Double(fit.heldOut.count) - 40) < 28)
    #expect(fit.heldOutErrors.count == fit.heldOut.count)
  }

  @Test("keeps what is fixed")
  func fixed() throws {
    var settings = KernelFit<LineLaw>.Settings()
    settings.fixed["launch"] = 20e-6
    let fit = try KernelFit<LineLaw>(rows(outliers: false), settings)
    #expect(fit.law.launch == 20e-6 && fit.relativeErrors[0] == 0)
  }

  @Test("holds what the rows do not tell, and says so")
  func untold() throws {
    // Up to 10 B at a terabyte a second: nothing beside the launch.
    let small = rows(outliers: false).enumerated().map { index, row in
      var row = row
      row.work.size /= 1e8
      row.time = 12e-6 * (index % 2 == 0 ? 0.99 : 1.01)
      return row
    }
    let fit = try KernelFit<LineLaw>(small)
    #expect(fit.untold == ["rate"])
    #expect(fit.law.rate == LineLaw.terms[1].start && fit.relativeErrors[1] == 0)
    #expect(fit.relativeErrors[0] > 0)
    #expect(try KernelFit<LineLaw>(rows(outliers: false)).untold.isEmpty)
    // A number that was given is held for another reason.
    var settings = KernelFit<LineLaw>.Settings()
    settings.fixed["rate"] = 0.8
    #expect(try KernelFit<LineLaw>(small, settings).untold.isEmpty)
  }

  @Test("is the same each time, and holds out other rows for another seed")
  func determinism() throws {
    let rows = rows(outliers: false)
    let first = try KernelFit<LineLaw>(rows)
    let again = try KernelFit<LineLaw>(rows)
    #expect(first.law == again.law && first.heldOut == again.heldOut)
    #expect(first.heldOutErrors == again.heldOutErrors)
    var settings = KernelFit<LineLaw>.Settings()
    settings.holdOutSeed = 1
    #expect(try KernelFit<LineLaw>(rows, settings).heldOut != first.heldOut)
  }

  @Test("holds out repeated measurements of a question together")
  func repetitions() throws {
    let rows = rows(outliers: false)
    let fit = try KernelFit<LineLaw>(rows + rows)
    let works = fit.heldOut.map { (rows + rows)[$0].work }
    #expect(works.count == 2 * Set(works).count)
  }

  @Test("says when there is too little to fit")
  func tooFew() {
    #expect(throws: LeastSquaresError.tooFewResiduals(1, parameters: 2)) {
      _ = try KernelFit<LineLaw>(Array(rows(outliers: false).prefix(1)))
    }
  }
}
