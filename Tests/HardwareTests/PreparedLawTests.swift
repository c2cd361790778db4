import Hardware
import Testing

/// Laws that were prepared for a machine against their formulas.
@Suite("Laws prepared for a machine")
struct PreparedLawTests {
  /// Marsaglia's xorshift, so that every run asks the same.
  private struct Draw {
    var state: UInt64 = 88_172_645_463_325_252

    mutating func below(_ bound: Int) -> Int {
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return Int(state % UInt64(bound))
    }

    /// From 1 to about 2^bits, every power of two as likely as the next.
    mutating func size(_ bits: Int) -> Int { 1 + below(1 << (1 + below(bits))) }

    mutating func load() -> GroupedLoad {
      let bits = 1 + below(13)
      var load = GroupedLoad()
      for _ in 0..<size(6) { load.add(size(bits) - 1) }
      return load
    }
  }

  private func entries(
    _ family: KernelFamily
  ) throws -> [(values: [Double], machine: KernelMachine, name: String)] {
    let catalogue = try HardwareCatalogue.load()
    return try catalogue.kernels.filter { $0.family == family }.map { entry in
      let machine = KernelMachine(
        try catalogue.device(named: entry.device), entry.numberType.hasPrefix("fp8") ? .fp8 : .bf16)
      return (entry.values, try #require(machine), entry.name)
    }
  }

  /// The largest relative difference of any part.
  private func difference(_ a: KernelParts, _ b: KernelParts) -> Double {
    zip([a.launch, a.compute, a.memory, a.total], [b.launch, b.compute, b.memory, b.total])
      .map { $0 == $1 ? 0 : abs($0 / $1 - 1) }.max() ?? 0
  }

  @Test("take for dense multiplications what the formula says, tile by tile")
  func gemm() throws {
    for (values, machine, name) in try entries(.gemm) {
      let plain = PlainGEMM(law: GEMMLaw(values), machine: machine)
      let prepared = GEMMLaw(values).prepared(for: machine)
      for tiling in GEMMTiling.allCases {
        var draw = Draw()
        var worst = 0.0
        for _ in 0..<3000 {
          let work = GEMMWork(
            m: draw.size(14), n: draw.size(17), k: draw.size(15),
            weightBytes: [2, 1, 0.515625][draw.below(3)],
            activationBytes: [2, 1][draw.below(2)], tiling: tiling,
            quantises: draw.below(2) == 0,
            weightReuse: draw.below(2) == 0 ? .infinity : Double(draw.below(100_000_000)))
          worst = max(worst, difference(prepared.parts(of: work), plain.parts(of: work)))
        }
        #expect(worst < 1e-12, "\(name), \(tiling)")
      }
    }
  }

  @Test("take for experts what the formula says, tile by tile")
  func experts() throws {
    for (values, machine, name) in try entries(.experts) {
      let plain = PlainExperts(law: FusedExpertsLaw(values), machine: machine)
      let prepared = FusedExpertsLaw(values).prepared(for: machine)
      for tiling in GroupedTiling.allCases {
        var draw = Draw()
        var worst = 0.0
        for _ in 0..<1000 {
          let load = draw.load()
          let work = FusedExpertsWork(
            tokens: Int(load.rows) + 1, chosen: draw.size(3), hidden: draw.size(14),
            intermediate: draw.size(13), load: load,
            foreign: draw.below(3) == 0 ? draw.load() : GroupedLoad(),
            weightBytes: [2, 1, 0.515625][draw.below(3)],
            activationBytes: [2, 1][draw.below(2)], tiling: tiling,
            isRepeated: draw.below(2) == 0)
          worst = max(worst, difference(prepared.parts(of: work), plain.parts(of: work)))
        }
        #expect(worst < 1e-12, "\(name), \(tiling)")
      }
    }
  }

  @Test("say the same as when they are asked without preparation")
  func unprepared() {
    let machine = GEMMLawTests.machine
    let work = AttentionDecodeLaw.Work(
      .flashAttention3, sequences: 64, context: 2048, queryHeads: 32, keyHeads: 8, width: 128)
    let law = AttentionDecodeLaw([])
    #expect(law.prepared(for: machine).parts(of: work) == law.parts(of: work, on: machine))
    var grouped = GroupedGEMMWork(load: GroupedLoad(counts: [17, 0, 300]), n: 512, k: 1024)
    grouped.foreign = GroupedLoad(counts: [5])
    let one = GroupedGEMMLaw([])
    #expect(one.prepared(for: machine).parts(of: grouped) == one.parts(of: grouped, on: machine))
  }
}
