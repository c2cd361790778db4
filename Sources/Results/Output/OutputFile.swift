import Foundation

/// A file that appears whole or not at all: written under a temporary name beside its own, and
/// renamed by ``commit()``. One that is dropped before that leaves nothing behind.
///
/// What exists and is no regular file (a pipe, `/dev/stdout`) is written directly.
final class OutputFile {
  let path: String
  private let temporaryPath: String?
  private var descriptor: Int32
  private var buffer: [UInt8] = []
  private static let bufferSize = 1 << 16

  init(_ path: String) throws(ResultsError) {
    self.path = path
    var status = stat()
    let exists = stat(path, &status) == 0
    if exists, status.st_mode & S_IFMT == S_IFDIR { throw .isADirectory(path: path) }
    let isSpecial = exists && status.st_mode & S_IFMT != S_IFREG
    // A name of its own, so that neither another run nor somebody's file is written over.
    temporaryPath =
      isSpecial ? nil : "\(path).partial-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
    let mode = isSpecial ? O_TRUNC : O_EXCL
    descriptor = open(temporaryPath ?? path, O_WRONLY | O_CREAT | mode | O_CLOEXEC, 0o666)
    if descriptor < 0 { throw .system(errno, path: path) }
    buffer.reserveCapacity(Self.bufferSize + 4096)
  }

  deinit {
    guard descriptor >= 0 else { return }
    close(descriptor)
    if let temporaryPath { unlink(temporaryPath) }
  }

  /// Gives `body` the buffer to append to, and writes it out when it is full.
  func write(_ body: (inout [UInt8]) -> Void) throws(ResultsError) {
    body(&buffer)
    if buffer.count >= Self.bufferSize { try flush() }
  }

  private func flush() throws(ResultsError) {
    var written = 0
    while written < buffer.count {
      let count = buffer.withUnsafeBytes { bytes in
        let rest = UnsafeRawBufferPointer(rebasing: bytes[written...])
        return Foundation.write(descriptor, rest.baseAddress, rest.count)
      }
      if count < 0, errno == EINTR { continue }
      if count < 0 { throw .system(errno, path: path) }
      written += count
    }
    buffer.removeAll(keepingCapacity: true)
  }

  /// Writes what is left; the file is complete under its temporary name.
  func finish() throws(ResultsError) {
    try flush()
  }

  /// Gives the file its name.
  func commit() throws(ResultsError) {
    try flush()
    let closed = close(descriptor)
    let reason = errno
    descriptor = -1
    if closed != 0 { throw failed(reason) }
    guard let temporaryPath else { return }
    if rename(temporaryPath, path) != 0 { throw failed(errno) }
  }

  private func failed(_ code: Int32) -> ResultsError {
    if let temporaryPath { unlink(temporaryPath) }
    return .system(code, path: path)
  }
}

extension ResultsError {
  /// What the system says about a file that cannot be written.
  static func system(_ code: Int32, path: String) -> ResultsError {
    switch code {
    case ENOSPC, EDQUOT: .diskFull(path: path)
    case EISDIR: .isADirectory(path: path)
    default: .unwritable(path: path, reason: String(cString: strerror(code)))
    }
  }
}
