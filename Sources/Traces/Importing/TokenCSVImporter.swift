/// Reads text of one row for each token and layer:
///
///     request,phase,token,layer,e0,e1
///     chat-1,prefill,0,1,17,4
///     chat-1,prefill,0,2,9,30
///     chat-1,decode,1,1,17,5
///
/// `token` counts from 0 in each request; `layer` is the model's own id; rows come by request, then
/// token, then layer, every token with the same layers. Memory holds one request. The bytes are
/// parsed by hand: splitting lines into Strings takes 20 to 60 times as long.
func importTokenCSV(_ file: String, into sink: ImportSink) throws(TraceError) {
  try withMappedFile(file) { bytes throws(TraceError) in
    try readTokenCSV(ByteScanner(bytes, file: file), into: sink)
  }
}

private func readTokenCSV(_ text: ByteScanner, into sink: ImportSink) throws(TraceError) {
  var scanner = text
  let file = text.file
  guard let experts = sink.options.experts else {
    throw .unsaid(
      file: file, what: "how many experts a layer of the model has", option: "--experts N")
  }
  let columns = scanner.csvRecord() ?? []
  let topK = columns.count - 4
  guard topK > 0, columns == ["request", "phase", "token", "layer"] + (0..<topK).map({ "e\($0)" })
  else {
    throw scanner.malformed(
      "the columns must be request,phase,token,layer,e0,e1,... and so on up to top-k", line: 1)
  }
  var assembler = RequestAssembler(file: file, experts: experts)
  var lastName: UnsafeRawBufferPointer?
  while !scanner.isAtEnd {
    let line = scanner.line
    if scanner.endOfLine() { continue }
    let name = scanner.text(until: UInt8(ascii: ","))
    if lastName.map({ !$0.elementsEqual(name) }) ?? true {
      try assembler.begin(String(decoding: name, as: UTF8.self), into: sink, line: line)
      lastName = name
    }
    try readRow(&scanner, into: &assembler, topK: topK, line: line)
  }
  try assembler.finish(into: sink, line: scanner.line)
}

private func readRow(
  _ scanner: inout ByteScanner, into assembler: inout RequestAssembler, topK: Int, line: Int
) throws(TraceError) {
  let comma = UInt8(ascii: ",")
  guard scanner.take(comma) else {
    throw scanner.malformed("after the request should be a comma and the phase")
  }
  let phase: TokenPhase
  if scanner.take("prefill,") {
    phase = .prefill
  } else if scanner.take("decode,") {
    phase = .decode
  } else {
    throw scanner.malformed("the phase must be prefill or decode")
  }
  guard let token = scanner.number(), scanner.take(comma), let layer = scanner.number() else {
    throw scanner.malformed("after the phase should be two whole numbers, token and layer")
  }
  try assembler.beginRow(phase: phase, token: token, layer: layer, line: line)
  for _ in 0..<topK {
    guard scanner.take(comma), let expert = scanner.number() else {
      throw scanner.malformed("after the layer should be \(topK) experts, as whole numbers")
    }
    try assembler.add(expert: expert, line: line)
  }
  try assembler.endRow(experts: topK, line: line)
  guard scanner.endOfLine() else {
    throw scanner.malformed("the row goes on after its \(topK) experts")
  }
}
