import Testing

@testable import Scenario

@Suite("Routing without a trace")
struct DrawnRoutingTests {
  let folder: ScenarioFolder

  init() throws { folder = try ScenarioFolder() }

  private static let trace = "trace: tiny.routing"

  private func problems(
    _ routing: String, settings: [String] = []
  ) throws -> [String] {
    try folder.problems(replacing: [Self.trace: routing], settings: settings)
  }

  @Test("is drawn for the model, and marked")
  func drawn() throws {
    let scenario = try folder.load(replacing: [Self.trace: "drawn: uniform"])
    let trace = scenario.workload.trace
    #expect(trace.file == "drawn uniform")
    #expect(trace.origin == .synthetic)
    #expect(trace.shape.model == "tiny")
    #expect(trace.shape.layerIDs == [1, 2, 3])
    // 8 groups of 4 sequences, for 2 + 3 iterations.
    #expect(trace.sequences.count == 32)
    #expect(trace.decodeTokens == 32 * 5)
    #expect(
      scenario.remarks.filter { $0.contains("synthetic") || $0.contains("replace") } == [
        "the trace is synthetic: uniformly random selections, drawn in place of a recording"
      ])
    let skewed = try folder.load(
      replacing: [Self.trace: "drawn: {kind: zipf, exponent: 0.8}", "decode": "prefill"])
    #expect(skewed.workload.trace.file == "drawn zipf 0.8")
    #expect(skewed.workload.trace.prefillTokens == 32 * 5 * 16)
    #expect(
      skewed.remarks.contains(
        "the trace is synthetic: random selections by Zipf's law with exponent 0.8, drawn in place "
          + "of a recording"))
  }

  @Test("says when its tokens are drawn once and used more often")
  func reuse() throws {
    let scenario = try folder.load(
      replacing: [Self.trace: "drawn: uniform", "iterations: 3": "iterations: 300"])
    #expect(
      scenario.remarks.contains(
        "drawn tokens are replayed more than once: the run takes 9664, the trace has 8192 decode "
          + "tokens"))
  }

  @Test("follows the seed, also the one of --seed")
  func seed() throws {
    func first(_ settings: [String], seed: UInt64? = nil) throws -> [[Int]] {
      let trace = try folder.load(
        replacing: [Self.trace: "drawn: uniform"], settings: settings, seed: seed
      ).workload.trace
      return (0..<20).map { trace.selections(token: $0, layer: 0) }
    }
    #expect(try first([]) == first([], seed: 7))
    #expect(try first(["seed=8"]) == first([], seed: 8))
    #expect(try first([]) != first([], seed: 8))
  }

  @Test("stands in place of a trace, not beside one")
  func oneOfBoth() throws {
    #expect(
      try problems("drawn: uniform, \(Self.trace)") == [
        "scenario.yaml:8:13: 'drawn' and 'trace' stand together; selections are recorded or drawn, "
          + "keep one"
      ])
    #expect(
      try problems(Self.trace, settings: ["workload.routing={phase: decode}"]) == [
        "--set workload.routing={phase: decode}:1:1: 'trace' is missing; write it like "
          + "'trace: ../traces/example.routing', or 'drawn: uniform' for selections that nobody "
          + "recorded"
      ])
  }

  @Test("has a law that is known and has its numbers")
  func laws() throws {
    #expect(
      try problems("drawn: unifrom") == [
        "scenario.yaml:8:20: 'unifrom' is not a value of 'drawn'; did you mean 'uniform'?"
      ])
    #expect(
      try problems("drawn: zipf") == [
        "scenario.yaml:8:20: 'exponent' is missing; write it like "
          + "'drawn: {kind: zipf, exponent: 0.8}'"
      ])
    #expect(
      try problems("drawn: {kind: zipf, exponent: -1}") == [
        "scenario.yaml:8:43: 'exponent' is -1; it must be from 0 to 8"
      ])
    #expect(
      try problems("drawn: {kind: zipf, exponent: 0}") == [
        "scenario.yaml:8:33: 'exponent' is 0, which makes all experts alike; write 'drawn: uniform'"
      ])
    #expect(
      try problems("drawn: {kind: uniform, exponent: 1}") == [
        "scenario.yaml:8:36: 'exponent' has no effect with kind 'uniform'; it is for kind 'zipf'"
      ])
  }

  @Test("that is uniform is not made uniform")
  func uniformTwice() throws {
    #expect(
      try problems("drawn: uniform", settings: ["policies.routing=uniform"]) == [
        "--set policies.routing=uniform:1:1: routing 'uniform' has no effect: 'drawn: uniform' draws "
          + "such selections already"
      ])
    #expect(
      try problems("drawn: {kind: zipf, exponent: 1}", settings: ["policies.routing=uniform"]) == []
    )
  }

  @Test("needs a model with experts")
  func noExperts() throws {
    try folder.write(
      "tiny.yaml",
      """
      layers: 4
      hidden: 64
      vocabulary: 1000
      attention: {kind: grouped, heads: 8, key-value-heads: 2, head-dimension: 16}
      feed-forward: {matrices: 3, intermediate: 256}
      """)
    let found = try problems("drawn: uniform")
    #expect(found.count == 1, "\(found)")
    #expect(found.first?.contains("has no experts") == true, "\(found)")
  }

  @Test("of more tokens than can be simulated is refused, and not drawn first")
  func tooMany() throws {
    let found = try folder.problems(
      replacing: [Self.trace: "drawn: uniform", "decode": "prefill"],
      settings: [
        "workload.batch=1000000", "workload.context=100000000 tokens",
        "cluster.nodes=100000 x dgx-h100", "parallelism.attention.data=800000",
        "parallelism.experts={expert: 8, tensor: 100000}",
      ])
    #expect(!found.isEmpty)
  }
}
