import Serving
import Testing

@Suite("Execution in blocks")
struct BlockPolicyTests {
  let folder: ScenarioFolder

  init() throws { folder = try ScenarioFolder() }

  private func policy(_ execution: String) -> [String: String] {
    ["placement: contiguous": "execution: \(execution)"]
  }

  @Test("is read with everything it may have")
  func read() throws {
    let all = try folder.load(
      replacing: policy(
        "{kind: blocks, tokens: 50, choice: allocator, candidates: 3, duplicates: 10 %, predict: 4}"
      ))
    #expect(
      all.deployment.blocks
        == BlockExecution(
          tokensPerBlock: 50, choice: .allocator(candidates: 3),
          duplicates: .init(share: 0.1, predicted: 4)))
    let choice = all.policies.first { $0.slot == "execution" }?.choice
    #expect(
      choice == "blocks of 50 tokens by the allocator, 3 candidates, duplicates in 10 % of memory, "
        + "of 4 predicted experts")
    let base = try folder.load(
      replacing: policy("{kind: blocks, tokens: 50, choice: everywhere}"))
    #expect(base.deployment.blocks == BlockExecution(tokensPerBlock: 50, choice: .everywhere))
    #expect(try folder.load(replacing: policy("resident")).deployment.blocks == nil)
  }

  private func expect(
    _ execution: String, _ sentences: String..., at place: SourceLocation = #_sourceLocation
  ) throws {
    let found = try folder.problems(replacing: policy(execution))
    #expect(found == sentences, sourceLocation: place)
  }

  @Test("is told what is missing, out of range or without effect")
  func mistakes() throws {
    try expect(
      "blocks",
      "scenario.yaml:12:14: execution 'blocks' needs to know more; write it like "
        + "'{kind: blocks, tokens: 50, choice: allocator}'")
    try expect(
      "{kind: blocks, tokens: 0, choice: allocator}",
      "scenario.yaml:12:37: 'tokens' is 0; it must be from 1 to 1000000")
    try expect(
      "{kind: blocks, tokens: 50, choice: allocator, candidates: 0}",
      "scenario.yaml:12:72: 'candidates' is 0; it must be from 1 to 65535")
    try expect(
      "{kind: blocks, tokens: 50, choice: everywhere, candidates: 2}",
      "scenario.yaml:12:61: 'candidates' has no effect with 'choice: everywhere'; it is for the "
        + "allocator")
    try expect(
      "{kind: blocks, tokens: 50, choice: everywhere, duplicates: 101 %}",
      "scenario.yaml:12:73: 'duplicates' is '101 %'; it must be more than 0 % and at most 100 %, "
        + "like '10 %'")
    try expect(
      "{kind: blocks, tokens: 50, choice: everywhere, duplicates: 0.1}",
      "scenario.yaml:12:73: 'duplicates' is '0.1'; it must be more than 0 % and at most 100 %, "
        + "like '10 %'")
    try expect(
      "{kind: blocks, tokens: 50, choice: everywhere, predict: 4}",
      "scenario.yaml:12:61: 'predict' has no effect without 'duplicates'")
    try expect(
      "{kind: blocks, tokens: 50, choice: everywhere, duplicates: 10 %, predict: 8}",
      "scenario.yaml:12:88: 'predict' is 8, and a layer has 8 experts: leave it out")
    try expect(
      "{kind: resident, tokens: 50}",
      "scenario.yaml:12:31: 'tokens' has no effect with kind 'resident'; it is for kind 'blocks'")
    try expect(
      "{kind: blocks, tokens: 50, choice: allocator, candidate: 2}",
      "scenario.yaml:12:60: unknown key 'candidate'; did you mean 'candidates'?")
  }

  @Test("is refused where the deployment rules it out")
  func ruledOut() throws {
    let blocks = "{kind: blocks, tokens: 50, choice: everywhere}"
    let one = try folder.problems(
      replacing: policy(blocks).merging(
        [
          "nodes: 1 x dgx-h100": "nodes: 1 x dgx-h100, devices-per-node: 1",
          "{attention: {data: 8}, experts: {expert: 8}}":
            "{attention: {data: 1}, experts: {expert: 1}}",
        ]) { $1 })
    #expect(
      one == [
        "scenario.yaml:12:21: blocks have no effect on one device: there is nobody else to compute them"
      ])
    let sliced = try folder.problems(
      replacing: policy(blocks).merging(
        ["experts: {expert: 8}": "experts: {expert: 4, tensor: 2}"]) { $1 })
    #expect(
      sliced == [
        "scenario.yaml:6:66: blocks are of whole experts, and these are sliced over 2 devices; "
          + "choose 'experts: {expert: 8}'"
      ])
    let prompts = try folder.problems(
      replacing: [
        "placement: contiguous":
          "execution: {kind: blocks, tokens: 5, choice: everywhere, duplicates: 1 %, predict: 2}",
        "phase: decode": "phase: prefill",
      ])
    #expect(prompts.count == 1)
    #expect(prompts.first?.contains("'predict' has no effect on prompts") == true)
  }
}
