import Foundation
import Models
import Scenario
import Testing

@Suite("A scenario that extends another")
struct ExtendsTests {
  let folder: ScenarioFolder

  init() throws { folder = try ScenarioFolder() }

  @Test("goes over its base key by key, through chains")
  func merge() throws {
    try folder.write("base.yaml", ScenarioFolder.scenario)
    try folder.write("middle.yaml", "extends: base.yaml\nworkload: {batch: 2}\nseed: 3\n")
    let scenario = try folder.load(text: "extends: middle.yaml\nname: Top\nseed: 4\n")
    #expect(scenario.name == "Top")
    #expect(scenario.workload.batch == 2)
    #expect(scenario.workload.context == 16)
    #expect(scenario.seed == 4)
    let lines = scenario.text.split(separator: "\n")
    #expect(lines.first == "# \(folder.file("scenario.yaml"))")
    #expect(lines.contains("# \(folder.file("base.yaml"))"))
    #expect(lines.contains("workload: {batch: 2}"))
  }

  @Test("replaces a policy of another kind as a whole")
  func policyOfAnotherKind() throws {
    try folder.write(
      "base.yaml",
      ScenarioFolder.scenario.replacingOccurrences(
        of: "contiguous", with: "{kind: round-robin, redundant: 8}"))
    func hosts(_ text: String) throws -> Int {
      try folder.load(text: "extends: base.yaml\npolicies: \(text)\n")
        .deployment.placement.hosts[0][0].count
    }
    #expect(try hosts("{placement: {kind: contiguous}}") == 1)
    #expect(try hosts("{placement: {redundant: 16}}") == 3)
  }

  @Test("resolves a path from the file that says it")
  func paths() throws {
    try FileManager.default.createDirectory(
      atPath: folder.file("inner"), withIntermediateDirectories: true)
    try folder.write("inner/scenario.yaml", "extends: ../base.yaml\n")
    try folder.write("base.yaml", ScenarioFolder.scenario)
    let scenario = try Scenario.load(path: folder.file("inner/scenario.yaml"))
    #expect(scenario.workload.trace.tokens == 42)
  }

  @Test("tells a mistake in the base at the base's line")
  func mistakeInBase() throws {
    try folder.write(
      "base.yaml", ScenarioFolder.scenario.replacingOccurrences(of: "batch: 4", with: "batch: 0"))
    #expect(
      try folder.problems(text: "extends: base.yaml\nseed: x\n") == [
        "base.yaml:9:10: 'batch' is 0; it must be from 1 to 1000000",
        "scenario.yaml:2:7: 'seed' is a whole number, not 'x'",
      ])
  }

  @Test("is refused where the base is missing, of another version, or leads back")
  func badBases() throws {
    #expect(
      try folder.problems(text: "name: x\nextends: none.yaml\n") == [
        "scenario.yaml:2:10: 'none.yaml' cannot be read: no such file"
      ])
    #expect(
      try folder.problems(text: "extends: [none.yaml]\n") == [
        "scenario.yaml:1:10: 'extends' is a word or text, not a sequence"
      ])
    try folder.write("old.yaml", "switchyard: 0\n")
    #expect(
      try folder.problems(text: "extends: old.yaml\n") == [
        "old.yaml:1:13: the scenario has format version 0; this program reads version 1"
      ])
    try folder.write("other.yaml", "extends: scenario.yaml\n")
    #expect(
      try folder.problems(text: "extends: other.yaml\n") == [
        "other.yaml:1:10: 'extends' leads back to where it came from: "
          + "scenario.yaml -> other.yaml -> scenario.yaml"
      ])
  }
}

@Suite("A setting on the command line")
struct SettingTests {
  let folder: ScenarioFolder

  init() throws { folder = try ScenarioFolder() }

  @Test("replaces or adds a value")
  func set() throws {
    let scenario = try folder.load(settings: [
      "workload.batch=64", "cluster.nodes=2 x dgx-h100", "parallelism.attention.data=16",
      "parallelism.experts={expert: 8, tensor: 2}", "policies.communication={kind: flat}",
      "precision=fp8", "measure.iterations=7 iterations",
    ])
    #expect(scenario.workload.batch == 64)
    #expect(scenario.deployment.cluster.nodeCount == 2)
    #expect(scenario.deployment.parallelism.experts == (8, 2))
    #expect(scenario.deployment.precisions == Precisions(.fp8))
    #expect(scenario.measurement.iterations == 7)
    #expect(scenario.text.contains("\n# --set workload.batch=64\n"))
  }

  @Test("of the seed yields to none but is not given twice")
  func seed() throws {
    #expect(try folder.load(settings: ["seed=5"]).seed == 5)
    let given = try folder.load(seed: .max)
    #expect(given.seed == .max)
    #expect(given.text.hasSuffix("# --seed 18446744073709551615\n"))
    #expect(
      try folder.problems(settings: ["seed=5"], seed: 6) == [
        "--set seed=5:1:1: 'seed' is set by --seed as well; keep one"
      ])
  }

  @Test("says a path relative to the current folder")
  func path() throws {
    let scenario = try folder.load(
      settings: ["workload.routing.trace=\(folder.file("tiny.routing"))"])
    #expect(scenario.workload.trace.tokens == 42)
    let found = try folder.problems(settings: ["policies.placement=file:none-such.yaml"])
    #expect(
      found == [
        "--set policies.placement=file:none-such.yaml:1:1: the placement 'none-such.yaml' cannot be "
          + "read: no such file"
      ])
  }

  @Test("goes through the same checks as the file")
  func checks() throws {
    #expect(
      try folder.problems(settings: ["workload.batch=0", "workload.btch=1"]) == [
        "--set workload.batch=0:1:1: 'batch' is 0; it must be from 1 to 1000000",
        "--set workload.btch=1:1:1: unknown key 'btch'; did you mean 'batch'?",
      ])
  }

  @Test("is refused where it is malformed, all of them together")
  func malformed() throws {
    let found = try folder.problems(settings: [
      "workload", "=3", "a..b=3", "seed=", "extends=x.yaml", "seed={", "seed=1", "seed=2",
    ])
    #expect(
      found == [
        "--set =3:1:1: '' is not a path of keys joined by dots; write '--set workload.batch=64'",
        "--set a..b=3:1:1: 'a..b' is not a path of keys joined by dots; "
          + "write '--set workload.batch=64'",
        "--set extends=x.yaml:1:1: 'extends' cannot be set; it stands in a file",
        "--set seed=:1:1: 'seed' is set to nothing; give a value after '='",
        "--set seed=1:1:1: 'seed' has no effect: '--set seed=2' sets it again",
        "--set seed={:2:1: not YAML: did not find expected node content",
        "--set workload:1:1: a setting has no '='; write '--set workload.batch=64'",
      ])
  }

  @Test("is refused where its path leads through something that is no mapping")
  func throughAWord() throws {
    #expect(
      try folder.problems(settings: ["workload.batch.size=8"]) == [
        "--set workload.batch.size=8:1:1: 'workload.batch' is '4', "
          + "not a mapping; there is no 'workload.batch.size' to set"
      ])
  }

  @Test("below a policy that is a word sets a key of the policy of that kind")
  func belowAPolicysWord() throws {
    #expect(
      try folder.problems(settings: ["policies.placement.path=p.yaml"]) == [
        "--set policies.placement.path=p.yaml:1:1: 'path' has no effect with kind 'contiguous'; it is "
          + "for kind 'file'"
      ])
  }
}
