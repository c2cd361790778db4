import StrictYAML
import Testing

@testable import Validation

@Suite("Mistakes in a file of published figures")
struct MistakeTests {
  let folder: PaperFolder

  init() throws { folder = try PaperFolder() }

  private static let ratio = "{ratio: [new.yaml, old.yaml], of: throughput}"

  private func problems(
    _ simulated: String = ratio, published: String = "6.7", tolerance: String = "10 %"
  ) throws -> [String] {
    try folder.expect(
      PaperFolder.figure(simulated, published: published, tolerance: tolerance))
    return try folder.problems()
  }

  @Test("Keys that are missing or unknown")
  func keys() throws {
    try folder.write("example/expected.yaml", "system: Example\nfigurs: []\n")
    #expect(
      try folder.problems() == [
        "example/expected.yaml:1:1: 'figures' is missing",
        "example/expected.yaml:2:1: unknown key 'figurs'; did you mean 'figures'?",
      ])
    try folder.write("example/expected.yaml", "system: Example\nfigures:\n  - unkown: batch size\n")
    #expect(
      try folder.problems() == [
        "example/expected.yaml:3:5: 'name' is missing; write it like "
          + "'name: decode, speed-up over moving parameters'",
        "example/expected.yaml:3:5: 'published' is missing; write it like 'published: 6.7'",
        "example/expected.yaml:3:5: 'simulated' is missing; write it like "
          + "'simulated: {ratio: [new.yaml, old.yaml], of: throughput}'",
        "example/expected.yaml:3:5: 'tolerance' is missing; write it like 'tolerance: 10 %'",
        "example/expected.yaml:3:5: 'source' is missing; write it like "
          + "'source: arXiv 2405.18832, figure 6'",
        "example/expected.yaml:3:5: unknown key 'unkown'; did you mean 'unknown'?",
      ])
    try folder.write("example/expected.yaml", "system: Example\nfigures: []\n")
    #expect(
      try folder.problems() == ["example/expected.yaml:2:1: 'figures' is empty; list at least one"])
  }

  @Test("Two figures of one name")
  func names() throws {
    try folder.expect(PaperFolder.figure(Self.ratio), PaperFolder.figure(Self.ratio))
    #expect(
      try folder.problems() == [
        "example/expected.yaml:8:11: another figure is called 'speed-up' as well"
      ])
  }

  @Test("What is simulated in another form")
  func forms() throws {
    let place = "example/expected.yaml:5:16: "
    #expect(
      try problems("new.yaml") == [
        place + "'simulated' is a mapping, not 'new.yaml'; write it like 'simulated: \(Self.ratio)'"
      ])
    let kinds = "value, ratio, reduction, gain, mean, maximum"
    #expect(
      try problems("{of: throughput}") == [place + "'simulated' has one of \(kinds); found: none"])
    #expect(
      try problems("{value: new.yaml, mean: [], of: energy}") == [
        place + "'simulated' has one of \(kinds); found: 'value' and 'mean'"
      ])
    #expect(
      try problems("{ratio: [new.yaml], of: throughput}") == [
        "example/expected.yaml:5:24: 'ratio' is of two runs, not 1; write it like "
          + "'ratio: [new.yaml, old.yaml]'"
      ])
    #expect(
      try problems("{ratio: [new.yaml, old.yaml]}") == [
        place + "'of' is missing; write it like 'of: throughput'"
      ])
    #expect(
      try problems("{mean: []}") == [
        "example/expected.yaml:5:23: 'mean' of nothing; list at least one"
      ])
    #expect(
      try problems("{mean: [\(Self.ratio)], of: throughput}") == [
        "example/expected.yaml:5:72: unknown key 'of'; known here: mean"
      ])
    #expect(
      try problems("{maximum: [\(Self.ratio), {value: new.yaml, of: energy}]}") == [
        "example/expected.yaml:5:74: 'maximum' of different things: this is written like '12 mJ', "
          + "the first like '6.7'"
      ])
  }

  @Test("A metric and a stage that do not exist")
  func metrics() throws {
    #expect(
      try problems("{value: new.yaml, of: througput}") == [
        "example/expected.yaml:5:38: 'througput' is not a value of 'of'; did you mean 'throughput'?"
      ])
    #expect(
      try problems("{value: new.yaml, of: speed}") == [
        "example/expected.yaml:5:38: 'speed' is not a value of 'of'; one of: "
          + Metric.allCases.map(\.rawValue).joined(separator: ", ")
      ])
    #expect(
      try problems("{value: new.yaml, of: {stage: expert}}") == [
        "example/expected.yaml:5:46: 'expert' is not a stage; did you mean 'experts'?"
      ])
    #expect(
      try problems("{value: new.yaml, of: {stage: cooling}}").first?.hasPrefix(
        "example/expected.yaml:5:46: 'cooling' is not a stage; one of: embedding, attention, ")
        == true)
  }

  @Test("A published figure in another unit")
  func units() throws {
    let place = "example/expected.yaml:4:16: "
    #expect(
      try problems(published: "6.7 ms") == [
        place + "'published' is '6.7 ms'; what is simulated has no unit, write it like '6.7'"
      ])
    #expect(
      try problems("{gain: [new.yaml, old.yaml], of: throughput}", published: "6.7") == [
        place + "'published' is '6.7'; what is simulated is a percentage, write it like '16.4 %'"
      ])
    #expect(
      try problems("{value: new.yaml, of: throughput}", published: "6.7 ms") == [
        place + "'published': 'ms' is not a unit of a token rate; write it like '1200 tokens/s'"
      ])
    #expect(
      try problems("{value: new.yaml, of: time-per-token}", published: "6.7") == [
        place + "'published': '6.7' has no unit; a time is written like '2.5 us'"
      ])
  }

  @Test("A tolerance that is none")
  func tolerances() throws {
    let place = "example/expected.yaml:6:16: "
    #expect(
      try problems(tolerance: "0.1") == [
        place + "'tolerance' is '0.1'; write it like '10 %', or '5 points' of a percentage"
      ])
    #expect(
      try problems(tolerance: "0 %") == [
        place + "'tolerance' is '0 %'; it must be more than 0 and at most 1000"
      ])
    #expect(
      try problems(tolerance: "5 points") == [
        place + "'tolerance' is '5 points', but the figure is no percentage; write it like '10 %'"
      ])
    #expect(
      try problems("{gain: [new.yaml, old.yaml], of: throughput}", published: "0 %") == [
        place + "'tolerance' is a share of a published 0; write it like '5 points'"
      ])
  }

  @Test("A scenario that is not there, is wrong, or has a setting that is")
  func scenarios() throws {
    #expect(
      try problems("{value: none.yaml, of: throughput}").map {
        $0.replacing(folder.path + "/", with: "")
      } == [
        "example/expected.yaml:5:24: scenario 'example/none.yaml' cannot be read: no such file"
      ])
    try folder.write("example/wrong.yaml", "switchyard: 1\nextends: new.yaml\nnam: wrong\n")
    #expect(
      try problems("{ratio: [wrong.yaml, old.yaml], of: throughput}") == [
        "example/wrong.yaml:3:1: unknown key 'nam'; did you mean 'name'?"
      ])
    #expect(
      try problems(
        "{ratio: [{scenario: new.yaml, set: [workload.batc=4]}, old.yaml], of: throughput}") == [
          "example/expected.yaml:5:36: setting 'workload.batc=4': unknown key 'batc'; "
            + "did you mean 'batch'?"
        ])
    #expect(
      try problems("{ratio: [{scenario: new.yaml}, new.yaml], of: throughput}") == [
        "example/expected.yaml:5:25: 'set' is missing; write it like 'set: [workload.batch=64]'"
      ])
  }

  @Test("A number that the run does not have")
  func missingNumbers() throws {
    let runs = ["new": try summary(milliseconds: 20), "old": try summary(milliseconds: 80)]
    try folder.expect(
      PaperFolder.figure("{value: new.yaml, of: energy}", published: "1 J"),
      PaperFolder.figure("{value: old.yaml, of: {stage: head}}", published: "1 s", name: "second"))
    #expect(
      try folder.problems(runs) == [
        "example/expected.yaml:5:24: the run of 'example/new.yaml' has no energy",
        "example/expected.yaml:10:24: the run of 'example/old.yaml' has no stage 'head'",
      ])
  }

  @Test("Folders without figures")
  func folders() throws {
    func found(_ folder: String) -> String {
      do throws(Problems) {
        return "\(try PublishedSystem.all(under: [folder]).count)"
      } catch { return error.description.replacing(self.folder.path + "/", with: "") }
    }
    #expect(found(folder.file("none")) == "none:1:1: no such folder")
    #expect(
      found(folder.file("example")) == "example:1:1: the folder holds no expected.yaml, "
        + "which says what a paper's scenarios are held to")
    #expect(
      found(folder.file("example/new.yaml"))
        == "example/new.yaml:1:1: is a file; name the folder that holds it")
  }
}
