/// Reads one prompt as MoE-Beyond's recorder for DeepSeek-V2-Lite wrote it: the columns
/// `Layer ID,Batch Number,Token,Activated Expert IDs`, all tokens of a layer before the next layer,
/// the token as text, the experts as a list in quotes. One prefill pass; batch 0 only.
func importMoEBeyondPrompt(
  _ bytes: UnsafeRawBufferPointer, name: String, into sink: ImportSink
) throws(TraceError) {
  var scanner = ByteScanner(bytes, file: name)
  guard
    scanner.csvRecord() == ["Layer ID", "Batch Number", "Token", "Activated Expert IDs"]
  else {
    throw scanner.malformed(
      "the columns must be Layer ID,Batch Number,Token,Activated Expert IDs", line: 1)
  }
  var layers: [(id: Int, ids: [UInt16])] = []
  var topK = 0
  while !scanner.isAtEnd {
    if scanner.endOfLine() { continue }
    let line = scanner.line
    let (layer, experts) = try readPromptRow(&scanner)
    if topK == 0 { topK = experts.count }
    guard experts.count == topK, topK > 0 else {
      throw scanner.malformed(
        "the row has \(experts.count) experts, the rows before \(topK)", line: line)
    }
    if layers.last?.id != layer { layers.append((layer, [])) }
    layers[layers.count - 1].ids += experts
  }
  guard let first = layers.first else { throw .noTokens(file: name) }
  guard layers.allSatisfy({ $0.ids.count == first.ids.count }) else {
    throw .malformed(file: name, line: nil, detail: "the layers do not have equally many tokens")
  }
  try sink.begin(
    layerIDs: layers.map(\.id), topK: topK, experts: 64, model: "DeepSeek-V2-Lite-Chat", file: name)
  try sink.append(
    ImportedRequest(
      name: name, prefillTokens: first.ids.count / topK, decodeTokens: 0,
      ids: tokenMajor(layers.map(\.ids), topK: topK)),
    file: name)
}

private func readPromptRow(
  _ scanner: inout ByteScanner
) throws(TraceError) -> (layer: Int, experts: [UInt16]) {
  let line = scanner.line
  let comma = UInt8(ascii: ",")
  guard let layer = scanner.number(), scanner.take(comma), scanner.number() == 0,
    scanner.take(comma)
  else { throw scanner.malformed("a row begins with a layer id and batch 0", line: line) }
  _ = scanner.csvField()
  var experts: [UInt16] = []
  guard scanner.take(",\"[") else {
    throw scanner.malformed("after the token should be a list of experts in quotes", line: line)
  }
  repeat {
    scanner.skipSpaces()
    guard let expert = scanner.number().flatMap({ UInt16(exactly: $0) }) else {
      throw scanner.malformed("an expert id should be a whole number below 65536", line: line)
    }
    experts.append(expert)
  } while scanner.take(comma)
  guard scanner.take("]\""), scanner.endOfLine() else {
    throw scanner.malformed("the list of experts does not end", line: line)
  }
  return (layer, experts)
}
