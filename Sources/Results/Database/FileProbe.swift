import Foundation

/// What can be known about a results file without letting SQLite touch it.
struct FileProbe {
  let path: String
  let exists: Bool
  let isEmpty: Bool

  /// - Throws: ``ResultsError`` for what is no file, cannot be written or made, or is no database of
  ///   this program's.
  init(_ path: String) throws(ResultsError) {
    self.path = path
    var status = stat()
    exists = stat(path, &status) == 0
    isEmpty = !exists || status.st_size == 0
    if exists, status.st_mode & S_IFMT == S_IFDIR { throw .isADirectory(path: path) }
    if exists, status.st_mode & S_IFMT != S_IFREG {
      throw .unwritable(path: path, reason: "it is not a regular file")
    }
    if exists { try checkContent() } else { try checkCreation() }
    let directory = (path as NSString).deletingLastPathComponent
    if access(directory.isEmpty ? "." : directory, W_OK) != 0 {
      throw .unwritable(path: path, reason: "its directory cannot be written")
    }
  }

  /// Removes a file that did not exist when it was probed, with its journal.
  func remove() {
    unlink(path)
    unlink(path + "-journal")
  }

  /// Tries to make the file, and takes it away again.
  private func checkCreation() throws(ResultsError) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    if descriptor < 0 { throw .system(errno, path: path) }
    close(descriptor)
    unlink(path)
  }

  /// Reads SQLite's file header: "SQLite format 3", and the application id at byte 68.
  ///
  /// A journal beside the file means that a write was cut off: then only SQLite knows what the file
  /// holds.
  private func checkContent() throws(ResultsError) {
    let descriptor = open(path, O_RDWR | O_CLOEXEC)
    if descriptor < 0 { throw .system(errno, path: path) }
    defer { close(descriptor) }
    guard !isEmpty, access(path + "-journal", F_OK) != 0 else { return }
    var header = [UInt8](repeating: 0, count: 100)
    let count = read(descriptor, &header, header.count)
    guard count == header.count, header.starts(with: Array("SQLite format 3".utf8) + [0]) else {
      throw .notADatabase(path: path)
    }
    let applicationID = header[68..<72].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
    if applicationID != 0, applicationID != UInt32(bitPattern: ResultsDatabase.applicationID) {
      throw .foreignDatabase(path: path)
    }
  }
}
