import Scenario
import Serving
import Testing
import Units

@Suite("Weights that live in host memory")
struct StreamedPolicyTests {
  let folder: ScenarioFolder

  init() throws { folder = try ScenarioFolder() }

  /// The small scenario on one A40, its weights streamed.
  private func streamed(
    _ execution: String = "{kind: streamed, attention: companion, kv-cache: 1 MB}",
    batching: String? = nil, cluster: String = "1 x a40-xeon-8380, device-memory: 16 GB",
    workload: [String: String] = [:]
  ) -> [String: String] {
    [
      "1 x dgx-h100": cluster, "{data: 8}": "{data: 1}", "{expert: 8}": "{expert: 1}",
      "placement: contiguous":
        "execution: \(execution)" + (batching.map { "\n  batching: \($0)" } ?? ""),
    ].merging(workload) { $1 }
  }

  private let requests = [
    "context: 16 tokens": "prompt: 9 tokens\n  output: 3 tokens", ", phase: decode": "",
  ]

  private func expect(_ changes: [String: String], _ sentences: String...) throws {
    let found = try folder.problems(replacing: changes)
    #expect(found == sentences)
  }

  @Test("every key is read and said in words")
  func read() throws {
    let scenario = try folder.load(
      replacing: streamed(
        batching: "{kind: continuous, microbatches: 2, budget: 100 tokens}", workload: requests))
    #expect(
      scenario.deployment.execution
        == ExpertExecution(
          experts: .streamed(StreamedWeights(cache: Bytes(1e6))), attention: .companion))
    #expect(scenario.deployment.cluster.device.memory.capacity == Bytes(16e9))
    #expect(
      scenario.workload.batching
        == Batching(microbatches: 2, admission: .continuous, budget: 100))
    let words = scenario.policies.map(\.choice)
    #expect(
      words.contains(
        "weights streamed from the companion's memory, 1 MB of it for the KV cache, decode attention on "
          + "the companion"))
    #expect(words.contains("continuous, 2 microbatches, at most 100 new tokens an iteration"))
    #expect(
      scenario.remarks.contains(
        "uncalibrated: attention on xeon-8380 is a roofline; its kernels were not measured"))
    let table = ScenarioSummary(scenario).table
    #expect(table.contains("weight buffers"))
    #expect(table.contains("KV cache"))
    // Two iterations of requests that take three.
    #expect(
      scenario.remarks.contains {
        $0.hasSuffix("what part of them are prompts need not be a long run's")
      } == (scenario.measurement.iterations < 3))
    let short = try folder.load(
      replacing: streamed(
        batching: "continuous",
        workload: [
          "context: 16 tokens": "prompt: 9 tokens\n  output: 100 tokens", ", phase: decode": "",
        ]))
    #expect(
      short.remarks.contains(
        "\(short.measurement.iterations) iterations are measured, and a request takes 100 at least: "
          + "what part of them are prompts need not be a long run's"))
    let together = try folder.load(replacing: streamed(batching: "together", workload: requests))
    #expect(together.workload.batching.admission == .together)
  }

  @Test("requests that are counted")
  func counted() throws {
    var changes = streamed(batching: "continuous", workload: requests)
    changes["context: 16 tokens"] = "prompt: 9 tokens\n  output: 3 tokens\n  requests: 20"
    let scenario = try folder.load(replacing: changes)
    #expect(scenario.workload.requests == RequestLengths(prompt: 9, output: 3, count: 20))
    #expect(
      ScenarioSummary(scenario).table.contains(
        "20 requests of 9 prompt tokens and 3 generated ones"))
    try expect(
      ["context: 16 tokens": "context: 16 tokens\n  requests: 20"],
      "scenario.yaml:11:13: 'requests' has no effect without 'prompt' and 'output', which say what a "
        + "request has")
  }

  @Test("what does not fit, with the arithmetic")
  func full() throws {
    try expect(
      streamed("{kind: streamed, attention: companion, kv-cache: 375 GB}"),
      "scenario.yaml:12:63: the memory of 'xeon-8380' has 375 GB; needed are weights 1.701 MB + KV "
        + "cache 375 GB = 375 GB")
    // 64 x 8 bytes for each of four layers: 512 bytes a token.
    try expect(
      streamed("{kind: streamed, attention: companion, kv-cache: 20 kB}"),
      "scenario.yaml:12:63: 4 sequences of 16 tokens need the keys and values of 64 tokens; 20 kB of "
        + "host memory have room for 39, or 2 sequences")
    try expect(
      streamed(cluster: "1 x a40-xeon-8380, device-memory: 1 kB"),
      "scenario.yaml:4:52: device 0 would need 1.392 MB of its 1 kB of memory: weight buffers 1.382 MB "
        + "(2 x 691.2 kB of a layer) + activations 9.216 kB (4 tokens of a microbatch x 2.304 kB); use "
        + "more microbatches or a smaller budget")
    try expect(
      streamed(batching: "{kind: continuous, budget: 10 tokens}", workload: requests),
      "scenario.yaml:14:40: a budget of 10 tokens leaves 10 for each microbatch; a request of 9 + 3 "
        + "tokens, which begins anew where it lost its cache, would never go through")
  }

  @Test("what has no effect, or cannot be")
  func refused() throws {
    try expect(
      ["placement: contiguous": "execution: streamed"],
      "scenario.yaml:12:14: the devices of 'dgx-h100' have no companion; choose 'resident' or "
        + "'blocks'")
    try expect(
      ["placement: contiguous": "execution: streamed", "1 x dgx-h100": "1 x duplex"],
      "scenario.yaml:12:14: 'streamed' has no effect: 'duplex-logic-pim' works on the device's own "
        + "memory, where weights live")
    try expect(
      streamed("{kind: streamed, attention: fastest}"),
      "scenario.yaml:12:42: the KV cache lives in one memory: with 'streamed' attention is the "
        + "device's or the companion's")
    try expect(
      streamed("{kind: streamed, kv-cache: 1 MB}"),
      "scenario.yaml:12:41: 'kv-cache' has no effect with the attention of the device, in whose memory "
        + "the cache lives")
    try expect(
      streamed("{kind: resident, kv-cache: 1 MB}"),
      "scenario.yaml:12:31: 'kv-cache' has no effect with kind 'resident'; it is for kind 'streamed'"
    )
    try expect(
      streamed(cluster: "1 x a40-xeon-8380, device-memory: 48 GB"),
      "scenario.yaml:4:52: 'device-memory' limits what a device has; 'a40' has 48 GB")
    try expect(
      streamed(batching: "{kind: static, budget: 100 tokens}"),
      "scenario.yaml:13:28: 'budget' has no effect with kind 'static'; it is for kind 'continuous', "
        + "'prompts-first' or 'together'")
    try expect(
      streamed(batching: "together"),
      "scenario.yaml:13:13: batching 'together' has no effect without 'workload.prompt' and "
        + "'workload.output': no request begins or ends")
  }

  @Test("copies in a queue, or side by side")
  func copies() throws {
    func copies(_ text: String) throws -> StreamedWeights.Copies? {
      let execution = "{kind: streamed, attention: companion, kv-cache: 1 MB, copies: \(text)}"
      return try folder.load(replacing: streamed(execution)).deployment.execution.streamed?.copies
    }
    #expect(try copies("fair") == .fair)
    #expect(try copies("queued") == .queued(CopyQueue(chunk: Bytes(100e6), first: .vectors)))
    #expect(
      try copies("{kind: queued, chunk: layer, first: vectors}")
        == .queued(CopyQueue(chunk: nil, first: .vectors)))
    #expect(
      try copies("{kind: queued, chunk: layer, first: oldest}")
        == .queued(CopyQueue(chunk: nil, first: .oldest)))
    #expect(
      try copies("{kind: queued, first: weights}")
        == .queued(CopyQueue(chunk: nil, first: .weights)))
    try expect(
      streamed(
        "{kind: streamed, attention: companion, copies: {chunk: layer, kind: queued, first: weights}}"
      ),
      "scenario.yaml:12:62: 'chunk' has no effect with 'first: weights': pieces would follow each other "
        + "all the same")
    try expect(
      streamed("{kind: streamed, attention: companion, copies: {kind: fair, chunk: 1 MB}}"),
      "scenario.yaml:12:74: 'chunk' has no effect with kind 'fair'; it is for kind 'queued'")
    try expect(
      streamed("{kind: streamed, attention: companion, copies: {kind: queued, chunk: 1 B}}"),
      "scenario.yaml:12:61: 'chunk' is 1 B; pieces of less than 1 MB would be too many to simulate")
    try expect(
      streamed("{kind: streamed, copies: queued}"),
      "scenario.yaml:12:39: 'copies' has no effect with the attention of the device: nothing but weights "
        + "takes the link")
  }

  /// The largest copy is a layer's of Mixtral, 2.902 GB, with the table and the head, 0.524 GB: those of the
  /// iteration's last layer and the next one's first.
  @Test("copies in pieces that none of them is cut into")
  func wholeCopies() throws {
    func changes(_ chunk: String) -> [String: String] {
      var changes = streamed(
        "{kind: streamed, attention: companion, kv-cache: 1 GB, copies: {kind: queued, chunk: \(chunk)}}"
      )
      changes["model: tiny.yaml"] = "model: mixtral-8x7b"
      changes["trace: tiny.routing"] = "drawn: uniform"
      return changes
    }
    try expect(
      changes("10 GB"),
      "scenario.yaml:12:99: 'chunk' is 10 GB, and no copy of weights has more than 3.427 GB, so that "
        + "none is cut: write 'chunk: layer'")
    #expect(try folder.problems(replacing: changes("3.5 GB")).count == 1)
    for chunk in ["3.4 GB", "100 MB", "layer"] {
      #expect(try folder.problems(replacing: changes(chunk)).isEmpty)
    }
    // What nobody wrote is not told.
    let small = streamed("{kind: streamed, attention: companion, copies: queued}")
    #expect(try folder.problems(replacing: small).isEmpty)
  }

  @Test("as many sequences as there is room for beside copies that are chosen later")
  func largestBatchBesideCopies() throws {
    var changes = [
      "1 x dgx-h100": "1 x dgx-h100, device-memory: 500 MB", "batch: 4": "batch: largest",
      "placement: contiguous": "placement: {kind: eplb, redundant: 8}",
    ]
    let beside = try folder.load(replacing: changes).workload.batch
    changes["placement: contiguous"] = "placement: eplb"
    #expect(try folder.load(replacing: changes).workload.batch > beside)
    changes["placement: contiguous"] = "placement: {kind: eplb, redundant: 8}"
    changes["batch: 4"] = "batch: \(beside + 1)"
    #expect(try folder.problems(replacing: changes).count == 1)
  }

  @Test("as many requests as there is room for")
  func largestBatch() throws {
    var changes = streamed(batching: "continuous", workload: requests)
    changes["batch: 4"] = "batch: largest"
    let scenario = try folder.load(replacing: changes)
    let batch = scenario.workload.batch
    #expect(batch > 4)
    #expect(
      scenario.remarks.contains {
        $0.hasPrefix(
          "the largest batch has \(batch) sequences of each group; of one more: \(batch + 1) requests of "
            + "9 + 3/2 tokens on average need")
      })
    changes["batch: 4"] = "batch: \(batch)"
    #expect(try folder.load(replacing: changes).workload.batch == batch)
    changes["batch: 4"] = "batch: \(batch + 1)"
    #expect(try folder.problems(replacing: changes).count == 1)
  }
}
