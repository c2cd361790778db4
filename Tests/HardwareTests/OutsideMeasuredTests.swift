import Foundation
import Hardware
import Models
import Testing

@Suite("What lies outside what was measured")
struct OutsideMeasuredTests {
  /// m 16 to 4096, n 64 to 8192, k 64 to 8192.
  private var entry: KernelCalibration {
    var entry = KernelLawsTests.entry(.gemm, "a bfloat16", KernelLawsTests.linear)
    entry.measured = [16...4096, 64...8192, 64...8192]
    return entry
  }

  private func laws(_ kernels: [KernelCalibration]) throws -> KernelLaws {
    var device = try Shipped.catalogue().device(named: "h100-sxm")
    device.kernels = kernels
    return try #require(KernelLaws(device, Precisions(.bf16)))
  }

  private func gemm(_ m: Int, _ n: Int, _ k: Int) -> KernelWork {
    .gemm(GEMMWork(m: m, n: n, k: k))
  }

  @Test("is said of each size, with the end that it lies beyond")
  func sentence() {
    #expect(
      entry.outside(gemm(3, 100, 10_000)).remarks == [
        "outside what was measured of gemm: m 3 is below 16, k 10000 is above 8192"
      ])
    for inside in [gemm(16, 64, 64), gemm(4096, 8192, 8192)] {
      #expect(entry.outside(inside).isEmpty)
    }
    var silent = entry
    silent.measured = []
    #expect(silent.outside(gemm(1, 1, 1)).isEmpty)
  }

  @Test("is said once a family, by what lies farthest out")
  func once() {
    var outside = OutsideMeasured()
    for m in [5, 3, 9, 5000, 6000] { outside.add(entry.outside(gemm(m, 64, 64))) }
    #expect(
      outside.remarks == [
        "outside what was measured of gemm: m 3 is below 16, m 6000 is above 4096"
      ])
  }

  @Test("is found of a model's operators and of experts' loads")
  func operators() throws {
    var experts = KernelLawsTests.entry(.experts, "b bfloat16", KernelLawsTests.experts)
    experts.measured = [1...1000, 1...8, 1024...8192, 512...16_384]
    let laws = try laws([entry, experts])
    let small = Operator(.router, .gemm(GEMM(m: 64, n: 8, k: 4096)), Precisions(.bf16))
    #expect(
      laws.outside(small, rows: 64).remarks == [
        "outside what was measured of gemm: n 8 is below 64"
      ])
    // No law, no range: the roofline says so itself.
    let norm = Operator(
      .normalization, .elementwise(Elementwise(read: 64, written: 64, flops: 1)),
      Precisions(.bf16))
    #expect(laws.outside(norm, rows: 64).isEmpty)
    let load = GroupedLoad(counts: [700, 700])
    #expect(
      laws.outside(ofExperts: load, chosen: 1, experts: 8, hidden: 4096, intermediate: 512)
        .remarks == ["outside what was measured of experts: rows 1400 is above 1000"])
  }

  @Test("cannot be read from ranges that are none")
  func badRanges() throws {
    func problems(_ measured: String) throws -> String {
      let text = """
        kernels:
          mine:
            source: nowhere
            device: a40
            family: streaming
            kernel: add
            terms: {launch: 2e-06 s, row: 1e10 B/s, memory: 0.6, cache-speed: 1.0, cache-share: 0.6}
            measured: \(measured)
            fit: {date: '2026-11-21', rows: 1, median: 0, ninetieth: 0, worst: 0, held-out: 0,
              held-out-median: 0, held-out-ninetieth: 0}
        sources: {nowhere: a test}
        """
      let path = FileManager.default.temporaryDirectory
        .appendingPathComponent("measured-\(UUID().uuidString).yaml").path
      defer { try? FileManager.default.removeItem(atPath: path) }
      try text.write(toFile: path, atomically: true, encoding: .utf8)
      do {
        _ = try HardwareCatalogue.load(extraFiles: [path])
        return ""
      } catch {
        return "\(error)"
      }
    }
    #expect(try problems("{rows: 1 to 8, bytes-of-a-row: 2 to 64}") == "")
    #expect(
      try problems("{rows: 8 to 1, bytes-of-a-row: 2 to 64}")
        .contains("'rows' is '8 to 1'; write it like '1 to 32768'"))
    #expect(try problems("{rows: 1 to 8}").contains("'bytes-of-a-row'"))
    #expect(try problems("{rows: 1 to 8, bytes-of-a-row: 2 to 64, m: 1 to 2}").contains("'m'"))
  }
}
