import Foundation
import GRDB
import Testing

@testable import Results

/// Every row of every table of a run, as text.
private func rows(_ path: String, run: Int64) throws -> [String: [String]] {
  var configuration = Configuration()
  configuration.readonly = true
  let queue = try DatabaseQueue(path: path, configuration: configuration)
  return try queue.read { database in
    var all: [String: [String]] = [:]
    for table in ResultTable.allCases {
      let key = table == .runs ? "id" : "run"
      let sql = "SELECT * FROM \(table.rawValue) WHERE \(key) = ?"
      all[table.rawValue] = try Row.fetchAll(database, sql: sql, arguments: [run])
        .map(\.description)
    }
    return all
  }
}

/// The first column of what a query answers, as text, on a read-only connection.
private func answers(_ path: String, _ query: String) throws -> [String] {
  var configuration = Configuration()
  configuration.readonly = true
  return try DatabaseQueue(path: path, configuration: configuration).read { database in
    try Row.fetchAll(database, sql: query).map { $0[0] as DatabaseValue }.map {
      String.fromDatabaseValue($0) ?? $0.description
    }
  }
}

@Suite("The results database")
struct DatabaseTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  @Test("Appending a run leaves the rows of earlier runs identical")
  func append() throws {
    let path = directory.file("results.sqlite")
    let first = try ResultsDatabase(path).append(try exampleResult())
    let before = try rows(path, run: first)
    #expect(before["spans"]?.count == 10)  // 2 iterations of 5 tasks
    #expect(before["devices"]?.count == 12)  // 2 devices, 5 stages and waiting
    let second = try ResultsDatabase(path).append(try exampleResult(spans: .none))
    #expect(first == 1 && second == 2)
    #expect(try rows(path, run: first) == before)
    #expect(try rows(path, run: second)["spans"] == [])
    #expect(directory.contents == ["results.sqlite"])  // no journal is left
  }

  @Test("The file opens read-only, its journal mode is delete, and it says whose it is")
  func readOnly() throws {
    let path = directory.file("results.sqlite")
    try ResultsDatabase(path).append(try exampleResult())
    try FileManager.default.setAttributes([.posixPermissions: 0o444], ofItemAtPath: path)
    #expect(try answers(path, "PRAGMA journal_mode") == ["delete"])
    #expect(try answers(path, "PRAGMA application_id") == ["\(0x5357_5944)"])
    #expect(try answers(path, "PRAGMA user_version") == ["6"])
    #expect(try answers(path, "PRAGMA foreign_key_check") == [])
    #expect(try answers(path, "PRAGMA integrity_check") == ["ok"])
  }

  @Test("The views answer the usual questions with the figures of the summary")
  func views() throws {
    let path = directory.file("results.sqlite")
    let result = try exampleResult()
    try ResultsDatabase(path).append(result)
    let throughput = Double(try answers(path, "SELECT tokens_per_s FROM summary")[0]) ?? 0
    #expect(abs(throughput - result.throughput.value) < 1e-3)
    let reached = try answers(
      path,
      "SELECT fraction_of_bound * bound_tokens_per_s FROM summary WHERE bound_by = 'gpu memory'")
    #expect(abs((Double(reached.first ?? "") ?? 0) - throughput) < 1e-3)
    #expect(
      try answers(path, "SELECT resource FROM roofs ORDER BY position") == ["gpu memory", "links"])
    let imbalance = Double(try answers(path, "SELECT mean_imbalance FROM summary")[0]) ?? 0
    #expect(abs(imbalance - 1.55) < 1e-12)
    let shares = try answers(path, "SELECT share FROM stage_shares").compactMap(Double.init)
    #expect(shares.count == 6 && abs(shares.reduce(0, +) - 1) < 1e-12)
    #expect(
      try answers(path, "SELECT kind FROM utilisation") == [
        "HBM", "switch", "ports", "spare links",
      ])
    #expect(try answers(path, "SELECT token_expert_pairs FROM layer_imbalance") == ["18"])
    let bound = "SELECT bound FROM bounds WHERE stage = 'experts' AND share = 1"
    #expect(try answers(path, bound) == ["memory"])
    // The law, from the file alone: every device's parts add up to the run's time.
    let sums = "SELECT sum(time_ps) FROM devices GROUP BY device"
    #expect(try answers(path, sums) == ["2000000", "2000000"])
  }

  @Test("A run that cannot be stored leaves the file byte for byte as it was")
  func failedRun() throws {
    let path = directory.file("results.sqlite")
    var broken = try exampleResult()
    broken.spans[3].end = .zero  // ends before it starts: the schema refuses it
    #expect(sentence { try ResultsDatabase(path).append(broken) }.contains("CHECK"))
    #expect(directory.contents == [])
    try ResultsDatabase(path).append(try exampleResult())
    let before = try bytes(of: path)
    #expect(sentence { try ResultsDatabase(path).append(broken) }.contains("CHECK"))
    #expect(try bytes(of: path) == before)
    #expect(directory.contents == ["results.sqlite"])
  }

  @Test("A full disk is told in a sentence and leaves earlier runs")
  func diskFull() throws {
    let path = directory.file("results.sqlite")
    try ResultsDatabase(path).append(try exampleResult())
    let before = try bytes(of: path)
    var database = try ResultsDatabase(path)
    database.pageLimit = before.count / 4096  // SQLite reports the same code as for a full disk
    var large = try exampleResult()
    large.spans = [TaskSpan](repeating: large.spans[0], count: 10_000)
    #expect(
      sentence { try database.append(large) }
        == "'\(path)' cannot be written: no space left on the device; what was there before is"
        + " unchanged")
    #expect(try bytes(of: path) == before)
  }

  @Test("A file that is not SQLite is refused and left as it is")
  func notSQLite() throws {
    let path = directory.file("notes.txt")
    for content in [Data("x".utf8), Data(repeating: 65, count: 5000)] {
      try content.write(to: URL(fileURLWithPath: path))
      #expect(
        sentence { _ = try ResultsDatabase(path) }
          == "'\(path)' is not an SQLite file; it was left as it is, give another name for the"
          + " results")
      #expect(try bytes(of: path) == content)
    }
  }

  @Test("A file cut short after SQLite's header is refused, not extended")
  func truncated() throws {
    let path = directory.file("results.sqlite")
    try ResultsDatabase(path).append(try exampleResult())
    let content = try bytes(of: path).prefix(1000)
    try content.write(to: URL(fileURLWithPath: path))
    #expect(
      sentence { _ = try ResultsDatabase(path).append(try exampleResult()) }
        == "'\(path)' is damaged; it was left as it is, give another name for the results")
    #expect(try bytes(of: path) == content)
  }

  @Test("Another program's database is refused, with or without an application id")
  func foreign() throws {
    for (name, sql) in [
      ("a.sqlite", "PRAGMA application_id = 77"), ("b.sqlite", "CREATE TABLE recipes (name TEXT)"),
    ] {
      let path = directory.file(name)
      let queue = try DatabaseQueue(path: path)
      try queue.writeWithoutTransaction { try $0.execute(sql: sql) }
      try queue.close()
      let before = try bytes(of: path)
      #expect(
        sentence { _ = try ResultsDatabase(path) }
          == "'\(path)' is a database of another program; it was left as it is, give another name"
          + " for the results")
      #expect(try bytes(of: path) == before)
    }
  }

  @Test("A newer schema is refused")
  func newer() throws {
    let path = directory.file("results.sqlite")
    try ResultsDatabase(path).append(try exampleResult())
    let queue = try DatabaseQueue(path: path)
    try queue.writeWithoutTransaction { try $0.execute(sql: "PRAGMA user_version = 9") }
    try queue.close()
    #expect(
      sentence { _ = try ResultsDatabase(path) }
        == "'\(path)' was written by a newer program (schema 9, this one knows 6); it was left as"
        + " it is, update this program or give another name for the results")
  }

  @Test("Paths that cannot be a results file are refused before anything runs")
  func paths() throws {
    let missing = directory.file("missing/results.sqlite")
    #expect(
      sentence { _ = try ResultsDatabase(missing) }
        == "'\(missing)' cannot be written: No such file or directory")
    #expect(
      sentence { _ = try ResultsDatabase(directory.path) }
        == "'\(directory.path)' is a directory; give the name of a file")
    #expect(
      sentence { _ = try ResultsDatabase("/dev/null") }
        == "'/dev/null' cannot be written: it is not a regular file")
    #expect(
      sentence { _ = try ResultsDatabase("/proc/results.sqlite") }.hasPrefix(
        "'/proc/results.sqlite' cannot"))
    _ = try ResultsDatabase(directory.file("new.sqlite"))
    #expect(directory.contents == [])  // the check made nothing
  }

  @Test("An empty file becomes a results file")
  func empty() throws {
    let path = directory.file("results.sqlite")
    try Data().write(to: URL(fileURLWithPath: path))
    #expect(try ResultsDatabase(path).append(try exampleResult()) == 1)
  }

  @Test("The tables of the schema have the columns that CSV has, in that order")
  func columns() throws {
    let path = directory.file("results.sqlite")
    try ResultsDatabase(path).append(try exampleResult())
    for table in ResultTable.allCases {
      let columns = try answers(path, "SELECT name FROM pragma_table_info('\(table.rawValue)')")
      #expect(columns == [table == .runs ? "id" : "run"] + table.columns)
    }
  }
}
