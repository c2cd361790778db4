import GRDB

/// A file of results, which may hold many runs.
///
///     let database = try ResultsDatabase("results.sqlite")    // before a long run: says what is wrong
///     let run = try database.append(result)
///
/// A run is appended in one transaction: whatever goes wrong, earlier runs stay as they were and a
/// file that did not exist does not appear. The journal is left in SQLite's DELETE mode, so that the
/// file opens read-only anywhere. Tables and views are those of `Migration.all`; no time of day is
/// stored, so equal runs appended to equal files give equal rows.
public struct ResultsDatabase: Sendable {
  public let path: String
  /// Tests set it to fill a "disk".
  var pageLimit: Int?

  /// "SWYD": how SQLite files of this program are known, `PRAGMA application_id`.
  public static let applicationID: Int32 = 0x5357_5944
  /// The `PRAGMA user_version` that this program writes.
  public static var schemaVersion: Int { Migration.all.count }

  /// Checks that results can be appended to the file, or that it can be made; changes nothing.
  ///
  /// - Throws: ``ResultsError`` with the reason.
  public init(_ path: String) throws(ResultsError) {
    self.path = path
    let probe = try FileProbe(path)
    if probe.exists, !probe.isEmpty {
      try perform { queue in try queue.read(check) }
    }
  }

  /// Appends the run and everything that was measured.
  ///
  /// - Returns: The run's id in this file.
  @discardableResult
  public func append(_ result: RunResult) throws(ResultsError) -> Int64 {
    let probe = try FileProbe(path)
    do {
      return try perform { queue in
        try queue.writeWithoutTransaction { database in
          try check(database)
          try database.execute(sql: "PRAGMA journal_mode = DELETE")
          if let pageLimit { try database.execute(sql: "PRAGMA max_page_count = \(pageLimit)") }
          var run: Int64 = 0
          try database.inTransaction(.immediate) {
            try migrate(database)
            run = try insert(result, database)
            return .commit
          }
          return run
        }
      }
    } catch {
      if probe.exists { rollBack() } else { probe.remove() }
      throw error
    }
  }

  /// Where the disk is full, SQLite puts off its rollback until the file is next read; until then a
  /// journal stands beside it, and nobody could open it read-only.
  private func rollBack() {
    _ = try? perform { queue in try queue.read(check) }
  }

  private func insert(_ result: RunResult, _ database: Database) throws -> Int64 {
    var runs = try StatementSink(database, table: .runs, run: nil)
    try ResultTable.runs.write(result, to: &runs)
    let run = database.lastInsertedRowID
    for table in ResultTable.allCases where table != .runs {
      var sink = try StatementSink(database, table: table, run: run)
      try table.write(result, to: &sink)
    }
    return run
  }

  // MARK: - The file's identity

  /// Refuses a database of another program or of a newer version of this one.
  private func check(_ database: Database) throws {
    let applicationID = try Int32.fetchOne(database, sql: "PRAGMA application_id") ?? 0
    let version = try Int.fetchOne(database, sql: "PRAGMA user_version") ?? 0
    if applicationID == 0, version == 0 {
      let tables = try Int.fetchOne(database, sql: "SELECT count(*) FROM sqlite_master") ?? 0
      if tables == 0 { return }
    }
    guard applicationID == Self.applicationID else {
      throw ResultsError.foreignDatabase(path: path)
    }
    guard version <= Self.schemaVersion else {
      throw ResultsError.newerDatabase(path: path, version: version, known: Self.schemaVersion)
    }
  }

  private func migrate(_ database: Database) throws {
    let version = try Int.fetchOne(database, sql: "PRAGMA user_version") ?? 0
    guard version < Self.schemaVersion else { return }
    try database.execute(sql: "PRAGMA application_id = \(Self.applicationID)")
    for migration in Migration.all[version...] { try database.execute(sql: migration.sql) }
    try database.execute(sql: "PRAGMA user_version = \(Self.schemaVersion)")
  }

  // MARK: - Errors

  private func perform<Value>(
    _ body: (DatabaseQueue) throws -> Value
  ) throws(ResultsError) -> Value {
    var configuration = Configuration()
    configuration.busyMode = .timeout(10)
    configuration.label = "results"
    do {
      let queue = try DatabaseQueue(path: path, configuration: configuration)
      let value = try body(queue)
      try queue.close()
      return value
    } catch let error as ResultsError {
      throw error
    } catch {
      throw translated(error)
    }
  }

  private func translated(_ error: any Error) -> ResultsError {
    guard let error = error as? DatabaseError else {
      return .database(path: path, reason: "\(error)")
    }
    let reason = error.message ?? "result code \(error.extendedResultCode.rawValue)"
    switch error.resultCode {
    case .SQLITE_FULL: return .diskFull(path: path)
    case .SQLITE_BUSY, .SQLITE_LOCKED: return .busy(path: path)
    case .SQLITE_CORRUPT: return .damaged(path: path)
    case .SQLITE_NOTADB: return .notADatabase(path: path)
    case .SQLITE_READONLY, .SQLITE_CANTOPEN, .SQLITE_PERM, .SQLITE_IOERR:
      return .unwritable(path: path, reason: reason)
    default: return .database(path: path, reason: reason)
    }
  }
}
