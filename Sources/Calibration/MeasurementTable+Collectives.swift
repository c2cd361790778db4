import Hardware
import Units

/// The three tables of collectives, row by row.
extension MeasurementTable {
  func ncclMeasurements() throws(CalibrationError) -> [CollectiveMeasurement] {
    try require(["op_name", "nccl_dtype", "num_gpus", "message_size", "latency"])
    var measurements: [CollectiveMeasurement] = []
    for row in rows {
      let name = text("op_name", row)
      guard let operation = Self.operations[name] else {
        throw .badCell(
          file: file, line: row.line, column: "op_name", text: name,
          wanted: "one of \(Self.operations.keys.sorted().joined(separator: ", "))")
      }
      let typeName = text("nccl_dtype", row)
      guard let type = Self.elements[typeName] else {
        throw .badCell(
          file: file, line: row.line, column: "nccl_dtype", text: typeName,
          wanted: "one of \(Self.elements.keys.sorted().joined(separator: ", "))")
      }
      let ranks = try integer("num_gpus", row, in: 2...8192)
      let elements = try integer("message_size", row, in: 1...(1 << 45))
      let load = CollectiveLoad(
        operation, buffer: Bytes(elements * type.bytes), ranks: ranks)
      measurements.append(
        CollectiveMeasurement(
          library: .nccl, operation: operation, load: load,
          time: try time("latency", row, unit: 1e-3), isFloatingPoint: type.isFloatingPoint,
          file: file, line: row.line))
    }
    return measurements
  }

  func lowLatencyMeasurements() throws(CalibrationError) -> [CollectiveMeasurement] {
    try require(Self.exchangeColumns + ["dispatch_avg_t_us", "combine_avg_t_us"])
    return try exchanges(.deepEPLowLatency) { row, operation throws(CalibrationError) in
      (try time("\(operation.rawValue)_avg_t_us", row, unit: 1e-6), 0)
    }
  }

  func normalMeasurements() throws(CalibrationError) -> [CollectiveMeasurement] {
    let times = ["dispatch", "combine"].flatMap {
      ["\($0)_sms", "\($0)_transmit_us", "\($0)_notify_us"]
    }
    try require(Self.exchangeColumns + times)
    return try exchanges(.deepEPNormal) { row, operation throws(CalibrationError) in
      let word = operation.rawValue
      // Ranks first tell each other how much will come; nobody else's work hides that here.
      let notify = try number("\(word)_notify_us", row, in: 0...1e8)
      return (
        try time("\(word)_transmit_us", row, unit: 1e-6) + Seconds(notify * 1e-6),
        try integer("\(word)_sms", row, in: 1...1024)
      )
    }
  }

  private static let exchangeColumns = [
    "node_num", "hidden_size", "num_token", "num_topk", "num_experts",
  ]
  private static let devicesPerNode = 8

  /// Dispatch and combine of each row.
  private func exchanges(
    _ library: CollectiveLibrary,
    _ measured: (Row, CollectiveOperation) throws(CalibrationError) -> (Seconds, Int)
  ) throws(CalibrationError) -> [CollectiveMeasurement] {
    var measurements: [CollectiveMeasurement] = []
    for row in rows {
      let nodes = try integer("node_num", row, in: 1...4096)
      let experts = try integer("num_experts", row, in: 1...65_535)
      let topK = try integer("num_topk", row, in: 1...experts)
      let hidden = try integer("hidden_size", row, in: 1...1_000_000)
      let tokens = try integer("num_token", row, in: 1...100_000_000)
      for operation in [CollectiveOperation.dispatch, .combine] {
        let (time, multiprocessors) = try measured(row, operation)
        let exchange = ExpertExchange(
          tokens: Double(tokens), hidden: hidden, topK: topK, experts: experts,
          ranks: nodes * Self.devicesPerNode, nodes: nodes, multiprocessors: multiprocessors)
        measurements.append(
          CollectiveMeasurement(
            library: library, operation: operation, load: exchange.load(operation, library),
            time: time, file: file, line: row.line))
      }
    }
    return measurements
  }

  /// A time in `unit` seconds.
  private func time(
    _ column: String, _ row: Row, unit: Double
  ) throws(CalibrationError) -> Seconds {
    Seconds(try number(column, row, in: 1e-6...1e9) * unit)
  }

  private static let operations: [String: CollectiveOperation] = [
    "alltoall": .allToAll, "all_reduce": .allReduce, "all_gather": .allGather,
    "reduce_scatter": .reduceScatter, "broadcast": .broadcast, "sendrecv": .send,
  ]

  private static let elements: [String: (bytes: Int, isFloatingPoint: Bool)] = [
    "half": (2, true), "bfloat16": (2, true), "float": (4, true), "double": (8, true),
    "int8": (1, false), "uint8": (1, false), "int32": (4, false),
  ]
}
