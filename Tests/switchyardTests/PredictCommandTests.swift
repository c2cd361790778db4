import Foundation
import Testing

/// What these tests read of `predict --json`.
private struct Answer: Decodable {
  struct Roof: Decodable {
    var resource: String
    var capacityPerSecond: Double?
    var shareOfBound: Double
    var elasticityOfBound: Double
    var elasticityInTurn: Double
  }
  struct Part: Decodable {
    var part: String?
    var layers: Int?
    var flops: Double
    var deviceFlops: Double
    var companionFlops: Double
    var memoryBytes: Double
    var companionMemoryBytes: Double
    var deviceFlopsPerByte: Double?
    var companionFlopsPerByte: Double?
    var seconds: Double
  }
  struct Streamed: Decodable {
    var passSeconds: Double
    var modelBytes: Double
    var hostLinkBytesPerSecond: Double
    var firstStageTokensPerSecond: Double
    var firstStageGeneratedPerSecond: Double
    var secondStageGeneratedPerSecond: Double
    var gpuTokensPerSecond: Double
  }

  var boundTokensPerSecond: Double
  var boundSeconds: Double
  var boundBy: String
  var inTurnTokensPerSecond: Double
  var inTurnSeconds: Double
  var tokensPerIteration: Double
  var flops: Double
  var roofs: [Roof]
  var parts: [Part]
  var layers: [Part]
  var streamed: Streamed?

  init(_ text: String) throws {
    self = try JSONDecoder().decode(Answer.self, from: Data(text.utf8))
  }
}

@Suite("switchyard predict")
struct PredictCommandTests {
  let bench: Workbench

  init() throws { bench = try Workbench() }

  private func sweep(_ range: String) throws -> String {
    try bench.refusal("predict", Workbench.quickstart, "--sweep", range)
  }

  @Test("prints the bound, what binds, the roofs, the operators and the layers")
  func text() throws {
    let text = try bench.output(of: "predict", Workbench.quickstart)
    for words in [
      "bound ", "tokens/s per device", "bound by memory bandwidth", "one thing at a time",
      "  arithmetic", "  memory bandwidth", "295.2 FLOP/B", "  scale-up links", "1 % gives",
      "    attention core", "    expert up", "  0 to 7, each", "expected, not realised",
    ] { #expect(text.contains(words), "\(words)") }
    #expect(try bench.contents == [])
  }

  @Test("prints the same as JSON, whose parts add up")
  func json() throws {
    let answer = try Answer(bench.output(of: "predict", Workbench.quickstart, "--json"))
    #expect(answer.tokensPerIteration == 1024)
    #expect(
      abs(answer.boundTokensPerSecond * answer.boundSeconds / answer.tokensPerIteration - 1) < 1e-12
    )
    #expect(answer.inTurnTokensPerSecond < answer.boundTokensPerSecond)
    #expect(answer.roofs.map(\.elasticityOfBound).reduce(0, +) == 1)
    #expect(abs(answer.roofs.map(\.elasticityInTurn).reduce(0, +) - 1) < 1e-9)
    #expect(answer.roofs.first { $0.resource == answer.boundBy }?.shareOfBound == 1)
    for sum in [answer.parts, answer.layers] {
      #expect(abs(sum.reduce(0) { $0 + $1.flops } / answer.flops - 1) < 1e-9)
    }
    #expect(answer.streamed == nil)
  }

  @Test("sets what a processor does over what its own memory moves, below its roof")
  func processors() throws {
    let file = Workbench.repository + "/scenarios/papers/moe-lens/mixtral-8x7b-a40.yaml"
    let answer = try Answer(bench.output(of: "predict", file, "--json"))
    func capacity(_ resource: String) throws -> Double {
      try #require(answer.roofs.first { $0.resource == resource }?.capacityPerSecond)
    }
    let (peak, bandwidth) = (try capacity("arithmetic"), try capacity("memory bandwidth"))
    for part in answer.parts {
      #expect(abs(part.deviceFlops + part.companionFlops - part.flops) <= 1e-9 * part.flops)
      guard part.deviceFlops > 0 else { continue }
      let intensity = part.deviceFlops / part.memoryBytes
      #expect(part.deviceFlopsPerByte == intensity)
      #expect(part.deviceFlops / part.seconds <= min(peak, intensity * bandwidth) * (1 + 1e-9))
    }
    let core = try #require(answer.parts.first { $0.part == "attention core" })
    #expect(core.companionFlopsPerByte == core.companionFlops / core.companionMemoryBytes)
    // One thing at a time is the sum of what stands in the table.
    let seconds = answer.parts.reduce(0) { $0 + $1.seconds }
    #expect(abs(seconds / answer.inTurnSeconds - 1) < 1e-9)
    // Streamed weights are written once to the device's memory, and read once there of the host's.
    let weights = try #require(answer.parts.first { $0.part == "weights" })
    #expect(weights.layers == 32 && weights.memoryBytes == weights.companionMemoryBytes)
    let text = try bench.output(of: "predict", file)
    #expect(text.contains("companion's FLOP/B") && text.contains("links to companions"))
    let plain = try bench.output(of: "predict", Workbench.quickstart)
    #expect(!plain.contains("companion"))
  }

  @Test("says what streaming the weights from host memory would give to requests")
  func streamed() throws {
    try bench.write(
      """
      switchyard: 1
      name: Mixtral-8x7B, requests
      model: mixtral-8x7b
      cluster: {nodes: 1 x a40-xeon-8380}
      precision: {weights: int4, activations: bf16, kv-cache: bf16}
      workload:
        routing: {drawn: uniform}
        batch: 8
        prompt: 98 tokens
        output: 32 tokens
      policies: {batching: continuous}
      measure: {warmup: 1 iterations, iterations: 2}
      """, to: "requests.yaml")
    let file = bench.file("requests.yaml")
    let streamed = try #require(
      try Answer(bench.output(of: "predict", file, "--json")).streamed)
    #expect(
      abs(streamed.modelBytes / streamed.hostLinkBytesPerSecond / streamed.passSeconds - 1) < 1e-12)
    #expect(streamed.firstStageTokensPerSecond <= streamed.gpuTokensPerSecond)
    let text = try bench.output(of: "predict", file)
    #expect(text.contains("if weights were in host memory, one device (MoE-Lens)"))
    #expect(text.contains("stage 2 (reconstructed)"))
    #expect(text.contains("20000 requests") && !text.contains("'requests' counts"))
    let few = try bench.output(of: "predict", file, "--set", "workload.requests=40")
    #expect(few.contains("40 requests") && few.contains("'requests' counts in stage 2 only"))
    let nothing = try bench.refusal("predict", file, "--set", "workload.output=0 tokens")
    #expect(nothing.contains("'output' is '0 tokens'; it must be more than zero"))
  }

  @Test("sweeps over a value, writes a table and draws the roofline")
  func sweeps() throws {
    let text = try bench.output(
      of: "predict", Workbench.quickstart, "--sweep", "workload.batch=1..512:x2", "--csv",
      "points.csv", "--svg", "roof.svg")
    #expect(text.contains("workload.batch"))
    let rows = try bench.text(bench.file("points.csv")).split(separator: "\n")
    #expect(rows.count == 11 && rows[0].hasPrefix("value,unit,tokens_per_iteration,"))
    // More sequences read the same weights: the bound grows.
    let bounds = rows.dropFirst().compactMap {
      Double($0.split(separator: ",", omittingEmptySubsequences: false)[3])
    }
    #expect(bounds.count == 10 && bounds == bounds.sorted())
    let svg = try bench.text(bench.file("roof.svg"))
    #expect(svg.hasPrefix("<svg") && svg.hasSuffix("</svg>\n"))
    #expect(svg.components(separatedBy: "<circle").count == 11)
    #expect(
      svg.components(separatedBy: "<text").count == svg.components(separatedBy: "</text>").count)
    // A point is what predicting it alone gives.
    let alone = try Answer(
      bench.output(
        of: "predict", Workbench.quickstart, "--set", "workload.batch=512", "--json"))
    #expect(bounds.last == alone.boundTokensPerSecond)
  }

  @Test("says in a sweep what MoE-Lens' stages expect of each value, where weights are streamed")
  func sweepsOfStreamedWeights() throws {
    let file = Workbench.repository + "/scenarios/papers/moe-lens/mixtral-8x7b-a40.yaml"
    let sweep = ["--sweep", "workload.output=32..128 tokens:x2", "--csv", "stages.csv"]
    let text = try bench.output(of: ["predict", file] + sweep)
    #expect(text.contains("stage 1, generated") && text.contains("stage 2, generated"))
    let rows = try bench.text(bench.file("stages.csv")).split(separator: "\n").map {
      $0.split(separator: ",", omittingEmptySubsequences: false)
    }
    let alone = try Answer(
      bench.output(of: "predict", file, "--set", "workload.output=128 tokens", "--json"))
    #expect(rows[0].suffix(2) == ["stage1_generated_per_s", "stage2_generated_per_s"])
    #expect(rows.count == 4 && rows.allSatisfy { $0.count == rows[0].count })
    let last = rows[3].suffix(2).compactMap { Double($0) }
    #expect(
      last == [
        try #require(alone.streamed).firstStageGeneratedPerSecond,
        try #require(alone.streamed).secondStageGeneratedPerSecond,
      ])
  }

  @Test("says that changes of the machine are not predicted")
  func changes() throws {
    let text = try bench.output(
      of: "predict", Workbench.quickstart, "--set",
      "fabric={changes: [{at: 0 ms, device: 0, factor: 0.5}]}")
    #expect(text.contains("what 'fabric.changes' changes is left to runs"))
  }

  @Test("takes a step and a unit")
  func steps() throws {
    let text = try bench.output(
      of: "predict", Workbench.quickstart, "--sweep", "workload.context=256..1024 tokens:256")
    for words in ["256 tokens", "512 tokens", "768 tokens", "1024 tokens"] {
      #expect(text.contains(words))
    }
  }

  @Test("leaves out values that cannot be, and says so")
  func leftOut() throws {
    let range = "workload.batch=1..1000000:x10"
    let text = try bench.output(
      of: "predict", Workbench.quickstart, "--sweep", range, "--csv", "points.csv")
    let words = text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    let found = try #require(
      words.firstMatch(
        of: #/(\d) of 7 values are left out, the first (\d+): .*batch=\d+:\d+:\d+: /#))
    let left = try #require(Int(found.1))
    let first = try #require(Int(found.2))
    #expect(words.contains("device 0 would need"))
    let rows = try bench.text(bench.file("points.csv")).split(separator: "\n")
    #expect(rows.count == 1 + 7 - left)
    // It is the first that does not fit by itself, and the one before does.
    _ = try bench.refusal(
      "predict", Workbench.quickstart, "--set", "workload.batch=\(first)")
    try bench.output(
      of: "predict", Workbench.quickstart, "--set", "workload.batch=\(first / 10)")
    struct LeftOut: Decodable {
      struct Value: Decodable { var value: Double }
      var leftOut: [Value]
    }
    let json = try bench.output(
      of: "predict", Workbench.quickstart, "--sweep", range, "--json")
    let answer = try JSONDecoder().decode(LeftOut.self, from: Data(json.utf8))
    #expect(answer.leftOut.count == left && answer.leftOut.first?.value == Double(first))
  }

  @Test("refuses sweeps that cannot be, or have no effect")
  func badSweeps() throws {
    #expect(
      try sweep("workload.bach=1..4")
        == "--sweep workload.bach=1:1:1: unknown key 'bach'; did you mean 'batch'?")
    #expect(
      try sweep("workload.batch=1..2000000")
        == "--sweep workload.batch=1..2000000 has 2000000 points; at most 1000000 are predicted at a "
        + "time, so give a larger step")
    #expect(
      try sweep("measure.iterations=1..5")
        == "--sweep measure.iterations=1..5 has no effect: 'measure.iterations' changes nothing that "
        + "is predicted")
    let twice = ["--sweep", "workload.batch=1..2", "--sweep=workload.context=256..512 tokens"]
    #expect(
      try bench.refusal(of: ["predict", Workbench.quickstart] + twice)
        == "--sweep stands twice, and only one would count; give it once")
    #expect(try sweep("workload.batch=4..1").contains("it begins above its end"))
    #expect(try sweep("workload.batch=1..4:0").contains("a step is above 0"))
    #expect(try sweep("workload.batch=1..4:x1").contains("a factor is above 1"))
    #expect(try sweep("workload.batch").contains("there is no path of keys before a '='"))
    #expect(try sweep("workload.batch=0..0").contains("'batch' is 0; it must be from 1"))
    #expect(try sweep("workload.batch.x=1..2").contains("not a mapping"))
  }

  @Test("refuses a model that fits nowhere, with the arithmetic")
  func memory() throws {
    let sentence = try bench.refusal(
      "predict", Workbench.quickstart, "--set", "workload.batch=100000")
    #expect(sentence.contains("device 0 would need 1.89 TB of its 80 GB of memory: experts"))
    #expect(sentence.contains("64 copies x 17.3 MB"))
  }

  @Test("tells mistakes as other commands do, and spares files that are something else")
  func mistakes() throws {
    let sentence = try bench.refusal(
      "predict", Workbench.quickstart, "--set", "cluster.nodes=1 x dgx-h1000")
    #expect(sentence.contains("did you mean 'dgx-h100'?"))
    try bench.write("precious\n", to: "notes.txt")
    let kept = try bench.refusal("predict", Workbench.quickstart, "--csv", "notes.txt")
    #expect(kept.contains("it is another kind of file, which would be lost"))
    #expect(try bench.text(bench.file("notes.txt")) == "precious\n")
    #expect(
      try bench.usageError(
        "predict", Workbench.quickstart, "--csv", "a", "--svg", "a"
      ).contains("--csv and --svg name the same file"))
  }

  @Test("A run prints its bound, the fraction reached and what more of a resource gives")
  func run() throws {
    try bench.scenario()
    let text = try bench.output(of: "run", "scenario.yaml")
    #expect(text.contains("of it reached"))
    #expect(text.contains("one per cent more would give"))
    struct Run: Decodable {
      struct Bound: Decodable {
        var tokensPerSecond: Double
        var fractionReached: Double
        var boundBy: String
      }
      var bound: Bound
      var tokensPerSecond: Double
    }
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let run = try decoder.decode(
      Run.self, from: Data(try bench.output(of: "run", "scenario.yaml", "--json").utf8))
    #expect(run.bound.boundBy == "memory bandwidth")
    #expect(run.bound.fractionReached > 0.3 && run.bound.fractionReached < 1)
    #expect(
      abs(run.tokensPerSecond / run.bound.tokensPerSecond / run.bound.fractionReached - 1) < 1e-9)
  }
}
