import Foundation

/// Writes a `*.routing` file piece by piece, so that a trace larger than memory can be made.
///
///     let writer = try RoutingTraceWriter(to: "new.routing", shape: shape, origin: .recorded,
///       provenance: "recorded by ...")
///     try writer.append(sequence: "request 1", prefillTokens: 12, decodeTokens: 0, selections: ids)
///     try writer.finish()
///
/// Everything goes to a temporary file beside the output, which takes the output's name in
/// ``finish()``; a writer that is dropped before leaves whatever was there as it was.
public final class RoutingTraceWriter {
  public let shape: RoutingShape
  private let origin: TraceOrigin
  private let provenance: String
  private let gateFormat: GateFormat
  private let output: OutputFile
  /// Gate weights gather in a file of their own, appended in the end.
  private let gates: OutputFile?

  private var sequences: [TraceSequence] = []
  private var checksum = Checksum()
  private var gatesChecksum = Checksum()
  private var tokensInSequences = 0
  /// Tokens whose selections were appended.
  public private(set) var tokens = 0
  /// The token with which ``source`` began.
  private var sourceStart = 0
  private var weights = 0
  /// The file that selections come from, for messages about them; the output where there is none.
  var source: String? {
    didSet { sourceStart = tokens }
  }

  /// - Parameter replacing: whether an existing file may be replaced.
  /// - Throws: ``TraceError/outputExists(file:)``, ``TraceError/cannotWrite(file:reason:)``.
  public init(
    to file: String, shape: RoutingShape, origin: TraceOrigin, provenance: String,
    gateFormat: GateFormat = .none, replacing: Bool = false
  ) throws(TraceError) {
    self.shape = shape
    self.origin = origin
    self.provenance = provenance
    self.gateFormat = gateFormat
    output = try OutputFile(replacing: file, mayReplace: replacing)
    gates = gateFormat == .none ? nil : try OutputFile(replacing: file + ".gates", mayReplace: true)
    try output.write([UInt8](repeating: 0, count: TraceHeader.size))
  }

  /// The tokens written so far that belong to no sequence yet become one, or several.
  public func endSequence(
    _ name: String, source: String = "", prefillTokens: Int, decodeTokens: Int
  ) {
    sequences.append(
      TraceSequence(
        name: name, source: source, firstToken: tokensInSequences, prefillTokens: prefillTokens,
        decodeTokens: decodeTokens))
    tokensInSequences += prefillTokens + decodeTokens
  }

  /// Appends whole tokens, `[token][layer][k]`.
  ///
  /// - Throws: ``TraceError/expertOutOfRange(file:token:layer:expert:experts:)`` for the first id
  ///   that the shape does not have, ``TraceError/cannotWrite(file:reason:)``.
  public func append(_ ids: UnsafeBufferPointer<UInt16>) throws(TraceError) {
    guard let base = ids.baseAddress else { return }
    try check(.wide(base), count: ids.count)
    if shape.idBytes == 2 {
      try put(UnsafeRawBufferPointer(ids))
    } else {
      let narrow = ids.map { UInt8(truncatingIfNeeded: $0) }
      try put(narrow)
    }
    tokens += ids.count / shape.selectionsPerToken
  }

  /// The same of narrow ids.
  public func append(_ ids: UnsafeBufferPointer<UInt8>) throws(TraceError) {
    guard let base = ids.baseAddress else { return }
    try check(.narrow(base), count: ids.count)
    if shape.idBytes == 1 {
      try put(UnsafeRawBufferPointer(ids))
    } else {
      let wide = ids.map { UInt16($0) }
      try put(wide)
    }
    tokens += ids.count / shape.selectionsPerToken
  }

  private func check(_ ids: ExpertIDs, count: Int) throws(TraceError) {
    precondition(count % shape.selectionsPerToken == 0, "whole tokens are appended")
    guard let place = ids.firstIndex(notBelow: shape.experts, count: count) else {
      if let place = ids.firstRepeated(of: shape.topK, count: count) {
        throw .expertTwice(
          file: source ?? output.file,
          token: tokens - sourceStart + place / shape.selectionsPerToken,
          layer: place % shape.selectionsPerToken / shape.topK, expert: ids[place])
      }
      return
    }
    throw .expertOutOfRange(
      file: source ?? output.file, token: tokens - sourceStart + place / shape.selectionsPerToken,
      layer: place % shape.selectionsPerToken / shape.topK, expert: ids[place],
      experts: shape.experts)
  }

  /// Appends gate weights, in the order of the selections.
  public func append(gateWeights: [Float]) throws(TraceError) {
    guard let gates else { return }
    weights += gateWeights.count
    let bits: [UInt8]
    switch gateFormat {
    case .none: return
    case .float32: bits = gateWeights.flatMap { littleEndianBytes($0.bitPattern) }
    case .float16: bits = gateWeights.flatMap { littleEndianBytes(half(from: $0)) }
    }
    bits.withUnsafeBytes { gatesChecksum.update($0) }
    try gates.write(bits)
  }

  /// Appends one sequence with its selections.
  public func append(
    sequence name: String, source: String = "", prefillTokens: Int, decodeTokens: Int,
    selections: [UInt16]
  ) throws(TraceError) {
    precondition(
      selections.count == (prefillTokens + decodeTokens) * shape.selectionsPerToken,
      "selections are [token][layer][k]")
    try selections.withUnsafeBufferPointer { ids throws(TraceError) in try append(ids) }
    endSequence(
      name, source: source, prefillTokens: prefillTokens, decodeTokens: decodeTokens)
  }

  /// Writes the index and the header and gives the file its name.
  ///
  /// - Throws: ``TraceError/noTokens(file:)``, ``TraceError/cannotWrite(file:reason:)``.
  public func finish() throws(TraceError) {
    guard tokens > 0 else { throw .noTokens(file: output.file) }
    precondition(tokens == tokensInSequences, "every token belongs to a sequence")
    var header = TraceHeader(
      shape: shape, origin: origin, gateFormat: gateFormat, sequences: sequences.count,
      tokens: tokens)
    header.selections = TraceHeader.size..<output.size
    header.selectionsChecksum = checksum.value
    try output.pad(toMultipleOf: 64)
    let gatesStart = output.size
    if let gates {
      precondition(weights == tokens * shape.selectionsPerToken, "a weight for every selection")
      try output.append(contentsOf: gates)
    }
    header.gates = gatesStart..<output.size
    header.gatesChecksum = gatesChecksum.value
    try output.pad(toMultipleOf: 64)
    let index = TraceIndex(
      model: shape.model, provenance: provenance, layerIDs: shape.layerIDs, sequences: sequences
    ).encoded
    header.index = output.size..<output.size + index.count
    header.indexChecksum = index.withUnsafeBytes { Checksum.of($0) }
    try output.write(index)
    try output.commit(startingWith: header.encoded)
  }

  private func put(_ bytes: UnsafeRawBufferPointer) throws(TraceError) {
    checksum.update(bytes)
    try output.write(bytes)
  }

  private func put<ID: FixedWidthInteger>(_ ids: [ID]) throws(TraceError) {
    try ids.withUnsafeBufferPointer { ids throws(TraceError) in
      try put(UnsafeRawBufferPointer(ids))
    }
  }
}

extension RoutingTrace {
  /// Writes the trace to a file, as it is.
  public func write(to file: String, replacing: Bool = false) throws(TraceError) {
    let writer = try RoutingTraceWriter(
      to: file, shape: shape, origin: origin, provenance: provenance, gateFormat: gateFormat,
      replacing: replacing)
    for sequence in sequences {
      let range = sequence.firstToken..<sequence.firstToken + sequence.tokens
      try withIDs { ids throws(TraceError) in
        try ids.forEachBlock(tokens: range, row: shape.selectionsPerToken) {
          (ids, _) throws(TraceError) in try writer.append(ids)
        }
      }
      for token in gateFormat == .none ? 0..<0 : range {
        for layer in 0..<shape.layers {
          if let weights = gateWeights(token: token, layer: layer) {
            try writer.append(gateWeights: weights)
          }
        }
      }
      writer.endSequence(
        sequence.name, source: sequence.source, prefillTokens: sequence.prefillTokens,
        decodeTokens: sequence.decodeTokens)
    }
    try writer.finish()
  }
}

private func littleEndianBytes<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
  withUnsafeBytes(of: number.littleEndian) { Array($0) }
}

/// IEEE 754 half precision of a gate weight, truncated; weights are probabilities or logits, so
/// what is too small becomes zero and what is too large infinite.
func half(from value: Float) -> UInt16 {
  let bits = value.bitPattern
  let sign = UInt16(bits >> 16 & 0x8000)
  let exponent = Int(bits >> 23 & 0xFF) - 127 + 15
  if value.isNaN { return 0x7E00 }
  if exponent >= 31 { return sign | 0x7C00 }
  if exponent <= 0 { return sign }
  return sign | UInt16(exponent) << 10 | UInt16(bits >> 13 & 0x3FF)
}
