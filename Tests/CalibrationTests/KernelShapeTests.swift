import Foundation
import Hardware
import Testing

@testable import Calibration

@Suite("Kernels in words")
struct KernelShapeTests {
  private func refusal(_ family: KernelFamily, _ dimensions: [Int]) -> String {
    do throws(CalibrationError) {
      _ = try KernelShape(family, dimensions, type: "bf16")
      return ""
    } catch {
      return error.sentence
    }
  }

  @Test("that cannot be are refused with the reason")
  func impossible() {
    #expect(
      refusal(.experts, [64, 7168, 2048, 8, 9])
        == "no such experts kernel: top-k is 9, but there are only 8 experts to choose from")
    #expect(refusal(.experts, [64, 7168, 2048, 8, 8]) == "")
    #expect(
      refusal(.attentionDecode, [1, 1, 30, 8, 128])
        == "no such attention-decode kernel: 30 query heads cannot share 8 key heads evenly")
    #expect(
      refusal(.attentionPrompt, [1, 1, 8, 8, 5000])
        == "no such attention-prompt kernel: head-width is 5000, and 4096 is the most that is "
        + "computed here")
    #expect(
      refusal(.groupedGEMM, [1, 1 << 30, 1, 1]).hasPrefix("no such grouped-gemm kernel: exp"))
    #expect(refusal(.gemm, [1, 2]) == "gemm takes 3 whole numbers from 1: m, n, k")
  }

  @Test("give balanced experts the rows that walking over every token gives them")
  func balanced() {
    for (tokens, experts, chosen, devices) in [
      (1, 8, 2, 1), (3, 8, 2, 2), (7, 64, 6, 4), (64, 32, 8, 1), (1000, 60, 7, 5),
      (4097, 256, 8, 8),
    ] {
      let shape = ExpertsRouting.Shape(
        tokens: tokens, experts: experts, chosen: chosen, devices: devices)
      let stride = (experts + chosen - 1) / chosen
      var counts = [Int](repeating: 0, count: experts)
      for token in 0..<tokens {
        let start = tokens >= stride ? token : token * stride / tokens
        for choice in 0..<chosen { counts[(start + choice * stride) % experts] += 1 }
      }
      let loads = ExpertsRouting.balanced.loads(shape)
      let here = experts / devices
      #expect(loads.load == GroupedLoad(counts: counts[..<here]), "\(shape)")
      #expect(loads.foreign == GroupedLoad(counts: counts[here...]), "\(shape)")
    }
  }

  @Test("are judged without a fit: the same numbers, other rows' sizes and errors")
  func judged() throws {
    let law = StreamingLaw([2e-6, 1e10, 0.8, 1, 0.5])
    let machine = KernelMachine(peak: 1e15, bandwidth: 3e12, cache: 0, units: 132)
    let rows = [40_000, 100_000, 400_000].map { count in
      let work = StreamingLaw.Work(rows: count, rowBytes: 8192)
      return KernelMeasurement(
        work, on: machine, time: law.parts(of: work, on: machine).total / 1.1, family: "a b",
        place: "here")
    }
    let kernels = MeasuredKernels<StreamingLaw>.grouped(.streaming, rows) { _ in .init() }
    let entry = KernelCalibration(
      name: "x", device: "h100-sxm", family: .streaming, kernel: "a b", values: law.values,
      fit: .init(
        date: "2026-11-21", rows: 9, median: 0, ninetieth: 0, worst: 0, heldOut: 2,
        heldOutMedian: 0.25, heldOutNinetieth: 0.5), citation: "a test")
    let judged = entry.judged(by: try #require(kernels.first))
    #expect(judged.values == entry.values && judged.fit.heldOutMedian == 0.25)
    #expect(judged.measured == [40_000...400_000, 8192...8192])
    #expect(judged.fit.rows == 3 && abs(judged.fit.median - 0.1) < 1e-9)
    // 40,000 rows at 2.4 TB/s take 137 us, 400,000 1.37 ms; a tenth less was measured.
    #expect(judged.fit.decades.map(\.exponent) == [-4, -3])
    #expect(judged.fit.decades.map(\.rows) == [2, 1])
  }

  @Test("that ship are the file that calibrate writes")
  func shippedFile() throws {
    let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
      "../../Sources/Hardware/Catalogue/kernels.yaml"
    ).standardizedFileURL.path
    let written = KernelEntries(try HardwareCatalogue.load().kernels).yaml
    #expect(try String(contentsOfFile: path, encoding: .utf8) == written)
  }
}
