import Foundation
import Models
import Serving
import Testing
import Traces

@testable import Scenario

@Suite("A scenario without mistakes")
struct ValidScenarioTests {
  let folder: ScenarioFolder

  init() throws { folder = try ScenarioFolder() }

  @Test("resolves to the deployment, workload and measurement that it describes")
  func resolves() throws {
    let scenario = try folder.load()
    let deployment = scenario.deployment
    #expect(scenario.name == "Tiny")
    #expect(deployment.model.name == "tiny")
    #expect(deployment.model.expertLayers == [1, 2, 3])
    #expect(deployment.cluster.node.name == "dgx-h100")
    #expect(deployment.cluster.deviceCount == 8)
    #expect(deployment.precisions == Precisions(.bf16))
    #expect(deployment.parallelism.attention == (8, 1))
    #expect(deployment.parallelism.experts == (8, 1))
    // 8 experts in a row on 8 devices: expert e on device e, in each of the 3 expert layers.
    #expect(deployment.placement.hosts == Array(repeating: (0..<8).map { [$0] }, count: 3))
    #expect(deployment.exchange == .init(dispatch: .bf16, combine: .bf16))
    #expect(scenario.workload.phase == .decode)
    #expect(scenario.workload.batch == 4)
    #expect(scenario.workload.context == 16)
    #expect(scenario.workload.routing == .asRecorded)
    #expect(scenario.workload.trace.tokens == 42)
    #expect(scenario.measurement == Measurement(warmup: 2, iterations: 3))
    #expect(scenario.seed == 7)
    #expect(scenario.memory.fits)
  }

  @Test("may leave out parallelism, policies, measure and seed")
  func defaults() throws {
    let scenario = try folder.load(
      text: """
        switchyard: 1
        name: Short
        model: tiny.yaml
        cluster: {nodes: dgx-h100, devices-per-node: 4}
        precision: fp8
        workload:
          routing: {trace: tiny.routing, phase: prefill}
          batch: 1
          context: 3 tokens
        """)
    #expect(scenario.deployment.cluster.deviceCount == 4)
    #expect(scenario.deployment.precisions == Precisions(.fp8))
    #expect(scenario.deployment.parallelism.attention == (4, 1))
    #expect(scenario.deployment.parallelism.experts == (4, 1))
    #expect(scenario.deployment.exchange == .init(dispatch: .fp8, combine: .bf16))
    #expect(scenario.measurement == Measurement(warmup: 5, iterations: 50))
    #expect(scenario.seed == 1)
    #expect(scenario.tokensPerIteration == 12)
    #expect(
      scenario.policies.map { "\($0.slot): \($0.choice), \($0.isDefault)" } == [
        "batching: static, true", "routing: as-recorded, true", "placement: contiguous, true",
        "execution: resident, true",
        "communication: flat by nccl, tokens return home, dispatch fp8, combine bf16, true",
      ])
    #expect(
      scenario.remarks.contains(
        "parallelism was not given: attention is data-parallel and experts are expert-parallel "
          + "over all 4 devices"))
  }

  @Test("takes a catalogue's model and a trace of its shape")
  func catalogueModel() throws {
    try folder.writeTrace("lite.routing", layerIDs: Array(1...26), experts: 64, topK: 6)
    let scenario = try folder.load(
      replacing: ["tiny.yaml": "deepseek-v2-lite", "tiny.routing": "lite.routing"])
    #expect(scenario.deployment.model.name == "deepseek-v2-lite")
    // 64 experts on 8 devices in 26 layers.
    #expect(scenario.deployment.placement.fullestGroup.copies == 8 * 26)
  }

  @Test("may hold the architecture itself")
  func inlineModel() throws {
    let lines = ScenarioFolder.model.split(separator: "\n").map { "  " + $0 + "\n" }.joined()
    let scenario = try folder.load(
      replacing: ["model: tiny.yaml\n": "model:\n  name: own\n" + lines])
    #expect(scenario.deployment.model.name == "own")
    #expect(scenario.deployment.model.hidden == 64)
  }

  @Test("chooses among the policies by a word or by a mapping")
  func policies() throws {
    let scenario = try folder.load(replacing: [
      "placement: contiguous": """
      routing: {kind: uniform}
        placement: {kind: round-robin, redundant: 8}
        execution: resident
        communication: {kind: flat, model: home, dispatch: fp8, combine: fp16}
      """
    ])
    #expect(scenario.workload.routing == .uniform)
    #expect(scenario.deployment.placement.hosts[0][0].count == 2)
    #expect(scenario.deployment.exchange == .init(dispatch: .fp8, combine: .fp16))
    #expect(
      scenario.policies[2].choice == "round-robin, 8 redundant experts in each layer")
  }

  @Test("chooses a placement by its own trace, and replays what was not profiled")
  func chosenPlacement() throws {
    // Every token takes experts 0 and 1: they are apart, and a copy of each of both makes four.
    let eplb = try folder.load(replacing: [
      "placement: contiguous": "placement: {kind: eplb, redundant: 8}"
    ])
    let hosts = eplb.deployment.placement.hosts
    #expect(hosts.allSatisfy { $0[0].count + $0[1].count == 10 })
    #expect(
      eplb.remarks.contains("the placement was chosen by the requests that the run replays"))
    let search = try folder.load(replacing: [
      "placement: contiguous": "placement: {kind: search, trials: 100, profile: 50 %}"
    ])
    #expect(search.workload.trace.sequences.count == 3)
    #expect(
      search.remarks.contains(
        "the placement was chosen by 3 requests, and the run replays 3 others"))
    #expect(search.policies[2].choice == "search of 100 trials, by 50 % of the trace")
    let random = try folder.load(replacing: ["placement: contiguous": "placement: random"])
    #expect(
      random.deployment.placement
        == (try folder.load(replacing: ["placement: contiguous": "placement: random"]))
        .deployment.placement)
    #expect(random.deployment.placement != eplb.deployment.placement)
    let online = try folder.load(replacing: [
      "placement: contiguous": "placement: {kind: eplb, redundant: 8, every: 4 iterations}"
    ])
    #expect(online.workload.onlinePlacement == OnlinePlacement(every: 4, method: .eplb))
    #expect(online.deployment.placement.hosts[0].allSatisfy { $0.count == 2 })
    #expect(
      online.policies[2].choice
        == "eplb, anew every 4 iterations, 8 redundant experts in each layer")
    #expect(
      try folder.problems(replacing: [
        "placement: contiguous": "placement: {kind: eplb, every: 5 iterations}"
      ]).first?.hasSuffix(
        "'every' has no effect: the run has 5 iterations with its warm-up, and experts would be placed "
          + "anew after 5") == true)
    #expect(
      try folder.problems(replacing: [
        "placement: contiguous": "placement: {kind: search, every: 20, windows: 3}"
      ]).first?.contains("'windows' has no effect with 'every'") == true)
    #expect(
      try folder.problems(replacing: [
        "placement: contiguous": "placement: {kind: search, profile: 100 %}"
      ]).first?.contains("leaves nothing to replay") == true)
    #expect(
      try folder.problems(replacing: [
        "placement: contiguous": "placement: {kind: eplb, redundant: 57}"
      ]).first?.contains("0 to 56 are possible") == true)
  }

  @Test("takes a placement from a file beside it, in both spellings")
  func placementFile() throws {
    try folder.write(
      "mine.yaml",
      """
      placement: 1
      model: tiny
      groups: 8
      layers:
        - [7, 6, 5, 4, 3, 2, 1, [0, 1]]
        - [7, 6, 5, 4, 3, 2, 1, 0]
        - [7, 6, 5, 4, 3, 2, 1, 0]
      """)
    for spelling in ["file:mine.yaml", "{kind: file, path: mine.yaml}"] {
      let scenario = try folder.load(replacing: ["contiguous": spelling])
      #expect(scenario.deployment.placement.hosts[0][7] == [0, 1])
      #expect(scenario.policies[2].choice == "file mine.yaml")
    }
  }

  @Test("finds a user's device and node in a catalogue beside it")
  func ownCatalogue() throws {
    try folder.write(
      "mine.yaml",
      """
      sources: {own: measured here}
      nodes:
        two-h100:
          full-name: Two H100
          devices: {device: h100-sxm, count: [2, own]}
          scale-up: {kind: switched}
          collective-latency: [9 us, own]
          host: {processor: xeon-8480, sockets: [1, own], memory: [1 TB, own]}
      """)
    let scenario = try folder.load(replacing: [
      "model: tiny.yaml": "model: tiny.yaml\ncatalogue: [mine.yaml]", "dgx-h100": "two-h100",
      "{data: 8}": "{data: 2}", "{expert: 8}": "{expert: 2}",
    ])
    #expect(scenario.deployment.cluster.deviceCount == 2)
  }

  @Test("says what a reader of its results must know")
  func remarks() throws {
    try folder.writeTrace("synthetic.routing", origin: .synthetic)
    let scenario = try folder.load(replacing: ["tiny.routing": "synthetic.routing"])
    #expect(scenario.remarks.contains("the trace is synthetic: made by a test"))
    // 8 groups of 4 sequences, 6 in the trace.
    #expect(
      scenario.remarks.contains(
        "sequences are drawn with replacement: the trace has 6 with decode tokens, the batch needs 32"
      ))
    let small = try folder.load(
      replacing: ["batch: 4": "batch: 3"], settings: ["parallelism.attention={data: 2, tensor: 4}"])
    #expect(!small.drawsWithReplacement)
  }

  @Test("is summarised with every choice it makes")
  func summary() throws {
    let summary = ScenarioSummary(try folder.load(settings: ["measure.warmup=1"]))
    let table = summary.table.replacingOccurrences(of: folder.path + "/", with: "")
    #expect(table.hasPrefix("Tiny\n\nfile         scenario.yaml\nmodel        tiny: "))
    for line in [
      "cluster      1 x dgx-h100: 8 x h100-sxm, ",
      "parallelism  attention: data 8 x tensor 1; experts: expert 8 x tensor 1\n",
      "placement    contiguous; 3 experts of all layers on each device\n",
      "trace        tiny.routing (recorded, of tiny)\n",
      "             42 tokens (18 prefill, 24 decode) in 6 sequences\n",
      "             32 sequences = 4 x 8 attention groups, drawn with replacement from 6 of the trace\n",
      "             32 new tokens an iteration\n",
      "policies     batching       static (default)\n",
      "             placement      contiguous\n",
      "measure      1 warm-up, 3 counted iterations\n", "seed         7\n",
    ] {
      #expect(table.contains(line), "\(line)")
    }
    let json = try #require(String(data: JSONEncoder().encode(summary), encoding: .utf8))
    #expect(json.contains("\"capacityBytes\":80000000000"))
  }
}
