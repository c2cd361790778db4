import Testing

@testable import Traces

/// The table of `shared/data/README.md`, as printed. Reuse and the device imbalance stand there from
/// a sample of tokens: reuse is held to one unit of its last digit, the imbalance to 6 %.
struct PublishedStatistics: Sendable {
  let file: String
  let shape: (layers: Int, experts: Int, topK: Int)
  let requests: Int
  let tokens: Int
  let skew: (mean: Double, worst: Double)
  let prefillReuse: Double?
  let decodeReuse: Double?
  let entropies: (next: Double, conditional: Double)
  let coverage: Double
  let imbalance: Double

  static let all = [
    PublishedStatistics(
      file: SharedData.deepSeek, shape: (26, 64, 6), requests: 1_999, tokens: 192_023,
      skew: (1.79, 2.62), prefillReuse: 0.264, decodeReuse: nil, entropies: (5.96, 5.43),
      coverage: 51.6, imbalance: 1.18),
    PublishedStatistics(
      file: SharedData.gptOSS, shape: (24, 32, 4), requests: 242, tokens: 64_751,
      skew: (2.78, 3.95), prefillReuse: nil, decodeReuse: 0.434, entropies: (4.55, 4.05),
      coverage: 60.2, imbalance: 1.43),
    PublishedStatistics(
      file: SharedData.mixtral, shape: (32, 8, 2), requests: 141, tokens: 54_895,
      skew: (1.14, 1.45), prefillReuse: 0.356, decodeReuse: 0.355, entropies: (2.99, 2.87),
      coverage: 38.1, imbalance: 1.31),
    PublishedStatistics(
      file: SharedData.olmoe, shape: (16, 64, 8), requests: 5, tokens: 607, skew: (3.09, 4.67),
      prefillReuse: 0.375, decodeReuse: nil, entropies: (5.78, 5.04), coverage: 62.3,
      imbalance: 1.34),
  ]
}

@Test(.enabled(if: SharedData.isPresent, "\(SharedData.absence)"), arguments: 0..<4)
func statisticsAgreeWithThePublishedTable(row: Int) throws {
  let published = PublishedStatistics.all[row]
  let trace = try imported(published.file)
  try trace.check(
    layers: published.shape.layers, experts: published.shape.experts, topK: published.shape.topK)
  #expect(trace.sequences.count == published.requests)
  #expect(trace.tokens == published.tokens)
  let statistics = trace.statistics()
  #expect(rounds(statistics.loadSkew.mean, to: published.skew.mean, unit: 0.01))
  #expect(rounds(statistics.loadSkew.worst, to: published.skew.worst, unit: 0.01))
  for (found, expected) in [
    (statistics.prefillReuse, published.prefillReuse),
    (statistics.decodeReuse, published.decodeReuse),
  ] {
    guard let found, let expected else {
      #expect((found == nil) == (expected == nil))
      continue
    }
    #expect(abs(found - expected) < 0.001)
  }
  let nextLayer = try #require(statistics.nextLayer)
  #expect(rounds(nextLayer.entropy, to: published.entropies.next, unit: 0.01))
  #expect(rounds(nextLayer.conditionalEntropy, to: published.entropies.conditional, unit: 0.01))
  #expect(rounds(nextLayer.coverage * 100, to: published.coverage, unit: 0.1))
  #expect(abs(statistics.deviceImbalance.mean / published.imbalance - 1) < 0.06)
}

private func rounds(_ value: Double, to printed: Double, unit: Double) -> Bool {
  abs((value / unit).rounded() * unit - printed) < unit / 1000
}

/// Two layers, four experts, top-2; one sequence of three prefill tokens and one decode token.
private func smallTrace() throws -> RoutingTrace {
  try RoutingTrace(
    shape: RoutingShape(model: "small", layerIDs: [0, 1], experts: 4, topK: 2), origin: .recorded,
    provenance: "by hand",
    sequences: [TraceSequence(name: "a", firstToken: 0, prefillTokens: 3, decodeTokens: 1)],
    selections: [0, 1, 2, 3, 0, 2, 2, 3, 0, 1, 3, 2, 0, 1, 0, 1])
}

@Test func loadSkewIsTheLargestLoadOverTheMean() throws {
  // Layer 0 chose 0 four times, 1 three times, 2 once: max/mean = 4 / 2. Layer 1 chose 2 and 3
  // three times, 0 and 1 once: 3 / 2.
  #expect(try smallTrace().loadSkew() == .init(mean: 1.75, worst: 2))
}

@Test func reuseIsTheShareOfExpertsThatTheTokenBeforeChoseToo() throws {
  // Prefill: token 1 keeps {0} of layer 0 and {2, 3} of layer 1, token 2 the same: 6 of 8. Decode:
  // token 3 keeps {0, 1} of layer 0 and nothing of layer 1: 2 of 4.
  let reuse = try smallTrace().reuse()
  #expect(reuse.prefill == 0.75)
  #expect(reuse.decode == 0.5)
}

@Test func aChainWithoutChoiceHasNoConditionalEntropy() throws {
  // Top-1, layer 0 uniform over 4 experts, layer 1 always expert 3 - e: H(next) is 2 bits, and
  // nothing is left once this layer's expert is known; the best candidate covers everything.
  let trace = try RoutingTrace(
    shape: RoutingShape(model: "chain", layerIDs: [0, 1], experts: 4, topK: 1), origin: .recorded,
    provenance: "by hand",
    sequences: [TraceSequence(name: "a", firstToken: 0, prefillTokens: 4, decodeTokens: 0)],
    selections: [0, 3, 1, 2, 2, 1, 3, 0])
  let nextLayer = try #require(trace.statistics(batches: 1).nextLayer)
  #expect(abs(nextLayer.entropy - 2) < 1e-12)
  #expect(abs(nextLayer.conditionalEntropy) < 1e-12)
  #expect(nextLayer.coverage == 1)
}

@Test func aSingleLayerHasNoNextLayer() throws {
  let statistics = try randomTrace(layers: 1, experts: 8, topK: 2).statistics(batches: 1)
  #expect(statistics.nextLayer == nil)
}

@Test func aSingleDeviceHasNoImbalance() throws {
  let trace = try randomTrace(layers: 2, experts: 8, topK: 2)
  #expect(trace.statistics(devices: 1, batches: 3).deviceImbalance.mean == 1)
}
