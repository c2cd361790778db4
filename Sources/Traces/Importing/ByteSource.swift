import CLZMA
import Foundation

/// Bytes that come one after the other.
protocol ByteSource {
  /// Fills as much of `buffer` as there is left; 0 at the end.
  func read(into buffer: UnsafeMutableRawBufferPointer) throws(TraceError) -> Int
}

extension ByteSource {
  /// The next `count` bytes, or fewer at the end.
  func read(_ count: Int) throws(TraceError) -> [UInt8] {
    // Taken in steps, so that a size somebody wrote into a file allocates nothing by itself.
    var bytes: [UInt8] = []
    var block = [UInt8](repeating: 0, count: min(count, 1 << 20))
    while bytes.count < count {
      let wanted = min(block.count, count - bytes.count)
      let got = try block.withUnsafeMutableBufferPointer { block throws(TraceError) in
        try read(
          into: UnsafeMutableRawBufferPointer(
            UnsafeMutableBufferPointer(rebasing: block[..<wanted])))
      }
      if got == 0 { break }
      bytes.append(contentsOf: block[..<got])
    }
    return bytes
  }
}

/// A file, or what an `.xz` file holds.
func openSource(_ file: String) throws(TraceError) -> any ByteSource {
  let plain = try FileSource(file)
  return file.hasSuffix(".xz") ? try XZSource(plain, file: file) : plain
}

/// A file read from its beginning.
final class FileSource: ByteSource {
  private let file: String
  private let descriptor: Int32

  init(_ file: String) throws(TraceError) {
    self.file = file
    descriptor = open(file, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .cannotRead(file: file, reason: systemReason()) }
  }

  func read(into buffer: UnsafeMutableRawBufferPointer) throws(TraceError) -> Int {
    while true {
      let count = Foundation.read(descriptor, buffer.baseAddress, buffer.count)
      if count >= 0 { return count }
      if errno != EINTR { throw .cannotRead(file: file, reason: systemReason()) }
    }
  }

  deinit { close(descriptor) }
}

/// The contents of an `.xz` file, decompressed by liblzma as they are read.
final class XZSource: ByteSource {
  private let compressed: any ByteSource
  private let file: String
  private var stream = lzma_stream()
  private let input = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 16)
  private var isInputAtEnd = false
  private var isAtEnd = false

  /// LZMA_CONCATENATED, a macro that Swift does not see: several streams in one file.
  private static let concatenated: UInt32 = 0x08
  /// liblzma may take as much memory; `xz -9` needs 65 MiB.
  private static let memoryLimit: UInt64 = 256 << 20

  init(_ compressed: any ByteSource, file: String) throws(TraceError) {
    self.compressed = compressed
    self.file = file
    guard
      lzma_stream_decoder(&stream, Self.memoryLimit, Self.concatenated) == LZMA_OK
    else { throw .cannotRead(file: file, reason: "liblzma does not start") }
  }

  func read(into buffer: UnsafeMutableRawBufferPointer) throws(TraceError) -> Int {
    guard !isAtEnd, let base = buffer.baseAddress else { return 0 }
    stream.next_out = base.assumingMemoryBound(to: UInt8.self)
    stream.avail_out = buffer.count
    while stream.avail_out > 0 {
      if stream.avail_in == 0, !isInputAtEnd {
        let count = try compressed.read(into: input)
        isInputAtEnd = count == 0
        stream.next_in = input.baseAddress.map {
          UnsafePointer($0.assumingMemoryBound(to: UInt8.self))
        }
        stream.avail_in = count
      }
      let status = lzma_code(&stream, isInputAtEnd ? LZMA_FINISH : LZMA_RUN)
      if status == LZMA_STREAM_END {
        isAtEnd = true
        break
      }
      guard status == LZMA_OK else {
        throw .cannotRead(file: file, reason: Self.reason(status))
      }
    }
    return buffer.count - stream.avail_out
  }

  private static func reason(_ status: lzma_ret) -> String {
    switch status {
    case LZMA_FORMAT_ERROR: "it is not in the .xz format"
    case LZMA_DATA_ERROR: "its compressed data are damaged"
    case LZMA_BUF_ERROR: "its compressed data are truncated"
    case LZMA_MEMLIMIT_ERROR: "it needs more than 256 MiB to decompress"
    default: "liblzma reports error \(status.rawValue)"
    }
  }

  deinit {
    lzma_end(&stream)
    input.deallocate()
  }
}
