import Foundation
import Hardware
import Models
import Testing
import Units

/// Runs' kernels by the laws. The numbers are those fitted for an H100 on 2026-11-21, of which every
/// claim here holds for any.
@Suite("Kernels by their laws")
struct KernelLawsTests {
  let catalogue: HardwareCatalogue

  init() throws { catalogue = try Shipped.catalogue() }

  static let linear = [
    1.9148e-06, 0.99544, 0.019442, 5e-07, 1.0299e-09, 1.2214, 0.96071, 2.0382, 0.61373, 1.6476e-09,
    0.26549, 0.17175, 0.00028515, 0.081542, 2.7884e-06, 1.5103, 1e-09, 1.0, 1e-09,
  ]
  static let experts = [
    2.4302e-05, 0.7488, 0.012738, 1.6834e-09, 9.2074e-07, 1.0, 0.75671, 0.32528, 0.82702,
    0.0078189, 0.42659, 0.058992, 576.8, 1.4054e-07, 7e9, 1.8e10, 4.8e10, 0.60947, 1.003e-09,
  ]
  static let latentDecode = [
    1.6445e-4, 4.0561e-05, 3.0321e-09, 7.4932e-07, 8.6041e-07, 0.99998, 0.88249, 2.0053, 0.48039,
    2.2018e-05,
  ]

  static func entry(
    _ family: KernelFamily, _ kernel: String, _ values: [Double]? = nil,
    device: String = "h100-sxm"
  ) -> KernelCalibration {
    KernelCalibration(
      name: "\(family.rawValue)-\(device)", device: device, family: family, kernel: kernel,
      values: values ?? family.terms.map(\.start),
      fit: .init(
        date: "2026-11-21", rows: 1, median: 0, ninetieth: 0, worst: 0, heldOut: 0,
        heldOutMedian: 0, heldOutNinetieth: 0), citation: "a test")
  }

  static let all = [
    entry(.gemm, "torch.nn.functional.linear bfloat16", linear),
    entry(.experts, "vllm_fused_moe bfloat16", experts),
    entry(.attentionDecode, "vllm_flash_attn_fa3 bfloat16"),
    entry(.attentionPrompt, "vllm_flash_attn_fa3 bfloat16"),
    entry(.latentDecode, "vllm_flash_attn_mla bfloat16", latentDecode),
    entry(.latentPrompt, "vllm_flash_attn_mla bfloat16"),
    entry(.streaming, "input_layernorm"), entry(.streaming, "mlp_act"),
  ]

  private func device(
    _ name: String, kernels: [KernelCalibration] = Self.all
  ) throws -> Device {
    var device = try catalogue.device(named: name)
    device.kernels = kernels
    return device
  }

  private func gemm(_ m: Int, _ n: Int, _ k: Int, _ precisions: Precisions) -> Operator {
    Operator(.queryKeyValue, .gemm(GEMM(m: m, n: n, k: k)), precisions)
  }

  /// Everything that a layer of a model launches, in both phases.
  private func operators(_ model: ModelArchitecture, _ precisions: Precisions) -> [Operator] {
    var found: [Operator] = []
    for phase in Phase.allCases {
      for (sequences, context) in [(1, 128), (64, 2048)] {
        let tokens = phase == .decode ? sequences : sequences * context
        let batch = TokenBatch(
          phase: phase, newTokens: tokens, sequences: sequences, context: Double(context))
        model.attention(layer: 0, of: batch, precisions) { found.append($0) }
        model.gate(newTokens: tokens, precisions) { found.append($0) }
        model.sharedExperts(newTokens: tokens, precisions) { found.append($0) }
        model.head(sequences: sequences, precisions) { found.append($0) }
      }
    }
    return found
  }

  @Test("a multiplication takes what the law says, launch and all")
  func lawsTime() throws {
    let h100 = try device("h100-sxm")
    let machine = try #require(KernelMachine(h100, .bf16))
    for (m, n, k) in [(1, 64, 64), (128, 6144, 4096), (4096, 4096, 4096)] {
      let cost = KernelCostModel(h100, for: Precisions(.bf16))
        .cost(of: gemm(m, n, k, Precisions(.bf16)))
      let parts = GEMMLaw(Self.linear).parts(of: GEMMWork(m: m, n: n, k: k), on: machine)
      let seconds = cost.time.value + cost.launchLatency.seconds
      // The launch is rounded up to a picosecond.
      #expect(abs(seconds - parts.total) < 2e-12)
      #expect(cost.launchLatency == SimTime(roundingUp: 1.9148e-6))
      #expect(cost.tensorTime == Seconds(parts.compute))
      #expect(cost.flops.value == 2 * Double(m) * Double(n) * Double(k))
    }
  }

  @Test("no kernel is faster than the data sheet allows, whatever the law's numbers are")
  func neverFasterThanTheDataSheet() throws {
    let models = try ModelCatalogue.load()
    let generous = Self.all.map { entry in
      // A tenth of every number: rates fall and times fall, some below what is possible.
      var other = entry
      other.values = entry.values.map { $0 * 0.1 }
      return other
    }
    for name in ["h100-sxm", "h20", "h200-sxm", "a100-sxm-80gb"] {
      for kernels in [Self.all, generous] {
        let device = try device(name, kernels: kernels)
        let model = KernelCostModel(device, for: Precisions(.bf16))
        #expect(model.laws != nil)
        for word in ["deepseek-v2-lite", "mixtral-8x7b"] {
          let architecture = try models.named(word).architecture
          for kernel in operators(architecture, Precisions(.bf16)) {
            let cost = model.cost(of: kernel, rows: 64)
            #expect(cost.time >= cost.peakTensorTime)
            #expect(cost.time >= cost.bytes / device.memory.bandwidth)
            #expect(cost.time.value.isFinite)
          }
        }
      }
    }
    // A law that knows no limits takes exactly the data sheet's time.
    var boundless = Self.linear
    (boundless[0], boundless[1], boundless[6]) = (0, 1e3, 1e3)
    (boundless[2], boundless[3], boundless[5]) = (1e6, 0, 1e6)
    (boundless[7], boundless[9], boundless[10]) = (1e6, 0, 0)
    let device = try device("h100-sxm", kernels: [Self.entry(.gemm, "a bfloat16", boundless)])
    let cost = KernelCostModel(device, for: Precisions(.bf16))
      .cost(of: gemm(128, 6144, 4096, Precisions(.bf16)))
    #expect(cost.time == cost.bytes / device.memory.bandwidth)
  }

  @Test("without compute units, without measured kernels or on a CPU all kernels are rooflines")
  func rooflines() throws {
    let precisions = Precisions(.bf16)
    var cpu = try device("xeon-8480")
    cpu.computeUnits = 56
    for device in [try device("a40"), try device("h100-sxm", kernels: []), cpu] {
      let (plain, model) = (KernelCostModel(device), KernelCostModel(device, for: precisions))
      #expect(model.laws == nil)
      for kernel in operators(
        try ModelCatalogue.load().named("mixtral-8x7b").architecture, precisions)
      {
        #expect(model.cost(of: kernel, rows: 64) == plain.cost(of: kernel))
      }
    }
  }

  @Test("a family without numbers keeps its roofline beside those that have them")
  func onlyWhatWasMeasured() throws {
    let h100 = try device("h100-sxm", kernels: [Self.entry(.gemm, "a bfloat16", Self.linear)])
    let model = KernelCostModel(h100, for: Precisions(.bf16))
    let plain = KernelCostModel(h100)
    for kernel in operators(
      try ModelCatalogue.load().named("deepseek-v2-lite").architecture, Precisions(.bf16))
    {
      let isSame = model.cost(of: kernel, rows: 64) == plain.cost(of: kernel)
      #expect(isSame == (kernel.family != .gemm))
    }
  }

  @Test("experts with uneven loads cost more than even ones of the same size")
  func skewedExperts() throws {
    let model = KernelCostModel(try device("h100-sxm"), for: Precisions(.bf16))
    func time(_ counts: [Int]) throws -> Seconds {
      let load = GroupedLoad(counts: counts)
      let cost = model.cost(
        ofExperts: load, chosen: 1, experts: 8, hidden: 1024, intermediate: 512
      ) { body in
        body(
          Operator(
            .expertUp,
            .groupedGEMM(
              GroupedGEMM(
                tokens: Int(load.rows), activeExperts: Int(load.active), n: 1024, k: 1024)),
            Precisions(.bf16)))
      }
      return try #require(cost).time
    }
    // 4,096 rows of eight experts each: 32 tiles of 128 rows, or 3 for each of seven experts and 18.
    let even = try time([Int](repeating: 512, count: 8))
    let skewed = try time([Int](repeating: 257, count: 7) + [2297])
    #expect(skewed.value > even.value * 1.02)
  }

  @Test("a relative's numbers are named, for the families that the model uses")
  func remarks() throws {
    let bf16 = Precisions(.bf16)
    var kernels = Self.all.filter { $0.family != .latentDecode }
    kernels.append(Self.entry(.latentDecode, "flashmla bfloat16", device: "h20"))
    let h20 = KernelCostModel(try device("h20", kernels: kernels), for: bf16)
    let remark = "uncalibrated: kernels of h100-sxm"
    #expect(
      h20.remarks(for: [.bf16], families: [.gemm, .experts]).filter { $0 == remark }.count == 1)
    #expect(!h20.remarks(for: [.bf16], families: [.latentDecode]).contains(remark))
    #expect(!h20.remarks(for: [.bf16]).contains(remark))
    let h100 = KernelCostModel(try device("h100-sxm"), for: bf16)
    #expect(h100.laws?.remarks(for: KernelFamily.allCases) == [])
    let narrow = Precisions(weights: .int4, activations: .bf16, kvCache: .bf16)
    let laws = KernelCostModel(try device("h100-sxm"), for: narrow).laws
    #expect(
      laws?.remarks(for: [.experts]) == [
        "uncalibrated: int4_wo takes the numbers of vllm_fused_moe bfloat16"
      ])
    // Nothing was measured in fp32, and nothing narrower stands in.
    let wide = KernelCostModel(try device("h100-sxm"), for: Precisions(.fp32))
    let kernel = gemm(64, 512, 512, Precisions(.fp32))
    #expect(wide.cost(of: kernel) == KernelCostModel(wide.device).cost(of: kernel))
  }

  @Test(
    "experts behind a dispatch of few tokens have the kernel with a mask, where one was measured")
  func masked() throws {
    let packed = Self.entry(.experts, "vllm_fused_moe fp8", Self.experts)
    var slower = Self.experts
    slower[0] *= 3
    let masked = Self.entry(.experts, "deepepmoe fp8_block", slower)
    let precisions = Precisions(.fp8)
    func launch(_ kernels: [KernelCalibration], _ layout: ExpertLayout) throws -> SimTime? {
      KernelCostModel(
        try device("h100-sxm", kernels: kernels), for: precisions, experts: layout
      ).cost(
        ofExperts: GroupedLoad(counts: [64, 64]), chosen: 1, experts: 2, hidden: 4096,
        intermediate: 512
      ) { _ in }?.launchLatency
    }
    let usual = try #require(try launch([packed, masked], .packed))
    #expect(try launch([packed, masked], .masked) == usual * 3)
    #expect(try launch([packed], .masked) == usual)
    #expect(try launch([masked], .packed) == nil)
  }

  @Test("which families a model's runs use follows from its attention and its phase")
  func families() throws {
    let models = try ModelCatalogue.load()
    let (latent, grouped) = (
      try models.named("deepseek-v2-lite").architecture,
      try models.named("mixtral-8x7b").architecture
    )
    #expect(latent.kernelFamilies(in: .decode) == [.gemm, .experts, .latentDecode, .streaming])
    #expect(latent.kernelFamilies(in: .prefill) == [.gemm, .experts, .latentPrompt, .streaming])
    #expect(grouped.kernelFamilies(in: .decode) == [.gemm, .experts, .attentionDecode, .streaming])
  }

  @Test("a device gets its own kernels from the catalogue, and its relatives get them too")
  func attached() throws {
    let text = """
      kernels:
        test-add:
          source: nowhere
          device: a100-sxm-80gb
          family: streaming
          kernel: add
          terms: {launch: 2e-06 s, row: 1e10 B/s, memory: 0.6, cache-speed: 1.0, cache-share: 0.6}
          fit: {date: '2026-11-21', rows: 1, median: 0, ninetieth: 0, worst: 0, held-out: 0,
            held-out-median: 0, held-out-ninetieth: 0}
      sources: {nowhere: a test}
      """
    let path = FileManager.default.temporaryDirectory
      .appendingPathComponent("kernels-\(UUID().uuidString).yaml").path
    defer { try? FileManager.default.removeItem(atPath: path) }
    try text.write(toFile: path, atomically: true, encoding: .utf8)
    let loaded = try HardwareCatalogue.load(extraFiles: [path])
    for name in ["a100-sxm-80gb", "a100-sxm-40gb"] {
      let streams = try loaded.device(named: name).kernels.filter { $0.family == .streaming }
      #expect(streams.contains { $0.name == "test-add" })
    }
    // Nobody knows how many compute units these have, or they are no GPUs.
    for name in ["rtx-3090", "xeon-8380", "mi300x"] {
      #expect(try loaded.device(named: name).kernels.isEmpty)
    }
    for node in loaded.nodes {
      #expect(node.device.kernels == (try loaded.device(named: node.device.name).kernels))
    }
  }
}
