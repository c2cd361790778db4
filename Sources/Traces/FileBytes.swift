import Foundation

/// The bytes of a file, mapped into memory, or of a block of memory of our own. They never change;
/// a file that somebody shortens while it is mapped ends the process, as with every mapped file.
/// Sendable because nothing is written after `init`.
final class FileBytes: @unchecked Sendable {
  private let bytes: UnsafeRawBufferPointer
  private let isMapped: Bool

  /// Maps a file read-only.
  init(mapping file: String) throws(TraceError) {
    let descriptor = open(file, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .cannotRead(file: file, reason: systemReason()) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      throw .cannotRead(file: file, reason: systemReason())
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw .cannotRead(file: file, reason: "it is not a regular file")
    }
    let size = Int(status.st_size)
    guard size > 0 else { throw .empty(file: file) }
    guard let base = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), base != MAP_FAILED
    else { throw .cannotRead(file: file, reason: systemReason()) }
    bytes = UnsafeRawBufferPointer(start: base, count: size)
    isMapped = true
  }

  /// Memory of our own, 64-byte aligned, filled by `fill`.
  init<Failure: Error>(
    count: Int, filledBy fill: (UnsafeMutableRawBufferPointer) throws(Failure) -> Void
  ) throws(Failure) {
    let block = UnsafeMutableRawBufferPointer.allocate(byteCount: max(count, 1), alignment: 64)
    bytes = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(block)[..<count])
    isMapped = false
    try fill(UnsafeMutableRawBufferPointer(rebasing: block[..<count]))
  }

  /// The bytes, which stay where they are until `body` returns; they must not leave it.
  func withBytes<Result, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    // Without this the compiler may release, and so unmap, after the last mention of the object.
    defer { withExtendedLifetime(self) {} }
    return try body(bytes)
  }

  deinit {
    guard let base = bytes.baseAddress else { return }
    let mutable = UnsafeMutableRawPointer(mutating: base)
    if isMapped { munmap(mutable, bytes.count) } else { mutable.deallocate() }
  }
}

/// Maps a file for as long as `body` runs.
func withMappedFile<Result>(
  _ file: String, _ body: (UnsafeRawBufferPointer) throws(TraceError) -> Result
) throws(TraceError) -> Result {
  try FileBytes(mapping: file).withBytes(body)
}

/// What the operating system says went wrong last.
func systemReason() -> String { String(cString: strerror(errno)) }
