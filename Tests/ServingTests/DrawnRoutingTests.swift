import Models
import Statistics
import Testing
import Traces
import Units

@testable import Serving

private func drawn(
  _ law: SelectionLaw, model: ModelArchitecture = smallModel(), phase: Phase = .decode,
  sequences: Int = 400, tokensEach: Int = 1, iterations: Int = 50, seed: UInt64 = 5
) throws -> RoutingTrace {
  try RoutingTrace(
    drawing: law, for: model, phase: phase, sequences: sequences, tokensEach: tokensEach,
    measurement: Measurement(warmup: 0, iterations: iterations), seed: seed)
}

/// How often each expert is chosen, `[layer][expert]`.
private func loads(_ trace: RoutingTrace) -> [[Int]] {
  var loads = Array(
    repeating: Array(repeating: 0, count: trace.shape.experts), count: trace.shape.layers)
  for token in 0..<trace.tokens {
    for layer in 0..<trace.shape.layers {
      for expert in trace.selections(token: token, layer: layer) { loads[layer][expert] += 1 }
    }
  }
  return loads
}

@Test func drawnSelectionsAreDistinctExpertsOfTheModelsShape() throws {
  for law in [SelectionLaw.uniform, .zipf(exponent: 1.2)] {
    let trace = try drawn(law)
    #expect(trace.shape.layerIDs == [1, 2, 3])
    #expect((trace.shape.experts, trace.shape.topK) == (8, 2))
    #expect(trace.origin == .synthetic)
    #expect(trace.tokens == 400 * 50)
    for token in 0..<500 {
      #expect(Set(trace.selections(token: token, layer: token % 3)).count == 2)
    }
  }
}

@Test func uniformDrawsChooseEveryExpertAlike() throws {
  // 20,000 tokens choose each of 8 experts with probability 1/4: 5000, standard deviation 61.
  for layer in loads(try drawn(.uniform)) {
    #expect(layer.reduce(0, +) == 40_000)
    #expect(layer.allSatisfy { abs($0 - 5000) < 5 * 61 }, "\(layer)")
  }
}

@Test func zipfDrawsFollowTheLawInAnotherOrderForEachLayer() throws {
  var model = smallModel(experts: 3)
  model.experts.topK = 2
  // Weights 6, 3, 2 of 11. The last is chosen first in 2/11, second in 6/11 x 2/5 + 3/11 x 2/8: 0.46818
  // in all; likewise the first 0.85455, the middle one 0.67727.
  let first = 6.0 / 11 + 3.0 / 11 * 6 / 8 + 2.0 / 11 * 6 / 9
  let middle = 3.0 / 11 + 6.0 / 11 * 3 / 5 + 2.0 / 11 * 3 / 9
  let last = 2.0 / 11 + 6.0 / 11 * 2 / 5 + 3.0 / 11 * 2 / 8
  #expect(abs(first + middle + last - 2) < 1e-12)
  for layer in loads(try drawn(.zipf(exponent: 1), model: model)) {
    let shares = layer.sorted(by: >).map { Double($0) / 20_000 }
    // A share's standard deviation is at most 0.0036.
    for (share, expected) in zip(shares, [first, middle, last]) {
      #expect(abs(share - expected) < 5 * 0.0036, "\(shares)")
    }
  }
  let hottest = loads(try drawn(.zipf(exponent: 1), model: smallModel(experts: 64)))
    .map { layer in layer.indices.max { layer[$0] < layer[$1] } }
  #expect(Set(hottest).count > 1 && hottest != [0, 0, 0])
}

@Test func anUrnIsEmptiedHoweverSteepTheLawIs() {
  for exponent in [0.1, 1, 8] {
    var random = RandomStream(seed: 1, name: "test")
    var urn = WeightedUrn(zipf: exponent, count: 300)
    for _ in 0..<3 {
      #expect(Set((0..<300).map { _ in urn.draw(&random) }).count == 300)
      urn.putBack()
    }
  }
}

@Test func addingUpDrawsAsTryingDoes() {
  // Of weights 1, 1/16, 1/81 without the first: the second with 81/97, which trying alone finds only
  // in every tenth draw or so, so that both ways are taken.
  var random = RandomStream(seed: 2, name: "test")
  var urn = WeightedUrn(zipf: 4, count: 3)
  var (seconds, rounds) = (0, 0)
  for _ in 0..<20_000 {
    if urn.draw(&random) == 0 {
      rounds += 1
      if urn.draw(&random) == 1 { seconds += 1 }
    }
    urn.putBack()
  }
  let share = Double(seconds) / Double(rounds)
  #expect(rounds > 15_000)
  #expect(abs(share - 81.0 / 97) < 5 * 0.003, "\(share)")
}

@Test func theSeedDecidesWhatIsDrawn() throws {
  for law in [SelectionLaw.uniform, .zipf(exponent: 0.8)] {
    let counts = try [5, 5, 6].map { loads(try drawn(law, seed: $0)) }
    #expect(counts[0] == counts[1])
    #expect(counts[0] != counts[2])
  }
}

@Test func aRunsTokensAreDrawnUpToABound() throws {
  let shape = try RoutingShape(model: "m", layerIDs: Array(0..<58), experts: 256, topK: 8)
  /// Sequences, and tokens of each.
  func length(_ phase: Phase, places: Int, each: Int) -> [Int] {
    let length = DrawnLength(
      shape: shape, phase: phase, places: places, tokensEach: each,
      measurement: Measurement(warmup: 5, iterations: 50))
    return [length.sequences, length.tokens]
  }
  // 464 selections a token: 72,315 tokens are cheap, 289,262 the most.
  #expect(length(.decode, places: 1024, each: 1) == [1024, 55])
  #expect(length(.decode, places: 10_000, each: 1) == [10_000, 7])
  #expect(length(.decode, places: 1_000_000, each: 1) == [289_262, 1])
  // Two guesses beside each token.
  #expect(length(.decode, places: 256, each: 3) == [256, 165])
  #expect(length(.decode, places: 90_000, each: 3) == [90_000, 3])
  // 17 prompts are cheap, 70 the most.
  #expect(length(.prefill, places: 8, each: 4096) == [17, 4096])
  #expect(length(.prefill, places: 64, each: 4096) == [64, 4096])
  #expect(length(.prefill, places: 1000, each: 4096) == [70, 4096])
  #expect(
    length(.prefill, places: .max, each: .max) == [1, 289_262])
}

@Test func steeperLawsTakeLonger() throws {
  // The most loaded device waits for nobody: on prompts, where tokens bound the experts.
  let deployment = try deployment(dgxH100())
  let laws: [SelectionLaw] = [.uniform, .zipf(exponent: 0.5), .zipf(exponent: 2)]
  let times: [Double] = try laws.map { law in
    let trace = try drawn(law, phase: .prefill, sequences: 64, tokensEach: 512, iterations: 1)
    let log = try run(
      deployment, trace: trace, phase: .prefill, batch: 8, context: 512, iterations: 1)
    return (log.ends[0] - log.starts[0]).seconds
  }
  #expect(times[0] < times[1] && times[1] < times[2], "\(times)")
}
