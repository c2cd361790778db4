/// The last block of a `*.routing` file: model name, provenance, layer ids (UInt32 each), then for
/// each sequence prefill and decode tokens (UInt64 each), name and source. A text is its length in
/// bytes (UInt32) and its UTF-8.
struct TraceIndex {
  var model: String
  var provenance: String
  var layerIDs: [Int]
  var sequences: [TraceSequence]

  var encoded: [UInt8] {
    var out = ByteWriter()
    out.add(model)
    out.add(provenance)
    for id in layerIDs { out.add(UInt32(truncatingIfNeeded: id)) }
    for sequence in sequences {
      out.add(UInt64(sequence.prefillTokens))
      out.add(UInt64(sequence.decodeTokens))
      out.add(sequence.name)
      out.add(sequence.source)
    }
    return out.bytes
  }

  init(
    model: String, provenance: String, layerIDs: [Int], sequences: [TraceSequence]
  ) {
    self.model = model
    self.provenance = provenance
    self.layerIDs = layerIDs
    self.sequences = sequences
  }

  /// Reads the index that `header` promises; every count is checked against what is left to read
  /// before anything is allocated for it.
  init(
    _ bytes: UnsafeRawBufferPointer, header: TraceHeader, file: String
  ) throws(TraceError) {
    let damaged = TraceError.damagedHeader(file: file, detail: "its index is not whole")
    var reader = ByteReader(bytes)
    guard let model = reader.text(), let provenance = reader.text(),
      header.layers <= reader.left / 4
    else { throw damaged }
    self.model = model
    self.provenance = provenance
    layerIDs = (0..<header.layers).map { _ in Int(reader.uint32() ?? 0) }
    // A sequence takes at least 24 bytes.
    guard header.sequences <= reader.left / 24 else { throw damaged }
    sequences = []
    sequences.reserveCapacity(header.sequences)
    var next = 0
    for _ in 0..<header.sequences {
      guard let prefill = reader.uint64(), let decode = reader.uint64(), let name = reader.text(),
        let source = reader.text()
      else { throw damaged }
      guard prefill <= UInt64(header.tokens - next),
        decode <= UInt64(header.tokens - next) - prefill
      else { throw .damagedHeader(file: file, detail: "its sequences have more tokens than it") }
      sequences.append(
        TraceSequence(
          name: name, source: source, firstToken: next, prefillTokens: Int(prefill),
          decodeTokens: Int(decode)))
      next += Int(prefill) + Int(decode)
    }
    guard next == header.tokens else {
      throw .damagedHeader(file: file, detail: "its sequences have fewer tokens than it")
    }
  }
}

/// Appends little-endian integers and texts.
struct ByteWriter {
  var bytes: [UInt8] = []

  mutating func add<Number: FixedWidthInteger>(_ number: Number) {
    withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
  }

  mutating func add(_ text: String) {
    let utf8 = text.utf8
    add(UInt32(utf8.count))
    bytes.append(contentsOf: utf8)
  }
}

/// Takes little-endian integers and texts; `nil` where the bytes end.
struct ByteReader {
  let bytes: UnsafeRawBufferPointer
  var offset = 0

  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  /// The bytes not yet read.
  var left: Int { bytes.count - offset }

  mutating func uint16() -> UInt16? { number() }
  mutating func uint32() -> UInt32? { number() }
  mutating func uint64() -> UInt64? { number() }

  mutating func text() -> String? {
    guard let count = uint32(), let slice = take(Int(count)) else { return nil }
    return String(decoding: slice, as: UTF8.self)
  }

  /// The next `count` bytes.
  mutating func take(_ count: Int) -> UnsafeRawBufferPointer? {
    guard count >= 0, count <= left else { return nil }
    defer { offset += count }
    return UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count])
  }

  private mutating func number<Number: FixedWidthInteger>() -> Number? {
    guard left >= MemoryLayout<Number>.size else { return nil }
    defer { offset += MemoryLayout<Number>.size }
    return Number(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Number.self))
  }
}
