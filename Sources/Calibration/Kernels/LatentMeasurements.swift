import Foundation
import Hardware
import Models

/// Measured kernels of latent attention, as work for the laws that predict them.
///
/// In aiconfigurator's tables a row is the whole operation with its projections, launched from the
/// host kernel after kernel; short prompts take the way of decoding, up to a number of tokens that
/// each library sets (``LatentLibrary/mostAbsorbedTokens``). InferSim's rows are the decode kernel
/// alone, with the heads, the latent width and the rope width in the file's name.
public struct LatentMeasurements: Sendable {
  public private(set) var decodes: [KernelMeasurement<LatentDecodeLaw.Work>] = []
  public private(set) var prompts: [KernelMeasurement<LatentPromptLaw.Work>] = []
  /// Rows that no law here is about, with the reason.
  public private(set) var leftOut: [LeftOutMeasurement] = []

  /// - Parameter machine: The device's data sheet for arithmetic in a precision.
  /// - Throws: ``CalibrationError``.
  public init(
    reading files: [String], on machine: (Precision) -> KernelMachine
  ) throws(CalibrationError) {
    for file in files {
      let table = try MeasurementTable(reading: file)
      if table.has("kernel_source") {
        try add(table, machine(.bf16))
      } else {
        try addInferSim(table, machine(.bf16))
      }
    }
  }

  private mutating func add(
    _ table: MeasurementTable, _ machine: KernelMachine
  ) throws(CalibrationError) {
    try table.require([
      "kernel_source", "kv_cache_dtype", "num_heads", "batch_size", "isl", "tp_size", "step",
      "latency",
    ])
    for row in table.rows {
      let library = try table.latentLibrary(row)
      let precision = try table.cachePrecision(row)
      let sequences = try table.integer("batch_size", row, in: 1...(1 << 20))
      let tokens = try table.integer("isl", row, in: 1...(1 << 24))
      let before = try table.integer("step", row, in: 0...(1 << 26))
      // Heads are those of one device; tp_size only says of how many.
      let heads = try table.integer("num_heads", row, in: 1...4096)
      _ = try table.integer("tp_size", row, in: 1...4096)
      let time = try table.seconds("latency", row, unit: 1e-3)
      let family = table.text("kernel_source", row) + " " + table.text("kv_cache_dtype", row)
      let place = "\(table.file):\(row.line)"
      if tokens > 1 && before > 0 {
        leftOut.append(
          LeftOutMeasurement(place: place, reason: "a prompt with a context before it"))
      } else if tokens > library.mostAbsorbedTokens {
        let work = LatentPromptLaw.Work(
          library, sequences: sequences, tokens: tokens, heads: heads, isLaunchedByHost: true)
        prompts.append(
          KernelMeasurement(work, on: machine, time: time, family: family, place: place))
      } else if library == .triton && heads == 1 {
        leftOut.append(
          LeftOutMeasurement(
            place: place, reason: "Triton has another kernel, without tiles, for one head"))
      } else {
        let work = LatentDecodeLaw.Work(
          library, sequences: sequences, queries: tokens, context: before + tokens, heads: heads,
          elementBytes: precision == .fp8 ? 1 : 2, isLaunchedByHost: true)
        decodes.append(
          KernelMeasurement(work, on: machine, time: time, family: family, place: place))
      }
    }
  }

  /// `mla/decode/h20/128-512-64.csv`: heads, latent width, rope width.
  private mutating func addInferSim(
    _ table: MeasurementTable, _ machine: KernelMachine
  ) throws(CalibrationError) {
    try table.require(["dtype", "kv_dtype", "batch_size", "kv_len", "latency_us"])
    let numbers = try table.numbersOfName(3)
    let shape = LatentShape(latent: numbers[1], rope: numbers[2], key: 128, value: 128)
    for row in table.rows {
      let type = table.text("kv_dtype", row)
      let work = LatentDecodeLaw.Work(
        .flashMLA, sequences: try table.integer("batch_size", row, in: 1...(1 << 20)),
        context: try table.integer("kv_len", row, in: 1...(1 << 26)), heads: numbers[0],
        shape: shape, elementBytes: type.hasPrefix("fp8") ? 1 : 2, projects: false)
      decodes.append(
        KernelMeasurement(
          work, on: machine, time: try table.seconds("latency_us", row, unit: 1e-6),
          family: "infersim mla \(type)", place: "\(table.file):\(row.line)"))
    }
  }
}

extension MeasurementTable {
  func latentLibrary(_ row: Row) throws(CalibrationError) -> LatentLibrary {
    let source = text("kernel_source", row)
    switch source {
    case "vllm_flash_attn_mla": return .flashAttention
    case "vllm_flashmla": return .flashMLA
    case "vllm_triton_mla": return .triton
    default:
      throw .badCell(
        file: file, line: row.line, column: "kernel_source", text: source,
        wanted: "vllm_flash_attn_mla, vllm_flashmla or vllm_triton_mla")
    }
  }
}
