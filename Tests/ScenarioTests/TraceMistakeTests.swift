import Foundation
import Testing

@Suite("A trace or a machine that does not fit the model")
struct TraceMistakeTests {
  let folder: ScenarioFolder

  init() throws { folder = try ScenarioFolder() }

  @Test("a trace that is missing or no trace")
  func unreadable() throws {
    let missing = try folder.problems(replacing: ["tiny.routing": "none.routing"])
    #expect(missing.count == 1)
    #expect(
      missing[0].hasPrefix("scenario.yaml:8:20: none.routing: cannot be read: "), "\(missing)")
    try folder.write("text.routing", "not a trace, but long enough to have a header of its own")
    #expect(
      try folder.problems(replacing: ["tiny.routing": "text.routing"]) == [
        "scenario.yaml:8:20: text.routing: not a routing trace (the first bytes are not a trace's); "
          + "'switchyard trace import' makes one from other formats"
      ])
  }

  @Test("a truncated trace")
  func truncated() throws {
    let whole = try Data(contentsOf: URL(fileURLWithPath: folder.file("tiny.routing")))
    try whole.dropLast(40).write(to: URL(fileURLWithPath: folder.file("cut.routing")))
    let found = try folder.problems(replacing: ["tiny.routing": "cut.routing"])
    #expect(
      found == [
        "scenario.yaml:8:20: cut.routing: the trace is truncated: \(whole.count) bytes are needed, "
          + "the file has \(whole.count - 40)"
      ])
  }

  @Test("a trace of another model, with both shapes")
  func otherShape() throws {
    try folder.writeTrace("other.routing", layerIDs: [0, 1], experts: 16, topK: 4)
    #expect(
      try folder.problems(replacing: ["tiny.routing": "other.routing"]) == [
        "scenario.yaml:8:20: other.routing: a trace of another model: it has 2 MoE layers of "
          + "16 experts, top-4 (tiny), but 3 MoE layers of 8 experts, top-2 (tiny) are wanted"
      ])
  }

  @Test("a trace of other layers of a model of the same shape")
  func otherLayers() throws {
    try folder.writeTrace("other.routing", layerIDs: [0, 1, 3])
    #expect(
      try folder.problems(replacing: ["tiny.routing": "other.routing"]) == [
        "scenario.yaml:8:20: other.routing: a trace of another model: its selections are of layers "
          + "0, 1, 3 (tiny), but experts are wanted in layers 1 to 3 (tiny)"
      ])
  }

  @Test("a trace without tokens of the phase")
  func noTokens() throws {
    try folder.writeTrace("prompts.routing", decode: 0)
    let found = try folder.problems(replacing: ["tiny.routing": "prompts.routing"])
    #expect(
      found == [
        "scenario.yaml:8:44: prompts.routing: the trace has no decode tokens, only prefill tokens"
      ])
  }

  @Test("a cache that does not fit, with the arithmetic and the batch that would")
  func cacheTooLarge() throws {
    // A token takes 4 layers x 2 x 2 heads x 16 x 2 B = 512 B, a sequence of 1e8 tokens 51.2 GB.
    let found = try folder.problems(replacing: ["16 tokens": "100000000 tokens"])
    #expect(found.count == 1)
    #expect(found[0].hasPrefix("scenario.yaml:9:10: device 0 would need 204."), "\(found)")
    #expect(found[0].contains(" of its 80 GB of memory: experts "), "\(found)")
    #expect(found[0].contains("KV cache 204.8 GB (4 sequences of 100000000 tokens x 51.2 GB)"))
    #expect(found[0].hasSuffix("; there is room for 1 sequence"), "\(found)")
  }

  @Test("weights that do not fit, with the arithmetic")
  func weightsTooLarge() throws {
    try folder.writeTrace("big.routing", layerIDs: Array(0..<32), experts: 8, topK: 2)
    let found = try folder.problems(replacing: [
      "tiny.yaml": "mixtral-8x7b", "tiny.routing": "big.routing",
      "1 x dgx-h100": "1 x dgx-h100, devices-per-node: 1", "{data: 8}": "{data: 1}",
      "{expert: 8}": "{expert: 1}",
    ])
    #expect(found.count == 1)
    #expect(found[0].hasPrefix("scenario.yaml:4:18: device 0 would need 93."), "\(found)")
    #expect(found[0].contains("(256 copies x 352.3 MB)"), "\(found)")
    #expect(found[0].hasSuffix("; use more devices or a narrower precision"), "\(found)")
  }
}
