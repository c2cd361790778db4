import Foundation
import Testing

@Suite("A mistake in a section of a scenario")
struct SectionMistakeTests {
  let folder: ScenarioFolder

  init() throws { folder = try ScenarioFolder() }

  private func expect(
    _ part: String, _ other: String, _ sentences: String...,
    at place: SourceLocation = #_sourceLocation
  ) throws {
    let found = try folder.problems(replacing: [part: other])
    #expect(found == sentences, sourceLocation: place)
  }

  @Test("an unknown key, with the key it was meant to be")
  func unknownKeys() throws {
    try expect(
      "measure:", "mesure:", "scenario.yaml:13:1: unknown key 'mesure'; did you mean 'measure'?")
    try expect(
      "batch: 4", "batch: 4\n  conversations: 2",
      "scenario.yaml:10:3: unknown key 'conversations'; "
        + "known here: batch, context, requests, routing, source, speculation")
  }

  @Test("a section that is missing")
  func missing() throws {
    try expect(
      "switchyard: 1\n", "",
      "scenario.yaml:1:1: 'switchyard' is missing; write it like 'switchyard: 1'")
    try expect(
      "model: tiny.yaml\n", "",
      "scenario.yaml:1:1: 'model' is missing; write it like 'model: deepseek-v2-lite'")
    try expect(
      "  batch: 4\n", "", "scenario.yaml:8:3: 'batch' is missing")
  }

  @Test("a section of another kind than it must be")
  func wrongKinds() throws {
    try expect(
      "cluster: {nodes: 1 x dgx-h100}", "cluster: dgx-h100",
      "scenario.yaml:4:10: 'cluster' is a mapping, not 'dgx-h100'; "
        + "write it like 'cluster: {nodes: 1 x dgx-h100}'")
    try expect(
      "measure: {warmup: 2 iterations, iterations: 3}", "measure:",
      "scenario.yaml:13:9: 'measure' is a mapping, not nothing; "
        + "write it like 'measure: {warmup: 5 iterations, iterations: 50}'")
    try expect(
      "model: tiny.yaml", "model: [tiny.yaml]",
      "scenario.yaml:3:8: 'model' is a name of the catalogue, a path or an architecture, "
        + "not a sequence")
  }

  @Test("another format version")
  func version() throws {
    try expect(
      "switchyard: 1", "switchyard: 2",
      "scenario.yaml:1:13: the scenario has format version 2; this program reads version 1")
  }

  @Test("a model that is not there, has no experts or an encoder")
  func models() throws {
    try expect(
      "tiny.yaml", "deepseek-v2-light",
      "scenario.yaml:3:8: there is no model 'deepseek-v2-light' in the catalogue; "
        + "did you mean 'deepseek-v2-lite'?")
    try expect(
      "tiny.yaml", "other.yaml",
      "scenario.yaml:3:8: the model 'other.yaml' cannot be read: no such file")
    try folder.write(
      "dense.yaml",
      ScenarioFolder.model.split(separator: "\n").dropLast().joined(separator: "\n"))
    try expect(
      "tiny.yaml", "dense.yaml",
      "scenario.yaml:3:8: 'dense' has no experts: models without any are not simulated")
    try expect(
      "tiny.yaml", "nllb-moe-54b",
      "scenario.yaml:8:3: 'nllb-moe-54b' decodes with attention to an encoder's output; write how "
        + "long that is, like 'source: 512 tokens'",
      "scenario.yaml:8:20: tiny.routing: a trace of another model: it has 3 MoE layers of 8 experts, "
        + "top-2 (tiny), but 12 MoE layers of 128 experts, top-2 (nllb-moe-54b) are wanted")
  }

  @Test("a mistake in a model's file is told at its own place")
  func modelFile() throws {
    try folder.write(
      "tiny.yaml", ScenarioFolder.model.replacingOccurrences(of: "hidden: 64", with: "hidden: -1"))
    try expect("Tiny", "Tiny", "tiny.yaml:2:9: 'hidden' is -1; it must be from 1 to 65536")
  }

  @Test("a cluster that cannot be built")
  func clusters() throws {
    try expect(
      "1 x dgx-h100", "1 x dgx-h10",
      "scenario.yaml:4:18: there is no node 'dgx-h10' in the catalogue; did you mean 'dgx-h100'?")
    try expect(
      "1 x dgx-h100", "0 x dgx-h100",
      "scenario.yaml:4:18: a cluster of 0 nodes was asked for; it needs 1 to 100000")
    try expect(
      "1 x dgx-h100", "-1 x dgx-h100",
      "scenario.yaml:4:18: a cluster of -1 nodes was asked for; it needs 1 to 100000")
    try expect(
      "1 x dgx-h100", "two dgx-h100",
      "scenario.yaml:4:18: 'nodes' is 'two dgx-h100'; write it like '2 x dgx-h100'")
    try expect(
      "1 x dgx-h100", "two x dgx-h100",
      "scenario.yaml:4:18: 'number of nodes' is a whole number, not 'two'")
    try expect(
      "1 x dgx-h100", "10000 x dgx-h100",
      "scenario.yaml:4:18: the cluster has 80000 devices; at most 65535 can be simulated")
    try expect(
      "1 x dgx-h100", "1 x dgx-h100, devices-per-node: 9",
      "scenario.yaml:4:50: 9 devices of a dgx-h100 were asked for; it has 1 to 8")
  }

  @Test("several of a node without a network")
  func noNetwork() throws {
    try folder.write(
      "mine.yaml",
      """
      sources: {own: measured here}
      nodes:
        alone:
          full-name: Alone
          devices: {device: h100-sxm, count: [8, own]}
          scale-up: {kind: switched}
          collective-latency: [9 us, own]
          host: {processor: xeon-8480, sockets: [1, own], memory: [1 TB, own]}
      """)
    let found = try folder.problems(
      replacing: ["name: Tiny": "name: Tiny\ncatalogue: [mine.yaml]", "1 x dgx-h100": "2 x alone"])
    #expect(
      found == [
        "scenario.yaml:5:18: 'alone' has no network, so there cannot be 2 of it; "
          + "use one, or add 'network' to the node"
      ])
  }

  @Test("a catalogue that is missing, mixed or no list")
  func catalogues() throws {
    try expect(
      "name: Tiny", "name: Tiny\ncatalogue: [none.yaml]",
      "scenario.yaml:3:13: 'none.yaml' cannot be read: no such file")
    try expect(
      "name: Tiny", "name: Tiny\ncatalogue: mine.yaml",
      "scenario.yaml:3:12: 'catalogue' is a list of files, not 'mine.yaml'; "
        + "write it like 'catalogue: [my-devices.yaml]'")
    try folder.write("mixed.yaml", "models: {}\nnodes: {}\n")
    try expect(
      "name: Tiny", "name: Tiny\ncatalogue: [mixed.yaml]",
      "scenario.yaml:3:13: 'mixed.yaml' has models beside hardware; "
        + "give the models a file of their own")
    try folder.write("wrong.yaml", "nodes: {}\ndevises: {}\n")
    try expect(
      "name: Tiny", "name: Tiny\ncatalogue: [wrong.yaml]",
      "wrong.yaml:2:1: unknown key 'devises'; did you mean 'devices'?")
  }

  @Test("a precision that is unknown, missing or not the device's")
  func precisions() throws {
    try expect(
      "weights: bf16", "weights: bf61",
      "scenario.yaml:5:22: 'bf61' is not a value of 'weights'; "
        + "one of: fp32, bf16, fp16, fp8, int8, fp4, int4")
    try expect(
      "{weights: bf16, activations: bf16, kv-cache: bf16}", "{weights: bf16, kv-cache: bf16}",
      "scenario.yaml:5:12: 'activations' is missing; write it like 'activations: fp32'")
    try expect(
      "{weights: bf16, activations: bf16, kv-cache: bf16}", "[bf16]",
      "scenario.yaml:5:12: 'precision' is a word or a mapping, not a sequence; "
        + "write it like 'precision: {weights: bf16, activations: bf16, kv-cache: bf16}'")
  }

  @Test("a precision that the device cannot compute in")
  func noRate() throws {
    try folder.write(
      "mine.yaml",
      """
      sources: {own: measured here}
      devices:
        npu:
          full-name: Integers only
          kind: gpu
          source: own
          compute: {int8: 100 TOPS}
          memory: {kind: hbm3, capacity: 16 GB, bandwidth: 1 TB/s}
          host-link: {link: pcie4-x16, bandwidth: 31.5 GB/s}
          power: {thermal-design: 300 W, idle: 30 W}
          efficiency: {like: h100-sxm}
      nodes:
        npus:
          full-name: Eight of them
          devices: {device: npu, count: [8, own]}
          scale-up: {kind: host}
          collective-latency: [9 us, own]
          host: {processor: xeon-8480, sockets: [1, own], memory: [1 TB, own]}
      """)
    let found = try folder.problems(
      replacing: ["name: Tiny": "name: Tiny\ncatalogue: [mine.yaml]", "1 x dgx-h100": "npus"])
    #expect(
      found == [
        "scenario.yaml:6:12: npu has no compute rate for bf16, nor for a wider precision that could "
          + "stand in; it has int8"
      ])
  }

  @Test("parallelism that does not multiply to the devices, or slices too thin")
  func parallelism() throws {
    try expect(
      "{data: 8}", "{data: 4}",
      "scenario.yaml:6:26: attention parallelism is 4 x 1 = 4; the cluster has 8 devices; "
        + "choose data x tensor = 8")
    try expect(
      "{expert: 8}", "{expert: 8, tensor: 2}",
      "scenario.yaml:6:46: experts parallelism is 8 x 2 = 16; the cluster has 8 devices; "
        + "choose expert x tensor = 8")
    try expect(
      ", experts: {expert: 8}", "",
      "scenario.yaml:6:14: 'experts' is missing; write it like 'experts: {expert: 8, tensor: 1}'")
    try expect(
      "{data: 8}", "{data: 0}",
      "scenario.yaml:6:33: 'data' is 0; it must be from 1 to 65535")
    let found = try folder.problems(replacing: [
      "1 x dgx-h100": "2 x dgx-h100", "{data: 8}": "{tensor: 16}",
      "{expert: 8}": "{expert: 8, tensor: 2}",
    ])
    #expect(
      found == [
        "scenario.yaml:6:35: attention cannot be sliced over 16 devices: the model has 8 heads; "
          + "choose at most 8"
      ])
  }

  @Test("a batch or a context that is out of range or without its unit")
  func workloads() throws {
    try expect(
      "batch: 4", "batch: 0",
      "scenario.yaml:9:10: 'batch' is 0; it must be from 1 to 1000000")
    try expect(
      "batch: 4", "batch: four", "scenario.yaml:9:10: 'batch' is a whole number, not 'four'")
    try expect(
      "16 tokens", "16",
      "scenario.yaml:10:12: 'context': '16' has no unit; "
        + "a number of tokens is written like '2048 tokens'")
    try expect(
      "16 tokens", "0.5 tokens",
      "scenario.yaml:10:12: 'context' is '0.5 tokens'; "
        + "it must be a whole number from 1 to 100000000 tokens")
    try expect(
      "16 tokens", "-3 tokens",
      "scenario.yaml:10:12: 'context' is '-3 tokens'; it must be more than zero")
    try expect(
      "phase: decode", "phase: training",
      "scenario.yaml:8:41: 'training' is not a value of 'phase'; one of: prefill, decode")
    let found = try folder.problems(replacing: [
      "phase: decode": "phase: prefill", "batch: 4": "batch: 1000000",
      "16 tokens": "100000 tokens",
    ])
    #expect(
      found == [
        "scenario.yaml:9:10: an iteration would have 800000000000 new tokens; "
          + "at most 1000000000 can be simulated"
      ])
  }

  @Test("a number of iterations that is none, or of another unit")
  func measurements() throws {
    try expect(
      "iterations: 3", "iterations: 0",
      "scenario.yaml:13:45: 'iterations' is 0; it must be from 1 to 1000000")
    try expect(
      "2 iterations", "2 seconds",
      "scenario.yaml:13:19: 'seconds' is not a unit of 'warmup'; write it like '50 iterations'")
    try expect(
      "seed: 7", "seed: -7", "scenario.yaml:14:7: 'seed' is -7; it must be 0 or more")
  }
}
