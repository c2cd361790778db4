import Foundation
import GRDB
import Testing

@Suite("What a run leaves in files")
struct RecordingTests {
  let bench: Workbench

  init() throws {
    bench = try Workbench()
    try bench.scenario()
  }

  /// The text of every file of a folder by its name.
  private func files(in folder: String) throws -> [String: String] {
    let names = try FileManager.default.contentsOfDirectory(atPath: bench.file(folder))
    return Dictionary(
      uniqueKeysWithValues: try names.map { ($0, try bench.text(bench.file("\(folder)/\($0)"))) })
  }

  /// Rows of a query on a read-only connection, as text.
  private func rows(_ query: String, in name: String = "results.sqlite") throws -> [String] {
    var configuration = Configuration()
    configuration.readonly = true
    return try DatabaseQueue(path: bench.file(name), configuration: configuration)
      .read { try Row.fetchAll($0, sql: query).map(\.description) }
  }

  @Test("The same scenario and seed give the same CSV bytes on any number of threads and again")
  func sameBytes() throws {
    let run = ["run", Workbench.quickstart, "--csv"]
    for (folder, threads) in [("one", "1"), ("four", "4"), ("again", "4")] {
      #expect(try bench.run(run + [folder, "--threads", threads]).exitCode == 0)
    }
    let one = try files(in: "one")
    #expect(
      one.keys.sorted() == [
        "devices.csv", "iterations.csv", "layer_load.csv", "layers.csv", "load_balance.csv",
        "remarks.csv", "resources.csv", "runs.csv", "stage_bounds.csv", "stages.csv",
      ])
    #expect(try files(in: "four") == one)
    #expect(try files(in: "again") == one)
  }

  @Test("Another seed gives other times and loads, in the same shape")
  func otherSeed() throws {
    try bench.output(of: "run", "scenario.yaml", "--csv", "one")
    try bench.output(of: "run", "scenario.yaml", "--csv", "two", "--seed", "2")
    let (one, two) = (try files(in: "one"), try files(in: "two"))
    for name in ["iterations.csv", "layer_load.csv", "stages.csv"] {
      #expect(one[name] != two[name])
      #expect(one[name]?.split(separator: "\n").count == two[name]?.split(separator: "\n").count)
    }
    // Each device: cores, tensor units, memory, and both ways of its port, its lanes and its PCIe
    // switch's uplink; then the link between the two sockets.
    #expect(one["resources.csv"]?.count(where: \.isNewline) == 1 + 8 * 9 + 2)
  }

  @Test("--out appends: the rows of the earlier run stay, and the file opens read-only")
  func append() throws {
    let tables = [
      "stages", "stage_bounds", "iterations", "layers", "devices", "layer_load", "load_balance",
      "resources", "remarks",
    ]
    func firstRun() throws -> [[String]] {
      try [rows("SELECT * FROM runs WHERE id = 1")]
        + tables.map { try rows("SELECT * FROM \($0) WHERE run = 1") }
    }
    try bench.output(of: "run", "scenario.yaml", "--out", "results.sqlite")
    let before = try firstRun()
    #expect(before.allSatisfy { !$0.isEmpty })
    try bench.output(of: "run", "scenario.yaml", "--out", "results.sqlite", "--seed", "2")
    #expect(try firstRun() == before)
    try FileManager.default.setAttributes(
      [.posixPermissions: 0o444], ofItemAtPath: bench.file("results.sqlite"))
    #expect(
      try rows("SELECT run, phase, device_count, sequences FROM summary")
        == [1, 2].map { "[run:\($0) phase:\"decode\" device_count:8 sequences:1024]" })
    #expect(try rows("SELECT seed FROM runs") == ["[seed:\"1\"]", "[seed:\"2\"]"])
    #expect(try rows("PRAGMA journal_mode") == ["[journal_mode:\"delete\"]"])
    #expect(try bench.contents == ["results.sqlite", "scenario.yaml"])
  }

  @Test("The scenario in the results, with its settings, says what was run")
  func provenance() throws {
    try bench.output(
      of: "run", "scenario.yaml", "--out", "results.sqlite", "--set", "workload.batch=16",
      "--seed", "5")
    let scenario = try #require(try rows("SELECT scenario FROM runs").first)
    for part in [
      "# scenario.yaml", "# \(Workbench.quickstart)", "hidden: 2048", "# --set workload.batch=16",
      "# --seed 5",
    ] { #expect(scenario.contains(part), "\(part)") }
  }

  @Test("--timeline writes the same Perfetto trace each time")
  func timeline() throws {
    try bench.output(of: "run", "scenario.yaml", "--timeline", "one.pftrace")
    try bench.output(
      of: "run", "scenario.yaml", "--timeline", "two.pftrace", "--threads", "1")
    let trace = try bench.bytes("one.pftrace")
    // A Perfetto trace is a sequence of packets, field 1 with a length: tag 0x0a.
    #expect(trace.first == 0x0a)
    #expect(trace.count > 10_000)
    #expect(try bench.bytes("two.pftrace") == trace)
    #expect(try bench.contents == ["one.pftrace", "scenario.yaml", "two.pftrace"])
  }
}
