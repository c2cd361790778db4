import Foundation
import Hardware
import Models

/// Measured attention kernels, as work for the laws that predict them.
///
///     let rows = try AttentionMeasurements(reading: ["attention_decode.csv.xz"]) { machine(for: $0) }
///     let fit = try KernelFit(rows.decode["vllm_flash_attn_fa3 bfloat16"] ?? [])
///
/// Reads aiconfigurator's tables of prefill and decode (a row with one new token is a decode, in
/// whichever table it stands) and InferSim's, whose shape stands in the file's name: FlashInfer's
/// decoding and FlashAttention-3's prompts.
public struct AttentionMeasurements: Sendable {
  public private(set) var decodes: [KernelMeasurement<AttentionDecodeLaw.Work>] = []
  public private(set) var prompts: [KernelMeasurement<AttentionPromptLaw.Work>] = []
  /// Rows that no law here is about, with the reason.
  public private(set) var leftOut: [LeftOutMeasurement] = []

  /// - Parameter machine: The device's data sheet for arithmetic in a precision.
  /// - Throws: ``CalibrationError``.
  public init(
    reading files: [String], on machine: (Precision) -> KernelMachine
  ) throws(CalibrationError) {
    for file in files {
      let table = try MeasurementTable(reading: file)
      if table.has("num_key_value_heads") {
        try add(table, machine)
      } else {
        try addInferSim(table, machine)
      }
    }
  }

  private mutating func add(
    _ table: MeasurementTable, _ machine: (Precision) -> KernelMachine
  ) throws(CalibrationError) {
    try table.require([
      "device", "kernel_source", "batch_size", "isl", "num_heads", "num_key_value_heads",
      "head_dim", "kv_cache_dtype", "step", "latency",
    ])
    for row in table.rows {
      let source = table.text("kernel_source", row)
      let type = table.text("kv_cache_dtype", row)
      let place = "\(table.file):\(row.line)"
      let tokens = try table.integer("isl", row, in: 1...(1 << 24))
      let before = try table.integer("step", row, in: 0...(1 << 26))
      let window =
        table.has("window_size") ? try table.integer("window_size", row, in: 0...(1 << 26)) : 0
      let width = try table.integer("head_dim", row, in: 1...4096)
      let library = try table.attentionLibrary(row)
      let precision = try table.cachePrecision(row)
      let shape = Shape(
        library: library, sequences: try table.integer("batch_size", row, in: 1...(1 << 20)),
        queryHeads: try table.integer("num_heads", row, in: 1...4096),
        keyHeads: try table.integer("num_key_value_heads", row, in: 1...4096), width: width,
        elementBytes: precision == .fp8 ? 1 : 2, window: window > 0 ? window : nil)
      let time = try table.seconds("latency", row, unit: 1e-3)
      guard tokens == 1 || before == 0 else {
        leftOut.append(
          LeftOutMeasurement(place: place, reason: "a prompt with a context before it"))
        continue
      }
      add(shape, tokens, before, machine(precision), time, "\(source) \(type)", place)
    }
  }

  /// `mha/decode/h20/32-8-128.csv`: query heads, key heads, width.
  private mutating func addInferSim(
    _ table: MeasurementTable, _ machine: (Precision) -> KernelMachine
  ) throws(CalibrationError) {
    let isDecode = table.has("kv_len")
    try table.require(
      isDecode
        ? ["dtype", "kv_dtype", "batch_size", "kv_len", "latency_us"]
        : ["dtype", "seq_len", "latency_us"])
    let numbers = try table.numbersOfName(3)
    for row in table.rows {
      // What is computed in; the cache may be narrower.
      let precision: Precision = table.text("dtype", row).hasPrefix("fp8") ? .fp8 : .bf16
      let type = table.text(isDecode ? "kv_dtype" : "dtype", row)
      let shape = Shape(
        library: isDecode ? .flashInfer : .flashAttention3,
        sequences: isDecode ? try table.integer("batch_size", row, in: 1...(1 << 20)) : 1,
        queryHeads: numbers[0], keyHeads: numbers[1], width: numbers[2],
        elementBytes: type.hasPrefix("fp8") ? 1 : 2, window: nil)
      let tokens = isDecode ? 1 : try table.integer("seq_len", row, in: 1...(1 << 24))
      let before = isDecode ? try table.integer("kv_len", row, in: 1...(1 << 26)) - 1 : 0
      add(
        shape, tokens, before, machine(precision),
        try table.seconds("latency_us", row, unit: 1e-6), "infersim mha \(type)",
        "\(table.file):\(row.line)")
    }
  }

  private struct Shape {
    var library: AttentionLibrary
    var sequences: Int
    var queryHeads: Int
    var keyHeads: Int
    var width: Int
    var elementBytes: Double
    var window: Int?
  }

  private mutating func add(
    _ shape: Shape, _ tokens: Int, _ before: Int, _ machine: KernelMachine, _ time: Double,
    _ family: String, _ place: String
  ) {
    if tokens == 1 {
      let work = AttentionDecodeLaw.Work(
        shape.library, sequences: shape.sequences, context: before + 1,
        queryHeads: shape.queryHeads, keyHeads: shape.keyHeads, width: shape.width,
        elementBytes: shape.elementBytes, window: shape.window)
      decodes.append(
        KernelMeasurement(work, on: machine, time: time, family: family, place: place))
    } else {
      let work = AttentionPromptLaw.Work(
        shape.library, sequences: shape.sequences, tokens: tokens, queryHeads: shape.queryHeads,
        keyHeads: shape.keyHeads, width: shape.width, elementBytes: shape.elementBytes,
        window: shape.window)
      prompts.append(
        KernelMeasurement(work, on: machine, time: time, family: family, place: place))
    }
  }
}

/// A measured row that is not used, and why.
public struct LeftOutMeasurement: Hashable, Sendable {
  /// `file:line`
  public var place: String
  public var reason: String

  public init(place: String, reason: String) {
    self.place = place
    self.reason = reason
  }
}

extension KernelFit<AttentionDecodeLaw>.Settings {
  /// What `rows` cannot tell is held: costs of widths where there is one, of regrouping where the
  /// library has none, of planning where it has none.
  public static func attention(
    _ rows: [KernelMeasurement<AttentionDecodeLaw.Work>]
  ) -> Self {
    var settings = Self()
    if Set(rows.map(\.work.width)).count < 2 { settings.fixed["tile-width"] = 0 }
    let libraries = Set(rows.map(\.work.library))
    if !libraries.contains(.flashAttention2) {
      settings.fixed["regroup"] = 0
      settings.fixed["copy"] = 0
    } else {
      settings.fixed["sequence"] = 0
      settings.fixed["split-sequence"] = 0
    }
    return settings
  }
}

extension KernelFit<AttentionPromptLaw>.Settings {
  /// What `rows` cannot tell is held, as for decoding.
  public static func attention(
    _ rows: [KernelMeasurement<AttentionPromptLaw.Work>]
  ) -> Self {
    var settings = Self()
    if Set(rows.map(\.work.width)).count < 2 {
      settings.fixed["tile-width"] = 0
      settings.fixed["wide"] = 1e6
    }
    if Set(rows.map(\.work.library)) == [.flashAttention2] { settings.fixed["combine"] = 0 }
    return settings
  }
}

extension MeasurementTable {
  private static let fp8: Set<String> = ["fp8", "fp8_e4m3", "fp8_e5m2", "float8_e4m3fn"]
  private static let sixteenBits: Set<String> = ["bfloat16", "float16", "bf16", "fp16"]

  /// What keys and values are stored in.
  func cachePrecision(_ row: Row) throws(CalibrationError) -> Precision {
    let type = text("kv_cache_dtype", row)
    if Self.fp8.contains(type) { return .fp8 }
    if Self.sixteenBits.contains(type) { return .bf16 }
    throw .badCell(
      file: file, line: row.line, column: "kv_cache_dtype", text: type,
      wanted: "one of " + Self.sixteenBits.union(Self.fp8).sorted().joined(separator: ", "))
  }

  func attentionLibrary(_ row: Row) throws(CalibrationError) -> AttentionLibrary {
    let source = text("kernel_source", row)
    switch source {
    case "vllm_flash_attn_fa4": return .flashAttention4
    case "vllm_flash_attn_fa3": return .flashAttention3
    case "vllm_flash_attn_fa2": return .flashAttention2
    case "vllm_flash_attn":
      return text("device", row).contains(" H") ? .flashAttention3 : .flashAttention2
    default:
      throw .badCell(
        file: file, line: row.line, column: "kernel_source", text: source,
        wanted: "vllm_flash_attn, with _fa2, _fa3 or _fa4 behind it where that is known")
    }
  }

  /// A positive time in seconds.
  func seconds(_ column: String, _ row: Row, unit: Double) throws(CalibrationError) -> Double {
    try number(column, row, in: 1e-12...1e12) * unit
  }

  /// The numbers in the file's name: 32, 8 and 128 of `32-8-128.csv`.
  func numbersOfName(_ count: Int) throws(CalibrationError) -> [Int] {
    let name = URL(fileURLWithPath: file).lastPathComponent.prefix { $0 != "." }
    let numbers = name.split(separator: "-").compactMap { Int($0) }
    guard numbers.count == count, numbers.allSatisfy({ (1...65_536).contains($0) }) else {
      throw .implausible(
        file: file, line: 1,
        detail: "the shape of InferSim's kernels stands in the file's name, as in 32-8-128.csv")
    }
    return numbers
  }
}
