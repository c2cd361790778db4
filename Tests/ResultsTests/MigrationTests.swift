import Foundation
import GRDB
import Testing

@testable import Results

/// Makes a file as a program of an older version left it: some of the migrations, and one run.
private func makeOldFile(_ path: String, version: Int) throws {
  let queue = try DatabaseQueue(path: path)
  try queue.writeWithoutTransaction { database in
    try database.execute(sql: "PRAGMA application_id = \(ResultsDatabase.applicationID)")
    for migration in Migration.all[..<version] { try database.execute(sql: migration.sql) }
    try database.execute(sql: "PRAGMA user_version = \(version)")
    try database.execute(
      sql: """
        INSERT INTO runs (
          id, name, scenario, seed, program_version, model, cluster, policies, trace,
          trace_is_synthetic, phase, device_count, layer_count, sequences, warmup_iterations,
          measured_iterations, measured_time_ps, tokens, task_energy_j, idle_energy_j)
        VALUES (
          1, 'old', 'switchyard: 1', '7', '0.1.0', 'tiny', 'one', '', 'a trace',
          0, 'decode', 2, 2, 4, 0,
          1, 1000000, 8, 0.5, 0.25);
        INSERT INTO resources (
          run, resource, name, kind, device, unit, capacity_per_s, served, utilisation)
        VALUES
          (1, 0, 'device 0 memory', 'memory', 0, 'B/s', 1e12, 5e5, 0.5),
          (1, 1, 'device 0 tensor units', 'tensor units', 0, 's/s', 1.0, 1e-7, 0.1),
          (1, 2, 'device 0 scale-up out', 'scale-up ports', 0, 'B/s', 1e9, 250.0, 0.25),
          (1, 3, 'network card out', 'network cards', NULL, 'B/s', 1e9, 500.0, 0.5);
        """)
  }
  try queue.close()
}

private func rows(_ path: String, _ query: String) throws -> [String] {
  var configuration = Configuration()
  configuration.readonly = true
  return try DatabaseQueue(path: path, configuration: configuration)
    .read { try Row.fetchAll($0, sql: query).map(\.description) }
}

@Suite("Files of older versions")
struct MigrationTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  @Test("A file of version 1 takes new runs, and its old rows stay as they were")
  func fromFirst() throws {
    let path = directory.file("results.sqlite")
    try makeOldFile(path, version: 1)
    let old = "SELECT resource, name, kind, device, unit, capacity_per_s, served, utilisation"
    let resources = try rows(path, old + " FROM resources WHERE run = 1")
    let runs = try rows(path, "SELECT * FROM runs")
    #expect(try ResultsDatabase(path).append(try exampleResult()) == 2)
    #expect(try rows(path, old + " FROM resources WHERE run = 1") == resources)
    #expect(try rows(path, "SELECT * FROM runs WHERE id = 1") == runs)
    #expect(try rows(path, "PRAGMA user_version") == ["[user_version:\(Migration.all.count)]"])
    #expect(try rows(path, "PRAGMA integrity_check") == ["[integrity_check:\"ok\"]"])
  }

  @Test("What were links is known of old runs; how busy they were is not, and is null")
  func oldLinks() throws {
    let path = directory.file("results.sqlite")
    try makeOldFile(path, version: 1)
    try ResultsDatabase(path).append(try exampleResult())
    #expect(
      try rows(path, "SELECT name, bytes, busy_share, waited_s FROM links WHERE run = 1")
        == [
          "[name:\"network card out\" bytes:500.0 busy_share:NULL waited_s:NULL]",
          "[name:\"device 0 scale-up out\" bytes:250.0 busy_share:NULL waited_s:NULL]",
        ])
    #expect(try rows(path, "SELECT * FROM pair_traffic WHERE run = 1") == [])
  }

  @Test("A migrated file has the schema of a new one")
  func sameSchema() throws {
    let (old, new) = (directory.file("old.sqlite"), directory.file("new.sqlite"))
    try makeOldFile(old, version: 1)
    try ResultsDatabase(old).append(try exampleResult())
    try ResultsDatabase(new).append(try exampleResult())
    let schema = "SELECT type, name, sql FROM sqlite_master ORDER BY type, name"
    #expect(try rows(old, schema) == rows(new, schema))
    for version in 0...Migration.all.count {
      let path = directory.file("\(version).sqlite")
      if version > 0 { try makeOldFile(path, version: version) }
      try ResultsDatabase(path).append(try exampleResult())
      #expect(try rows(path, schema) == rows(new, schema))
    }
  }

  @Test("A run that cannot be stored leaves a file of an older version unmigrated")
  func failed() throws {
    let path = directory.file("results.sqlite")
    try makeOldFile(path, version: 1)
    let before = try bytes(of: path)
    var broken = try exampleResult()
    broken.spans[3].end = .zero
    #expect(sentence { try ResultsDatabase(path).append(broken) }.contains("CHECK"))
    #expect(try bytes(of: path) == before)
  }

  @Test("Looking at a file of an older version changes nothing")
  func look() throws {
    let path = directory.file("results.sqlite")
    try makeOldFile(path, version: 1)
    let before = try bytes(of: path)
    _ = try ResultsDatabase(path)
    #expect(try bytes(of: path) == before)
  }
}
