import Engine
import Models
import Serving
import Testing
import Units

@Test func acceptedTokensAreAGeometricSum() {
  #expect(Speculation(tokens: 1, acceptance: 0.7).acceptedTokens == 1.7)
  // 1 + 1/2 + 1/4 + 1/8
  #expect(Speculation(tokens: 3, acceptance: 0.5).acceptedTokens == 1.875)
  #expect(Speculation(tokens: 4, acceptance: 0).acceptedTokens == 1)
  #expect(Speculation(tokens: 4, acceptance: 1).acceptedTokens == 5)
}

@Test func guessesAreVerifiedAndAcceptedOnesCount() throws {
  // 8 x 16 sequences: 217.6 tokens an iteration, whole ones being 217, then 218 (435.2), then 217
  // (652.8). Each sequence brings two tokens to its two experts: 512 pairs a layer.
  let log = try run(
    deployment(dies(8)), speculation: Speculation(tokens: 1, acceptance: 0.7))
  #expect(log.tokens == [217, 218, 217])
  for load in log.loads {
    for layer in 1..<4 { #expect(load.tokens[layer * 8..<(layer + 1) * 8].reduce(0, +) == 512) }
  }
}

@Test func aGuessCostsOneMoreLayer() throws {
  let deployment = try deployment(dies(8))
  func attention(_ log: RunLog, layer: Int) -> [SimTime] {
    log.tasks.filter {
      $0.label.stage == Stage.attention.rawValue && $0.label.layer == Int16(layer)
        && $0.label.device == 0
    }.map { $0.end - $0.start }
  }
  let plain = try run(deployment, iterations: 1)
  let three = try run(
    deployment, iterations: 1, speculation: Speculation(tokens: 3, acceptance: 0.5))
  // The first guess takes all four tokens of a sequence through the prediction layer, the further
  // ones one each.
  let guesses = attention(three, layer: -1)
  #expect(guesses.count == 3)
  #expect(guesses[0] == attention(three, layer: 3)[0])
  #expect(guesses[1] == attention(plain, layer: 3)[0])
  #expect(guesses[2] == guesses[1])
  // A dispatch and a combine of each guess, and its experts.
  let others = three.tasks.filter { $0.label.layer == -1 }
  #expect(others.count { $0.label.stage == Stage.dispatch.rawValue } == 3)
  #expect(others.count { $0.label.stage == Stage.combine.rawValue } == 3)
  #expect(others.count { $0.label.stage == Stage.head.rawValue } == 8 * 4)
}

@Test func verifyingReadsTheCacheOnce() throws {
  // Decode is bound by memory: twice the tokens cost far less than twice the time.
  let deployment = try deployment(dies(1))
  let plain = try run(deployment, batch: 32, context: 4096, iterations: 1)
  let guessing = try run(
    deployment, batch: 32, context: 4096, iterations: 1,
    speculation: Speculation(tokens: 1, acceptance: 0.7))
  // Four layers and the guess's one.
  #expect(guessing.time(of: .attention) / plain.time(of: .attention) < 1.1 * 5 / 4)
}

@Test func thePredictionLayerTakesItsMemory() throws {
  let deployment = try deployment(dies(8))
  func parts(_ speculation: Speculation?) throws -> [String: Double] {
    let budget = MemoryBudget(
      deployment,
      Workload(
        trace: try skewedTrace(), phase: .decode, batch: 2, context: 512, routing: .asRecorded,
        speculation: speculation))
    return Dictionary(uniqueKeysWithValues: budget.parts.map { ($0.name, $0.bytes.value) })
  }
  let plain = try parts(nil)
  let guessing = try parts(Speculation(tokens: 1, acceptance: 0.7))
  #expect(plain["prediction layer"] == nil)
  // Attention 64 x 2 (16 + 4) x 1024, input 2 x 1024 x 1024, gate 8 x 1024, one routed and one shared
  // expert of 3 x 1024 x 512, two bytes each.
  let weights = 64 * 2 * 20 * 1024 + 2 * 1024 * 1024 + 8 * 1024 + 2 * 3 * 1024 * 512
  #expect(guessing["prediction layer"] == Double(weights) * 2)
  #expect(guessing["KV cache"] == (plain["KV cache"] ?? 0) * 5 / 4)
}

@Test func guessesInMicrobatchesAreTheSameForAnyNumberOfThreads() throws {
  let deployment = try deployment(dies(8))
  let speculation = Speculation(tokens: 2, acceptance: 0.6)
  let batching = Batching(microbatches: 2, streams: .init(attention: 16, experts: 8))
  let one = try run(deployment, batching: batching, speculation: speculation)
  let four = try run(deployment, threads: 4, batching: batching, speculation: speculation)
  #expect(one.tasks == four.tasks)
  // 1 + 0.6 + 0.36 for each of 128: 250.88 an iteration.
  #expect(one.tokens.reduce(0, +) == 752)
}
