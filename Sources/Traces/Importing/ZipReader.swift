import CZlib

/// The entries of a ZIP archive, found by its central directory (PKWARE APPNOTE 6.3.10), stored or
/// deflated; sizes beyond 4 GiB (ZIP64) included.
struct ZipReader {
  struct Entry {
    let name: String
    let method: Int
    let checksum: UInt32
    let compressedSize: Int
    let size: Int
    let headerOffset: Int
  }

  let entries: [Entry]
  private let bytes: UnsafeRawBufferPointer
  private let file: String

  init(_ bytes: UnsafeRawBufferPointer, file: String) throws(TraceError) {
    self.bytes = bytes
    self.file = file
    let damaged = TraceError.malformed(
      file: file, line: nil, detail: "the ZIP archive is damaged or truncated")
    guard let directory = Self.directory(of: bytes), directory.offset <= bytes.count,
      directory.entries <= bytes.count / 46
    else { throw damaged }
    var reader = ByteReader(bytes)
    reader.offset = directory.offset
    var entries: [Entry] = []
    for _ in 0..<directory.entries {
      guard let entry = Self.readEntry(&reader) else { throw damaged }
      entries.append(entry)
    }
    self.entries = entries
  }

  /// An entry's bytes, decompressed, its checksum verified.
  func contents(of entry: Entry) throws(TraceError) -> [UInt8] {
    func wrong(_ detail: String) -> TraceError {
      .malformed(file: file, line: nil, detail: "\(entry.name): \(detail)")
    }
    // The local header repeats the name and has extra fields of its own length.
    var reader = ByteReader(bytes)
    guard entry.headerOffset <= bytes.count - 30 else { throw wrong("its header is truncated") }
    reader.offset = entry.headerOffset + 26
    guard let nameSize = reader.uint16(), let extraSize = reader.uint16(),
      reader.take(Int(nameSize) + Int(extraSize)) != nil,
      let compressed = reader.take(entry.compressedSize)
    else { throw wrong("its data are truncated") }
    // Deflate cannot make more than 1032 bytes of one: what claims to is refused unallocated.
    guard entry.size <= 1100 * (compressed.count + 1) else { throw wrong("its size is impossible") }
    let contents: [UInt8]
    switch entry.method {
    case 0: contents = Array(compressed)
    case 8:
      guard let inflated = inflate(compressed, size: entry.size) else {
        throw wrong("its compressed data are damaged")
      }
      contents = inflated
    default: throw wrong("it is compressed by method \(entry.method); store or deflate it")
    }
    guard contents.count == entry.size, crc(contents) == entry.checksum else {
      throw wrong("its checksum does not match")
    }
    return contents
  }

  /// Where the central directory begins, and how many entries it has.
  private static func directory(
    of bytes: UnsafeRawBufferPointer
  ) -> (offset: Int, entries: Int)? {
    // The end record is 22 bytes and a comment of up to 65535.
    guard bytes.count >= 22 else { return nil }
    var reader = ByteReader(bytes)
    for place in stride(from: bytes.count - 22, through: max(0, bytes.count - 65_557), by: -1) {
      reader.offset = place
      guard reader.uint32() == 0x0605_4B50 else { continue }
      reader.offset = place + 10
      guard let entries = reader.uint16() else { return nil }
      reader.offset = place + 16
      guard let offset = reader.uint32() else { return nil }
      guard entries == .max || offset == .max, place >= 20 else {
        return (Int(offset), Int(entries))
      }
      return directory64(of: bytes, locator: place - 20)
    }
    return nil
  }

  private static func directory64(
    of bytes: UnsafeRawBufferPointer, locator: Int
  ) -> (offset: Int, entries: Int)? {
    var reader = ByteReader(bytes)
    reader.offset = locator
    guard reader.uint32() == 0x0706_4B50, reader.uint32() != nil, let record = reader.uint64(),
      let start = Int(exactly: record), start <= bytes.count - 56
    else { return nil }
    reader.offset = start
    guard reader.uint32() == 0x0606_4B50 else { return nil }
    reader.offset = start + 32
    guard let entries = reader.uint64().flatMap({ Int(exactly: $0) }), reader.uint64() != nil,
      let offset = reader.uint64().flatMap({ Int(exactly: $0) })
    else { return nil }
    return (offset, entries)
  }

  private static func readEntry(_ reader: inout ByteReader) -> Entry? {
    guard reader.uint32() == 0x0201_4B50, reader.take(6) != nil, let method = reader.uint16(),
      reader.take(4) != nil, let checksum = reader.uint32(), let packed = reader.uint32(),
      let unpacked = reader.uint32(), let nameSize = reader.uint16(),
      let extraSize = reader.uint16(), let commentSize = reader.uint16(), reader.take(8) != nil,
      let offset = reader.uint32(), let name = reader.take(Int(nameSize)),
      let extra = reader.take(Int(extraSize)), reader.take(Int(commentSize)) != nil
    else { return nil }
    var sizes = [UInt64(unpacked), UInt64(packed), UInt64(offset)]
    var fields = ByteReader(extra)
    while let id = fields.uint16(), let size = fields.uint16(), let field = fields.take(Int(size)) {
      guard id == 1 else { continue }
      // ZIP64: eight bytes for each of the three that was too large, in this order.
      var wide = ByteReader(field)
      for index in sizes.indices where sizes[index] == UInt64(UInt32.max) {
        guard let value = wide.uint64() else { return nil }
        sizes[index] = value
      }
    }
    let whole = sizes.compactMap { Int(exactly: $0) }
    guard whole.count == 3 else { return nil }
    return Entry(
      name: String(decoding: name, as: UTF8.self), method: Int(method), checksum: checksum,
      compressedSize: whole[1], size: whole[0], headerOffset: whole[2])
  }
}

/// Raw deflate by zlib; `nil` where the data are damaged or do not make `size` bytes.
private func inflate(_ compressed: UnsafeRawBufferPointer, size: Int) -> [UInt8]? {
  var stream = z_stream()
  let rawDeflate: Int32 = -15
  guard
    inflateInit2_(&stream, rawDeflate, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK
  else { return nil }
  defer { inflateEnd(&stream) }
  var output = [UInt8](repeating: 0, count: size)
  let isWhole = output.withUnsafeMutableBytes { output -> Bool in
    var (taken, made) = (0, 0)
    var status = Z_OK
    while status == Z_OK {
      // zlib counts in 32 bits.
      let input = min(compressed.count - taken, 1 << 30)
      let room = min(output.count - made, 1 << 30)
      let source = compressed.baseAddress.map { $0 + taken }
      stream.next_in = UnsafeMutablePointer(
        mutating: source?.assumingMemoryBound(to: UInt8.self))
      stream.avail_in = UInt32(input)
      stream.next_out = output.baseAddress.map { ($0 + made).assumingMemoryBound(to: UInt8.self) }
      stream.avail_out = UInt32(room)
      status = CZlib.inflate(&stream, Z_NO_FLUSH)
      taken += input - Int(stream.avail_in)
      made += room - Int(stream.avail_out)
    }
    return status == Z_STREAM_END && made == output.count
  }
  return isWhole ? output : nil
}

private func crc(_ bytes: [UInt8]) -> UInt32 {
  var checksum = crc32(0, nil, 0)
  var start = 0
  while start < bytes.count {
    let end = min(start + 1 << 30, bytes.count)
    bytes[start..<end].withUnsafeBufferPointer {
      checksum = crc32(checksum, $0.baseAddress, UInt32($0.count))
    }
    start = end
  }
  return UInt32(truncatingIfNeeded: checksum)
}
