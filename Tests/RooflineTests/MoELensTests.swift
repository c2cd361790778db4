import Hardware
import Models
import Roofline
import Testing
import Units

/// MoE-Lens on Mixtral-8x7B with the paper's own machine: 94 GB of weights, 19.5 GB/s, 128 KiB of KV
/// cache a token, and the GPU's rate that its measured 18,236 tokens a pass imply.
private func mixtral(
  prompt: Double = 98, output: Double, cache: Double = 70e9, link: Double = 19.5e9,
  memory: Double? = nil, model: Double = 94e9, gpu: Double = 3783
) -> MoELens {
  MoELens(
    weights: .init(
      hidden: 4096, intermediate: 14336, experts: 8, topK: 2, headsPerKeyValueHead: 4),
    model: Bytes(model), cacheBytesPerToken: Bytes(131_072), prompt: prompt, output: output,
    host: .init(
      link: Bandwidth(link), memory: memory.map { Bandwidth($0) }, cache: Bytes(cache),
      gpu: TokenRate(gpu), arithmetic: ComputeRate(150e12)))
}

@Suite("MoE-Lens, stage 1")
struct MoELensFirstStageTests {
  @Test("n tokens do about n N_k/N_e operations for each byte")
  func intensity() {
    // Experts: 6 x 4096 x 14336 = 352.32e6 each; attention: 4 x 4096^2 (1 + 1/4) = 83.89e6.
    // (2 x 352.32 + 83.89) / (8 x 352.32 + 83.89) = 788.53 / 2902.46.
    let lens = mixtral(output: 32)
    #expect(abs(lens.intensity(ofTokens: 1) - 0.27168) < 1e-5)
    #expect(abs(lens.intensity(ofTokens: 1000) - 271.68) < 0.01)
  }

  /// The paper's table 2, which a link of 31.25 GB/s and 0.125 MB a token reproduce: tokens that saturate
  /// the GPU, and the cache of as many sequences of 256 and 512 tokens.
  @Test(
    "saturates GPUs as the paper's table 2 says",
    arguments: [
      (150.0, 19.2e3, 614.0, 1228.0), (181, 23.2e3, 741, 1482), (312, 40.0e3, 1277, 2554),
    ])
  func table2(teraflops: Double, tokens: Double, short: Double, long: Double) {
    var lens = mixtral(output: 32, link: 31.25e9)
    lens.host.arithmetic = ComputeRate(teraflops * 1e12)
    lens.cacheBytesPerToken = Bytes(0.125e6)
    // The paper prints three digits.
    #expect(abs(lens.saturatingTokens.value / tokens - 1) < 0.002)
    #expect(abs(lens.cacheSaturating(sequencesOf: 256).value / 1e9 - short) < 1)
    #expect(abs(lens.cacheSaturating(sequencesOf: 512).value / 1e9 - long) < 2)
  }

  @Test("a token-slot is worth 2(p + g)/((2p + g) g) tokens a pass")
  func efficiency() {
    // p = 98, g = 64: 324 / (260 x 64).
    #expect(abs(mixtral(output: 64).parallelismMemoryEfficiency - 0.0194712) < 1e-7)
  }

  /// By hand from equations 3 and 4 with a pass of 94/19.5 = 4.8205 s: all tokens a second, and the
  /// generated ones.
  @Test(
    "predicts Mixtral-8x7B on an A40, prompts of MTBench, RAG and AIME",
    arguments: [
      (98.0, 32.0, 70e9, 3783.0, 931.0), (98, 64, 70e9, 2157, 852), (98, 128, 70e9, 1207, 684),
      (98, 256, 70e9, 678, 490), (926, 128, 70e9, 921, 112), (128, 512, 70e9, 361, 289),
      (98, 32, 210e9, 3783, 931), (98, 64, 210e9, 3783, 1495), (98, 128, 210e9, 3622, 2052),
      (98, 256, 210e9, 2034, 1471), (926, 128, 210e9, 2764, 336), (128, 512, 210e9, 1082, 866),
    ])
  func cells(prompt: Double, output: Double, cache: Double, all: Double, generated: Double) {
    let found = mixtral(prompt: prompt, output: output, cache: cache).firstStage
    #expect(abs(found.throughput.value - all) < 1)
    #expect(abs(found.generated.value - generated) < 1)
    #expect(found.isBoundByGPU == (all == 3783))
  }

  @Test(
    "wait for host memory where it gives weights and cache more slowly than the link takes weights")
  func slowMemory() {
    // Weights and a cache twice as large need three times the link's 20 GB/s.
    for (memory, share) in [(120e9, 1.0), (60e9, 1), (45e9, 0.75), (30e9, 0.5)] {
      let (free, held) = (
        mixtral(output: 256, cache: 188e9, link: 20e9),
        mixtral(output: 256, cache: 188e9, link: 20e9, memory: memory)
      )
      #expect(abs(held.firstStage.throughput / free.firstStage.throughput - share) < 1e-12)
      #expect(held.firstStage.waitsForHostMemory == (share < 1))
      let requests = MoELens.Batch(requests: 1e9, block: 1)
      let (stage, limit) = (held.secondStage(requests), free.secondStage(requests))
      #expect(abs(stage.generated / limit.generated - share) < 1e-2 && stage.utilisation < 1)
    }
    // Where the GPU binds, passes wait for it: as long as q sequences' cache and the weights take then.
    let slow = mixtral(output: 32, cache: 210e9, memory: 20e9, gpu: 1000)
    let stage = slow.secondStage(.init(requests: 1e9, block: 1))
    #expect(slow.firstStage.isBoundByGPU && abs(stage.utilisation - 1) < 1e-5)
    let span = stage.beginning * 130 / 1000
    let read = 94e9 + 131_072 * stage.beginning * stage.slotsPerSequence.value
    #expect(abs(span / max(94 / 19.5, read / 20e9) - 1) < 1e-9)
  }

  @Test("a cache twice the model's size at 20 GB/s needs 60 GB/s of host memory")
  func hostMemory() {
    let lens = mixtral(output: 32, cache: 188e9, link: 20e9)
    #expect(abs(lens.hostBandwidth.value - 60e9) < 1)
    // Four heads share an element of two bytes: 2 x 4 / 2 operations for each of 40 GB/s.
    #expect(abs(lens.cpuArithmetic(elementBytes: 2).value - 160e9) < 1)
  }

  @Test("overlapping prompts with answers is worth (p + g)/(p + g/2) times the cache")
  func overlap() {
    #expect(abs(mixtral(output: 32).gainOfOverlap - 130.0 / 114) < 1e-12)
    #expect(mixtral(output: 32).parallelTokens(beginning: 140).value == 18_200)
  }
}

@Suite("MoE-Lens, stage 2 as reconstructed")
struct MoELensSecondStageTests {
  @Test("MTBench with 32 tokens and 25,000 requests uses 0.85 of the GPU")
  func mtBench() {
    // One token a page: slots 32 x 98 + 496 = 3632. The GPU's 18,236 tokens of a pass begin 140.3
    // sequences of 130, the cache's 534,058 slots 147.0. 25,000/140.3 + 31 = 209.2 passes; all tokens
    // at the GPU's rate take as long as 178.2 of them.
    let found = mixtral(output: 32).secondStage(.init(requests: 25_000, block: 1))
    #expect(found.slotsPerSequence.value == 3632)
    #expect(abs(found.beginning - 140.3) < 0.05)
    #expect(abs(found.passes - 209.2) < 0.1)
    #expect(abs(found.utilisation - 0.852) < 0.001)
    #expect(abs(found.generated.value - 0.852 * 931) < 2)
  }

  @Test("pages round every age up")
  func pages() {
    // p = 3, g = 3, b = 4: ages 3, 4, 5 take 4, 4, 8.
    let found = mixtral(prompt: 3, output: 3).secondStage(.init(requests: 10, block: 4))
    #expect(found.slotsPerSequence.value == 16)
  }

  /// 1 GB are 1e9/131,072 = 7629.4 slots; a pass takes 94/19.5 = 4.8205 s.
  @Test("takes slots for as many passes as a request has tokens", arguments: [1.0, 2])
  func short(output: Double) {
    // One pass with 100 slots, and a second one with 101: 76.29 or 37.96 requests begin in each.
    let lens = mixtral(prompt: 100, output: output, cache: 1e9)
    let many = lens.secondStage(.init(requests: 1e8, block: 1))
    #expect(many.slotsPerSequence.value == (output == 1 ? 100 : 201))
    #expect(abs(many.beginning - (output == 1 ? 76.294 : 37.957)) < 1e-3)
    #expect(abs(many.generated.value - (output == 1 ? 15.827 : 15.748)) < 1e-3)
    // A request by itself takes as many passes as it has tokens.
    let one = lens.secondStage(.init(requests: 1, block: 1))
    #expect(one.passes == output)
    #expect(abs(one.timeByLink.value - output * 94 / 19.5) < 1e-9)
  }

  /// Stage 1 counts g (2p + g)/2 slots, stage 2 g (2p + g - 1)/2.
  @Test("of many requests is stage 1, but for the slots that both count")
  func limits() {
    for (prompt, output, cache) in [
      (100.0, 1.0, 1e9), (100, 2, 1e9), (98, 32, 70e9), (98, 256, 70e9), (926, 128, 210e9),
    ] {
      let lens = mixtral(prompt: prompt, output: output, cache: cache)
      let first = lens.firstStage
      let few = lens.secondStage(.init(requests: 2000, block: 1)).generated
      let many = lens.secondStage(.init(requests: 1e12, block: 1)).generated
      let slots = first.isBoundByGPU ? 1 : (2 * prompt + output) / (2 * prompt + output - 1)
      #expect(abs(many.value / first.generated.value / slots - 1) < 1e-6)
      #expect(few < many || output == 1)
    }
  }
}

@Suite("MoE-Lens on models that are not like Mixtral")
struct MoELensModelTests {
  private func lens(_ name: String, link: Double = 25e9) throws -> MoELens {
    let model = try ModelCatalogue.load().named(name).architecture
    return MoELens(
      model, Precisions(.bf16), prompt: 98, output: 32,
      host: .init(
        link: Bandwidth(link), cache: Bytes(1e9), gpu: TokenRate(1000),
        arithmetic: ComputeRate(149.7e12)))
  }

  /// Attention 13,762,560 weights a layer; a dense layer of 67,239,936; 26 with a gate of 131,072, shared
  /// experts of 17,301,504 and 6 of 64 experts of 8,650,752; the head 209,715,200, for 32 of 130 tokens.
  @Test("DeepSeek-V2-Lite: shared experts, latent attention and a head")
  func sharedExperts() throws {
    let lens = try lens("deepseek-v2-lite")
    let layers = 27 * 13_762_560.0 + 67_239_936 + 26 * (131_072 + 17_301_504 + 6 * 8_650_752)
    let active = layers + 209_715_200 * 32 / 130
    #expect(abs(lens.operationsPerToken.value / (2 * active) - 1) < 1e-12)
    let total = layers + 26 * 58 * 8_650_752 + 2 * 209_715_200
    #expect(abs(lens.modelIntensity(ofTokens: 1) / (active / total) - 1) < 1e-12)
    #expect(
      abs(lens.modelSaturatingTokens.value / (149.7e12 / 25e9 * total / active) - 1) < 1e-12)
    // Equation 2 sees 6 of 64 experts and nothing else.
    #expect(abs(lens.saturatingTokens.value - 63_872) < 1)
    #expect(abs(lens.modelSaturatingTokens.value - 41_013) < 1)
  }

  /// Sixteen heads share a latent of 512 elements, part of each one's key and value, and 64 rotated ones,
  /// part of its key.
  @Test("an element of a latent serves scores and values")
  func latentAttention() throws {
    let lens = try lens("deepseek-v2-lite")
    #expect(abs(lens.operationsPerCacheElement - 2 * 16 * (576 + 512) / 576) < 1e-12)
    // 1 GB in a pass of 31.41 GB / 25 GB/s, 30.2 operations a byte.
    let pass = 31.412_715_520 / 25
    #expect(abs(lens.cpuArithmetic(elementBytes: 2).value / 1e9 - 30.222_222 / pass) < 1e-5)
    // Four query heads share one of keys, as equation 6 has it.
    #expect(try self.lens("mixtral-8x7b").operationsPerCacheElement == 8)
  }

  /// Two matrices of 4096 x 16,384 in each expert and in the layers between; the table is the head.
  @Test("plain experts have two matrices")
  func plainExperts() throws {
    let model = try ModelCatalogue.load().named("glam-143b").architecture
    #expect(model.feedForward.matrices == 2)
    let lens = try lens("glam-143b")
    let weights = Double(model.parameters.active - model.embeddingParameters)
    let head = Double(model.embeddingParameters) * 32 / 130
    #expect(abs(lens.operationsPerToken.value / (2 * (weights + head)) - 1) < 1e-12)
  }

  /// Mixtral is what the equations are of: only gate and head come on top.
  @Test("Mixtral is near what the paper counts")
  func mixtral() throws {
    let lens = try lens("mixtral-8x7b")
    #expect(abs(lens.modelIntensity(ofTokens: 1) / lens.intensity(ofTokens: 1) - 1) < 0.01)
    #expect(abs(lens.modelSaturatingTokens / lens.saturatingTokens - 0.92) < 0.01)
  }
}

@Suite("A GPU with weights in place")
struct StreamingGPUTests {
  @Test("an A40 saturates with Mixtral-8x7B near the 18,236 tokens that MoE-Lens measured")
  func a40() throws {
    let model = try ModelCatalogue.load().named("mixtral-8x7b").architecture
    let device = try HardwareCatalogue.load().device(named: "a40")
    let gpu = StreamingGPU(device, model, Precisions(.bf16), prompt: 98, output: 32)
    let found = gpu.saturation(pass: Seconds(94e9 / 19.5e9))
    #expect(abs(found.tokens.value / 18_236 - 1) < 0.1, "\(found)")
    #expect(abs(found.rate.value / 3783 - 1) < 0.2, "\(found)")
    // A longer pass has more of them.
    #expect(gpu.saturation(pass: Seconds(10)).tokens > found.tokens)
  }
}
