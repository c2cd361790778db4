import Foundation
import Hardware
import Models
import Statistics
import Testing

@testable import Calibration

@Suite("Latent attention's laws")
struct LatentFitTests {
  @Test("are found again from times they have made")
  func recovery() throws {
    let machine = SharedKernels.h100(.bf16)
    var truth = LatentDecodeLaw([])
    truth.host = 150e-6
    truth.memory = 0.8
    truth.passes = 3
    var rows: [KernelMeasurement<LatentDecodeLaw.Work>] = []
    for sequences in [1, 16, 128, 512, 1024] {
      for context in [2, 512, 4096, 16_384, 65_536] {
        for heads in [4, 32, 128] {
          let work = LatentDecodeLaw.Work(
            .flashMLA, sequences: sequences, context: context, heads: heads,
            isLaunchedByHost: true)
          rows.append(
            KernelMeasurement(
              work, on: machine, time: truth.parts(of: work, on: machine).total, family: "made",
              place: "made:\(rows.count)"))
        }
      }
    }
    var settings = KernelFit<LatentDecodeLaw>.Settings()
    settings.searches = 1
    let fit = try KernelFit(rows, settings)
    #expect(fit.errors.errorQuantile(0.9) < 0.01)
    #expect(abs(fit.law.host / truth.host - 1) < 0.01)
    #expect(abs(fit.law.memory / truth.memory - 1) < 0.01)
  }

  @Test("take short prompts for decodes, and leave out the kernel for one head")
  func reading() throws {
    let text = """
      kernel_source,mla_dtype,kv_cache_dtype,num_heads,batch_size,isl,tp_size,step,latency
      vllm_flash_attn_mla,bfloat16,bfloat16,16,2,512,8,0,0.4
      vllm_flash_attn_mla,bfloat16,bfloat16,16,2,1024,8,0,0.4
      vllm_triton_mla,bfloat16,bfloat16,1,2,1,128,63,0.4
      vllm_flashmla,bfloat16,fp8,128,2,1,1,63,0.4
      """
    let file = FileManager.default.temporaryDirectory.path + "/latent-\(UUID().uuidString).csv"
    try text.write(toFile: file, atomically: true, encoding: .utf8)
    defer { try? FileManager.default.removeItem(atPath: file) }
    let read = try LatentMeasurements(reading: [file], on: SharedKernels.h100)
    try #require(read.decodes.count == 2 && read.prompts.count == 1 && read.leftOut.count == 1)
    #expect(read.decodes[0].work.queries == 512 && read.decodes[0].work.context == 512)
    #expect(read.decodes[0].work.isLaunchedByHost && read.decodes[0].work.projects)
    #expect(read.decodes[1].work.context == 64 && read.decodes[1].work.elementBytes == 1)
    #expect(read.prompts[0].work.tokens == 1024)
    #expect(read.leftOut[0].place == "\(file):4")
  }
}

@Suite(
  "Measured latent attention",
  .enabled(if: SharedMeasurements.isPresent, Comment(rawValue: SharedMeasurements.absence)))
struct SharedLatentTests {
  static let families: [(String, String)] = [
    ("h100_sxm", "vllm_flash_attn_mla bfloat16"), ("h100_sxm", "vllm_flashmla fp8"),
    ("a100_sxm", "vllm_triton_mla bfloat16"),
  ]

  /// Repeated rows of these tables differ by 27 % in one of ten: the ninetieth percentile is theirs.
  @Test("is met with a median error of five percent", arguments: families)
  func fit(device: String, family: String) throws {
    let rows = try LatentMeasurements(
      reading: ["decode", "prefill"].map { SharedKernels.table("\(device)/mla_\($0)") },
      on: device == "a100_sxm" ? SharedKernels.a100 : SharedKernels.h100)
    var decodes = KernelFit<LatentDecodeLaw>.Settings()
    decodes.searches = 1
    decodes.mostIterations = 30
    let decode = try KernelFit(SharedKernels.thinned(rows.decodes, family, to: 600), decodes)
    #expect(decode.errors.errorQuantile(0.5) < 0.05)
    #expect(decode.heldOutErrors.errorQuantile(0.5) < 0.06)
    var prompts = KernelFit<LatentPromptLaw>.Settings()
    prompts.searches = 1
    prompts.mostIterations = 30
    let prompt = try KernelFit(SharedKernels.thinned(rows.prompts, family, to: 400), prompts)
    #expect(prompt.errors.errorQuantile(0.5) < 0.03)
    #expect(prompt.errors.errorQuantile(0.9) < 0.15)
    #expect(prompt.heldOutErrors.errorQuantile(0.5) < 0.04)
  }
}
