/// The fixed first 128 bytes of a `*.routing` file, format version 1, all little-endian:
///
/// | offset | type | what |
/// |---|---|---|
/// | 0 | 8 bytes | magic: 0x89 `SWYT` CR LF 0x1A |
/// | 8 | UInt32 | format version |
/// | 12 | UInt32 | flags: bit 0 synthetic; bits 1-2 gate weights (0 none, 1 Float32, 2 Float16) |
/// | 16 | 3 x UInt32 | MoE layers, experts, top-k |
/// | 28 | UInt32 | zero |
/// | 32 | 2 x UInt64 | sequences, tokens |
/// | 48 | 2 x UInt64 | offset and bytes of the selections |
/// | 64 | 2 x UInt64 | offset and bytes of the gate weights |
/// | 80 | 2 x UInt64 | offset and bytes of the index |
/// | 96 | UInt64 | XXH64 of the selections |
/// | 104 | UInt64 | XXH64 of the gate weights |
/// | 112 | UInt64 | XXH64 of the index |
/// | 120 | UInt64 | XXH64 of bytes 0 to 119 |
///
/// Selections: `[token][layer][k]` of UInt8 where experts <= 256, else UInt16. Gate weights, where
/// present, have the same shape. The index follows (``TraceIndex``).
struct TraceHeader {
  static let size = 128
  static let version = 1
  static let magic: [UInt8] = [0x89, 0x53, 0x57, 0x59, 0x54, 0x0D, 0x0A, 0x1A]

  var origin: TraceOrigin
  var gateFormat: GateFormat
  var layers: Int
  var experts: Int
  var topK: Int
  var sequences: Int
  var tokens: Int
  var selections: Range<Int>
  var gates: Range<Int>
  var index: Range<Int>
  var selectionsChecksum: UInt64
  var gatesChecksum: UInt64
  var indexChecksum: UInt64

  /// The 128 bytes.
  var encoded: [UInt8] {
    var out = ByteWriter()
    out.bytes = Self.magic
    out.add(UInt32(Self.version))
    out.add(UInt32(origin == .synthetic ? 1 : 0) | UInt32(gateFormat.rawValue) << 1)
    for value in [layers, experts, topK, 0] { out.add(UInt32(truncatingIfNeeded: value)) }
    for value in [
      sequences, tokens, selections.lowerBound, selections.count, gates.lowerBound, gates.count,
      index.lowerBound, index.count,
    ] { out.add(UInt64(truncatingIfNeeded: value)) }
    for checksum in [selectionsChecksum, gatesChecksum, indexChecksum] { out.add(checksum) }
    out.add(out.bytes.withUnsafeBytes { Checksum.of($0) })
    return out.bytes
  }

  /// Reads and checks everything that can be known from the header and the file's size.
  init(_ bytes: UnsafeRawBufferPointer, file: String) throws(TraceError) {
    var reader = ByteReader(bytes)
    guard bytes.starts(with: Self.magic.prefix(bytes.count)), bytes.count >= 8 else {
      throw .notATrace(file: file)
    }
    guard bytes.count >= Self.size else {
      throw .truncated(file: file, needed: Self.size, found: bytes.count)
    }
    reader.offset = 8
    let version = Int(reader.uint32() ?? 0)
    guard version == Self.version else {
      throw .unsupportedVersion(file: file, found: version, supported: Self.version)
    }
    let stated = Checksum.of(UnsafeRawBufferPointer(rebasing: bytes[..<120]))
    reader.offset = 120
    guard reader.uint64() == stated else {
      throw .damagedHeader(file: file, detail: "the checksum of its header does not match")
    }
    reader.offset = 12
    let flags = Int(reader.uint32() ?? 0)
    guard let gateFormat = GateFormat(rawValue: flags >> 1) else {
      throw .damagedHeader(file: file, detail: "flags \(flags) mean nothing in version 1")
    }
    origin = flags & 1 == 1 ? .synthetic : .recorded
    self.gateFormat = gateFormat
    layers = Int(reader.uint32() ?? 0)
    experts = Int(reader.uint32() ?? 0)
    topK = Int(reader.uint32() ?? 0)
    reader.offset = 32
    let counts = (0..<8).map { _ in Int(exactly: reader.uint64() ?? .max) ?? .max }
    (sequences, tokens) = (counts[0], counts[1])
    selections = try Self.range(counts[2], counts[3], of: bytes.count, file: file)
    gates = try Self.range(counts[4], counts[5], of: bytes.count, file: file)
    index = try Self.range(counts[6], counts[7], of: bytes.count, file: file)
    selectionsChecksum = reader.uint64() ?? 0
    gatesChecksum = reader.uint64() ?? 0
    indexChecksum = reader.uint64() ?? 0
    try checkSizes(file: file)
  }

  /// A block's place, once it is known to lie within the file.
  private static func range(
    _ offset: Int, _ count: Int, of size: Int, file: String
  ) throws(TraceError) -> Range<Int> {
    let (end, overflows) = offset.addingReportingOverflow(count)
    guard !overflows else {
      throw .damagedHeader(file: file, detail: "a block ends beyond any file")
    }
    guard end <= size else { throw .truncated(file: file, needed: end, found: size) }
    return offset..<end
  }

  /// The blocks must have exactly the size that the shape says.
  private func checkSizes(file: String) throws(TraceError) {
    guard tokens > 0 else { throw .noTokens(file: file) }
    // layers, experts and top-k are below 2^32, but their product with tokens may be anything.
    let idBytes = experts <= 256 ? 1 : 2
    let (perToken, first) = layers.multipliedReportingOverflow(by: topK)
    let (ids, second) = perToken.multipliedReportingOverflow(by: tokens)
    let (idsSize, third) = ids.multipliedReportingOverflow(by: idBytes)
    let (gatesSize, fourth) = ids.multipliedReportingOverflow(by: gateFormat.bytes)
    guard !first, !second, !third, !fourth, selections.count == idsSize, gates.count == gatesSize,
      selections.lowerBound % 8 == 0, gates.lowerBound % 8 == 0
    else {
      throw .damagedHeader(
        file: file, detail: "its blocks do not have the size that its shape asks for")
    }
  }
}

extension TraceHeader {
  init(
    shape: RoutingShape, origin: TraceOrigin, gateFormat: GateFormat, sequences: Int, tokens: Int
  ) {
    self.origin = origin
    self.gateFormat = gateFormat
    layers = shape.layers
    experts = shape.experts
    topK = shape.topK
    self.sequences = sequences
    self.tokens = tokens
    (selections, gates, index) = (0..<0, 0..<0, 0..<0)
    (selectionsChecksum, gatesChecksum, indexChecksum) = (0, 0, 0)
  }
}

/// How gate weights are kept.
public enum GateFormat: Int, Sendable {
  case none = 0
  case float32 = 1
  case float16 = 2

  /// The bytes of one weight.
  public var bytes: Int {
    switch self {
    case .none: 0
    case .float32: 4
    case .float16: 2
    }
  }
}
