import Foundation

/// A format that recorded selections come in.
///
/// The raw value is the word that `--format` takes.
public enum ImportFormat: String, CaseIterable, Sendable {
  /// `X.experts.bin[.xz]`, UInt8 `[tokens][layers][topk]`, with `X.requests.csv` and `X.meta.json`.
  case uint8
  /// NumPy arrays of integers, `[tokens][layers][topk]` or `[sequences][tokens][layers][topk]`, as
  /// vLLM and SGLang return routed experts.
  case npy
  case npz
  /// Text with the columns `request,phase,token,layer,e0,e1,...`.
  case csv
  /// One JSON object a line: `request`, `phase`, `token`, and `layer` with `experts`, or `experts`
  /// for all layers.
  case jsonl
  /// A JSON list for each request: element 0 is the prefill, each further one a decode step; each
  /// maps a layer id to `selected_experts`.
  case expertSelections = "expert-selections"
  /// One CSV for each prompt, as MoE-Beyond wrote them for DeepSeek-V2-Lite.
  case moeBeyond = "moe-beyond"
  /// One JSON for each request with `router_data`, as GPT-OSS-MoE-ExpertFingerprinting wrote them.
  case gptOSSExamples = "gpt-oss-examples"
  /// The printed tensors of the MoE-Lightning artifact.
  case tensorLog = "tensor-log"
}

/// Which part of a sequence tokens belong to.
public enum TokenPhase: String, CaseIterable, Sendable {
  case prefill, decode
}

/// What a format may leave unsaid, and how to write the result.
public struct ImportOptions: Sendable {
  /// The model's name; else what the file says.
  public var model: String?
  /// Routed experts in a layer; needed where neither the file nor its format says it.
  public var experts: Int?
  /// Of arrays that do not say whether their tokens were prompts or were generated.
  public var phase: TokenPhase?
  /// Where the data are from, for the trace's header; else the input's name.
  public var provenance: String?
  /// How to keep gate weights where the input has them.
  public var gateFormat: GateFormat = .none
  /// Whether an existing output may be replaced.
  public var isReplacing = false

  public init() {}
}

/// Reads recorded selections in any of the formats of ``ImportFormat`` and writes a trace.
///
/// - Parameters:
///   - input: a file; for the formats with a file for each request also a folder of them, or a
///     `.tar` or `.tar.xz` of them.
///   - format: `nil` to recognise it by name and content.
/// - Returns: the format read.
/// - Throws: ``TraceError`` for the first thing that is wrong; the output is then as it was.
@discardableResult
public func importTrace(
  from input: String, format: ImportFormat? = nil, to output: String,
  options: ImportOptions = ImportOptions()
) throws(TraceError) -> ImportFormat {
  let found: ImportFormat
  if let format { found = format } else { found = try detectFormat(of: input) }
  try found.refuseOptionsWithoutEffect(options)
  let sink = ImportSink(input: input, output: output, options: options)
  switch found {
  case .uint8: try importRawLayout(input, into: sink)
  case .npy: try importNumPyArray(input, into: sink)
  case .npz: try importNumPyArchive(input, into: sink)
  case .csv: try importTokenCSV(input, into: sink)
  case .jsonl: try importTokenJSONLines(input, into: sink)
  case .expertSelections:
    try forEachRequestFile(of: input, named: ".json") { name, bytes throws(TraceError) in
      try importExpertSelections(bytes, name: name, into: sink)
    }
  case .moeBeyond:
    try forEachRequestFile(of: input, named: ".csv") { name, bytes throws(TraceError) in
      try importMoEBeyondPrompt(bytes, name: name, into: sink)
    }
  case .gptOSSExamples:
    try forEachRequestFile(of: input, named: ".json") { name, bytes throws(TraceError) in
      try importGPTOSSExample(bytes, name: name, into: sink)
    }
  case .tensorLog:
    try forEachRequestFile(of: input, named: ".txt") { name, bytes throws(TraceError) in
      try importTensorLog(bytes, name: name, into: sink)
    }
  }
  try sink.finish()
  return found
}

extension ImportFormat {
  /// Arrays alone do not say what their tokens are, and only two formats may hold gate weights.
  fileprivate func refuseOptionsWithoutEffect(_ options: ImportOptions) throws(TraceError) {
    if options.phase != nil, self != .npy, self != .npz {
      throw .withoutEffect(option: "--phase", format: rawValue)
    }
    if options.gateFormat != .none, self != .gptOSSExamples, self != .jsonl {
      throw .withoutEffect(option: "--gate-weights", format: rawValue)
    }
  }
}

extension RoutingTrace {
  /// Opens a `*.routing` file, or recorded selections in any format of ``ImportFormat`` that says all
  /// there is to know of itself; these are converted into a temporary file that is gone when the
  /// trace is.
  ///
  /// - Throws: ``TraceError`` for the first thing that is wrong.
  public init(reading file: String) throws(TraceError) {
    guard !file.hasSuffix(".routing"), let format = try? detectFormat(of: file) else {
      try self.init(opening: file)
      return
    }
    let temporary = FileManager.default.temporaryDirectory
      .appendingPathComponent("switchyard-\(UUID().uuidString).routing").path
    // Once mapped, the file's contents stay until the trace is released.
    defer { try? FileManager.default.removeItem(atPath: temporary) }
    try importTrace(from: file, format: format, to: temporary)
    try self.init(mapping: temporary, named: file)
  }
}

extension RoutingTrace {
  /// Opens a file as ``init(reading:)`` does, but does not read the selections of a `*.routing` file
  /// through: for one look at some of them. ``verify()`` does it later.
  ///
  /// - Throws: ``TraceError`` for what is wrong with the header or the index.
  public init(glancingAt file: String) throws(TraceError) {
    if file.hasSuffix(".routing") {
      try self.init(mapping: file, named: file, verifyingUpTo: -1)
    } else {
      try self.init(reading: file)
    }
  }
}

/// Recognises a format by the input's name, and where that leaves a choice by its first bytes.
func detectFormat(of input: String) throws(TraceError) -> ImportFormat {
  let unknown = TraceError.unknownFormat(
    file: input, known: ImportFormat.allCases.map(\.rawValue))
  if input.hasSuffix(".npy") { return .npy }
  if input.hasSuffix(".npz") { return .npz }
  if [".bin", ".bin.xz", ".meta.json"].contains(where: input.hasSuffix) { return .uint8 }
  if input.hasSuffix(".jsonl") { return .jsonl }
  for suffix in [".npy.xz", ".npz.xz", ".jsonl.xz", ".csv.xz"] where input.hasSuffix(suffix) {
    throw .cannotRead(file: input, reason: "decompress it first (xz -dk)")
  }
  var format: ImportFormat?
  // Any file of a folder or an archive tells: they are all alike.
  try forFirstRequestFile(of: input) { _, bytes throws(TraceError) in
    format = formatOfText(bytes)
  }
  guard let format else { throw unknown }
  return format
}

private func formatOfText(_ bytes: UnsafeRawBufferPointer) -> ImportFormat? {
  if bytes.starts(with: [0x93] + Array("NUMPY".utf8)) { return .npy }
  if bytes.starts(with: Array("PK".utf8)) { return .npz }
  let head = String(decoding: bytes.prefix(256), as: UTF8.self)
  if head.hasPrefix("Layer ID,Batch Number,Token,Activated Expert IDs") { return .moeBeyond }
  if head.hasPrefix("request,phase,token,layer,") { return .csv }
  if head.hasPrefix("input_ids: tensor(") || head.contains("topk_ids: tensor(") {
    return .tensorLog
  }
  let start = head.drop { $0.isWhitespace }
  if start.hasPrefix("[") { return .expertSelections }
  guard start.hasPrefix("{") else { return nil }
  return contains(bytes, "\"router_data\"") ? .gptOSSExamples : .jsonl
}

private func contains(_ bytes: UnsafeRawBufferPointer, _ text: String) -> Bool {
  let wanted = Array(text.utf8)
  guard let first = wanted.first, bytes.count >= wanted.count else { return false }
  return (0...bytes.count - wanted.count).contains { place in
    bytes[place] == first && bytes[place...].starts(with: wanted)
  }
}
