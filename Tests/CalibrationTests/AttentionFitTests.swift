import Foundation
import Hardware
import Models
import Statistics
import Testing

@testable import Calibration

/// Tables beside the shared ones of collectives.
enum SharedKernels {
  static func table(_ name: String) -> String { "\(SharedMeasurements.folder)/\(name).csv.xz" }

  static func h100(_ precision: Precision) -> KernelMachine {
    KernelMachine(
      peak: precision == .fp8 ? 1979e12 : 989e12, bandwidth: 3.35e12, cache: 50e6, units: 132)
  }

  static func a100(_ precision: Precision) -> KernelMachine {
    KernelMachine(peak: 312e12, bandwidth: 2.039e12, cache: 40e6, units: 108)
  }

  static func h20(_ precision: Precision) -> KernelMachine {
    KernelMachine(
      peak: precision == .fp8 ? 296e12 : 148e12, bandwidth: 4e12, cache: 60e6, units: 78)
  }

  /// Every nth row of a family: enough for a fit in a debug build.
  static func thinned<Work>(
    _ rows: [KernelMeasurement<Work>], _ family: String, to count: Int
  ) -> [KernelMeasurement<Work>] {
    let all = rows.filter { $0.family == family }
    let step = max(1, all.count / count)
    return stride(from: 0, to: all.count, by: step).map { all[$0] }
  }
}

extension [Double] {
  /// Of absolute values.
  func errorQuantile(_ share: Double) -> Double {
    let sorted = map { abs($0) }.sorted()
    guard let last = sorted.last else { return .infinity }
    let index = Int(Double(sorted.count) * share)
    return index < sorted.count ? sorted[index] : last
  }
}

@Suite("Attention's laws")
struct AttentionFitTests {
  @Test("are found again from times they have made")
  func recovery() throws {
    let machine = SharedKernels.h100(.bf16)
    var truth = AttentionDecodeLaw([])
    truth.launch = 6e-6
    truth.tile = 2e-6
    truth.block = 1.3e-6
    truth.memory = 0.8
    truth.combine = 2.5e-6
    truth.regroup = 0
    truth.copy = 0
    var rows: [KernelMeasurement<AttentionDecodeLaw.Work>] = []
    for sequences in [1, 4, 16, 64, 128, 256, 1024] {
      for context in [2, 128, 700, 2048, 8192, 65_536] {
        for (queryHeads, keyHeads, width) in [(8, 1, 128), (32, 8, 64), (64, 4, 256)] {
          let work = AttentionDecodeLaw.Work(
            .flashAttention3, sequences: sequences, context: context, queryHeads: queryHeads,
            keyHeads: keyHeads, width: width)
          rows.append(
            KernelMeasurement(
              work, on: machine, time: truth.parts(of: work, on: machine).total, family: "made",
              place: "made:\(rows.count)"))
        }
      }
    }
    var settings = KernelFit<AttentionDecodeLaw>.Settings.attention(rows)
    settings.searches = 1
    let fit = try KernelFit(rows, settings)
    let law: AttentionDecodeLaw = fit.law
    #expect(fit.errors.errorQuantile(0.9) < 0.01)
    #expect(fit.heldOutErrors.errorQuantile(0.9) < 0.02)
    #expect(abs(law.memory / truth.memory - 1) < 0.02)
    #expect(abs(law.block / truth.block - 1) < 0.1)
    #expect(law.regroup == 0 && law.copy == 0)
  }

  @Test("of prompts are found again from times they have made")
  func promptRecovery() throws {
    let machine = SharedKernels.a100(.bf16)
    var truth = AttentionPromptLaw([])
    truth.launch = 7e-6
    truth.arithmetic = 0.6
    truth.memory = 0.75
    truth.wide = 1e6
    truth.tileWidth = 0
    truth.combine = 0
    var rows: [KernelMeasurement<AttentionPromptLaw.Work>] = []
    for sequences in [1, 4, 16, 64] {
      for tokens in [16, 128, 600, 2048, 8192] {
        for (queryHeads, keyHeads) in [(8, 1), (32, 8), (16, 16)] {
          let work = AttentionPromptLaw.Work(
            .flashAttention2, sequences: sequences, tokens: tokens, queryHeads: queryHeads,
            keyHeads: keyHeads, width: 128)
          rows.append(
            KernelMeasurement(
              work, on: machine, time: truth.parts(of: work, on: machine).total, family: "made",
              place: "made:\(rows.count)"))
        }
      }
    }
    var settings = KernelFit<AttentionPromptLaw>.Settings.attention(rows)
    settings.searches = 1
    let fit = try KernelFit(rows, settings)
    #expect(fit.errors.errorQuantile(0.9) < 0.01)
    #expect(abs(fit.law.launch / truth.launch - 1) < 0.05)
  }

  @Test("take a row with one new token for a decode, in whichever table it stands")
  func reading() throws {
    let file = try Self.file(
      """
      version,device,kernel_source,batch_size,isl,num_heads,num_key_value_heads,head_dim,\
      attn_dtype,kv_cache_dtype,step,window_size,latency
      1,NVIDIA H100,vllm_flash_attn_fa3,4,1,32,8,128,bfloat16,fp8,4095,0,0.02
      1,NVIDIA H100,vllm_flash_attn_fa3,4,1,32,8,128,bfloat16,bfloat16,0,0,0.01
      1,NVIDIA A100,vllm_flash_attn,2,512,32,8,128,bfloat16,bfloat16,0,128,0.5
      1,NVIDIA A100,vllm_flash_attn,2,512,32,8,128,bfloat16,bfloat16,64,0,0.5
      """)
    defer { try? FileManager.default.removeItem(atPath: file) }
    let read = try AttentionMeasurements(reading: [file], on: SharedKernels.h100)
    try #require(read.decodes.count == 2 && read.prompts.count == 1)
    #expect(read.decodes[0].work.context == 4096 && read.decodes[0].work.elementBytes == 1)
    #expect(read.decodes[0].machine.peak == 1979e12 && read.decodes[0].time == 0.02e-3)
    #expect(read.decodes[0].family == "vllm_flash_attn_fa3 fp8")
    #expect(read.decodes[1].work.context == 1 && read.decodes[1].machine.peak == 989e12)
    #expect(read.prompts[0].work.library == .flashAttention2)
    #expect(read.prompts[0].work.tokens == 512 && read.prompts[0].work.window == 128)
    #expect(
      read.leftOut == [
        LeftOutMeasurement(place: "\(file):5", reason: "a prompt with a context before it")
      ])
  }

  @Test("name the kernels that they know where a table has another")
  func unknownKernel() throws {
    let file = try Self.file(
      """
      device,kernel_source,batch_size,isl,num_heads,num_key_value_heads,head_dim,kv_cache_dtype,\
      step,latency
      NVIDIA H100,flash_dance,4,1,32,8,128,fp8,4095,0.02
      """)
    defer { try? FileManager.default.removeItem(atPath: file) }
    var sentence = ""
    do {
      _ = try AttentionMeasurements(reading: [file], on: SharedKernels.h100)
    } catch {
      sentence = error.sentence
    }
    #expect(
      sentence
        == "\(file):2: 'kernel_source' is 'flash_dance'; it must be vllm_flash_attn, with _fa2, "
        + "_fa3 or _fa4 behind it where that is known")
  }

  private static func file(_ text: String) throws -> String {
    let file =
      FileManager.default.temporaryDirectory.path + "/attention-\(UUID().uuidString).csv"
    try text.write(toFile: file, atomically: true, encoding: .utf8)
    return file
  }
}

@Suite(
  "Measured attention",
  .enabled(if: SharedMeasurements.isPresent, Comment(rawValue: SharedMeasurements.absence)))
struct SharedAttentionTests {
  /// What the fit to all rows reaches, with room for the thinning.
  static let decodes: [(String, String, Double, Double)] = [
    ("h100_sxm", "vllm_flash_attn_fa3 bfloat16", 0.045, 0.12),
    ("h100_sxm", "vllm_flash_attn_fa3 fp8", 0.05, 0.15),
    ("a100_sxm", "vllm_flash_attn bfloat16", 0.04, 0.12),
  ]

  @Test("of single queries is met within five and fifteen percent", arguments: decodes)
  func decode(device: String, family: String, median: Double, ninetieth: Double) throws {
    let rows = try AttentionMeasurements(
      reading: [SharedKernels.table("\(device)/attention_decode")],
      on: device == "a100_sxm" ? SharedKernels.a100 : SharedKernels.h100)
    let some = SharedKernels.thinned(rows.decodes, family, to: 500)
    var settings = KernelFit<AttentionDecodeLaw>.Settings.attention(some)
    settings.searches = 1
    settings.mostIterations = 30
    let fit = try KernelFit(some, settings)
    #expect(fit.errors.errorQuantile(0.5) < median)
    #expect(fit.errors.errorQuantile(0.9) < ninetieth)
    #expect(fit.heldOutErrors.errorQuantile(0.5) < 0.06)
  }

  static let prompts: [(String, String, Double, Double)] = [
    ("h100_sxm", "vllm_flash_attn_fa3 bfloat16", 0.055, 0.15),
    ("h100_sxm", "vllm_flash_attn_fa3 fp8", 0.065, 0.19),
    ("a100_sxm", "vllm_flash_attn bfloat16", 0.045, 0.13),
  ]

  @Test("of prompts is met within six and nineteen percent", arguments: prompts)
  func prompt(device: String, family: String, median: Double, ninetieth: Double) throws {
    let rows = try AttentionMeasurements(
      reading: [SharedKernels.table("\(device)/attention_prefill")],
      on: device == "a100_sxm" ? SharedKernels.a100 : SharedKernels.h100)
    let some = SharedKernels.thinned(rows.prompts, family, to: 500)
    var settings = KernelFit<AttentionPromptLaw>.Settings.attention(some)
    settings.searches = 1
    settings.mostIterations = 30
    let fit = try KernelFit(some, settings)
    #expect(fit.errors.errorQuantile(0.5) < median)
    #expect(fit.errors.errorQuantile(0.9) < ninetieth)
    #expect(fit.heldOutErrors.errorQuantile(0.5) < 0.08)
  }

  @Test("on an H20 follows from H100's law and H20's data sheet within ten percent")
  func transfer() throws {
    let rows = try AttentionMeasurements(
      reading: [SharedKernels.table("h100_sxm/attention_decode")], on: SharedKernels.h100)
    let some = SharedKernels.thinned(rows.decodes, "vllm_flash_attn_fa3 bfloat16", to: 500)
    var settings = KernelFit<AttentionDecodeLaw>.Settings.attention(some)
    settings.searches = 1
    settings.mostIterations = 30
    let law = try KernelFit(some, settings).law
    let folder = URL(fileURLWithPath: SharedMeasurements.folder).deletingLastPathComponent().path
    // 64-2-128.csv has no header.
    let shapes = [
      "128-2-128", "16-1-256", "16-2-128", "16-2-256", "256-2-128", "32-2-128", "32-4-128",
      "32-8-128",
    ]
    let other = try AttentionMeasurements(
      reading: shapes.map { "\(folder)/infersim-bench/mha/decode/h20/\($0).csv" },
      on: SharedKernels.h20)
    let errors = law.errors(of: other.decodes.filter { $0.family.hasSuffix("bf16") })
    #expect(errors.count == 331)
    #expect(errors.errorQuantile(0.5) < 0.1)
  }
}
