import Foundation
import GRDB
import Testing
import Units

@testable import Results

/// Every row that a query answers, as text.
private func rows(_ path: String, _ query: String) throws -> [String] {
  var configuration = Configuration()
  configuration.readonly = true
  return try DatabaseQueue(path: path, configuration: configuration)
    .read { try Row.fetchAll($0, sql: query).map(\.description) }
}

/// A result with links of these utilisations and nothing else.
private func result(links utilisations: [Double]) throws -> RunResult {
  var description = exampleDescription()
  description.resources = utilisations.indices.map {
    .init(name: "link \($0)", kind: "links", unit: "B/s", capacity: 1, isLink: true)
  }
  var recorder = try Recorder(description)
  try recorder.play([], to: 1_000_000)
  return try recorder.finish(
    uses: utilisations.map {
      ResourceUse(served: $0, offered: 1, busy: Seconds($0 * 1e-6), claimed: Seconds($0 * 1e-6))
    }, elapsed: SimTime(microseconds: 1), idlePower: 0)
}

@Suite("Links")
struct LinksTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  @Test("Waiting is what users spent on a link beyond what their bytes take of it")
  func waited() throws {
    let links = try exampleResult().resources
    // 500 of 1000 B/us x 2 us: 25 %. The bytes take 0.5 us, their users spent 1.25 us.
    #expect(abs(links[3].utilisation - 0.25) < 1e-15)
    #expect(abs(links[3].waited.value - 0.75e-6) < 1e-18)
    // Down for one of 2 us, it could have served 1000 B: 75 %. Its mean capacity is 500 B/us, of
    // which 750 B take 1.5 us: nobody waited.
    #expect(abs(links[4].utilisation - 0.75) < 1e-15)
    #expect(links[4].waited.value < 1e-18)
  }

  @Test("A link that is served faster than its mean capacity has no negative waiting")
  func notNegative() {
    // 10 B in the 1 us of 2 us in which the capacity was 10 B/us and not 2: they take 1 us, but
    // 10 / 6 us at the mean.
    let use = ResourceUse(served: 10, offered: 12, busy: Seconds(1e-6), claimed: Seconds(1e-6))
    #expect(ResourceRecord(0, use, elapsed: SimTime(microseconds: 2)).waited == .zero)
    let unused = ResourceUse(served: 0, offered: 0, busy: .zero, claimed: .zero)
    #expect(ResourceRecord(0, unused, elapsed: .zero).utilisation == 0)
  }

  @Test("Links that carried something come most utilised first, equals in their order")
  func hottest() throws {
    #expect(try exampleResult().linksByUtilisation.map(\.resource) == [4, 3])
    let equal = try result(links: [0.5, 0, 0.25, 0.5, 0.75])
    #expect(equal.linksByUtilisation.map(\.resource) == [4, 0, 3, 2])
  }

  @Test("The summary lists five links and counts the others")
  func text() throws {
    let text = try exampleResult().summaryText()
    // 375 B and 250 B an iteration; 1.5 us and 0.8 us of 2 us; 0.75 us of waiting in two iterations.
    #expect(
      text.contains(
        """
        hottest links, per iteration  carried  utilisation    busy  waited
          gpu 1 out                     375 B       75.0 %  75.0 %
          gpu 0 out                     250 B       25.0 %  40.0 %  375 ns

        """), "\(text)")
    #expect(!text.contains("other link"))
    let six = try result(links: [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]).summaryText()
    #expect(six.contains("  link 1 "))
    #expect(!six.contains("  link 0 "))
    #expect(six.contains("\n  and 1 other link in use\n"))
    #expect(
      try result(links: [0.1] + [Double](repeating: 0.2, count: 6)).summaryText()
        .contains("\n  and 2 other links in use\n"))
    #expect(try !result(links: [0, 0]).summaryText().contains("hottest"))
  }

  @Test("JSON lists the same five and how many are in use")
  func json() throws {
    let summary = RunSummary(try exampleResult())
    #expect(summary.linksInUse == 2)
    #expect(summary.hottestLinks.map(\.link) == ["gpu 1 out", "gpu 0 out"])
    #expect(summary.hottestLinks.map(\.bytes) == [750, 500])
    #expect(abs(summary.hottestLinks[1].busyShare - 0.4) < 1e-12)
    #expect(abs(summary.hottestLinks[1].waitedSeconds - 0.75e-6) < 1e-18)
    let many = RunSummary(try result(links: [Double](repeating: 0.5, count: 9)))
    #expect(many.hottestLinks.map(\.link) == (0..<5).map { "link \($0)" })
    #expect(many.linksInUse == 9)
    #expect(try summary.json().contains("\"waited_seconds\""))
  }

  @Test("The view of links has links only, busiest first, of each run")
  func view() throws {
    let path = directory.file("results.sqlite")
    try ResultsDatabase(path).append(try exampleResult())
    try ResultsDatabase(path).append(try exampleResult())
    #expect(
      try rows(path, "SELECT run, name, bytes FROM links")
        == [1, 2].flatMap { run in
          [("gpu 1 out", 750.0), ("gpu 0 out", 500), ("spare", 0)].map {
            "[run:\(run) name:\"\($0.0)\" bytes:\($0.1)]"
          }
        })
    let counts = """
      SELECT count(*) AS n FROM links WHERE run = 1 AND name = 'gpu 0 out' AND kind = 'ports'
        AND device = 0 AND bytes_per_s = 1e9 AND abs(busy_share - 0.4) < 1e-12
        AND abs(waited_s - 0.75e-6) < 1e-18 AND abs(utilisation - 0.25) < 1e-15
      """
    #expect(try rows(path, counts) == ["[n:1]"])
  }
}

@Suite("Traffic between pairs")
struct PairTrafficTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  @Test("A heat map has a row for each source and a column for each target")
  func heatMap() throws {
    let path = directory.file("map.csv")
    try exampleResult().writeHeatMap(to: path)
    #expect(
      String(decoding: try bytes(of: path), as: UTF8.self)
        == "source,0,1\n0,0,256\n1,128,0\n")
    #expect(directory.contents == ["map.csv"])
  }

  @Test("The database has a row for each pair that sent something, where pairs were kept")
  func table() throws {
    let path = directory.file("results.sqlite")
    try ResultsDatabase(path).append(try exampleResult())
    var without = try exampleResult()
    without.pairs = nil
    try ResultsDatabase(path).append(without)
    #expect(
      try rows(path, "SELECT * FROM pair_traffic")
        == ["[run:1 source:0 target:1 bytes:256]", "[run:1 source:1 target:0 bytes:128]"])
  }

  @Test("Traffic of another number of devices is refused")
  func shape() throws {
    #expect(PairTraffic(deviceCount: 2, bytes: [0, 1, 2]) == nil)
    #expect(PairTraffic(deviceCount: 0, bytes: []) == nil)
    var recorder = try Recorder(exampleDescription())
    try recorder.play([], to: 1)
    let pairs = PairTraffic(deviceCount: 1, bytes: [0])
    #expect(
      sentence { _ = try recorder.finish(uses: [], elapsed: .zero, idlePower: 0, pairs: pairs) }
        == "results and their description do not fit together (please report this): pairs of 1 of 2"
        + " devices")
  }

  @Test("Without pairs there is no heat map, and no file")
  func notKept() throws {
    var result = try exampleResult()
    result.pairs = nil
    #expect(sentence { try result.writeHeatMap(to: directory.file("x")) }.contains("not kept"))
    #expect(directory.contents == [])
  }
}
