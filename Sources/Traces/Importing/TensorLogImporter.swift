/// Reads what the engine of the MoE-Lightning artifact printed: for each pass and layer
/// `Layer 3 topk_ids: tensor([[5, 1], ...], device=..., dtype=...)`, with `input_ids:` in between.
///
/// A pass over several tokens is a prefill and begins a request; passes over one token decode it. A
/// file of several requests gives `name#0`, `name#1`, ... A tensor that was abbreviated in printing
/// (`...`) is refused.
func importTensorLog(
  _ bytes: UnsafeRawBufferPointer, name: String, into sink: ImportSink
) throws(TraceError) {
  var scanner = ByteScanner(bytes, file: name)
  var log = TensorLog(name: name)
  while !scanner.isAtEnd {
    guard scanner.take("Layer ") else {
      scanner.skipLine()
      continue
    }
    let line = scanner.line
    guard let layer = scanner.number(), scanner.take(" topk_ids: tensor(") else {
      throw scanner.malformed("after 'Layer' should be a number and 'topk_ids: tensor('")
    }
    let (rows, ids) = try readTensor(&scanner)
    try log.add(layer: layer, rows: rows, ids: ids, into: sink, line: line)
    scanner.skipLine()
  }
  try log.finish(into: sink, line: scanner.line)
}

/// `[[5, 1], [5, 2]]`, over any number of lines.
private func readTensor(
  _ scanner: inout ByteScanner
) throws(TraceError) -> (rows: Int, ids: [UInt16]) {
  var ids: [UInt16] = []
  var rows = 0
  var depth = 0
  repeat {
    guard !scanner.isAtEnd else { throw scanner.malformed("the text ends within a tensor") }
    switch scanner.peek {
    case UInt8(ascii: "["):
      depth += 1
      scanner.advance()
    case UInt8(ascii: "]"):
      depth -= 1
      if depth == 1 { rows += 1 }
      scanner.advance()
    case UInt8(ascii: "0")...UInt8(ascii: "9"):
      guard let id = scanner.number().flatMap({ UInt16(exactly: $0) }) else {
        throw scanner.malformed("an expert id should be below 65536")
      }
      ids.append(id)
    case UInt8(ascii: ","), UInt8(ascii: " "), UInt8(ascii: "\n"), UInt8(ascii: "\r"):
      scanner.advance()
    case UInt8(ascii: "."):
      throw scanner.malformed("the tensor was abbreviated ('...') when it was printed")
    default: throw scanner.malformed("a tensor holds whole numbers in brackets only")
    }
  } while depth > 0
  return (rows, ids)
}

/// Passes and requests as they emerge from the tensors.
private struct TensorLog {
  let name: String
  private var request = ImportedRequest(name: "", prefillTokens: 0, decodeTokens: 0, ids: [])
  private var requests = 0
  private var pass: [[UInt16]] = []
  private var passRows = 0
  private var layerIDs: [Int] = []
  private var topK = 0

  init(name: String) { self.name = name }

  mutating func add(
    layer: Int, rows: Int, ids: [UInt16], into sink: ImportSink, line: Int
  ) throws(TraceError) {
    guard rows > 0, ids.count % rows == 0, !ids.isEmpty else {
      throw .malformed(file: name, line: line, detail: "the tensor has rows of other lengths")
    }
    if topK == 0 { topK = ids.count / rows }
    // The first layer comes again: a pass is over.
    if layer == layerIDs.first { try endPass(into: sink, line: line) }
    if requests == 0, request.ids.isEmpty {
      layerIDs.append(layer)
    } else if pass.count >= layerIDs.count || layerIDs[pass.count] != layer {
      throw .malformed(file: name, line: line, detail: "layer \(layer) is out of its order")
    }
    if pass.isEmpty { passRows = rows }
    guard rows == passRows, ids.count == rows * topK else {
      throw .malformed(
        file: name, line: line,
        detail: "\(rows) tokens of top-\(ids.count / rows), but the pass has \(passRows) "
          + "of top-\(topK)")
    }
    pass.append(ids)
  }

  private mutating func endPass(into sink: ImportSink, line: Int) throws(TraceError) {
    guard !pass.isEmpty else { return }
    guard pass.count == layerIDs.count else {
      throw .malformed(
        file: name, line: line,
        detail: "a pass has \(pass.count) layers, the first had \(layerIDs.count)")
    }
    if passRows > 1, !request.ids.isEmpty { try endRequest(into: sink, line: line) }
    if passRows > 1 { request.prefillTokens = passRows } else { request.decodeTokens += 1 }
    request.ids += tokenMajor(pass, topK: topK)
    pass = []
  }

  private mutating func endRequest(into sink: ImportSink, line: Int) throws(TraceError) {
    request.name = "\(name)#\(requests)"
    try sink.begin(
      layerIDs: layerIDs, topK: topK, experts: 8, model: "Mixtral-8x7B", file: name, line: line)
    try sink.append(request, file: name)
    requests += 1
    request = ImportedRequest(name: "", prefillTokens: 0, decodeTokens: 0, ids: [])
  }

  mutating func finish(into sink: ImportSink, line: Int) throws(TraceError) {
    try endPass(into: sink, line: line)
    guard !request.ids.isEmpty else { throw .noTokens(file: name) }
    try endRequest(into: sink, line: line)
  }
}
