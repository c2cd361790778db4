import Foundation
import Scenario
import Serving
import Testing

@Suite("Microbatches, speculation and ranks of shared experts")
struct BatchingTests {
  let folder: ScenarioFolder

  init() throws {
    folder = try ScenarioFolder()
    try folder.write(
      "sharing.yaml",
      ScenarioFolder.model.replacingOccurrences(
        of: "layers: {after: 1}", with: "layers: {after: 1}, shared: {count: 1, intermediate: 128}")
    )
  }

  private func expect(_ changes: [String: String], _ sentences: String...) throws {
    let found = try folder.problems(replacing: changes)
    #expect(found == sentences)
  }

  private func policies(_ line: String) -> [String: String] { ["placement: contiguous": line] }

  @Test("are read, and said in words")
  func read() throws {
    let scenario = try folder.load(replacing: [
      "placement: contiguous":
        "batching: {kind: static, microbatches: 2, streams: {attention: 88, experts: 44}}",
      "context: 16 tokens": "context: 16 tokens\n  speculation: {tokens: 2, acceptance: 50 %}",
    ])
    let workload = scenario.workload
    #expect(
      workload.batching
        == Batching(microbatches: 2, streams: .init(attention: 88, experts: 44)))
    #expect(workload.speculation == Speculation(tokens: 2, acceptance: 0.5))
    #expect(scenario.tokensPerIteration == 8 * 4 * 3)
    #expect(
      scenario.policies.first?.choice
        == "static, 2 microbatches in two streams (88 compute units for attention, 44 for experts)")
    #expect(
      scenario.remarks.contains(
        "no prediction layer of tiny is known: a guess costs what its last layer with experts and "
          + "its head cost"))
    let apart = try folder.load(replacing: [
      "model: tiny.yaml": "model: sharing.yaml",
      "placement: contiguous": "placement: {kind: contiguous, shared-ranks: 2}",
    ])
    #expect(apart.deployment.placement.sharedGroups == 2)
    #expect(apart.deployment.placement.copies(layer: 0, group: 1) == 0)
    #expect(apart.deployment.placement.copies(layer: 0, group: 2) == 2)
    #expect(
      apart.policies.contains {
        $0.choice == "contiguous, shared experts on 2 ranks of their own"
      })
  }

  @Test("a batch that cannot be cut, or a cut without effect")
  func badMicrobatches() throws {
    // One is what a file may have to say over another's two.
    try expect(policies("batching: {kind: static, microbatches: 1}"))
    try expect(
      policies("batching: {kind: static, microbatches: 5}"),
      "scenario.yaml:12:42: 5 microbatches of 4 sequences leave some without any")
    try expect(
      policies("batching: {kind: static, microbatches: 65}"),
      "scenario.yaml:12:42: 'microbatches' is 65; it must be from 1 to 64")
    try expect(
      policies("batching: {kind: static, streams: {attention: 16, experts: 8}}"),
      "scenario.yaml:12:37: 'streams' has no effect without 'microbatches': the stages of one batch "
        + "wait for each other")
    try expect(
      policies("batching: {kind: static, microbatches: 2, streams: {attention: 88, experts: 45}}"),
      "scenario.yaml:12:54: streams of 88 and 45 compute units; 'h100-sxm' has 132")
    try expect(
      policies("batching: {kind: static, microbatches: 2, streams: 16}"),
      "scenario.yaml:12:54: 'streams' is a mapping, not '16'; write it like "
        + "'streams: {attention: 16, experts: 8}'")
  }

  @Test("guesses that cannot be")
  func badSpeculation() throws {
    func speculation(_ text: String) -> [String: String] {
      ["context: 16 tokens": "context: 16 tokens\n  speculation: \(text)"]
    }
    try expect(
      speculation("{tokens: 1, acceptance: 101 %}"),
      "scenario.yaml:11:40: 'acceptance' is 101 %; it must be from 0 % to 100 %")
    try expect(
      speculation("{tokens: 1, acceptance: 0.7}"),
      "scenario.yaml:11:40: 'acceptance' is a percentage like '70 %', not '0.7'")
    try expect(
      speculation("{tokens: 1, acceptance: -5 %}"),
      "scenario.yaml:11:40: 'acceptance' is a percentage like '70 %', not '-5 %'")
    try expect(
      speculation("{tokens: 0, acceptance: 70 %}"),
      "scenario.yaml:11:25: 'tokens' is 0; it must be from 1 to 16")
    try expect(
      speculation("{tokens: 1}"),
      "scenario.yaml:11:16: 'acceptance' is missing; write it like 'acceptance: 70 %'")
    var prefill = speculation("{tokens: 1, acceptance: 70 %}")
    prefill["phase: decode"] = "phase: prefill"
    try expect(prefill, "scenario.yaml:11:3: \(ServingError.speculationInPrefill)")
  }

  @Test("ranks of shared experts that cannot be")
  func badSharedRanks() throws {
    try expect(
      policies("placement: {kind: contiguous, shared-ranks: 2}"),
      "scenario.yaml:12:47: 'tiny' has no shared experts to give expert groups of their own")
    var sharing = policies("placement: {kind: contiguous, shared-ranks: 8}")
    sharing["model: tiny.yaml"] = "model: sharing.yaml"
    try expect(
      sharing,
      "scenario.yaml:12:47: 'shared-ranks' is 8 of 8 expert groups; some must be left for routed "
        + "experts")
    sharing["placement: contiguous"] = "placement: {kind: contiguous, shared-ranks: 0}"
    try expect(
      sharing, "scenario.yaml:12:47: 'shared-ranks' is 0; it must be from 1 to 65534")
    try expect(
      policies("placement: {kind: file, path: mine.yaml, shared-ranks: 2}"),
      "scenario.yaml:12:33: the placement 'mine.yaml' cannot be read: no such file",
      "scenario.yaml:12:44: 'shared-ranks' has no effect with kind 'file'; it is for kind "
        + "'contiguous', 'round-robin', 'eplb', 'random' or 'search'")
  }
}
