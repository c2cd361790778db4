/// Reads one `.npy` array of integers: `[tokens][layers][topk]` is one sequence,
/// `[sequences][tokens][layers][topk]` as many. Layers are numbered from 0.
///
/// Whether the tokens are prefill or decode is what `--phase` says, or the array's name does:
/// vLLM's `prompt_routed_experts` are prefill, its `routed_experts` decode.
func importNumPyArray(_ file: String, into sink: ImportSink) throws(TraceError) {
  let array = try NumPyArray(try FileBytes(mapping: file), file: file)
  let name = lastComponent(of: file)
  guard let phase = sink.options.phase ?? phase(named: name) else {
    throw .unsaid(
      file: file, what: "whether its tokens are prefill or decode",
      option: "--phase prefill or --phase decode")
  }
  try array.append(as: phase, named: name, into: sink)
}

/// Reads every array of an `.npz`. Two arrays whose names differ only in `prompt_routed_experts` and
/// `routed_experts` are one sequence.
func importNumPyArchive(_ file: String, into sink: ImportSink) throws(TraceError) {
  try withMappedFile(file) { bytes throws(TraceError) in
    try importArrays(of: try ZipReader(bytes, file: file), file: file, into: sink)
  }
}

private func importArrays(
  of archive: ZipReader, file: String, into sink: ImportSink
) throws(TraceError) {
  var prompts: [String: NumPyArray] = [:]
  for entry in archive.entries where entry.name.hasSuffix(".npy") {
    let place = "\(file)(\(entry.name))"
    let array = try NumPyArray(owning(try archive.contents(of: entry)), file: place)
    let name = String(entry.name.dropLast(4))
    if name.hasSuffix("prompt_routed_experts"), sink.options.phase == nil {
      let stem = String(name.dropLast("prompt_routed_experts".count))
      prompts[stem] = array
      continue
    }
    if name.hasSuffix("routed_experts"), sink.options.phase == nil {
      let stem = String(name.dropLast("routed_experts".count))
      try array.append(after: prompts.removeValue(forKey: stem), named: name, into: sink)
      continue
    }
    guard let phase = sink.options.phase ?? phase(named: name) else {
      throw .unsaid(
        file: place, what: "whether its tokens are prefill or decode",
        option: "--phase prefill or --phase decode")
    }
    try array.append(as: phase, named: name, into: sink)
  }
  for (stem, prompt) in prompts.sorted(by: { $0.key < $1.key }) {
    try prompt.append(as: .prefill, named: stem + "prompt_routed_experts", into: sink)
  }
}

private func phase(named name: String) -> TokenPhase? {
  let name = name.lowercased()
  if name.contains("prefill") || name.contains("prompt") { return .prefill }
  if name.contains("decode") { return .decode }
  return nil
}

/// A NumPy array of integers in C order (NumPy Enhancement Proposal 1, "A Simple File Format for
/// NumPy Arrays").
struct NumPyArray {
  let file: String
  let dimensions: [Int]
  private let storage: FileBytes
  /// Where the integers begin.
  private let start: Int
  private let itemSize: Int
  private let isSigned: Bool
  private let isBigEndian: Bool

  init(_ storage: FileBytes, file: String) throws(TraceError) {
    let header = try storage.withBytes { bytes throws(TraceError) in
      try NumPyHeader(bytes, file: file)
    }
    self.file = file
    self.storage = storage
    (dimensions, start) = (header.dimensions, header.size)
    (itemSize, isSigned, isBigEndian) = (header.itemSize, header.isSigned, header.isBigEndian)
  }
  private var topK: Int { dimensions[dimensions.count - 1] }
  private var layers: Int { dimensions[dimensions.count - 2] }
  private var tokens: Int { dimensions[dimensions.count - 3] }
  private var sequences: Int { dimensions.count == 4 ? dimensions[0] : 1 }

  /// Every sequence of the array.
  func append(
    as phase: TokenPhase, named name: String, into sink: ImportSink
  ) throws(TraceError) {
    guard tokens > 0, sequences > 0 else { throw .noTokens(file: file) }
    let writer = try begin(sink)
    for sequence in 0..<sequences {
      try write(sequence: sequence, to: writer)
      writer.endSequence(
        sequences == 1 ? name : "\(name)[\(sequence)]",
        prefillTokens: phase == .prefill ? tokens : 0,
        decodeTokens: phase == .decode ? tokens : 0)
    }
  }

  /// One sequence whose prefill is another array.
  func append(
    after prompt: NumPyArray?, named name: String, into sink: ImportSink
  ) throws(TraceError) {
    guard let prompt else { return try append(as: .decode, named: name, into: sink) }
    guard dimensions.count == 3, prompt.dimensions.count == 3,
      prompt.dimensions.suffix(2) == dimensions.suffix(2)
    else {
      throw .malformed(
        file: file, line: nil,
        detail: "it has shape \(dimensions), the prompt's array \(prompt.dimensions)")
    }
    let writer = try begin(sink)
    try prompt.write(sequence: 0, to: writer)
    try write(sequence: 0, to: writer)
    writer.endSequence(name, prefillTokens: prompt.tokens, decodeTokens: tokens)
  }

  private func begin(_ sink: ImportSink) throws(TraceError) -> RoutingTraceWriter {
    guard layers <= 65_536 else {
      throw .malformed(file: file, line: nil, detail: "\(layers) layers are not a model's")
    }
    return try sink.begin(
      layerIDs: Array(0..<layers), topK: topK, experts: nil, model: nil, file: file)
  }

  /// The ids of one sequence, a few thousand tokens at a time.
  private func write(sequence: Int, to writer: RoutingTraceWriter) throws(TraceError) {
    writer.source = file
    try storage.withBytes { bytes throws(TraceError) in
      try write(bytes, sequence: sequence, to: writer)
    }
  }

  private func write(
    _ bytes: UnsafeRawBufferPointer, sequence: Int, to writer: RoutingTraceWriter
  ) throws(TraceError) {
    let row = layers * topK
    let first = sequence * tokens
    var ids: [UInt16] = []
    for token in first..<first + tokens {
      for index in token * row..<(token + 1) * row {
        let id = item(index, bytes)
        guard let narrow = UInt16(exactly: id) else {
          throw .expertOutOfRange(
            file: file, token: token, layer: index % row / topK, expert: Int(clamping: id),
            experts: writer.shape.experts)
        }
        ids.append(narrow)
      }
      if ids.count >= 1 << 18 || token == first + tokens - 1 {
        try ids.withUnsafeBufferPointer { ids throws(TraceError) in try writer.append(ids) }
        ids.removeAll(keepingCapacity: true)
      }
    }
  }

  /// The integer at a flat index; unsigned ones above 2^63 come out negative, out of range as well.
  private func item(_ index: Int, _ bytes: UnsafeRawBufferPointer) -> Int64 {
    let offset = start + index * itemSize
    var bits: UInt64 = 0
    for byte in 0..<itemSize {
      let place = isBigEndian ? itemSize - 1 - byte : byte
      bits |= UInt64(bytes[offset + byte]) << UInt64(8 * place)
    }
    let unused = UInt64(64 - 8 * itemSize)
    return isSigned ? Int64(bitPattern: bits << unused) >> Int64(unused) : Int64(bitPattern: bits)
  }
}

/// The part of a `.npy` file before its integers.
private struct NumPyHeader {
  /// Its bytes.
  let size: Int
  let dimensions: [Int]
  let itemSize: Int
  let isSigned: Bool
  let isBigEndian: Bool

  init(_ bytes: UnsafeRawBufferPointer, file: String) throws(TraceError) {
    func wrong(_ detail: String) -> TraceError { .malformed(file: file, line: nil, detail: detail) }
    guard bytes.count >= 12, bytes.starts(with: [0x93] + Array("NUMPY".utf8)) else {
      throw wrong("not a NumPy array: the first bytes are not \\x93NUMPY")
    }
    var reader = ByteReader(bytes)
    reader.offset = 8
    let headerSize =
      bytes[6] == 1 ? reader.uint16().map { Int($0) } : reader.uint32().map { Int($0) }
    guard let headerSize, headerSize < 1 << 20, let header = reader.take(headerSize) else {
      throw wrong("the array's header is truncated")
    }
    let text = String(decoding: header, as: UTF8.self)
    guard let type = value(of: "descr", in: text).map({ $0.trimming(["'", "\""]) }),
      let shape = value(of: "shape", in: text), let order = value(of: "fortran_order", in: text)
    else { throw wrong("the array's header lacks descr, fortran_order or shape") }
    guard order == "False" else {
      throw wrong("the array is in Fortran order; save numpy.ascontiguousarray(it)")
    }
    guard let kind = type.dropFirst(type.count > 2 ? 1 : 0).first, "ui".contains(kind),
      let size = Int(type.suffix(1)), [1, 2, 4, 8].contains(size)
    else { throw wrong("the array has type '\(type)'; expert ids are integers") }
    (itemSize, isSigned, isBigEndian) = (size, kind == "i", type.first == ">")
    let sizes = shape.trimming(["(", ")"]).split(separator: ",").map { Int($0.trimming([" "])) }
    dimensions = sizes.compactMap { $0 }
    guard dimensions.count == sizes.count, [3, 4].contains(sizes.count),
      dimensions.allSatisfy({ $0 >= 0 })
    else {
      throw wrong(
        "the array has shape \(shape); [tokens, layers, top-k] or "
          + "[sequences, tokens, layers, top-k] is needed")
    }
    var needed = size
    for dimension in dimensions {
      let (product, overflows) = needed.multipliedReportingOverflow(by: dimension)
      guard !overflows else { throw wrong("the array has the impossible shape \(shape)") }
      needed = product
    }
    self.size = reader.offset
    guard reader.take(needed) != nil else {
      throw .truncated(file: file, needed: reader.offset + needed, found: bytes.count)
    }
  }
}

private func owning(_ bytes: [UInt8]) -> FileBytes {
  FileBytes(count: bytes.count) { block in block.copyBytes(from: bytes) }
}

/// What follows `'key':` in the header's Python dictionary, up to the comma or bracket that ends it.
private func value(of key: String, in header: String) -> String? {
  guard let range = header.firstRange(of: "'\(key)':") else { return nil }
  let rest = header[range.upperBound...].drop { $0 == " " }
  if rest.first == "(", let end = rest.firstIndex(of: ")") { return String(rest[...end]) }
  return rest.firstIndex { $0 == "," || $0 == "}" }.map { String(rest[..<$0]).trimming([" "]) }
}

extension StringProtocol {
  fileprivate func trimming(_ characters: Set<Character>) -> String {
    String(drop { characters.contains($0) }.reversed().drop { characters.contains($0) }.reversed())
  }
}
