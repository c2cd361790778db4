import Foundation

/// Writes a command's result to standard output. `print` would lose it silently where the disk that
/// standard output goes to is full.
func printResult(_ text: String) throws {
  var bytes = Array((text.hasSuffix("\n") ? text : text + "\n").utf8)[...]
  while !bytes.isEmpty {
    let count = bytes.withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress, $0.count) }
    if count < 0, errno == EINTR { continue }
    guard count >= 0 else {
      let reason = String(cString: strerror(errno))
      throw CommandFailure("standard output cannot be written: \(reason)")
    }
    bytes = bytes.dropFirst(count)
  }
}

/// Talk goes to the standard error, results to the standard output.
func say(_ text: String) {
  FileHandle.standardError.write(Data((text + "\n").utf8))
}
