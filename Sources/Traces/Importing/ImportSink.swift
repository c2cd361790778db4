/// One request as an importer found it; ids are `[token][layer][k]`, its prefill tokens first.
struct ImportedRequest {
  var name: String
  var source = ""
  var prefillTokens: Int
  var decodeTokens: Int
  var ids: [UInt16]
  var gateWeights: [Float]?
}

/// Where importers put what they read: it settles the shape with the first request, holds later
/// ones to it, and writes the trace.
final class ImportSink {
  let input: String
  let options: ImportOptions
  private let output: String
  private var writer: RoutingTraceWriter?
  private var beganWithGateWeights = false

  init(input: String, output: String, options: ImportOptions) {
    self.input = input
    self.output = output
    self.options = options
  }

  /// The shape, once there is one.
  var shape: RoutingShape? { writer?.shape }

  /// States the shape that the data at hand have.
  ///
  /// - Parameters:
  ///   - experts: as the format knows it; `nil` where only the person can.
  ///   - model: the same.
  ///   - file: the file being read.
  @discardableResult
  func begin(
    layerIDs: [Int], topK: Int, experts: Int?, model: String?, origin: TraceOrigin = .recorded,
    provenance: String? = nil, hasGateWeights: Bool = false, file: String, line: Int? = nil
  ) throws(TraceError) -> RoutingTraceWriter {
    if let experts, let said = options.experts, said != experts {
      throw .malformed(
        file: file, line: line,
        detail: "a layer has \(experts) experts, as the input says it; --experts says \(said)")
    }
    if let writer {
      guard hasGateWeights == beganWithGateWeights else {
        throw .malformed(
          file: file, line: line,
          detail: "some requests have gate weights and others have none; import without "
            + "--gate-weights")
      }
      guard writer.shape.layerIDs == layerIDs, writer.shape.topK == topK else {
        let found = "\(layerIDs.count) MoE layers, top-\(topK)"
        throw .malformed(
          file: file, line: line,
          detail: "this request has \(found), or other layer ids than the ones before, which have "
            + writer.shape.summary)
      }
      return writer
    }
    guard let experts = options.experts ?? experts else {
      throw .unsaid(
        file: file, what: "how many experts a layer of the model has", option: "--experts N")
    }
    let shape: RoutingShape
    do {
      shape = try RoutingShape(
        model: options.model ?? model ?? "unnamed", layerIDs: layerIDs, experts: experts,
        topK: topK)
    } catch {
      throw .malformed(file: file, line: line, detail: error.sentence)
    }
    let writer = try RoutingTraceWriter(
      to: output, shape: shape, origin: origin,
      provenance: options.provenance ?? provenance ?? "imported from \(lastComponent(of: input))",
      gateFormat: hasGateWeights ? options.gateFormat : .none, replacing: options.isReplacing)
    self.writer = writer
    beganWithGateWeights = hasGateWeights
    return writer
  }

  /// Adds one request of the shape that ``begin(layerIDs:topK:experts:model:origin:provenance:hasGateWeights:file:line:)``
  /// stated.
  func append(_ request: ImportedRequest, file: String) throws(TraceError) {
    guard let writer else { throw .noTokens(file: file) }
    writer.source = file
    try writer.append(
      sequence: request.name, source: request.source, prefillTokens: request.prefillTokens,
      decodeTokens: request.decodeTokens, selections: request.ids)
    if let weights = request.gateWeights { try writer.append(gateWeights: weights) }
  }

  func finish() throws(TraceError) {
    guard let writer else { throw .noTokens(file: input) }
    try writer.finish()
  }
}

func lastComponent(of path: String) -> String {
  path.split(separator: "/").last.map(String.init) ?? path
}
