import Foundation

extension RunResult {
  /// Writes every table as `NAME.csv` into a directory, which is made if its parent exists.
  ///
  ///     try result.writeCSV(toDirectory: "results")     // results/runs.csv, results/stages.csv, ...
  ///
  /// Files of those names are replaced, and only once all new ones are complete. The same result
  /// gives the same bytes. Tables of what was not kept (``ResultTable/isKept(in:)``) have no file, and older
  /// ones go.
  public func writeCSV(toDirectory directory: String) throws(ResultsError) {
    try OutputDirectory.make(directory)
    try OutputCheck.tables(inDirectory: directory)
    var files: [OutputFile] = []
    for table in ResultTable.allCases where table.isKept(in: self) {
      let file = try OutputFile("\(directory)/\(table.rawValue).csv")
      try write(table, to: file)
      files.append(file)
    }
    for table in ResultTable.allCases where !table.isKept(in: self) {
      unlink("\(directory)/\(table.rawValue).csv")
    }
    for file in files { try file.commit() }
  }

  private func write(_ table: ResultTable, to file: OutputFile) throws(ResultsError) {
    do {
      var sink = try CSVSink(file, columns: table.columns)
      try table.write(self, to: &sink)
      try file.finish()
    } catch let error as ResultsError {
      throw error
    } catch {
      throw .unwritable(path: file.path, reason: "\(error)")
    }
  }
}
