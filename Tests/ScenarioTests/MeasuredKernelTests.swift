import Testing

@testable import Scenario

@Suite("A scenario on a device whose relative's kernels were measured")
struct MeasuredKernelTests {
  let folder: ScenarioFolder

  init() throws {
    folder = try ScenarioFolder()
    try folder.write(
      "kernels.yaml",
      """
      sources: {nowhere: a test}
      kernels:
        test-h100-add:
          source: nowhere
          device: h100-sxm
          family: streaming
          kernel: add
          terms: {launch: 2e-06 s, row: 1e10 B/s, memory: 0.6, cache-speed: 1.0, cache-share: 0.6}
          fit: {date: '2026-11-21', rows: 1, median: 0, ninetieth: 0, worst: 0, held-out: 0,
            held-out-median: 0, held-out-ninetieth: 0}
      """)
  }

  @Test("names the relative, once")
  func remark() throws {
    let catalogue = "name: Tiny\ncatalogue: [kernels.yaml]"
    let remark = "uncalibrated: kernels of h100-sxm"
    let relative = try folder.load(
      replacing: ["name: Tiny": catalogue, "1 x dgx-h100": "1 x hgx-h20"])
    #expect(relative.remarks.filter { $0 == remark }.count == 1)
    let own = try folder.load(replacing: ["name: Tiny": catalogue])
    #expect(!own.remarks.contains(remark))
  }

  @Test("says once a family which of its sizes lie outside what was measured")
  func outside() throws {
    // The gate has 8 columns, an expert is 64 wide: narrower than any that was measured.
    func outside(_ batch: Int) throws -> [String] {
      try folder.load(replacing: ["batch: 4": "batch: \(batch)"]).remarks
        .filter { $0.hasPrefix("outside what was measured of ") }
    }
    let few = try outside(4)
    #expect(few.count == Set(few.map { $0.prefix { $0 != ":" } }).count)
    #expect(few.contains { $0.contains("gemm: ") && $0.contains("n 8 is below ") })
    #expect(few.contains { $0.contains("experts: ") && $0.contains("hidden 64 is below ") })
    #expect(!few.contains { $0.contains("rows 131072 is above") })
    #expect(try outside(131_072).contains { $0.contains("rows 131072 is above") })
  }
}
