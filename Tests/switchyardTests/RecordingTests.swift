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
        "critical_path.csv", "devices.csv", "iterations.csv", "layer_load.csv", "layers.csv",
        "limits.csv",
        "load_balance.csv", "remarks.csv", "resources.csv", "roofs.csv", "runs.csv",
        "stage_bounds.csv", "stages.csv",
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

  /// A heat map's numbers by source, then target; checks that its heads are the devices' numbers.
  private func heatMap(_ name: String) throws -> [[Int]] {
    let lines = try bench.text(bench.file(name)).split(separator: "\n").map {
      $0.split(separator: ",").map(String.init)
    }
    let devices = (1..<lines.count).map { "\($0 - 1)" }
    #expect(lines.first == ["source"] + devices)
    #expect(lines.dropFirst().map { $0.first } == devices)
    return try lines.dropFirst().map { line in
      try line.dropFirst().map { try #require(Int($0)) }
    }
  }

  /// The first column of a query as numbers.
  private func numbers(_ query: String) throws -> [Double] {
    var configuration = Configuration()
    configuration.readonly = true
    return try DatabaseQueue(path: bench.file("results.sqlite"), configuration: configuration)
      .read { try Double.fetchAll($0, sql: query) }
  }

  @Test("A heat map's rows are what devices sent, and inside the node what their ports carried")
  func heatMapLaw() throws {
    // Two nodes of 8 devices, and dispatch of half the bytes: neither way can stand for the other.
    try bench.scenario(
      """
      cluster: {nodes: 2 x dgx-h100}
      parallelism: {attention: {data: 16}, experts: {expert: 16}}
      policies: {communication: {kind: flat, dispatch: fp8, library: none}}
      """)
    try bench.output(
      of: "run", "scenario.yaml", "--heat-map", "map.csv", "--out", "results.sqlite")
    let map = try heatMap("map.csv")
    #expect(map.count == 16 && map.allSatisfy { $0.count == 16 })
    #expect(map.indices.allSatisfy { map[$0][$0] == 0 })
    #expect(
      map.map { Double($0.reduce(0, +)) }
        == (try numbers("SELECT sum(bytes_sent) FROM layer_load GROUP BY device ORDER BY device")))
    for (direction, across) in [("device % -> %", false), ("% -> device %", true)] {
      let served = try numbers(
        "SELECT bytes FROM links WHERE kind = 'scale-up ports' AND name LIKE '\(direction)' "
          + "ORDER BY resource")
      let inside = map.indices.map { device in
        map.indices.filter { $0 / 8 == device / 8 }
          .reduce(0) { $0 + (across ? map[$1][device] : map[device][$1]) }
      }
      #expect(served == inside.map(Double.init))
    }
    #expect(copies(map).contains { $0.contains { $0 > 0 } })
    #expect(
      try numbers("SELECT bytes FROM pair_traffic ORDER BY source, target")
        == map.flatMap { $0 }.filter { $0 > 0 }.map(Double.init))
  }

  @Test("Sliced experts get their tokens on every slice, and the heat map says so")
  func slicedHeatMap() throws {
    try bench.scenario(
      """
      parallelism: {attention: {data: 8}, experts: {expert: 4, tensor: 2}}
      policies: {communication: {kind: flat, dispatch: fp8, library: none}}
      """)
    try bench.output(
      of: "run", "scenario.yaml", "--heat-map", "map.csv", "--out", "results.sqlite")
    let map = try heatMap("map.csv")
    #expect(
      map.map { Double($0.reduce(0, +)) }
        == (try numbers("SELECT sum(bytes_sent) FROM layer_load GROUP BY device ORDER BY device")))
    // Devices 2g and 2g + 1 hold the two slices of the same experts, so all others send both the
    // same tokens.
    let copies = copies(map)
    for source in 0..<8 {
      for group in 0..<4 where source / 2 != group {
        #expect(copies[source][2 * group] == copies[source][2 * group + 1])
        #expect(copies[source][2 * group] > 0)
      }
    }
  }

  /// The copies that were dispatched, from bytes of tokens of 2048 elements that go out as fp8 and
  /// come back as bf16: bytes[s][t] = 2048 copies[s][t] + 4096 copies[t][s], solved for the copies.
  private func copies(_ map: [[Int]]) -> [[Int]] {
    map.indices.map { source in
      map.indices.map { target in
        let (copies, rest) = (2 * map[target][source] - map[source][target])
          .quotientAndRemainder(dividingBy: 3 * 2048)
        #expect(rest == 0 && copies >= 0)
        return copies
      }
    }
  }

  @Test("Asking for a heat map changes nothing else, whatever the number of threads")
  func heatMapChangesNothing() throws {
    try bench.output(of: "run", "scenario.yaml", "--csv", "without")
    try bench.output(
      of: "run", "scenario.yaml", "--csv", "with", "--heat-map", "one.csv", "--threads", "1")
    try bench.output(of: "run", "scenario.yaml", "--heat-map", "four.csv", "--threads", "4")
    var with = try files(in: "with")
    let pairs = with.removeValue(forKey: "pair_traffic.csv")
    #expect(pairs?.hasPrefix("source,target,bytes\n0,1,") == true)
    #expect(with == (try files(in: "without")))
    #expect(try bench.bytes("one.csv") == bench.bytes("four.csv"))
  }

  @Test("No resource serves more than it has, and none is busy longer than the run")
  func bounds() throws {
    for lines in [
      "", "fabric: {changes: [{at: 1 ms, link: device 0 -> node 0 switch, factor: 0.25}]}",
      "policies: {communication: hierarchical}\ncluster: {nodes: 2 x dgx-h100}\n"
        + "parallelism: {attention: {data: 16}, experts: {expert: 16}}",
    ] {
      try bench.scenario(lines)
      try bench.output(of: "run", "scenario.yaml", "--out", "results.sqlite")
    }
    #expect(
      try rows(
        """
        SELECT run, resources.name, utilisation, busy_s, waited_s, measured_time_ps
        FROM resources JOIN runs ON runs.id = run
        WHERE NOT (utilisation >= 0 AND utilisation <= 1 + 1e-9
          AND busy_s <= measured_time_ps * (1e-12 + 1e-21)
          AND busy_s >= served / capacity_per_s * (1 - 1e-9) AND waited_s >= 0)
        """) == [])
    let busy = try numbers("SELECT count(*) FROM links WHERE utilisation > 0 GROUP BY run")
    #expect(busy.count == 3 && busy.allSatisfy { $0 >= 16 })
    // Cores, tensor units and memory of each device; between nodes, the message rates of both ways of
    // each of 16 network cards, too.
    #expect(
      try numbers("SELECT count(*) FROM resources WHERE is_link = 0 GROUP BY run")
        == [24, 24, 48 + 32])
  }

  @Test("A heat map that cannot be written is told before the run")
  func unwritableHeatMap() throws {
    #expect(
      try bench.refusal(
        "run", "scenario.yaml", "--heat-map", "none/x", "--out", "results.sqlite"
      )
      .contains("'none/x' cannot be written"))
    #expect(
      try bench.usageError("run", "scenario.yaml", "--out", "a", "--heat-map", "./a")
        == "Error: --out and --heat-map name the same file; give each its own")
    #expect(try bench.contents == ["scenario.yaml"])
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
