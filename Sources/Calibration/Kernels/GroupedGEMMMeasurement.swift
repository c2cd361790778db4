import Hardware
import Models

/// Tables of grouped multiplications.
extension MeasurementTable {
  /// Rows of a table with the columns of alibaba/InferSim's grouped multiplications in fp8
  /// (`num_local_experts`, `hidden_size`, `intermediate_size`, `tokens_per_expert`, `up_proj_us`,
  /// `down_proj_us`): two for each line.
  ///
  /// Experts are taken to have 0.7 to 1.3 times the rows that the table says, evenly spread over that
  /// and rounded down: lines with one row for each take half the time of lines with three, as if
  /// half of the experts had none.
  ///
  /// - Parameter machine: The device that was measured, for multiplications in a precision; nil
  ///   where it has no rate for that.
  /// - Throws: ``CalibrationError``.
  func groupedMeasurements(
    on machine: (Precision) -> KernelMachine?
  ) throws(CalibrationError) -> [KernelMeasurement<GroupedGEMMWork>] {
    try require([
      "num_local_experts", "hidden_size", "intermediate_size", "tokens_per_expert", "up_proj_us",
      "down_proj_us",
    ])
    var measurements: [KernelMeasurement<GroupedGEMMWork>] = []
    for row in rows {
      guard let machine = machine(.fp8) else {
        throw .implausible(
          file: file, line: row.line,
          detail: "the device has no rate for fp8, or the catalogue does not say how many compute "
            + "units it has")
      }
      let experts = try integer("num_local_experts", row, in: 1...65_535)
      let tokens = try integer("tokens_per_expert", row, in: 1...(1 << 24))
      let hidden = try integer("hidden_size", row, in: 1...(1 << 20))
      let inner = try integer("intermediate_size", row, in: 1...(1 << 20))
      let load = GroupedLoad(
        counts: (0..<experts).map { expert in
          Int(Double(tokens) * (0.7 + 0.6 * (Double(expert) + 0.5) / Double(experts)))
        })
      for (name, n, k) in [("up", 2 * inner, hidden), ("down", hidden, inner)] {
        let work = GroupedGEMMWork(
          load: load, n: n, k: k, weightBytes: 1, activationBytes: 1)
        measurements.append(
          KernelMeasurement(
            work, on: machine,
            time: try number("\(name)_proj_us", row, in: 1e-3...1e9) * 1e-6,
            family: "DeepGEMM fp8", place: "\(file):\(row.line)"))
      }
    }
    return measurements
  }
}
