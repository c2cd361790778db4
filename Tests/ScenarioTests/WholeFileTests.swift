import Foundation
import Scenario
import StrictYAML
import Testing

@Suite("A scenario file as a whole")
struct WholeFileTests {
  let folder: ScenarioFolder

  init() throws { folder = try ScenarioFolder() }

  @Test("has all of its mistakes told at once, in the order of the file")
  func allTogether() throws {
    let found = try folder.problems(
      text: """
        switchyard: 1
        model: deepseek-v2-light
        cluster: {nodes: 0 x dgx-h100}
        precision: bf61
        parallelism: {attention: {data: 8}, experts: {exprt: 8}}
        workload:
          routing: {trace: tiny.txt, phase: both}
          batch: 0
          context: 16
        policies: {placement: {kind: contiguous, redundant: -1}, batching: dynamic}
        measure: {warmup: -1}
        speed: 3
        """)
    #expect(
      found == [
        "scenario.yaml:1:1: 'name' is missing; "
          + "write it like 'name: DeepSeek-V2-Lite, decode, one DGX H100'",
        "scenario.yaml:2:8: there is no model 'deepseek-v2-light' in the catalogue; "
          + "did you mean 'deepseek-v2-lite'?",
        "scenario.yaml:3:18: a cluster of 0 nodes was asked for; it needs 1 to 100000",
        "scenario.yaml:4:12: 'bf61' is not a value of 'precision'; "
          + "one of: fp32, bf16, fp16, fp8, int8, fp4, int4",
        "scenario.yaml:5:47: unknown key 'exprt'; did you mean 'expert'?",
        "scenario.yaml:7:20: tiny.txt: cannot be read: No such file or directory",
        "scenario.yaml:7:37: 'both' is not a value of 'phase'; one of: prefill, decode",
        "scenario.yaml:8:10: 'batch' is 0; it must be from 1 to 1000000",
        "scenario.yaml:9:12: 'context': '16' has no unit; "
          + "a number of tokens is written like '2048 tokens'",
        "scenario.yaml:10:53: 'redundant' is -1; it must be from 0 to 16384",
        "scenario.yaml:10:68: 'dynamic' is not a value of 'batching'; "
          + "one of: static, continuous, prompts-first, together",
        "scenario.yaml:11:19: 'warmup' is -1; it must be from 0 to 1000000",
        "scenario.yaml:12:1: unknown key 'speed'; did you mean 'seed'?",
      ])
  }

  @Test("has mistakes of different parts held to each other told together")
  func semanticTogether() throws {
    try folder.writeTrace("other.routing", experts: 16)
    let found = try folder.problems(replacing: [
      "{data: 8}": "{data: 4}", "tiny.routing": "other.routing", "contiguous": "file:none.yaml",
    ])
    #expect(found.count == 3)
    #expect(
      found.map { $0.prefix { $0 != " " } } == [
        "scenario.yaml:6:26:", "scenario.yaml:8:20:", "scenario.yaml:12:14:",
      ])
  }

  @Test("is refused where it is not there, a folder, empty, binary or no mapping")
  func noScenario() throws {
    func problems(_ name: String) throws -> String {
      let problems = #expect(throws: Problems.self) {
        try Scenario.load(path: folder.file(name))
      }
      return (problems?.description ?? "").replacingOccurrences(of: folder.path + "/", with: "")
    }
    #expect(try problems("none.yaml") == "none.yaml:1:1: no such file")
    #expect(try problems("") == ":1:1: it is a folder")
    try folder.write("empty.yaml", "")
    #expect(
      try problems("empty.yaml")
        == "empty.yaml:1:1: the file is empty; a YAML mapping is expected")
    #expect(
      try problems("tiny.routing")
        == "tiny.routing:1:1: the file is not UTF-8 text; a YAML file is expected")
    try folder.write("list.yaml", "[1, 2]\n")
    #expect(
      try problems("list.yaml")
        == "list.yaml:1:1: a scenario is a mapping of keys, not a sequence")
  }

  @Test("is refused in under a second where it is hostile")
  func hostile() throws {
    let bomb = (1..<30).map { "a\($0): &a\($0) [*a\($0 - 1), *a\($0 - 1)]\n" }.joined()
    let texts = [
      "a0: &a0 [x]\n" + bomb,
      String(repeating: "[", count: 10 << 20),
      String(repeating: "[", count: 100_000),
      "switchyard: 1\nname: " + String(repeating: "{a: ", count: 5_000),
    ]
    for text in texts {
      let start = ContinuousClock.now
      #expect(try folder.problems(text: text).count == 1)
      #expect(ContinuousClock.now - start < .seconds(1))
    }
  }
}
