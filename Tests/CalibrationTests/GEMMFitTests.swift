import Foundation
import Hardware
import Statistics
import Testing

@testable import Calibration

@Suite("Dense multiplications in tables")
struct GEMMFitTests {
  private static let header = "version,device,kernel_source,gemm_dtype,m,n,k,latency\n"

  private func rows(
    _ text: String
  ) throws(CalibrationError) -> [KernelMeasurement<GEMMWork>] {
    try MeasurementTable(text: text, file: "made-up.csv").gemmMeasurements(
      on: MeasuredMachines.h100)
  }

  @Test("are read with the words of the table")
  func reading() throws {
    let rows = try rows(
      Self.header
        + "1,H100,linear,bfloat16,64,7168,2048,0.0131\n1,H100,Cutlass,fp8,3,128,64,0.005\n")
    #expect(rows.count == 2)
    #expect(rows[0].work.m == 64 && rows[0].work.n == 7168 && rows[0].work.k == 2048)
    #expect(rows[0].work.tiling == .best && !rows[0].work.quantises)
    // Six layers of 7168 x 2048 x 2 bytes, one input and one output.
    let weights: Double = 7168 * 2048 * 2
    let bytes = 6 * weights + Double(64 * (2048 + 7168) * 2)
    #expect(rows[0].work.weightReuse == bytes)
    #expect(abs(rows[0].time - 13.1e-6) < 1e-12 && rows[0].family == "linear bfloat16")
    #expect(rows[1].work.tiling == .byRows && rows[1].work.quantises)
    #expect(rows[1].machine.peak == 1979e12 && rows[1].place == "made-up.csv:3")
    let other = try self.rows("m,k,n,latency_us,mfu\n16,2048,6144,10.63,0.127\n")
    #expect(other[0].work.n == 6144 && other[0].work.k == 2048)
    #expect(abs(other[0].time - 10.63e-6) < 1e-12)
  }

  @Test(
    "that cannot be right are refused with the line",
    arguments: [
      (
        "1,H100,linear,bf15,64,7168,2048,0.01\n",
        "made-up.csv:2: 'gemm_dtype' is 'bf15'; it must be one of bfloat16, float16, fp8, "
          + "fp8_block, fp8_kernel, int4_wo, int8, int8_wo"
      ),
      (
        "1,H100,linear,fp8,0,7168,2048,0.01\n",
        "made-up.csv:2: 'm' is '0'; it must be a whole number from 1 to 16777216"
      ),
      (
        "1,H100,linear,fp8,64,7168,2048,nan\n",
        "made-up.csv:2: 'latency' is 'nan'; it must be a number from 1e-06 to 1000000.0"
      ),
    ])
  func refusal(row: String, sentence: String) {
    var message = ""
    do { _ = try rows(Self.header + row) } catch { message = error.sentence }
    #expect(message == sentence)
  }

  @Test("of a device without a rate are refused")
  func noRate() {
    var message = ""
    do {
      _ = try MeasurementTable(
        text: Self.header + "1,A100,linear,fp8,64,7168,2048,0.01\n", file: "made-up.csv"
      ).gemmMeasurements(on: MeasuredMachines.a100)
    } catch { message = error.sentence }
    #expect(
      message
        == "made-up.csv:2: the device has no rate for fp8, or the catalogue does not say how many "
        + "compute units it has")
  }

  @Test("give back the law that made them")
  func known() throws {
    var law = GEMMLaw([])
    law.launch = 3e-6
    law.tensorFraction = 0.8
    law.memoryFraction = 0.85
    law.overlapLoss = 0.15
    law.host = 1e-9
    var stream = RandomStream(seed: 5, name: "gemm")
    var text = Self.header
    let machine = try #require(MeasuredMachines.h100(.bf16))
    for m in [1, 16, 100, 512, 2048, 8192] {
      for n in [64, 512, 2048, 7168, 16_384] {
        for k in [64, 512, 2048, 7168, 16_384] {
          var work = GEMMWork(m: m, n: n, k: k)
          let other = 2 * Double(m * k + m * n)
          work.weightReuse = 12 * Double(n * k) + other
          let time = law.parts(of: work, on: machine).total * (0.99 + 0.02 * stream.uniform())
          text += "1,H100,linear,bfloat16,\(m),\(n),\(k),\(time * 1e3)\n"
        }
      }
    }
    let rows = try rows(text)
    var settings = KernelFit<GEMMLaw>.Settings(telling: rows)
    settings.searches = 1
    settings.mostIterations = 20
    // What the rows were made with and few of them show.
    for (term, value) in zip(GEMMLaw.terms, law.values)
    where !["launch", "tensor-fraction", "memory-fraction", "overlap-loss"].contains(term.key) {
      settings.fixed[term.key] = value
    }
    let fit = try KernelFit<GEMMLaw>(rows, settings)
    #expect(abs(fit.law.launch / 3e-6 - 1) < 0.02)
    #expect(abs(fit.law.tensorFraction / 0.8 - 1) < 0.02)
    #expect(abs(fit.law.memoryFraction / 0.85 - 1) < 0.02)
    #expect(abs(fit.law.overlapLoss - 0.15) < 0.03)
    #expect(ErrorSummary.median(fit.heldOutErrors) < 0.01)
  }

  struct Goal: Sendable {
    var file: String
    var source: String
    var isA100 = false
    var median: Double
    var ninetieth: Double
  }

  /// A part of the rows keeps debug builds fast; the limits leave room for fewer rows.
  @Test(
    "of the shared tables are met where they were not fitted",
    .enabled(if: SharedMeasurements.isPresent, Comment(rawValue: SharedMeasurements.absence)),
    arguments: [
      Goal(file: "h100_sxm", source: "torch", median: 0.06, ninetieth: 0.17),
      Goal(file: "h100_sxm", source: "Cutlass", median: 0.07, ninetieth: 0.2),
      Goal(file: "h100_sxm", source: "DeepGemm", median: 0.075, ninetieth: 0.18),
      Goal(file: "a100_sxm", source: "vllm", isA100: true, median: 0.085, ninetieth: 0.25),
    ])
  func shared(goal: Goal) throws {
    let all = try MeasurementTable(
      reading: "\(SharedMeasurements.folder)/\(goal.file)/gemm.csv.xz"
    ).gemmMeasurements(on: goal.isA100 ? MeasuredMachines.a100 : MeasuredMachines.h100)
    let family = all.filter { $0.family.hasPrefix(goal.source) }
    var stream = RandomStream(seed: 1, name: "subset")
    let rows = family.filter { _ in stream.uniform() * Double(family.count) < 350 }
    var settings = KernelFit<GEMMLaw>.Settings(telling: rows)
    settings.searches = 1
    settings.mostIterations = 10
    let fit = try KernelFit<GEMMLaw>(rows, settings)
    #expect(ErrorSummary.median(fit.heldOutErrors) < goal.median)
    #expect(ErrorSummary.ninetieth(fit.heldOutErrors) < goal.ninetieth)
  }
}
