import StrictYAML
import Testing

@testable import Validation

@Suite("Published figures beside simulated ones")
struct PaperValidationTests {
  let folder: PaperFolder

  init() throws { folder = try PaperFolder() }

  private static let ratio = "{ratio: [new.yaml, old.yaml], of: throughput}"

  @Test("Each scenario runs once for each set of settings")
  func runsOnce() throws {
    try folder.expect(
      PaperFolder.figure(Self.ratio, name: "a"),
      PaperFolder.figure("{gain: [./old.yaml, new.yaml], of: throughput}", published: "1 %"),
      PaperFolder.figure(
        "{ratio: [{scenario: new.yaml, set: [name=other]}, new.yaml], of: throughput}",
        name: "other"))
    try folder.write(
      "second/expected.yaml",
      "system: B\nfigures:\n"
        + PaperFolder.figure(
          "{value: ../example/old.yaml, of: iteration-time}", published: "1 ms"))
    let ran = Counter()
    let validation = try PaperValidation(PublishedSystem.all(under: [folder.path]), threads: 2) {
      ran.add($0.name)
      return try summary(milliseconds: 20)
    }
    #expect(ran.names == ["new", "old", "other"])
    #expect(validation.runCount == 3)
    #expect(validation.rows.map(\.system) == ["Example", "Example", "Example", "B"])
  }

  @Test("A file in two of the folders is read once, and files are sorted by path")
  func overlap() throws {
    try folder.expect(PaperFolder.figure(Self.ratio))
    try folder.write(
      "a/expected.yaml",
      "system: A\nfigures:\n"
        + PaperFolder.figure(
          "{ratio: [../example/new.yaml, ../example/old.yaml], of: throughput}"))
    let systems = try PublishedSystem.all(under: [folder.file("example/"), folder.path])
    #expect(systems.map(\.system) == ["A", "Example"])
  }

  @Test("The tables have every figure, the verdicts and what is unknown")
  func tables() throws {
    try folder.expect(
      PaperFolder.figure(
        Self.ratio, published: "4.2", more: "    unknown: batch size | context\n"),
      PaperFolder.figure(
        "{value: new.yaml, of: time-per-token}", published: "15 ms", name: "wait"))
    let validation = try folder.validation([
      "new": summary(milliseconds: 20), "old": summary(milliseconds: 80),
    ])
    #expect(
      validation.text == """
        system   figure    published  simulated    error  tolerance  verdict
        Example  speed-up        4.2          4   -4.8 %       10 %  met
        Example  wait          15 ms      20 ms  +33.3 %       10 %  missed

        1 of 2 figures met, from 2 runs

        unknown
          - Example, speed-up: batch size | context

        """)
    #expect(
      validation.markdown == """
        | system | figure | published | simulated | error | tolerance | verdict | source |
        |---|---|---:|---:|---:|---:|---|---|
        | Example | speed-up | 4.2 | 4 | -4.8 % | 10 % | met | a paper, figure 1 |
        | Example | wait | 15 ms | 20 ms | +33.3 % | 10 % | missed | a paper, figure 1 |

        1 of 2 figures met, from 2 runs.

        Unknown:

         - Example, speed-up: batch size \\| context

        """)
    let json = try validation.json()
    #expect(json.contains("\"met\" : false"))
    #expect(json.contains("\"error_unit\" : \"share\""))
    #expect(json.contains("\"unknown\" : \"batch size | context\""))
  }

  @Test("A system whose data are not there is left out, and that is said")
  func leftOut() throws {
    try folder.expect(PaperFolder.figure(Self.ratio, published: "4.2"))
    try folder.write(
      "other/expected.yaml",
      "system: Other\nneeds: [../example/new.yaml, ../data.csv]\nfigures:\n"
        + PaperFolder.figure(
          "{value: ../example/old.yaml, of: throughput}", published: "1 tokens/s"))
    let summaries = try [
      "new": summary(milliseconds: 20), "old": summary(milliseconds: 80),
    ]
    let without = try folder.validation(summaries)
    #expect(without.rows.map(\.system) == ["Example"])
    #expect(
      without.text.contains(
        "1 of 1 figure met, from 2 runs; Other left out: it needs '../data.csv', which is not there"
      ))
    try folder.write("data.csv", "a\n")
    let with = try folder.validation(summaries)
    #expect(with.rows.map(\.system) == ["Example", "Other"])
    #expect(!with.text.contains("left out"))
  }

  @Test("Nothing depends on the number of threads")
  func threads() throws {
    try folder.expect(
      PaperFolder.figure(Self.ratio, name: "a"),
      PaperFolder.figure(
        "{mean: [{ratio: [{scenario: new.yaml, set: [seed=2]}, old.yaml], of: throughput}, "
          + "{ratio: [{scenario: old.yaml, set: [seed=3]}, new.yaml], of: throughput}]}", name: "b")
    )
    let systems = try PublishedSystem.all(under: [folder.path])
    let texts = try [1, 2, 7].map { threads in
      try PaperValidation(systems, threads: threads) {
        try summary(milliseconds: 10 + 3 * Double($0.seed))
      }.text
    }
    #expect(texts[0] == texts[1] && texts[0] == texts[2])
  }

  @Test("The first run that fails is the one that is told")
  func failure() throws {
    try folder.expect(PaperFolder.figure(Self.ratio))
    for threads in [1, 2] {
      do {
        _ = try folder.validation([:], threads: threads)
        Issue.record("nothing was thrown")
      } catch let failed as FailedRun {
        #expect(failed.run.path.hasSuffix("/example/new.yaml"))
        #expect(failed.run.place.line == 5)
        #expect((failed.reason as? NoSummary)?.name == "new")
      }
    }
  }
}
