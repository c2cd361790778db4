import Hardware
import Testing

@Suite("The law of expert layers")
struct FusedExpertsLawTests {
  static let machine = GEMMLawTests.machine
  static let law = FusedExpertsLaw([])

  /// 256 experts, 8 for each token, all here: DeepSeek-V3's layer.
  private func layer(_ counts: [Int], tiling: GroupedTiling = .best) -> FusedExpertsWork {
    FusedExpertsWork(
      tokens: counts.reduce(0, +) / 8, chosen: 8, hidden: 7168, intermediate: 2048,
      load: GroupedLoad(counts: counts), tiling: tiling)
  }

  private func time(_ work: FusedExpertsWork) -> Double {
    Self.law.parts(of: work, on: Self.machine).total
  }

  @Test("counts tiles expert by expert")
  func load() {
    // 17 rows: 2, 1, 1, 1 tiles; 3 rows: 1 each; 129 rows: 9, 5, 3, 2.
    let load = GroupedLoad(counts: [17, 0, 3, 129, -4])
    #expect(load.rows == 149 && load.active == 3)
    #expect(load.blocks16 == 12 && load.blocks32 == 7)
    #expect(load.blocks64 == 5 && load.blocks128 == 4)
    let mean = GroupedLoad(mean: [load, GroupedLoad()])
    #expect(mean.rows == 74.5 && mean.blocks16 == 6)
    #expect(GroupedLoad(mean: []) == GroupedLoad())
  }

  @Test("has as many values as terms and keeps them")
  func terms() {
    let values = Self.law.values
    #expect(values.count == FusedExpertsLaw.terms.count)
    #expect(Set(FusedExpertsLaw.terms.map(\.key)).count == values.count)
    for (term, value) in zip(FusedExpertsLaw.terms, values) {
      #expect(term.start == value && term.range.contains(value), "\(term.key)")
    }
    let other = values.map { $0 * 1.5 }
    #expect(FusedExpertsLaw(other).values == other)
    #expect(GroupedGEMMLaw(other).values == Array(other.prefix(GroupedGEMMLaw.terms.count)))
  }

  @Test("asks no less for skewed rows than for even ones that touch as many experts")
  func skew() {
    // Where the even load fills its tiles of 16 rows, moving rows can only open further tiles.
    for even in [16, 128, 512] {
      for moved in [1, 8, 15] {
        var counts = [Int](repeating: even, count: 256)
        for pair in 0..<64 {
          counts[pair] += moved
          counts[255 - pair] -= moved
        }
        let balanced = time(layer([Int](repeating: even, count: 256)))
        #expect(time(layer(counts)) >= balanced * 0.999, "\(even) \(moved)")
      }
    }
    // All rows at a quarter of the experts read a quarter of the weights: for few rows, faster.
    let few = [Int](repeating: 4, count: 64) + [Int](repeating: 0, count: 192)
    #expect(time(layer(few)) < 0.4 * time(layer([Int](repeating: 1, count: 256))))
    // Bound by compute, a round that is not full is all that skew may cost or save.
    let many = [Int](repeating: 8192, count: 64) + [Int](repeating: 0, count: 192)
    let even = time(layer([Int](repeating: 2048, count: 256)))
    #expect(abs(time(layer(many)) / even - 1) < 0.25)
  }

  @Test("is never faster than the data sheet's roofline")
  func roofline() {
    for rows in [1, 3, 16, 100, 1000, 10_000] {
      for tiling in GroupedTiling.allCases where tiling != .vector && tiling != .widened {
        let work = layer([Int](repeating: rows, count: 256), tiling: tiling)
        let bytes = 256.0 * 3 * 7168 * 2048 * 2
        let least = max(work.flops / Self.machine.peak, bytes / Self.machine.bandwidth)
        #expect(time(work) > least, "\(rows) \(tiling)")
      }
    }
  }

  @Test("asks no less for more rows")
  func monotone() {
    var last = 0.0
    for rows in stride(from: 1, through: 4096, by: 37) {
      let now = time(layer([Int](repeating: rows, count: 256)))
      #expect(now >= last * 0.999, "\(rows)")
      last = now
    }
  }

  @Test("passes over the rows of other devices, which is not free")
  func foreign() {
    var work = layer([Int](repeating: 1, count: 4))
    let alone = time(work)
    work.foreign = GroupedLoad(counts: [Int](repeating: 1, count: 252))
    // 252 tiles of 16 rows, across 2 x 2048 and 7168 columns in tiles of 128: 32 + 56 = 88 each;
    // 0.13 us of one of 132 units for each: 21.8 us; with tiles of 64 twice that.
    let passed = time(work) - alone
    #expect(passed > 21e-6 && passed < 45e-6)
  }

  @Test("has nothing to multiply for no rows")
  func empty() {
    let work = GroupedGEMMWork(load: GroupedLoad(), n: 4096, k: 7168)
    let parts = Self.law.grouped.parts(of: work, on: Self.machine)
    #expect(parts.compute == 0 && parts.memory == 0)
    #expect(parts.total == Self.law.grouped.launch)
  }

  @Test("is the sum of its multiplications and streams")
  func sum() {
    let work = layer([Int](repeating: 8, count: 256))
    let up = GroupedGEMMWork(load: work.load, n: 4096, k: 7168)
    let down = GroupedGEMMWork(load: work.load, n: 7168, k: 2048)
    let grouped = Self.law.grouped
    let products = [up, down].map {
      grouped.parts(of: $0, on: Self.machine).total - grouped.launch
    }
    // 2048 rows: gate 3 x 2048 x 2 bytes, sum 7168 x 2 bytes; 256 tokens of 7168 x 2 bytes.
    let rows = 2048.0
    let gate: Double = 3 * 2048
    let bytes: Double = rows * (gate + 7168) * 2 + 256.0 * 7168 * 2
    let bandwidth = Self.law.streamFraction * Self.machine.bandwidth
    let streams = bytes / bandwidth + rows * Self.law.sortedRow
    let total = grouped.launch + products[0] + products[1] + streams
    #expect(abs(time(work) / total - 1) < 1e-12)
  }
}
