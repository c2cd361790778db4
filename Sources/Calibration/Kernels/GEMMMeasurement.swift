import Hardware
import Models

/// Tables of dense multiplications.
extension MeasurementTable {
  /// Rows of a table with the columns of ai-dynamo/aiconfigurator (`kernel_source`, `gemm_dtype`,
  /// `m`, `n`, `k`, `latency` in ms) or of alibaba/InferSim (`m`, `n`, `k`, `latency_us`, fp8).
  ///
  /// The former's bench calls six layers in turn with one input, so that weights come back after six
  /// layers; block-scaled fp8 is called with one layer only, and without a graph.
  ///
  /// - Parameter machine: The device that was measured, for multiplications in a precision; nil
  ///   where it has no rate for that.
  /// - Throws: ``CalibrationError``.
  func gemmMeasurements(
    on machine: (Precision) -> KernelMachine?
  ) throws(CalibrationError) -> [KernelMeasurement<GEMMWork>] {
    let isInferSim = has("latency_us")
    try require(
      ["m", "n", "k"] + (isInferSim ? ["latency_us"] : ["kernel_source", "gemm_dtype", "latency"]))
    var measurements: [KernelMeasurement<GEMMWork>] = []
    for row in rows {
      let name = isInferSim ? "fp8_kernel" : text("gemm_dtype", row)
      guard let kind = GEMMKind.all[name] else {
        throw .badCell(
          file: file, line: row.line, column: "gemm_dtype", text: name,
          wanted: "one of \(GEMMKind.all.keys.sorted().joined(separator: ", "))")
      }
      guard let machine = machine(kind.arithmetic) else {
        throw .implausible(
          file: file, line: row.line,
          detail:
            "the device has no rate for \(kind.arithmetic.rawValue), or the catalogue does not "
            + "say how many compute units it has")
      }
      var work = GEMMWork(
        m: try integer("m", row, in: 1...(1 << 24)), n: try integer("n", row, in: 1...(1 << 24)),
        k: try integer("k", row, in: 1...(1 << 24)), weightBytes: kind.weightBytes,
        activationBytes: kind.activationBytes, tiling: kind.tiling, quantises: kind.quantises)
      let other = Double(work.m) * (Double(work.k) * work.activationBytes + Double(work.n) * 2)
      work.weightReuse =
        kind.layers * Double(work.n) * Double(work.k) * work.weightBytes + other
      let source = isInferSim ? "DeepGEMM" : text("kernel_source", row)
      let time =
        isInferSim
        ? try number("latency_us", row, in: 1e-3...1e9) * 1e-6
        : try number("latency", row, in: 1e-6...1e6) * 1e-3
      measurements.append(
        KernelMeasurement(
          work, on: machine, time: time, family: "\(source) \(isInferSim ? "fp8" : name)",
          place: "\(file):\(row.line)"))
    }
    return measurements
  }
}

/// What a table's word for a type stands for.
struct GEMMKind {
  var weightBytes: Double
  var activationBytes: Double
  /// What the multiplications run in.
  var arithmetic: Precision
  var tiling = GEMMTiling.best
  var quantises = false
  /// Layers that the bench calls in turn.
  var layers = 6.0

  static let all: [String: GEMMKind] = [
    "bfloat16": GEMMKind(weightBytes: 2, activationBytes: 2, arithmetic: .bf16),
    "float16": GEMMKind(weightBytes: 2, activationBytes: 2, arithmetic: .fp16),
    "fp8": GEMMKind(
      weightBytes: 1, activationBytes: 1, arithmetic: .fp8, tiling: .byRows, quantises: true),
    // A scale of four bytes for each 128 x 128 weights is less than a thousandth.
    "fp8_block": GEMMKind(
      weightBytes: 1, activationBytes: 1, arithmetic: .fp8, tiling: .compiled, quantises: true,
      layers: 1),
    "fp8_kernel": GEMMKind(
      weightBytes: 1, activationBytes: 1, arithmetic: .fp8, tiling: .compiled, layers: 1),
    "int8": GEMMKind(weightBytes: 1, activationBytes: 1, arithmetic: .int8, quantises: true),
    "int8_wo": GEMMKind(weightBytes: 1, activationBytes: 2, arithmetic: .bf16),
    // A scale of two bytes for each 128 weights.
    "int4_wo": GEMMKind(
      weightBytes: 0.5 + 2.0 / 128, activationBytes: 2, arithmetic: .bf16),
  ]
}
