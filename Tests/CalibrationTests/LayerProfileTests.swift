import Hardware
import Models
import Testing

@testable import Calibration

@Suite("Profiles of a model's layers")
struct LayerProfileTests {
  private func model(_ name: String) throws -> ModelArchitecture {
    try ModelCatalogue.load().named(name).architecture
  }

  private let machine = KernelMachine(peak: 989e12, bandwidth: 3350e9, cache: 50e6, units: 132)

  @Test("are multiplications as wide as the model says, experts whole on any number of devices")
  func layers() throws {
    let table = try MeasurementTable(
      text: """
        layer_name,input,kv_cache,tp_size,latency(ns)
        q_proj,64,0,2,16000
        v_proj,64,0,2,9000
        expert.w2,8,0,4,45000
        lm_head,1,0,1,90000
        input_layernorm,8,0,1,17499
        """, file: "layers.csv")
    let found = try table.layerMultiplications(of: model("mixtral-8x7b"), on: machine)
    #expect(
      found.rows.map(\.work) == [
        GEMMWork(m: 64, n: 2048, k: 4096), GEMMWork(m: 64, n: 512, k: 4096),
        GEMMWork(m: 8, n: 4096, k: 14_336), GEMMWork(m: 1, n: 32_000, k: 4096),
      ])
    #expect(
      zip(found.rows, [16e-6, 9e-6, 45e-6, 90e-6]).allSatisfy { abs($0.time / $1 - 1) < 1e-12 })
    #expect(found.rows.first?.family == "q_proj bfloat16")
    #expect(
      found.leftOut == [
        .init(
          place: "layers.csv:6",
          reason: "input_layernorm, whose timing has other kernels in it or no law of its own")
      ])
    var refusal = ""
    do throws(CalibrationError) {
      _ = try table.layerMultiplications(of: nil, on: machine)
    } catch {
      refusal = error.sentence
    }
    #expect(
      refusal.hasPrefix("layers.csv:1: is a profile of a model's layers; name the model with"))
  }

  @Test("leave out attention that no memory could feed")
  func attention() throws {
    // 16 sequences of 65,536 keys, 2 key heads of 128 elements of two bytes, keys and values:
    // 1.07 GB, which 3,350 GB/s and 50 MB of cache give in 305 us.
    let head =
      "time_stats.attn_decode.median,n_embd,n_q_head,n_kv_head,num_tensor_parallel_workers,"
      + "batch_size,kv_cache_size,is_prefill\n"
    let table = try MeasurementTable(
      text: head + "0.36,4096,32,8,4,16,65536,False\n0.03,4096,32,8,4,16,65536,False\n"
        + ",4096,32,8,4,1,32,True\n", file: "attention.csv")
    let device = try HardwareCatalogue.load().device(named: "h100-sxm")
    let found = try table.attentionProfile(on: device, machine)
    #expect(
      found.rows.map(\.work) == [
        AttentionDecodeLaw.Work(
          .flashAttention3, sequences: 16, context: 65_536, queryHeads: 8, keyHeads: 2, width: 128)
      ])
    #expect(
      found.leftOut.map(\.reason) == [
        "a cache read faster than the data sheet's memory can", "a prompt with a context before it",
      ])
  }
}
