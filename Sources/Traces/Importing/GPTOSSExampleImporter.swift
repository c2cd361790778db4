/// Reads one request as GPT-OSS-MoE-ExpertFingerprinting's recorder wrote it: an object with
/// `dataset`, and with `router_data`, a list of one `{"token_N": {"layer_M": {"selected_experts":
/// [...], "selected_probs": [...]}}}` for each generated token.
func importGPTOSSExample(
  _ bytes: UnsafeRawBufferPointer, name: String, into sink: ImportSink
) throws(TraceError) {
  var json = JSONReader(bytes, file: name)
  var request = ImportedRequest(name: name, prefillTokens: 0, decodeTokens: 0, ids: [])
  var weights: [Float] = []
  var layerIDs: [Int] = []
  var topK = 0
  try json.beginObject()
  while let key = try json.nextKey() {
    switch key {
    case "dataset": request.source = try json.string()
    case "router_data":
      try json.beginArray()
      while try json.nextElement() {
        let line = json.line
        let token = try RoutedToken(&json)
        if layerIDs.isEmpty { (layerIDs, topK) = (token.layerIDs, token.topK) }
        guard token.layerIDs == layerIDs, token.ids.count == layerIDs.count * topK, topK > 0 else {
          throw .malformed(
            file: name, line: line, detail: "this token has other layers or top-k than the first")
        }
        request.ids += token.ids
        weights += token.weights
        request.decodeTokens += 1
      }
    default: try json.skipValue()
    }
  }
  guard request.decodeTokens > 0 else { throw .noTokens(file: name) }
  let hasWeights = weights.count == request.ids.count
  request.gateWeights = hasWeights ? weights : nil
  try sink.begin(
    layerIDs: layerIDs, topK: topK, experts: 32, model: "gpt-oss-20b",
    hasGateWeights: hasWeights, file: name)
  try sink.append(request, file: name)
}

/// One token's layers, in the order of the file.
private struct RoutedToken {
  var layerIDs: [Int] = []
  var topK = 0
  var ids: [UInt16] = []
  var weights: [Float] = []

  init(_ json: inout JSONReader) throws(TraceError) {
    try json.beginObject()
    while try json.nextKey() != nil {
      try json.beginObject()
      while let layer = try json.nextKey() {
        guard let id = trailingNumber(of: layer) else { throw json.wrong("a key such as layer_3") }
        layerIDs.append(id)
        try readLayer(&json)
      }
    }
  }

  private mutating func readLayer(_ json: inout JSONReader) throws(TraceError) {
    let before = ids.count
    try json.beginObject()
    while let key = try json.nextKey() {
      switch key {
      case "selected_experts":
        try json.beginArray()
        while try json.nextElement() { ids.append(try json.expertID()) }
      case "selected_probs":
        try json.beginArray()
        while try json.nextElement() { weights.append(try json.float()) }
      default: try json.skipValue()
      }
    }
    if topK == 0 { topK = ids.count - before }
    guard ids.count - before == topK else { throw json.wrong("\(topK) experts in every layer") }
  }
}
