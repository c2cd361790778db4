import Fabric
import Foundation
import Models
import Roofline
import Scenario
import Serving
import Testing
import Units

/// Predictions of the repository's scenarios, some of their values changed.
private struct Changed {
  let scenario: Scenario
  let prediction: ScenarioPrediction
  var work: IterationWork { prediction.iteration.work }

  init(_ file: String, _ settings: [String]) throws {
    let path = URL(fileURLWithPath: #filePath)
      .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("scenarios/" + file).path
    var source = try PredictableScenarios(path: path, settings: settings)
    prediction = try source.prediction()
    scenario = prediction.scenario
  }

  func part(_ stage: Stage, _ name: String) -> IterationWork.Part? {
    work.parts.first { $0.stage == stage.name && $0.name == name }
  }

  /// What a run of one iteration, or a few, has every kind of companion's resource serve in bytes; links
  /// by whether they lead to the companion.
  func served(iterations: Int) throws -> (
    memory: Double, to: Double, from: Double, realised: IterationWork
  ) {
    var simulation = try Simulation(
      scenario.deployment, scenario.workload,
      Serving.Measurement(warmup: 0, iterations: iterations), seed: 1)
    var tally = NeededTally()
    try simulation.run(observer: &tally)
    var (memory, to, from) = (0.0, 0.0, 0.0)
    for (index, amount) in simulation.amountsServed.enumerated() {
      switch simulation.resources.kinds[index] {
      case .companionMemory: memory += amount
      case .companionLink where simulation.resources.table.names[index].contains(" to device "):
        from += amount
      case .companionLink: to += amount
      default: break
      }
    }
    let least = LeastWork(scenario.deployment, scenario.workload)
    return (memory, to, from, least.iterations(tally.needed))
  }
}

private let streamed = "papers/moe-lens/mixtral-8x7b-a40.yaml"
private let duplex = "papers/duplex/mixtral-duplex-pe-et.yaml"

private func isNear(_ found: Double, _ expected: Double, within share: Double = 1e-9) -> Bool {
  abs(found - expected) <= share * abs(expected)
}

@Suite("Predictions of requests")
struct RequestPredictionTests {
  private static let lengths =
    "workload={routing: {drawn: uniform}, batch: 4, prompt: 100 tokens, output: 10 tokens}"

  @Test("read the experts of prompts in one iteration of ten, of decoded tokens in the others")
  func experts() throws {
    // Mixtral has 8 experts, of which a token chooses 2: 400 tokens of prompts reach all, and 4 decoded
    // ones 8 (1 - 0.75^4) = 5.46875. The mean iteration's 43.6 tokens would have reached all, too.
    let found = try Changed(
      streamed,
      [
        Self.lengths, "policies={batching: together, execution: resident}",
        "cluster={nodes: 1 x dgx-h100, devices-per-node: 4}",
      ]
        + ["parallelism={attention: {data: 1, tensor: 4}, experts: {expert: 4}}"])
    let copies = found.prediction.expectedActiveCopies
    // The law's experts are drawn, and 1,024 tokens choose them not quite alike.
    #expect(isNear(copies, 0.1 * 8 + 0.9 * 5.46875, within: 0.002))
    let up = try #require(found.part(.experts, "expert up"))
    // Gate and up of an expert are 2 x 4096 x 14336 in two bytes; a token's rows 4096 in, 2 x 14336 out.
    let weights: Double = (0.1 * 8 + 0.9 * 5.46875) * Double(2 * 4096 * 14336 * 2)
    let rows = 43.6 * Double(2 * (4096 + 2 * 14336) * 2)
    #expect(isNear(up.work.bytes(of: .memory).value, 32 * (weights + rows), within: 0.01))
  }

  @Test("read one copy of experts whose other copies no rank with a token asks for")
  func fewTokens() throws {
    // Two tokens and 8 devices: without copies and with one more of each, two tokens of 8 experts choose
    // 8 (1 - 0.75^2) = 3.5 of them.
    func copies(_ placement: String, batch: Int) throws -> Double {
      try Changed(
        streamed,
        [
          "workload={routing: {drawn: uniform, phase: decode}, batch: \(batch), context: 512 tokens}",
          "policies={batching: static, execution: resident, placement: \(placement)}",
          "cluster={nodes: 1 x dgx-h100}",
          "parallelism={attention: {data: 1, tensor: 8}, experts: {expert: 8}}",
        ]
      ).prediction.expectedActiveCopies
    }
    let redundant = "{kind: round-robin, redundant: 8}"
    #expect(isNear(try copies("round-robin", batch: 2), 3.5, within: 0.002))
    #expect(isNear(try copies(redundant, batch: 2), 3.5, within: 0.002))
    // A token on every device: 16 (1 - 0.875^8).
    #expect(isNear(try copies(redundant, batch: 8), 10.502, within: 0.002))
  }

  @Test("take one thing at a time as long as prompts and decoded tokens predicted apart")
  func apart() throws {
    // Prompts are bound by arithmetic, decoding is by memory; neither hides the other.
    let machine = [
      "cluster={nodes: 1 x dgx-h100, devices-per-node: 4}",
      "parallelism={attention: {data: 4}, experts: {expert: 4}}",
    ]
    let drawn = "routing: {drawn: uniform"
    let requests = try Changed(
      streamed,
      machine + [
        "workload={\(drawn)}, batch: 64, prompt: 2000 tokens, output: 400 tokens}",
        "policies={batching: together, execution: resident}",
      ])
    let plain = machine + ["policies={batching: static, execution: resident}"]
    let prompts = try Changed(
      streamed, plain + ["workload={\(drawn), phase: prefill}, batch: 64, context: 2000 tokens}"])
    let decoded = try Changed(
      streamed, plain + ["workload={\(drawn), phase: decode}, batch: 64, context: 2200 tokens}"])
    let apart = prompts.work.timeInTurn.value + 399 * decoded.work.timeInTurn.value
    #expect(isNear(400 * requests.work.timeInTurn.value, apart, within: 1e-6))
    #expect(prompts.prediction.iteration.times.binding == .arithmetic)
    #expect(decoded.prediction.iteration.times.binding == .memory)
    #expect(isNear(apart / 400, 23.4e-3, within: 0.01))
  }

  @Test("count no token that a window hides, before it is full and after")
  func window() throws {
    // 20 tokens of prompt and 9 decoded ones, of 21 to 29 tokens: with a window of 24 these see 21, 22,
    // 23 and 24 and then five times 24: 210, and not 9 x 24 = 216, as their mean of 25 would.
    let model =
      "model={layers: 1, hidden: 256, vocabulary: 1000, attention: {kind: grouped, heads: 4, "
      + "key-value-heads: 4, head-dimension: 64, window: 24}, feed-forward: "
      + "{matrices: 3}, experts: {count: 8, top-k: 2, intermediate: 256, layers: all}}"
    let found = try Changed(
      "quickstart.yaml",
      [
        model, "cluster={nodes: 1 x dgx-h100, devices-per-node: 1}",
        "parallelism={attention: {data: 1}, experts: {expert: 1}}",
        "workload={routing: {drawn: uniform}, batch: 1, prompt: 20 tokens, output: 10 tokens}",
        "policies={batching: together}",
      ])
    let core = try #require(found.part(.attention, "attention core"))
    // Four operations for each of 256 elements and pair; prompts have 20 x 21 / 2 pairs.
    #expect(isNear(core.work.flops.value * 10, Double(4 * 256 * (210 + 210))))
  }
}

@Suite("Predictions of microbatches and guesses")
struct PassPredictionTests {
  @Test("of two microbatches run in as many layers, and read no more experts than there are")
  func microbatches() throws {
    let found = try Changed(
      "quickstart.yaml", ["policies.batching={kind: static, microbatches: 2}"])
    for name in ["query up", "attention core"] {
      #expect(found.part(.attention, name)?.layers == 8)
    }
    #expect(found.part(.experts, "expert up")?.layers == 8)
    #expect(found.prediction.expectedActiveCopies > 63.9)
    #expect(found.prediction.expectedActiveCopies <= 64)
  }

  @Test("leave the last layer what the others have, and count guesses with none")
  func guesses() throws {
    let settings = [
      "workload.speculation={tokens: 2, acceptance: 70 %}", "policies.routing=uniform",
    ]
    let found = try Changed("quickstart.yaml", settings)
    let layers = found.work.layers
    #expect(isNear(layers[7].bytes(of: .memory).value, layers[6].bytes(of: .memory).value))
    #expect(isNear(layers[7].flops.value, layers[6].flops.value))
    #expect(found.part(.experts, "expert up")?.layers == 8)
    #expect(found.prediction.expectedActiveCopies <= 64)
    // The prediction layer's experts: 3 tokens of each of 1,024 sequences, and once more one.
    let plain = try Changed("quickstart.yaml", [settings[1]])
    let rows = (found.work.layers[8].flops - plain.work.layers[8].flops).value
    #expect(rows > Double(4 * 1024 * 6 * 3 * 2 * 2048 * 1408))
    let run = try found.served(iterations: 1).realised
    #expect(isNear(run.layers[7].flops.value, run.layers[6].flops.value))
    #expect(isNear(run.layers[8].flops.value, layers[8].flops.value))
  }
}

@Suite("Predictions of companions")
struct CompanionPredictionTests {
  @Test("give the companion the decoded tokens' attention that it always runs")
  func attention() throws {
    let found = try Changed(
      duplex, ["policies.execution={kind: resident, attention: companion}", "workload.batch=4"])
    let core = try #require(found.part(.attention, "attention core"))
    #expect(core.work.flops(on: .shared) == .zero)
    #expect(core.work.bytes(of: .companionMemory) > .zero)
    // A request of 256 + 256 tokens is decoded at 257 to 511 of them, 384 on average: 2 x 32 x 256 FLOPs for
    // each of 384 tokens, whose keys and values are 2 x 8 x 128 elements of two bytes; one more token is
    // written, 32 x 128 elements are read and as many written.
    let intensity = Double(16384 * 384) / Double(4096 * 384 + 4096 + 2 * 2 * 4096)
    #expect(isNear(try #require(core.work.intensity(on: .companion)), intensity))
    let run = try found.served(iterations: 2)
    #expect(run.memory > 0)
    #expect(isNear(run.memory, run.realised.total.bytes(of: .companionMemory).value, within: 1e-6))
  }

  @Test("keep what each processor does and moves apart")
  func processors() throws {
    let found = try Changed(streamed, ["workload.batch=4523"])
    let core = try #require(found.part(.attention, "attention core"))
    // As above, of requests of 98 + 32 tokens, decoded at 114 on average.
    let decoded = Double(16384 * 114) / Double(4096 * 114 + 4096 + 2 * 2 * 4096)
    #expect(isNear(try #require(core.work.intensity(on: .companion)), decoded))
    // Prompts: 98 x 99 / 2 pairs; keys and values are written and read, queries read, results written.
    let begun = Double(16384 * 98 * 99 / 2) / Double(2 * 4096 * 98 + 2 * 2 * 4096 * 98)
    #expect(isNear(try #require(core.work.intensity(on: .device)), begun))
    let flops = core.work.flops(on: .device) + core.work.flops(on: .companion)
    #expect(isNear(core.work.flops.value, flops.value))
  }

  @Test("count what streamed weights, queries and results put on either direction of the link")
  func links() throws {
    let found = try Changed(
      streamed,
      ["workload={routing: {drawn: uniform}, batch: 6, prompt: 20 tokens, output: 3 tokens}"])
    let run = try found.served(iterations: 4)
    let total = run.realised.total
    #expect(run.to > 0)
    #expect(isNear(run.to, total.bytes(of: .linkToCompanion).value, within: 1e-6))
    // Weights may be ahead of the iterations, or of the next one's, by a layer.
    let layer = found.scenario.deployment.streamBufferBytes.value
    let from = run.from - total.bytes(of: .companionLink).value
    #expect(from >= 0 && from <= 2 * layer)
    // Back come 32 x 128 elements of two bytes in each of 32 layers for every decoded token.
    let back = try #require(found.part(.vectorTransfer, "from companions"))
    #expect(isNear(back.work.bytes(of: .companionLink).value, Double(4 * 4096 * 2 * 32)))
    // There go queries, keys and values, of prompts keys and values alone.
    let there = try #require(found.part(.vectorTransfer, "to companions"))
    let sent = (4 * (4096 + 2048) + 40 * 2048) * 2 * 32
    #expect(isNear(there.work.bytes(of: .linkToCompanion).value, Double(sent)))
  }

  @Test("say of each layer that its weights come over the link")
  func layers() throws {
    let found = try Changed(streamed, ["workload.batch=64"])
    let machine = found.prediction.iteration.machine
    let weights = found.scenario.deployment.streamedModelBytes
    for layer in found.work.layers.dropLast() {
      #expect(machine.times(of: layer).binding == .companionLink)
    }
    // All but the embedding and the head, each 32,000 x 4,096 in two bytes.
    let inLayers = found.work.layers.dropLast().reduce(Bytes.zero) {
      $0 + $1.bytes(of: .companionLink)
    }
    let back = try #require(found.part(.vectorTransfer, "from companions"))
    let streamed = inLayers - back.work.bytes(of: .companionLink)
    #expect(isNear(streamed.value, weights.value - Double(2 * 32_000 * 4096 * 2)))
  }

  @Test("count each token's vector on its way to experts near the data, and their sum back")
  func vectors() throws {
    let found = try Changed("papers/monde/nllb-near-data.yaml", [])
    let run = try found.served(iterations: 1)
    #expect(isNear(run.to, run.realised.total.bytes(of: .linkToCompanion).value, within: 1e-6))
    #expect(isNear(run.from, run.realised.total.bytes(of: .companionLink).value, within: 1e-6))
    // 4 prompts of 512 tokens, 2,048 elements of two bytes, 6 of 24 layers.
    #expect(isNear(run.to, Double(4 * 512 * 2048 * 2 * 6)))
  }
}
