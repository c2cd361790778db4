import Scenario
import Serving
import Testing

@Suite("Who runs experts, and requests that begin and end")
struct ExecutionPolicyTests {
  let folder: ScenarioFolder

  init() throws { folder = try ScenarioFolder() }

  private func expect(_ changes: [String: String], _ sentences: String...) throws {
    let found = try folder.problems(replacing: changes)
    #expect(found == sentences)
  }

  private func onDuplex(_ execution: String) -> [String: String] {
    ["1 x dgx-h100": "1 x duplex", "placement: contiguous": "execution: \(execution)"]
  }

  @Test("every kind is read and said in words")
  func read() throws {
    let kinds: [String: (ExpertExecution, String)] = [
      "fastest": (
        ExpertExecution(experts: .fastest), "on the device or its companion, whichever is faster"
      ),
      "{kind: companion, attention: fastest}": (
        ExpertExecution(experts: .companion, attention: .fastest),
        "on the companion, decode attention where it is faster"
      ),
      "{kind: split, spaces: 4, attention: companion}": (
        ExpertExecution(experts: .split(.init(spaces: 4, choice: .search)), attention: .companion),
        "split between device and companion, in 4 memory spaces, decode attention on the companion"
      ),
    ]
    for (written, (execution, words)) in kinds {
      let changes = onDuplex(written).merging(
        ["experts: {expert: 8}": "experts: {expert: 1, tensor: 8}"]) { $1 }
      let scenario = try folder.load(replacing: changes)
      #expect(scenario.deployment.execution == execution)
      #expect(scenario.policies.contains { $0.choice == words })
    }
  }

  @Test("a drive gives experts and computes none")
  func drive() throws {
    let one = [
      "1 x dgx-h100": "1 x h100-nvme", "{data: 8}": "{data: 1}", "{expert: 8}": "{expert: 1}",
    ]
    func on(_ execution: String) -> [String: String] {
      one.merging(["placement: contiguous": "execution: \(execution)"]) { $1 }
    }
    let scenario = try folder.load(replacing: on("fetch"))
    #expect(scenario.deployment.execution.experts == .fetch)
    #expect(!scenario.deployment.execution.computesBeside)
    let found = try folder.problems(replacing: on("fastest"))
    #expect(found.count == 1)
    #expect(
      found.first?.contains("nvme-pcie5 computes nothing: it is a drive") == true, "\(found)")
  }

  @Test("what the node has not, or what has no effect")
  func refused() throws {
    try expect(
      ["placement: contiguous": "execution: companion"],
      "scenario.yaml:12:14: the devices of 'dgx-h100' have no companion; choose "
        + "'resident' or 'blocks'")
    try expect(
      onDuplex("fetch"),
      "scenario.yaml:12:14: 'fetch' has no effect: 'duplex-logic-pim' works on the device's own "
        + "memory, where experts live")
    try expect(
      [
        "1 x dgx-h100": "1 x monde", "{data: 8}": "{data: 1}", "{expert: 8}": "{expert: 1}",
        "weights: bf16": "weights: fp32", "placement: contiguous": "execution: fastest",
      ],
      "scenario.yaml:4:10: monde-ndp has no compute rate for fp32, nor for a wider precision that "
        + "could stand in; it has bf16")
    try expect(
      onDuplex("{kind: split, alpha: 2}"),
      "scenario.yaml:12:35: 'alpha' has no effect with 'hot: search'")
    try expect(
      onDuplex("{kind: fastest, spaces: 4}"),
      "scenario.yaml:12:30: 'spaces' has no effect with kind 'fastest'; it is for kind 'split'")
    try expect(
      onDuplex("{kind: split, spaces: 1}"),
      "scenario.yaml:12:36: 'spaces' is 1; it must be from 2 to 1024")
  }

  @Test("requests are read, and held to the batching")
  func requests() throws {
    let lengths = [
      "context: 16 tokens": "prompt: 9 tokens\n  output: 3 tokens", ", phase: decode": "",
    ]
    var changes = lengths
    changes["placement: contiguous"] = "batching: continuous"
    let scenario = try folder.load(replacing: changes)
    #expect(scenario.workload.requests == RequestLengths(prompt: 9, output: 3))
    #expect(scenario.workload.batching.admission == .continuous)
    try expect(
      lengths,
      "scenario.yaml:10:11: 'prompt' and 'output' need 'policies.batching: continuous', "
        + "'prompts-first' or 'together'; with 'static' no request begins or ends")
    try expect(
      ["placement: contiguous": "batching: prompts-first"],
      "scenario.yaml:12:13: batching 'prompts-first' has no effect without 'workload.prompt' and "
        + "'workload.output': no request begins or ends")
    changes[", phase: decode"] = nil
    try expect(
      changes,
      "scenario.yaml:8:41: 'phase' has no effect beside 'prompt' and 'output', which say what a "
        + "request has")
    try expect(
      ["context: 16 tokens": "context: 16 tokens\n  source: 4 tokens"],
      "scenario.yaml:11:11: 'source' has no effect: it is what a decoder attends to of an encoder's "
        + "output")
  }

  @Test("prompts that all begin at once are held to what can be simulated")
  func promptsTooLarge() throws {
    let found = try folder.problems(replacing: [
      "context: 16 tokens": "prompt: 100000000 tokens\n  output: 3 tokens", ", phase: decode": "",
      "batch: 4": "batch: 2", "placement: contiguous": "batching: continuous",
    ])
    #expect(
      found == [
        "scenario.yaml:9:10: an iteration would have 1600000000 new tokens; at most 1000000000 can be "
          + "simulated"
      ])
  }
}
