import Foundation
import Hardware
import Models

/// Tables of expert layers.
extension MeasurementTable {
  /// Rows of a table with the columns of ai-dynamo/aiconfigurator (`kernel_source`, `moe_dtype`,
  /// `num_tokens`, `hidden_size`, `inter_size`, `topk`, `num_experts`, `moe_tp_size`, `moe_ep_size`,
  /// `distribution`, `latency` in ms): a layer on one device, with all tokens of the group.
  ///
  /// - Parameters:
  ///   - machine: The device that was measured, for multiplications in a precision; nil where it has
  ///     no rate for that.
  ///   - keeping: Which lines are read; drawing rows of experts for all takes seconds.
  /// - Throws: ``CalibrationError``.
  func expertsMeasurements(
    on machine: (Precision) -> KernelMachine?, keeping: (_ line: Int) -> Bool = { _ in true }
  ) throws(CalibrationError) -> [KernelMeasurement<FusedExpertsWork>] {
    try require([
      "kernel_source", "moe_dtype", "num_tokens", "hidden_size", "inter_size", "topk",
      "num_experts", "moe_tp_size", "moe_ep_size", "distribution", "latency",
    ])
    var routings: [RoutedShape: (load: GroupedLoad, foreign: GroupedLoad)] = [:]
    var measurements: [KernelMeasurement<FusedExpertsWork>] = []
    for row in rows where keeping(row.line) {
      let name = text("moe_dtype", row)
      guard let kind = ExpertsKind.all[name] else {
        throw .badCell(
          file: file, line: row.line, column: "moe_dtype", text: name,
          wanted: "one of \(ExpertsKind.all.keys.sorted().joined(separator: ", "))")
      }
      guard let machine = machine(kind.arithmetic) else {
        throw .implausible(
          file: file, line: row.line,
          detail:
            "the device has no rate for \(kind.arithmetic.rawValue), or the catalogue does not "
            + "say how many compute units it has")
      }
      let routed = try routedShape(row)
      let shape = routed.shape
      let loads = routings[routed] ?? routed.routing.loads(shape)
      routings[routed] = loads
      let slices = try integer("moe_tp_size", row, in: 1...1024)
      let here = shape.experts / shape.devices
      var work = FusedExpertsWork(
        tokens: shape.tokens, chosen: shape.chosen,
        hidden: try integer("hidden_size", row, in: 1...(1 << 20)),
        intermediate: max(1, try integer("inter_size", row, in: 1...(1 << 20)) / slices),
        load: loads.load, foreign: loads.foreign, weightBytes: kind.weightBytes,
        activationBytes: kind.activationBytes,
        tiling: kind.tiling(tokens: shape.tokens, chosen: shape.chosen, experts: here, isOld(row)),
        isRepeated: true)
      if text("kernel_source", row).hasPrefix("deepep") {
        // Only rows that were sent here are seen, each by itself.
        work.foreign = GroupedLoad()
        work.tokens = Int(loads.load.rows.rounded())
        work.chosen = 1
      }
      measurements.append(
        KernelMeasurement(
          work, on: machine, time: try number("latency", row, in: 1e-6...1e6) * 1e-3,
          family: "\(text("kernel_source", row)) \(name)", place: "\(file):\(row.line)"))
    }
    return measurements
  }

  private func routedShape(_ row: Row) throws(CalibrationError) -> RoutedShape {
    let experts = try integer("num_experts", row, in: 1...65_535)
    let shape = ExpertsRouting.Shape(
      tokens: try integer("num_tokens", row, in: 1...(1 << 24)), experts: experts,
      chosen: try integer("topk", row, in: 1...experts),
      devices: try integer("moe_ep_size", row, in: 1...experts))
    guard experts % shape.devices == 0 else {
      throw .badCell(
        file: file, line: row.line, column: "moe_ep_size", text: text("moe_ep_size", row),
        wanted: "a divisor of the \(experts) experts")
    }
    let word = text("distribution", row)
    if word == "balanced" || word == "uniform" {
      return RoutedShape(shape: shape, routing: .balanced)
    }
    let prefix = "power_law_"
    guard word.hasPrefix(prefix), let exponent = Double(word.dropFirst(prefix.count)),
      (0...4).contains(exponent)
    else {
      throw .badCell(
        file: file, line: row.line, column: "distribution", text: word,
        wanted: "'balanced', 'uniform' or 'power_law_' with an exponent from 0 to 4")
    }
    return RoutedShape(
      shape: shape,
      routing: .powerLaw(
        exponent: exponent, correction: isOld(row) ? .fewestFirst : .rankByRank))
  }

  /// Whether the row was measured with vLLM before its version 0.17, which took other tiles by
  /// default; the benchmark of that time gave out rows otherwise too.
  private func isOld(_ row: Row) -> Bool {
    let parts = text("version", row).split(separator: ".").compactMap { Int($0) }
    guard parts.count >= 2, text("kernel_source", row).hasPrefix("vllm") else { return false }
    return parts[0] == 0 && parts[1] < 17
  }
}

private struct RoutedShape: Hashable {
  var shape: ExpertsRouting.Shape
  var routing: ExpertsRouting
}

/// What a table's word for a type stands for.
struct ExpertsKind {
  var weightBytes: Double
  var activationBytes: Double
  /// What the multiplications run in.
  var arithmetic: Precision

  static let all: [String: ExpertsKind] = [
    "bfloat16": ExpertsKind(weightBytes: 2, activationBytes: 2, arithmetic: .bf16),
    "float16": ExpertsKind(weightBytes: 2, activationBytes: 2, arithmetic: .fp16),
    "fp8": ExpertsKind(weightBytes: 1, activationBytes: 1, arithmetic: .fp8),
    "fp8_block": ExpertsKind(weightBytes: 1, activationBytes: 1, arithmetic: .fp8),
    // A scale of two bytes for each 128 weights.
    "int4_wo": ExpertsKind(weightBytes: 0.5 + 2.0 / 128, activationBytes: 2, arithmetic: .bf16),
  ]

  func tiling(tokens: Int, chosen: Int, experts: Int, _ isOld: Bool) -> GroupedTiling {
    if weightBytes < 1 { return tokens * chosen <= 6 * experts ? .vector : .widened }
    guard isOld else { return .best }
    return tokens <= experts ? .narrow : .square
  }
}
