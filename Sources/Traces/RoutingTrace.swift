import Foundation

/// Which experts each token chose at each layer, as a router chose them.
///
///     let trace = try RoutingTrace(opening: "traces/example.routing")
///     try trace.check(layers: 26, experts: 64, topK: 6)
///     let chosen = trace.selections(token: 0, layer: 3)
///
/// Token-major, `[token][layer][k]`, with the boundaries of sequences and of their prefill and
/// decode parts kept. Ids are the model's own (logical); where an expert lives is not a trace's
/// business. The file is mapped, not read: a trace larger than memory works.
public struct RoutingTrace: Sendable {
  public let shape: RoutingShape
  public let origin: TraceOrigin
  /// Who recorded it, how and from what; for a synthetic trace, from which trace and how.
  public let provenance: String
  public internal(set) var sequences: [TraceSequence]
  /// All tokens of the recording.
  public let tokens: Int
  public let gateFormat: GateFormat
  /// The file's name for messages.
  public let file: String

  let storage: FileBytes
  let selectionsOffset: Int
  let gatesOffset: Int

  /// Selections up to this size are checked when a trace is opened; ``verify()`` checks any.
  public static let verifiedAtOpening = 1 << 30

  /// Maps a `*.routing` file.
  ///
  /// The header and the index are always checked, the selections' checksum and range only up to
  /// 1 GiB (``verifiedAtOpening``), so that opening a large trace takes no time. An id beyond the
  /// model's experts in an unchecked trace is never followed out of bounds.
  ///
  /// - Throws: ``TraceError`` for whatever the file is instead of a whole trace.
  public init(opening file: String) throws(TraceError) { try self.init(mapping: file, named: file) }

  /// - Parameters:
  ///   - file: what messages call it.
  ///   - most: Bytes of selections up to which they are checked.
  init(
    mapping path: String, named file: String, verifyingUpTo most: Int = verifiedAtOpening
  ) throws(TraceError) {
    let storage = try FileBytes(mapping: path)
    let (header, index) = try storage.withBytes { bytes throws(TraceError) in
      let header = try TraceHeader(bytes, file: file)
      let indexBytes = UnsafeRawBufferPointer(rebasing: bytes[header.index])
      guard Checksum.of(indexBytes) == header.indexChecksum else {
        throw TraceError.damagedHeader(
          file: file, detail: "the checksum of its index does not match")
      }
      return (header, try TraceIndex(indexBytes, header: header, file: file))
    }
    do {
      shape = try RoutingShape(
        model: index.model, layerIDs: index.layerIDs, experts: header.experts, topK: header.topK)
    } catch {
      throw .damagedHeader(file: file, detail: error.sentence)
    }
    origin = header.origin
    provenance = index.provenance
    sequences = index.sequences
    tokens = header.tokens
    gateFormat = header.gateFormat
    self.file = file
    self.storage = storage
    selectionsOffset = header.selections.lowerBound
    gatesOffset = header.gates.lowerBound
    if header.selections.count <= most { try verify(against: header) }
  }

  /// A trace in memory, of `selections` in the order `[token][layer][k]`.
  ///
  /// - Throws: ``TraceError`` for an id out of range or sequences that do not fit the selections.
  public init(
    shape: RoutingShape, origin: TraceOrigin, provenance: String, sequences: [TraceSequence],
    selections: [UInt16], name: String = "trace in memory"
  ) throws(TraceError) {
    var next = 0
    for sequence in sequences {
      guard sequence.firstToken == next, sequence.prefillTokens >= 0, sequence.decodeTokens >= 0
      else {
        throw .malformed(file: name, line: nil, detail: "sequences do not follow one another")
      }
      next += sequence.tokens
    }
    guard next > 0 else { throw .noTokens(file: name) }
    guard selections.count == next * shape.selectionsPerToken else {
      throw .malformed(file: name, line: nil, detail: "selections do not fit the sequences")
    }
    self.shape = shape
    self.origin = origin
    self.provenance = provenance
    self.sequences = sequences
    tokens = next
    gateFormat = .none
    file = name
    storage = FileBytes(count: selections.count * shape.idBytes) { block in
      if shape.idBytes == 1 {
        for (index, id) in selections.enumerated() { block[index] = UInt8(truncatingIfNeeded: id) }
      } else {
        selections.withUnsafeBytes { block.copyMemory(from: $0) }
      }
    }
    selectionsOffset = 0
    gatesOffset = 0
    let range = selections.firstIndex { $0 >= shape.experts }
    if let range { throw outOfRange(at: range, id: Int(selections[range])) }
  }

  /// The experts that a token chose at a layer (a position in ``RoutingShape/layerIDs``), in the
  /// recorder's order. For one look; replay uses ``RoutingCounts``.
  public func selections(token: Int, layer: Int) -> [Int] {
    precondition((0..<tokens).contains(token) && (0..<shape.layers).contains(layer))
    let first = (token * shape.layers + layer) * shape.topK
    return withIDs { ids in (first..<first + shape.topK).map { ids[$0] } }
  }

  /// The router's weights of ``selections(token:layer:)``; `nil` where none were recorded.
  public func gateWeights(token: Int, layer: Int) -> [Float]? {
    precondition((0..<tokens).contains(token) && (0..<shape.layers).contains(layer))
    let first = (token * shape.layers + layer) * shape.topK
    guard gateFormat != .none else { return nil }
    return storage.withBytes { bytes in
      (first..<first + shape.topK).map { place in
        let offset = gatesOffset + place * gateFormat.bytes
        if gateFormat == .float16 {
          let bits = bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self)
          return float(fromHalf: UInt16(littleEndian: bits))
        }
        let bits = bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
        return Float(bitPattern: UInt32(littleEndian: bits))
      }
    }
  }

  /// The sum of prefill, or of decode, tokens.
  public var prefillTokens: Int { sequences.reduce(0) { $0 + $1.prefillTokens } }
  public var decodeTokens: Int { sequences.reduce(0) { $0 + $1.decodeTokens } }

  /// The size of the selections alone.
  public var selectionsBytes: Int { tokens * shape.rowBytes }
}

extension RoutingTrace {
  /// Refuses a trace of another model.
  ///
  /// - Parameter model: what wants the trace, for the message.
  /// - Throws: ``TraceError/otherModel(file:trace:wanted:)`` naming both shapes.
  public func check(
    layers: Int, experts: Int, topK: Int, for model: String? = nil
  ) throws(TraceError) {
    guard (shape.layers, shape.experts, shape.topK) != (layers, experts, topK) else { return }
    let wanted = RoutingShape.summary(layers: layers, experts: experts, topK: topK)
    throw .otherModel(
      file: file, trace: "\(shape.summary) (\(shape.model))",
      wanted: wanted + (model.map { " (\($0))" } ?? ""))
  }

  /// Reads every selection and gate weight and checks both checksums and the range of the ids, at
  /// about the speed of memory or of the disk.
  ///
  /// - Throws: ``TraceError`` for the first thing that is wrong.
  public func verify() throws(TraceError) {
    guard selectionsOffset >= TraceHeader.size else { return }  // in memory, checked already
    let header = try storage.withBytes { bytes throws(TraceError) in
      try TraceHeader(bytes, file: file)
    }
    try verify(against: header)
  }

  private func verify(against header: TraceHeader) throws(TraceError) {
    let isWhole = storage.withBytes { bytes in
      Checksum.of(UnsafeRawBufferPointer(rebasing: bytes[header.selections]))
        == header.selectionsChecksum
        && Checksum.of(UnsafeRawBufferPointer(rebasing: bytes[header.gates]))
          == header.gatesChecksum
    }
    guard isWhole else { throw .damagedSelections(file: file) }
    let count = tokens * shape.selectionsPerToken
    let found = withIDs { ids in
      ids.firstIndex(notBelow: shape.experts, count: count).map { ($0, ids[$0]) }
    }
    if let (place, id) = found { throw outOfRange(at: place, id: id) }
  }

  func outOfRange(at index: Int, id: Int) -> TraceError {
    .expertOutOfRange(
      file: file, token: index / shape.selectionsPerToken,
      layer: index % shape.selectionsPerToken / shape.topK, expert: id, experts: shape.experts)
  }

  /// The selections as they lie in memory, while `body` runs.
  func withIDs<Result, Failure: Error>(
    _ body: (ExpertIDs) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try storage.withBytes { bytes throws(Failure) in
      // Never empty: a trace has tokens.
      let first = bytes.baseAddress! + selectionsOffset
      return try body(
        shape.idBytes == 1
          ? .narrow(first.assumingMemoryBound(to: UInt8.self))
          : .wide(first.assumingMemoryBound(to: UInt16.self)))
    }
  }
}

/// IEEE 754 half precision, by its bits (Swift's `Float16` is not on every platform).
func float(fromHalf bits: UInt16) -> Float {
  let sign: Float = bits >> 15 == 1 ? -1 : 1
  let exponent = Int(bits >> 10 & 31)
  let fraction = Float(bits & 1023) / 1024
  switch exponent {
  case 0: return sign * fraction * 0x1p-14
  case 31: return fraction == 0 ? sign * .infinity : .nan
  default:
    return sign * (1 + fraction) * Float(sign: .plus, exponent: exponent - 15, significand: 1)
  }
}
