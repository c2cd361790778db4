import Foundation
import Scenario
import Testing

@Suite("Mistakes are told once, at the key that makes them")
struct MistakePlaceTests {
  let folder: ScenarioFolder

  init() throws { folder = try ScenarioFolder() }

  @Test("guesses and microbatches where they cannot be")
  func keys() throws {
    let guesses = [
      "context: 16 tokens": "context: 16 tokens\n  speculation: {tokens: 1, acceptance: 70 %}"
    ]
    let blocks = """
      execution:
          kind: blocks
          tokens: 5
          choice: everywhere
      """
    #expect(
      try folder.problems(replacing: guesses.merging(["placement: contiguous": blocks]) { $1 })
        == ["scenario.yaml:11:16: speculation with experts in blocks is not possible so far"])
    #expect(
      try folder.problems(
        replacing: [
          "placement: contiguous": blocks + "\n  batching:\n    kind: static\n    microbatches: 2"
        ])
        == [
          "scenario.yaml:18:19: several microbatches with experts in blocks are not possible so far"
        ])
    // 3 x 64 x 128 numbers of 2 bytes; a ten-millionth of 80 GB.
    #expect(
      try folder.problems(
        replacing: ["placement: contiguous": blocks + "\n    duplicates: 0.00001 %"])
        == [
          "scenario.yaml:16:17: 8 kB kept for duplicates have no effect: an expert takes 49.15 kB"
        ])
    #expect(
      try folder.problems(
        replacing: ["placement: contiguous": blocks + "\n  communication:\n    kind: two-hop"]
          .merging(
            ["nodes: 1 x dgx-h100": "nodes: 2 x dgx-h100, devices-per-node: 4"]) { $1 })
        == [
          "scenario.yaml:17:11: where a token's blocks are computed is not known when it is sent to a "
            + "node once; use another kind of communication"
        ])
  }

  @Test("attention of prompts on a companion")
  func companionAttention() throws {
    #expect(
      try folder.problems(
        replacing: [
          "1 x dgx-h100": "1 x duplex", "phase: decode": "phase: prefill",
          "placement: contiguous": "execution:\n    kind: fastest\n    attention: companion",
        ])
        == [
          "scenario.yaml:14:16: 'attention' has no effect on prompts: a companion runs the attention of "
            + "decoded tokens"
        ])
  }

  @Test("the length of an encoder's output")
  func source() throws {
    try folder.write(
      "tiny.yaml",
      ScenarioFolder.model.replacingOccurrences(
        of: "layers: 4", with: "layers: 4\nencoder-layers: 1"))
    func problems(_ source: String, phase: String = "decode") throws -> [String] {
      try folder.problems(
        replacing: [
          "context: 16 tokens": "context: 16 tokens\(source)", "phase: decode": "phase: \(phase)",
        ])
    }
    #expect(try problems("\n  source: 8 tokens") == [])
    #expect(
      try problems("") == [
        "scenario.yaml:8:3: 'tiny' decodes with attention to an encoder's output; write how long that "
          + "is, like 'source: 512 tokens'"
      ])
    // A length that is wrong is not missing besides.
    #expect(
      try problems("\n  source: 8").map {
        $0.hasPrefix("scenario.yaml:11:11: 'source': '8' has no unit")
      }
        == [true])
    #expect(
      try problems("\n  source: 8 tokens", phase: "prefill") == [
        "scenario.yaml:11:11: 'source' has no effect: it is what a decoder attends to of an encoder's "
          + "output"
      ])
    // That such a model has no requests is all: no batching would mend it.
    #expect(
      try folder.problems(
        replacing: [
          "context: 16 tokens": "prompt: 8 tokens\n  output: 8 tokens", ", phase: decode": "",
        ]).count == 1)
  }

  @Test("a catalogue file that is no YAML says so and nothing else does")
  func noYAML() throws {
    // The node is in the file that cannot be read.
    let changes = [
      "name: Tiny": "name: Tiny\ncatalogue: [mine.yaml]", "1 x dgx-h100": "1 x mine",
      "model: tiny.yaml": "model: my-model",
    ]
    try folder.write("mine.yaml", "devices: {mine: [\n")
    let open = try folder.problems(replacing: changes)
    #expect(open.count == 1)
    #expect(open.first?.hasPrefix("mine.yaml:2:1: not YAML: ") == true, "\(open)")
    try Data([0, 255, 17, 200]).write(to: URL(fileURLWithPath: folder.file("mine.yaml")))
    #expect(
      try folder.problems(replacing: changes)
        == ["mine.yaml:1:1: the file is not UTF-8 text; a YAML file is expected"])
  }

  @Test("a companion's link is none that changes")
  func companionLink() throws {
    let found = try folder.problems(
      replacing: [
        "1 x dgx-h100": "1 x monde", "{data: 8}": "{data: 1}",
        "experts: {expert: 8}": "experts: {expert: 1}",
        "placement: contiguous": "execution: companion",
        "seed: 7":
          "seed: 7\nfabric: {changes: [{at: 1 ms, link: monde-ndp to device 0, factor: 0.5}]}",
      ])
    #expect(found.count == 1)
    #expect(
      found.first?.hasPrefix(
        "scenario.yaml:15:19: 'monde-ndp to device 0' is a companion's link, and none of the network's: it "
          + "cannot change so far; name a link (node 0 ") == true, "\(found)")
    #expect(found.first?.hasSuffix(") or a device (0)") == true, "\(found)")
  }

  @Test("what a key is for is a choice")
  func alternatives() throws {
    #expect(
      try folder.problems(
        replacing: [
          "placement: contiguous":
            "execution: {kind: blocks, tokens: 5, choice: everywhere, attention: device}"
        ]).map {
          $0.hasSuffix("it is for kind 'resident', 'companion', 'fastest', 'split' or 'streamed'")
        } == [true])
  }
}
