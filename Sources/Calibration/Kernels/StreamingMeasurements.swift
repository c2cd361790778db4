import Foundation
import Hardware

/// Measured kernels that only stream, as work for ``StreamingLaw``: Vidur's tables of a model's
/// dense layers, from which the norms, rotary positions, the activation, the addition and the
/// embedding are taken.
///
/// Times are medians in whole microseconds, so that those of few microseconds are coarse.
public struct StreamingMeasurements: Sendable {
  public private(set) var rows: [KernelMeasurement<StreamingLaw.Work>] = []

  /// What each kernel reads and writes for a token, by Vidur's name of it.
  private static let kernels = [
    "emb", "input_layernorm", "attn_rope", "post_attention_layernorm", "mlp_act", "add",
  ]

  /// - Throws: ``CalibrationError``.
  public init(reading files: [String], on machine: KernelMachine) throws(CalibrationError) {
    for file in files {
      let table = try MeasurementTable(reading: file)
      try table.require(
        [
          "n_head", "n_kv_head", "n_embd", "n_expanded_embd", "num_tokens",
          "num_tensor_parallel_workers",
        ] + Self.kernels.map { "time_stats.\($0).median" })
      for row in table.rows {
        let tokens = try table.integer("num_tokens", row, in: 1...(1 << 24))
        for kernel in Self.kernels {
          let column = "time_stats.\(kernel).median"
          guard !table.text(column, row).isEmpty else { continue }
          let work = StreamingLaw.Work(
            rows: tokens, rowBytes: 2 * Double(try Self.elements(of: kernel, table, row)))
          rows.append(
            KernelMeasurement(
              work, on: machine, time: try table.seconds(column, row, unit: 1e-3),
              family: kernel, place: "\(table.file):\(row.line)"))
        }
      }
    }
  }

  /// 16-bit elements that a token's row has in and out.
  private static func elements(
    of kernel: String, _ table: MeasurementTable, _ row: MeasurementTable.Row
  ) throws(CalibrationError) -> Int {
    let width = try table.integer("n_embd", row, in: 1...(1 << 20))
    let workers = try table.integer("num_tensor_parallel_workers", row, in: 1...4096)
    switch kernel {
    case "attn_rope":
      let heads = try table.integer("n_head", row, in: 1...4096)
      let keyHeads = try table.integer("n_kv_head", row, in: 1...4096)
      return 2 * (heads + keyHeads) * width / heads / workers
    case "mlp_act":
      return 3 * (try table.integer("n_expanded_embd", row, in: 1...(1 << 22))) / workers
    case "add": return 3 * width
    default: return 2 * width
    }
  }
}

extension KernelFit<StreamingLaw>.Settings {
  /// Where the cache ends is a kink among few rows: more beginnings than usual.
  public static var streaming: Self {
    var settings = Self()
    settings.searches = 12
    return settings
  }
}
