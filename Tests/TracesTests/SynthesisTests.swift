import Foundation
import Testing

@testable import Traces

private func synthesized(
  _ request: SynthesisRequest, from recorded: RoutingTrace
) throws -> RoutingTrace {
  try withTemporaryFolder { folder in
    try synthesizeTrace(request, from: recorded, to: folder + "/s.routing")
    return try RoutingTrace(opening: folder + "/s.routing")
  }
}

@Test func aSyntheticTraceSaysSo() throws {
  let recorded = try randomTrace(layers: 2, experts: 8, topK: 2, sequences: 40)
  let synthetic = try synthesized(
    SynthesisRequest(shape: recorded.shape, sequences: 3, prefillTokens: 1, decodeTokens: 2),
    from: recorded)
  #expect(synthetic.origin == .synthetic)
  #expect(synthetic.provenance.hasPrefix("synthetic: drawn with seed 0 from "))
  #expect(synthetic.sequences.count == 3 && synthetic.tokens == 9)
  #expect(synthetic.prefillTokens == 3 && synthetic.decodeTokens == 6)
}

@Test(arguments: [(2, 8, 2), (5, 16, 4), (7, 6, 3), (1, 300, 8), (3, 8, 8)])
func everyTokenHasDistinctExpertsInEveryLayer(layers: Int, experts: Int, topK: Int) throws {
  let recorded = try randomTrace(layers: 3, experts: 8, topK: 2, sequences: 40)
  let shape = try RoutingShape(
    model: "s", layerIDs: Array(0..<layers), experts: experts, topK: topK)
  let synthetic = try synthesized(
    SynthesisRequest(shape: shape, sequences: 3, prefillTokens: 2, decodeTokens: 2),
    from: recorded)
  for token in 0..<synthetic.tokens {
    for layer in 0..<layers {
      #expect(Set(synthetic.selections(token: token, layer: layer)).count == topK)
    }
  }
}

@Test func theSameSeedGivesTheSameFileOnAnyNumberOfThreads() throws {
  try withTemporaryFolder { folder in
    let recorded = try randomTrace(layers: 3, experts: 8, topK: 2, sequences: 40)
    var request = SynthesisRequest(
      shape: recorded.shape, sequences: 1_100, prefillTokens: 1, decodeTokens: 1, seed: 7)
    let write = { (name: String) in
      try synthesizeTrace(request, from: recorded, to: folder + name)
      return try Data(contentsOf: URL(fileURLWithPath: folder + name))
    }
    let one = try write("/one")
    request.threads = 3
    #expect(try write("/three") == one)
    request.seed = 8
    #expect(try write("/other") != one)
  }
}

/// The statistics that synthesis takes over come out close when the shape is the same: skew within
/// 10 %, reuse within 0.03, the entropy drop within 20 %.
private func comesClose(_ synthetic: RoutingTrace, to recorded: RoutingTrace) throws {
  let (found, expected) = (
    synthetic.statistics(batches: 1), recorded.statistics(batches: 1)
  )
  #expect(abs(found.loadSkew.mean / expected.loadSkew.mean - 1) < 0.1)
  if let reuse = expected.prefillReuse {
    #expect(abs((found.prefillReuse ?? 0) - reuse) < 0.03)
  }
  if let reuse = expected.decodeReuse { #expect(abs((found.decodeReuse ?? 0) - reuse) < 0.03) }
  let drop = try #require(expected.nextLayer).entropyDrop
  #expect(abs(try #require(found.nextLayer).entropyDrop / drop - 1) < 0.2)
}

@Test(
  .enabled(if: SharedData.isPresent, "\(SharedData.absence)"),
  arguments: [SharedData.mixtral, SharedData.gptOSS])
func aSyntheticTraceOfTheSameShapeHasTheRecordedStatistics(file: String) throws {
  let recorded = try imported(file)
  let synthetic = try synthesized(
    SynthesisRequest(shape: recorded.shape, sequences: 100, prefillTokens: 50, decodeTokens: 50),
    from: recorded)
  try comesClose(synthetic, to: recorded)
}

@Test func aRequestForNothingIsRefused() throws {
  let recorded = try randomTrace(layers: 2, experts: 8, topK: 2)
  #expect(
    sentence {
      try synthesizeTrace(
        SynthesisRequest(shape: recorded.shape, sequences: 0, prefillTokens: 1, decodeTokens: 0),
        from: recorded, to: "/nonexistent/x")
    } == "0 sequences of 1 tokens; at least one of each is needed")
}
