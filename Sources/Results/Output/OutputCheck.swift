import Foundation

/// What is wrong with the name of an output, told before the work that would be lost.
///
///     try OutputCheck.file("run.pftrace", startingWith: RunResult.timelineStart)
///
/// Leaves everything as it was. A disk that is full shows only when the output is written.
public enum OutputCheck {
  /// A file that would be made or replaced: what is there may only be an earlier output of the same
  /// kind, so that a slip does not cost a scenario or a trace.
  ///
  /// - Parameter start: What such a file begins with.
  public static func file(_ path: String, startingWith start: String) throws(ResultsError) {
    var status = stat()
    guard stat(path, &status) == 0 else { return try parent(of: path) }
    if status.st_mode & S_IFMT == S_IFDIR { throw .isADirectory(path: path) }
    if access(path, W_OK) != 0 { throw .system(errno, path: path) }
    guard status.st_mode & S_IFMT == S_IFREG else { return }
    guard isEarlierOutput(path, start) else {
      throw .unwritable(
        path: path, reason: "it is another kind of file, which would be lost; give another name")
    }
    try parent(of: path)
  }

  /// A directory that would be made, or whose files would be replaced.
  public static func directory(_ path: String) throws(ResultsError) {
    var status = stat()
    guard stat(path, &status) == 0 else {
      // Whether it can be made depends on more than its parent's rights: names may be too long, and some
      // file systems take no directories. The system knows.
      if lstat(path, &status) == 0 { throw .notADirectory(path: path) }
      if mkdir(path, 0o777) != 0 { throw .system(errno, path: path) }
      rmdir(path)
      return
    }
    guard status.st_mode & S_IFMT == S_IFDIR else { throw .notADirectory(path: path) }
    if access(path, W_OK) != 0 { throw .system(errno, path: path) }
  }

  /// A directory that would be made, or whose tables would be replaced: a file by the name of one may only
  /// be an earlier one.
  public static func tables(inDirectory path: String) throws(ResultsError) {
    try directory(path)
    for table in ResultTable.allCases {
      let name = "\(path)/\(table.rawValue).csv"
      guard access(name, F_OK) == 0 else { continue }
      // Versions add columns at the end.
      try file(name, startingWith: table.columns.prefix(2).joined(separator: ","))
    }
  }

  private static func parent(of path: String) throws(ResultsError) {
    if path.isEmpty { throw .system(ENOENT, path: path) }
    let directory = (path as NSString).deletingLastPathComponent
    if access(directory.isEmpty ? "." : directory, W_OK) != 0 { throw .system(errno, path: path) }
  }

  private static func isEarlierOutput(_ path: String, _ start: String) -> Bool {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    let expected = Array(start.utf8)
    var found = [UInt8](repeating: 0, count: expected.count)
    let count = read(descriptor, &found, found.count)
    return count == 0 || (count == found.count && found == expected)
  }
}

extension RunResult {
  /// What files begin with that results are written to: a Perfetto trace with its first packet, a
  /// heat map with the name of its first column.
  public static let timelineStart = "\n"
  public static let heatMapStart = "source,"
}
