import Hardware
import Models
import Testing

@Suite("The law of dense multiplications")
struct GEMMLawTests {
  /// H100 SXM, bf16: data sheet.
  static let machine = KernelMachine(
    peak: 989e12, bandwidth: 3350e9, cache: 50e6, units: 132)
  static let law = GEMMLaw([])

  private func time(_ work: GEMMWork, _ law: GEMMLaw = Self.law) -> Double {
    law.parts(of: work, on: Self.machine).total
  }

  @Test("has as many values as terms, each within its range, and keeps them")
  func terms() {
    let values = Self.law.values
    #expect(values.count == GEMMLaw.terms.count)
    #expect(Set(GEMMLaw.terms.map(\.key)).count == values.count)
    for (term, value) in zip(GEMMLaw.terms, values) {
      #expect(term.start == value && term.range.contains(value), "\(term.key)")
      #expect(term.scale == .linear || term.range.lowerBound > 0, "\(term.key)")
    }
    let other = values.enumerated().map { $1 * (1 + Double($0) / 100) }
    #expect(GEMMLaw(other).values == other)
  }

  @Test("is what a pencil gives for one tile of a simple law")
  func oneTile() {
    // m = n = 128 with 128 x 128 tiles by rows: m <= 128 takes two tiles of 64 x 128 that run
    // together. A column: 2 x 64 x 128 operations on 1 / 132 of 989e12 = 2.1868e-9 s; operands
    // (64 + 128) x 1 byte at 0.02 x 989e12 / 132 B/s = 1.2813e-9 s. 1024 columns: 2.2393 us.
    // Prologue 1 us, epilogue 0.25 us; writing 64 x 128 x 2 bytes at 1.0 x 3350e9 / 132 B/s:
    // 0.64558 us. Together 4.1349 us. Memory: 1 us and (131072 x 2 + 32768) bytes at 3350e9 B/s,
    // 0.08803 us: 1.08803 us, half of it not hidden. Launch 2 us.
    var law = Self.law
    law.launch = 2e-6
    law.tensorFraction = 1
    law.feed = 0.02
    law.prologue = 1e-6
    law.epilogue = 0.25e-6
    law.store = 1
    law.memoryFraction = 1
    law.columnLatency = 1e-12
    law.overlapLoss = 0.5
    law.slowdown = 0
    law.host = 0
    let work = GEMMWork(
      m: 128, n: 128, k: 1024, weightBytes: 1, activationBytes: 1, tiling: .byRows)
    var machine = Self.machine
    machine.cache = 1  // Nothing is kept.
    let parts = law.parts(of: work, on: machine)
    #expect(abs(parts.compute - 4.1349e-6) < 1e-9)
    #expect(abs(parts.memory - 1.08803e-6) < 1e-10)
    #expect(abs(parts.total - (2e-6 + 4.1349e-6 + 0.544015e-6)) < 1e-9)
  }

  @Test("is never faster than the data sheet's roofline")
  func roofline() {
    var law = Self.law
    law.tensorFraction = 1
    law.memoryFraction = 1
    for m in [1, 16, 65, 129, 512, 4097, 32_768] {
      for n in [32, 768, 2560, 7168, 65_536] {
        for k in [32, 512, 3584, 16_384, 65_536] {
          for tiling in GEMMTiling.allCases {
            let work = GEMMWork(m: m, n: n, k: k, tiling: tiling)
            let bytes = 2 * Double(n) * Double(k)
            let least = max(work.flops / Self.machine.peak, bytes / Self.machine.bandwidth)
            #expect(time(work, law) > least, "\(m) \(n) \(k) \(tiling)")
          }
        }
      }
    }
  }

  @Test("asks no less time for more columns of k, or of outputs")
  func monotone() {
    for tiling in GEMMTiling.allCases {
      for m in [1, 16, 64, 65, 300, 4096] {
        var last = 0.0
        for k in stride(from: 64, through: 8192, by: 64) {
          let now = time(GEMMWork(m: m, n: 2048, k: k, tiling: tiling))
          #expect(now >= last * 0.999, "\(m) \(k) \(tiling)")
          last = now
        }
        last = 0
        for n in stride(from: 1408, through: 16_384, by: 128) {
          // A library that chooses its tiles fills the units better with some widths.
          let now = time(GEMMWork(m: m, n: n, k: 4096, tiling: tiling))
          #expect(now >= last * (tiling == .byRows ? 0.999 : 0.97), "\(m) \(n) \(tiling)")
          last = now
        }
      }
    }
  }

  @Test("sees a round of tiles that is not full")
  func rounds() {
    // 128 x 128 tiles in pairs: 16896 columns are 132 pairs of tiles, two full rounds of 132 units;
    // 128 columns more ask for a third.
    var law = Self.law
    law.roundShare = 1
    func compute(_ n: Int) -> Double {
      let work = GEMMWork(
        m: 256, n: n, k: 8192, weightBytes: 1, activationBytes: 1, tiling: .byRows)
      return law.parts(of: work, on: Self.machine).compute
    }
    let two = compute(16_896)
    let three = compute(16_896 + 128)
    #expect(three > two * 1.4)
    #expect(compute(16_896 + 128 * 60) < three * 1.02)
    law.roundShare = 0.01
    #expect(compute(16_896 + 128) < compute(16_896) * 1.02)
  }

  @Test("reads weights from the cache only where they come back soon")
  func cache() {
    var work = GEMMWork(m: 1, n: 4096, k: 4096)
    let far = time(work)
    work.weightReuse = 5e6
    let near = time(work)
    #expect(near < far * 0.8)
    work.weightReuse = 1e9
    #expect(abs(time(work) / far - 1) < 0.01)
  }

  @Test("splits k where few tiles would leave units idle")
  func split() {
    // One tile of outputs: without a split one unit of 132 would work.
    let work = GEMMWork(m: 64, n: 64, k: 65_536)
    var law = Self.law
    let split = time(work, law)
    law.reduction = 1
    #expect(split < time(work, law) / 3)
  }

  @Test("takes a machine from the catalogue where that knows its units")
  func catalogue() throws {
    let catalogue = try HardwareCatalogue.load()
    let machine = try #require(KernelMachine(try catalogue.device(named: "h100-sxm"), .bf16))
    #expect(machine == Self.machine)
    let fp8 = try #require(KernelMachine(try catalogue.device(named: "h100-sxm"), .fp8))
    #expect(fp8.peak == 1979e12)
  }
}
