/// Reads one JSON object a line, for each token and layer
///
///     {"request": "chat-1", "phase": "prefill", "token": 0, "layer": 1, "experts": [17, 4]}
///
/// or for each token, with the ids of the layers (0, 1, ... where absent)
///
///     {"request": "chat-1", "phase": "decode", "token": 1, "layers": [1, 2], "experts": [[17, 5], [9, 3]]}
///
/// `weights`, where present, has the form of `experts`. Other keys are passed over. The order of
/// lines is that of the CSV format.
func importTokenJSONLines(_ file: String, into sink: ImportSink) throws(TraceError) {
  try withMappedFile(file) { bytes throws(TraceError) in
    try readTokenJSONLines(bytes, file: file, into: sink)
  }
}

private func readTokenJSONLines(
  _ bytes: UnsafeRawBufferPointer, file: String, into sink: ImportSink
) throws(TraceError) {
  guard let experts = sink.options.experts else {
    throw .unsaid(
      file: file, what: "how many experts a layer of the model has", option: "--experts N")
  }
  var json = JSONReader(bytes, file: file)
  var assembler = RequestAssembler(file: file, experts: experts)
  while !json.isAtEnd() {
    let line = json.line
    let row = try TokenLine(&json)
    guard let request = row.request, let phase = row.phase, let token = row.token,
      !row.experts.isEmpty
    else {
      throw assembler.malformed("a line needs the keys request, phase, token and experts", line)
    }
    if assembler.name != request { try assembler.begin(request, into: sink, line: line) }
    let layers = row.layers ?? Array(0..<row.experts.count)
    guard layers.count == row.experts.count else {
      throw assembler.malformed(
        "\(layers.count) layer ids for the experts of \(row.experts.count) layers", line)
    }
    for (layer, chosen) in zip(layers, row.experts) {
      try assembler.beginRow(phase: phase, token: token, layer: layer, line: line)
      for expert in chosen { try assembler.add(expert: expert, line: line) }
      try assembler.endRow(experts: chosen.count, line: line)
    }
    for weight in row.weights { assembler.add(weight: weight) }
  }
  try assembler.finish(into: sink, line: json.line)
}

/// What one line says.
private struct TokenLine {
  var request: String?
  var phase: TokenPhase?
  var token: Int?
  var layers: [Int]?
  var experts: [[Int]] = []
  var weights: [Float] = []

  init(_ json: inout JSONReader) throws(TraceError) {
    try json.beginObject()
    while let key = try json.nextKey() {
      switch key {
      case "request":
        request = json.nextByte() == UInt8(ascii: "\"") ? try json.string() : "\(try json.int())"
      case "phase":
        phase = TokenPhase(rawValue: try json.string())
        if phase == nil { throw json.wrong("the phase prefill or decode") }
      case "token": token = try json.int()
      case "layer": layers = [try json.int()]
      case "layers": layers = try json.ints()
      case "experts": try readExperts(&json)
      case "weights": try readWeights(&json)
      default: try json.skipValue()
      }
    }
  }

  private mutating func readExperts(_ json: inout JSONReader) throws(TraceError) {
    var flat: [Int] = []
    try json.beginArray()
    while try json.nextElement() {
      if json.nextByte() == UInt8(ascii: "[") {
        experts.append(try json.ints())
      } else {
        flat.append(try json.int())
      }
    }
    guard flat.isEmpty || experts.isEmpty else { throw json.wrong("numbers or lists, not both") }
    if !flat.isEmpty { experts = [flat] }
  }

  private mutating func readWeights(_ json: inout JSONReader) throws(TraceError) {
    try json.beginArray()
    while try json.nextElement() {
      if json.nextByte() == UInt8(ascii: "[") {
        try json.beginArray()
        while try json.nextElement() { weights.append(try json.float()) }
      } else {
        weights.append(try json.float())
      }
    }
  }
}
