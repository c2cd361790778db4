import Foundation

/// What is wrong with the name of an output, told before the work that would be lost.
///
///     try OutputCheck.file("run.pftrace")
///
/// Changes nothing. A disk that is full shows only when the output is written.
public enum OutputCheck {
  /// A file that would be made or replaced; one that may hold runs is not for replacing.
  public static func file(_ path: String) throws(ResultsError) {
    var status = stat()
    guard stat(path, &status) == 0 else { return try parent(of: path) }
    if status.st_mode & S_IFMT == S_IFDIR { throw .isADirectory(path: path) }
    if access(path, W_OK) != 0 { throw .system(errno, path: path) }
    guard status.st_mode & S_IFMT == S_IFREG else { return }
    if holdsDatabase(path) {
      throw .unwritable(
        path: path, reason: "it is an SQLite file and may hold results; give another name")
    }
    try parent(of: path)
  }

  /// A directory that would be made, or whose files would be replaced.
  public static func directory(_ path: String) throws(ResultsError) {
    var status = stat()
    guard stat(path, &status) == 0 else { return try parent(of: path) }
    guard status.st_mode & S_IFMT == S_IFDIR else { throw .notADirectory(path: path) }
    if access(path, W_OK) != 0 { throw .system(errno, path: path) }
  }

  private static func parent(of path: String) throws(ResultsError) {
    if path.isEmpty { throw .system(ENOENT, path: path) }
    let directory = (path as NSString).deletingLastPathComponent
    if access(directory.isEmpty ? "." : directory, W_OK) != 0 { throw .system(errno, path: path) }
  }

  private static func holdsDatabase(_ path: String) -> Bool {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    let magic = Array("SQLite format 3".utf8) + [0]
    var start = [UInt8](repeating: 0, count: magic.count)
    return read(descriptor, &start, start.count) == start.count && start == magic
  }
}
