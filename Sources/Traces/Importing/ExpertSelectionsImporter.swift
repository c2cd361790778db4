/// Reads one request of the public 150 GB set of expert selections: a list whose element 0 is the
/// prefill and every further one a decode step. An element maps layer ids to the selections of its
/// tokens, `tokens x top-k`, or to `{"selected_experts": tokens x top-k, ...}`, or for a dense layer
/// to null. A row may be a lone number where top-k is 1.
func importExpertSelections(
  _ bytes: UnsafeRawBufferPointer, name: String, into sink: ImportSink
) throws(TraceError) {
  var json = JSONReader(bytes, file: name)
  var request = ImportedRequest(name: name, prefillTokens: 0, decodeTokens: 0, ids: [])
  var isPrefill = true
  var shape: (layerIDs: [Int], topK: Int)?
  try json.beginArray()
  while try json.nextElement() {
    let line = json.line
    let step = try SelectionStep(&json)
    let (tokens, topK) = try step.size(file: name, line: line)
    if tokens > 0 {
      let layerIDs = step.layers.map(\.id)
      if let shape, shape != (layerIDs, topK) {
        throw .malformed(
          file: name, line: line, detail: "this step has other layers or top-k than the first")
      }
      shape = (layerIDs, topK)
      request.ids += tokenMajor(step.layers.map(\.ids), topK: topK)
    }
    if isPrefill { request.prefillTokens = tokens } else { request.decodeTokens += tokens }
    isPrefill = false
  }
  guard let shape else { throw .noTokens(file: name) }
  try sink.begin(
    layerIDs: shape.layerIDs, topK: shape.topK, experts: nil, model: nil, file: name)
  try sink.append(request, file: name)
}

/// One element: the selections of each layer that has experts, by layer id.
private struct SelectionStep {
  var layers: [(id: Int, rows: Int, ids: [UInt16])] = []

  init(_ json: inout JSONReader) throws(TraceError) {
    try json.beginObject()
    while let key = try json.nextKey() {
      guard let id = trailingNumber(of: key) else { throw json.wrong("a layer id as the key") }
      if json.null() { continue }
      var isSelected = true
      if json.nextByte() == UInt8(ascii: "{") {
        isSelected = false
        try json.beginObject()
        while let inner = try json.nextKey() {
          if inner == "selected_experts", !json.null() {
            layers.append(try Self.matrix(&json, id: id))
          } else if inner != "selected_experts" {
            try json.skipValue()
          }
        }
      }
      if isSelected { layers.append(try Self.matrix(&json, id: id)) }
    }
    layers.sort { $0.id < $1.id }
  }

  private static func matrix(
    _ json: inout JSONReader, id: Int
  ) throws(TraceError) -> (id: Int, rows: Int, ids: [UInt16]) {
    var ids: [UInt16] = []
    var rows = 0
    try json.beginArray()
    while try json.nextElement() {
      let before = ids.count
      if json.nextByte() == UInt8(ascii: "[") {
        try json.beginArray()
        while try json.nextElement() { ids.append(try json.expertID()) }
      } else {
        ids.append(try json.expertID())
      }
      rows += 1
      guard (ids.count - before) * rows == ids.count else {
        throw json.wrong("rows of equal length")
      }
    }
    return (id, rows, ids)
  }

  /// Tokens and top-k, which all layers must share.
  func size(file: String, line: Int) throws(TraceError) -> (tokens: Int, topK: Int) {
    guard let first = layers.first, first.rows > 0 else { return (0, 0) }
    guard !first.ids.isEmpty else {
      throw .malformed(file: file, line: line, detail: "a token has no selected experts")
    }
    guard layers.allSatisfy({ $0.rows == first.rows && $0.ids.count == first.ids.count }) else {
      throw .malformed(
        file: file, line: line, detail: "the layers of a step have selections of other sizes")
    }
    return (first.rows, first.ids.count / first.rows)
  }
}

/// The number at the end of `layer_12` or `12`.
func trailingNumber(of text: String) -> Int? {
  Int(String(text.reversed().prefix { ("0"..."9").contains($0) }.reversed()))
}

extension JSONReader {
  /// A whole number that can be an expert id at all.
  mutating func expertID() throws(TraceError) -> UInt16 {
    guard let id = UInt16(exactly: try int()) else { throw wrong("an expert id below 65536") }
    return id
  }
}
