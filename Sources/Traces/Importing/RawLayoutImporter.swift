import Foundation

/// Reads `X.experts.bin[.xz]`, UInt8 `[tokens][layers][topk]`, with `X.requests.csv` (request,
/// first_token, n_prefill, n_decode, source) and `X.meta.json` (model, real, tokens, layers,
/// layer_ids, experts, topk) beside it. Streaming: memory does not depend on the size.
///
/// - Parameter input: any of the three files.
func importRawLayout(_ input: String, into sink: ImportSink) throws(TraceError) {
  let files = try RawLayoutFiles(input)
  let meta = try RawLayoutMeta(files.meta)
  let sequences = try rawLayoutRequests(files.requests, tokens: meta.tokens)
  let writer = try sink.begin(
    layerIDs: meta.layerIDs, topK: meta.topK, experts: meta.experts, model: meta.model,
    origin: meta.isReal ? .recorded : .synthetic, file: files.meta)
  writer.source = files.selections
  let source = try openSource(files.selections)
  let row = meta.layerIDs.count * meta.topK
  let rowsAtOnce = max(1, (1 << 20) / row)
  var tokens = 0
  while tokens < meta.tokens {
    let rows = min(rowsAtOnce, meta.tokens - tokens)
    let bytes = try source.read(rows * row)
    guard bytes.count == rows * row else {
      throw .truncated(
        file: files.selections, needed: meta.tokens * row, found: tokens * row + bytes.count)
    }
    try bytes.withUnsafeBufferPointer { ids throws(TraceError) in try writer.append(ids) }
    tokens += rows
  }
  guard try source.read(1).isEmpty else {
    throw .malformed(
      file: files.selections, line: nil,
      detail: "there are more than the \(meta.tokens) tokens that \(files.meta) says")
  }
  for sequence in sequences {
    writer.endSequence(
      sequence.name, source: sequence.source, prefillTokens: sequence.prefillTokens,
      decodeTokens: sequence.decodeTokens)
  }
}

/// The names of the three files, from that of one.
private struct RawLayoutFiles {
  let selections: String
  let requests: String
  let meta: String

  init(_ input: String) throws(TraceError) {
    var stem = input
    for suffix in [".xz", ".bin", ".experts", ".meta.json", ".requests.csv"]
    where stem.hasSuffix(suffix) {
      stem = String(stem.dropLast(suffix.count))
    }
    requests = stem + ".requests.csv"
    meta = stem + ".meta.json"
    let candidates = [".experts.bin", ".experts.bin.xz", ".bin", ".bin.xz"].map { stem + $0 }
    let given = candidates.contains(input) ? input : nil
    guard
      let found = given ?? candidates.first(where: { FileManager.default.fileExists(atPath: $0) })
    else {
      throw .cannotRead(file: stem + ".experts.bin", reason: "no such file, nor one with .xz")
    }
    selections = found
  }
}

private struct RawLayoutMeta {
  var model = "unnamed"
  var isReal = true
  var tokens = 0
  var layerIDs: [Int] = []
  var experts = 0
  var topK = 0

  init(_ file: String) throws(TraceError) {
    let layers = try withMappedFile(file) { bytes throws(TraceError) in
      try read(JSONReader(bytes, file: file))
    }
    try check(layers: layers, file: file)
  }

  /// Returns the number of layers that the file says beside listing them.
  private mutating func read(_ text: JSONReader) throws(TraceError) -> Int? {
    var json = text
    var layers: Int?
    try json.beginObject()
    while let key = try json.nextKey() {
      switch key {
      case "model": model = try json.string()
      case "real": isReal = try json.bool()
      case "tokens": tokens = try json.int()
      case "layers": layers = try json.int()
      case "layer_ids": layerIDs = try json.ints()
      case "experts": experts = try json.int()
      case "topk": topK = try json.int()
      default: try json.skipValue()
      }
    }
    return layers
  }

  private mutating func check(layers: Int?, file: String) throws(TraceError) {
    if layerIDs.isEmpty, let layers, (1...65_536).contains(layers) {
      layerIDs = Array(0..<layers)
    }
    guard layers == nil || layers == layerIDs.count else {
      throw .malformed(
        file: file, line: nil,
        detail: "it says \(layers ?? 0) layers, but lists \(layerIDs.count) layer_ids")
    }
    do {
      _ = try RoutingShape(model: model, layerIDs: layerIDs, experts: experts, topK: topK)
    } catch {
      throw .malformed(file: file, line: nil, detail: error.sentence)
    }
    guard tokens > 0 else { throw .noTokens(file: file) }
    guard experts <= 256, tokens < Int.max / (layerIDs.count * topK) else {
      throw .malformed(
        file: file, line: nil, detail: "\(experts) experts do not fit the uint8 layout")
    }
  }
}

/// The requests, which must follow one another without a gap from token 0 to the last.
private func rawLayoutRequests(
  _ file: String, tokens: Int
) throws(TraceError) -> [TraceSequence] {
  try withMappedFile(file) { bytes throws(TraceError) in
    try readRequests(ByteScanner(bytes, file: file), tokens: tokens)
  }
}

private func readRequests(
  _ text: ByteScanner, tokens: Int
) throws(TraceError) -> [TraceSequence] {
  var scanner = text
  let file = text.file
  let header = scanner.csvRecord() ?? []
  guard header == ["request", "first_token", "n_prefill", "n_decode", "source"] else {
    throw scanner.malformed(
      "the columns must be request,first_token,n_prefill,n_decode,source", line: 1)
  }
  var sequences: [TraceSequence] = []
  var next = 0
  while let fields = scanner.csvRecord() {
    if fields == [""] { continue }
    guard fields.count == 5, let first = Int(fields[1]), let prefill = Int(fields[2]),
      let decode = Int(fields[3]), prefill >= 0, decode >= 0
    else {
      throw scanner.malformed(
        "a request is a name, three whole numbers and a source", line: scanner.recordLine)
    }
    guard first == next, prefill <= tokens - next, decode <= tokens - next - prefill else {
      throw scanner.malformed(
        "the request has tokens \(first) and on, but token \(next) of \(tokens) is next",
        line: scanner.recordLine)
    }
    sequences.append(
      TraceSequence(
        name: fields[0], source: fields[4], firstToken: first, prefillTokens: prefill,
        decodeTokens: decode))
    next += prefill + decode
  }
  guard next == tokens else {
    throw .malformed(
      file: file, line: nil, detail: "its requests have \(next) tokens of the \(tokens) there are")
  }
  return sequences
}
