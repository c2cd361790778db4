import Foundation

/// A file written beside its final place and renamed once it is whole, so that an interrupted run
/// leaves the earlier file.
final class OutputFile {
  /// The final name.
  let file: String
  private let temporary: String
  private var descriptor: Int32
  /// Bytes written so far.
  private(set) var size = 0
  private var isCommitted = false
  private var buffer: [UInt8] = []

  private static let bufferSize = 1 << 20

  init(replacing file: String, mayReplace: Bool) throws(TraceError) {
    var status = stat()
    if stat(file, &status) == 0 {
      guard status.st_mode & S_IFMT == S_IFREG else {
        throw .cannotWrite(file: file, reason: "it is not a regular file")
      }
      guard mayReplace else { throw .outputExists(file: file) }
    }
    self.file = file
    temporary = "\(file).partial-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
    descriptor = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw .cannotWrite(file: file, reason: systemReason()) }
  }

  func write(_ bytes: [UInt8]) throws(TraceError) {
    try bytes.withUnsafeBufferPointer { bytes throws(TraceError) in
      try write(UnsafeRawBufferPointer(bytes))
    }
  }

  func write(_ bytes: UnsafeRawBufferPointer) throws(TraceError) {
    size += bytes.count
    if buffer.count + bytes.count > Self.bufferSize { try flush() }
    if bytes.count >= Self.bufferSize { return try writeOut(bytes, at: nil) }
    buffer.append(contentsOf: bytes)
  }

  func pad(toMultipleOf alignment: Int) throws(TraceError) {
    let excess = size % alignment
    if excess > 0 { try write([UInt8](repeating: 0, count: alignment - excess)) }
  }

  /// Copies another, uncommitted output to the end of this one.
  func append(contentsOf other: OutputFile) throws(TraceError) {
    try other.flush()
    guard lseek(other.descriptor, 0, SEEK_SET) == 0 else {
      throw .cannotWrite(file: file, reason: systemReason())
    }
    var block = [UInt8](repeating: 0, count: Self.bufferSize)
    while true {
      let count = read(other.descriptor, &block, block.count)
      guard count >= 0 else { throw .cannotWrite(file: file, reason: systemReason()) }
      if count == 0 { return }
      try write(Array(block[..<count]))
    }
  }

  /// Overwrites the first bytes, sees everything to the disk and renames.
  func commit(startingWith header: [UInt8]) throws(TraceError) {
    try flush()
    try header.withUnsafeBufferPointer { bytes throws(TraceError) in
      try writeOut(UnsafeRawBufferPointer(bytes), at: 0)
    }
    guard fsync(descriptor) == 0, rename(temporary, file) == 0 else {
      throw .cannotWrite(file: file, reason: systemReason())
    }
    isCommitted = true
  }

  private func flush() throws(TraceError) {
    try buffer.withUnsafeBufferPointer { bytes throws(TraceError) in
      try writeOut(UnsafeRawBufferPointer(bytes), at: nil)
    }
    buffer.removeAll(keepingCapacity: true)
  }

  private func writeOut(_ bytes: UnsafeRawBufferPointer, at offset: Int?) throws(TraceError) {
    var done = 0
    while done < bytes.count, let base = bytes.baseAddress {
      let count =
        if let offset {
          pwrite(descriptor, base + done, bytes.count - done, off_t(offset + done))
        } else {
          Foundation.write(descriptor, base + done, bytes.count - done)
        }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw .cannotWrite(file: file, reason: systemReason()) }
      done += count
    }
  }

  deinit {
    close(descriptor)
    if !isCommitted { unlink(temporary) }
  }
}
