/// Puts together a request from its rows, one for each token and layer, and checks that every token
/// has every layer once, in one order.
struct RequestAssembler {
  let file: String
  /// Routed experts in a layer: ids are checked as they come, while the line is known.
  let experts: Int
  private(set) var name: String?
  private var request = ImportedRequest(name: "", prefillTokens: 0, decodeTokens: 0, ids: [])
  private var weights: [Float] = []
  private(set) var layerIDs: [Int] = []
  private var areLayersKnown = false
  private(set) var topK = 0
  private var nextLayer = 0
  private var token = -1

  init(file: String, experts: Int) {
    self.file = file
    self.experts = experts
  }

  /// Ends the request so far, if there is one, and begins another.
  mutating func begin(_ newName: String, into sink: ImportSink, line: Int) throws(TraceError) {
    try finish(into: sink, line: line)
    name = newName
    request = ImportedRequest(name: newName, prefillTokens: 0, decodeTokens: 0, ids: [])
    request.ids.reserveCapacity(1 << 16)
    weights = []
    token = -1
    nextLayer = layerIDs.count
  }

  /// The place of a row: its token, counted from 0 in the request, and its layer id.
  mutating func beginRow(
    phase: TokenPhase, token newToken: Int, layer: Int, line: Int
  ) throws(TraceError) {
    if newToken != token { try beginToken(newToken, phase, line: line) }
    if areLayersKnown {
      guard nextLayer < layerIDs.count, layerIDs[nextLayer] == layer else {
        let expected = nextLayer < layerIDs.count ? "\(layerIDs[nextLayer])" : "the next token"
        throw malformed("layer \(layer) stands where layer \(expected) should be", line)
      }
    } else {
      guard !layerIDs.contains(layer) else {
        throw malformed("layer \(layer) of token \(token) is there twice", line)
      }
      layerIDs.append(layer)
    }
    nextLayer += 1
  }

  private mutating func beginToken(
    _ newToken: Int, _ phase: TokenPhase, line: Int
  ) throws(TraceError) {
    try endToken(line: line)
    guard newToken == token + 1 else {
      throw malformed("token \(newToken) stands where token \(token + 1) should be", line)
    }
    token = newToken
    nextLayer = 0
    switch phase {
    case .decode: request.decodeTokens += 1
    case .prefill:
      guard request.decodeTokens == 0 else {
        throw malformed("a prefill token comes after decode tokens", line)
      }
      request.prefillTokens += 1
    }
  }

  private mutating func endToken(line: Int) throws(TraceError) {
    guard token >= 0 else { return }
    areLayersKnown = true
    guard nextLayer == layerIDs.count else {
      throw malformed(
        "token \(token) has \(nextLayer) layers, the tokens before \(layerIDs.count)", line)
    }
  }

  /// One expert of the row.
  @inline(__always)
  mutating func add(expert: Int, line: Int) throws(TraceError) {
    guard expert < experts else {
      throw malformed(
        "expert \(expert) is out of range; the model has experts 0 to \(experts - 1)", line)
    }
    request.ids.append(UInt16(truncatingIfNeeded: expert))
  }

  mutating func add(weight: Float) { weights.append(weight) }

  /// The row is whole: it must have as many experts as all others.
  @inline(__always)
  mutating func endRow(experts count: Int, line: Int) throws(TraceError) {
    if topK == 0 { topK = count }
    guard count == topK, count > 0 else {
      throw malformed("the row has \(count) experts, the rows before \(topK)", line)
    }
  }

  /// Ends the last request.
  mutating func finish(into sink: ImportSink, line: Int) throws(TraceError) {
    guard name != nil else { return }
    try endToken(line: line)
    guard token >= 0 else { return }
    if !weights.isEmpty {
      guard weights.count == request.ids.count else {
        throw malformed("the request has \(weights.count) weights for its experts", line)
      }
      request.gateWeights = weights
    }
    try sink.begin(
      layerIDs: layerIDs, topK: topK, experts: experts, model: nil,
      hasGateWeights: !weights.isEmpty, file: file, line: line)
    try sink.append(request, file: file)
    name = nil
  }

  func malformed(_ detail: String, _ line: Int) -> TraceError {
    .malformed(file: file, line: line, detail: detail)
  }
}

/// `[layer][token][k]`, a list for each layer, as `[token][layer][k]`.
func tokenMajor<Element>(_ layers: [[Element]], topK: Int) -> [Element] {
  guard let tokens = layers.first.map({ $0.count / topK }) else { return [] }
  var result: [Element] = []
  result.reserveCapacity(tokens * layers.count * topK)
  for token in 0..<tokens {
    for layer in layers { result += layer[token * topK..<(token + 1) * topK] }
  }
  return result
}
