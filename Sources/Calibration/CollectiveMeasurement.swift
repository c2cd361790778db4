import Hardware
import Units

/// One measured collective.
struct CollectiveMeasurement {
  var library: CollectiveLibrary
  var operation: CollectiveOperation
  var algorithm = ReductionPlace.ranks
  var load: CollectiveLoad
  var time: Seconds
  /// Whether the elements were floating-point numbers.
  var isFloatingPoint = true
  var file: String
  var line: Int

  var place: String { "\(file):\(line)" }
}

/// Measurements of one library and what the tables say of themselves.
public struct CollectiveMeasurements {
  public let library: CollectiveLibrary
  let rows: [CollectiveMeasurement]
  /// Device and version as the tables name them, the names of the files within their folders.
  let origin: String

  /// Reads tables with the columns of ai-dynamo/aiconfigurator: NCCL's (`op_name`, `nccl_dtype`,
  /// `num_gpus`, `message_size` in elements of the whole buffer, `latency` in ms) or DeepEP's
  /// (`node_num` of eight devices, `hidden_size`, `num_token` of a rank, `num_topk`, `num_experts`
  /// and times in us).
  ///
  /// - Parameters:
  ///   - library: What the tables must measure; nil takes the first one's.
  ///   - link: Between the devices that were measured.
  ///   - devices: Of a catalogue: those with that link are what rows may say that they were measured on.
  /// - Throws: ``CalibrationError``.
  public init(
    reading files: [String], library: CollectiveLibrary? = nil, link: Link? = nil,
    devices: [Device] = []
  ) throws(CalibrationError) {
    var tables: [MeasurementTable] = []
    let linked = devices.filter { $0.scaleUp?.link == link?.name }
    for file in files {
      let table = try MeasurementTable(reading: file)
      if let link, !linked.isEmpty {
        try table.checkDevice(linked, wanted: "a device with \(link.name)")
      }
      tables.append(table)
    }
    try self.init(tables, library: library)
  }

  init(_ tables: [MeasurementTable], library wanted: CollectiveLibrary?) throws(CalibrationError) {
    guard let first = tables.first else { throw .empty(file: "no file") }
    let library = if let wanted { wanted } else { try first.library() }
    var rows: [CollectiveMeasurement] = []
    for table in tables {
      let found = try table.library()
      guard found == library else {
        throw .mixedLibraries(
          first: library.rawValue, firstFile: wanted == nil ? first.file : "--library",
          other: found.rawValue, otherFile: table.file)
      }
      switch library {
      case .nccl: rows += try table.ncclMeasurements()
      case .deepEPLowLatency: rows += try table.lowLatencyMeasurements()
      case .deepEPNormal: rows += try table.normalMeasurements()
      case .cannFused: throw .unknownTable(file: table.file, has: table.columns)
      }
    }
    self.library = library
    self.rows = library == .nccl ? reducedInSwitch(rows) : rows
    origin = tables.map(\.origin).joined(separator: "; ")
  }

  public var count: Int { rows.count }
}

extension MeasurementTable {
  fileprivate func library() throws(CalibrationError) -> CollectiveLibrary {
    if has("op_name") { return .nccl }
    if has("dispatch_avg_t_us") { return .deepEPLowLatency }
    if has("dispatch_transmit_us") { return .deepEPNormal }
    throw .unknownTable(file: file, has: columns)
  }

  /// `h100_sxm/nccl.csv.xz (NVIDIA H100 80GB HBM3, version 2.29.2)`
  fileprivate var origin: String {
    let path = file.split(separator: "/").suffix(2).joined(separator: "/")
    var said: [String] = []
    for row in rows {
      let device = text("device", row)
      let version = text("version", row)
      let both = [device, version.isEmpty ? "" : "version \(version)"].filter { !$0.isEmpty }
      let words = both.joined(separator: ", ")
      if !words.isEmpty && !said.contains(words) { said.append(words) }
    }
    return path + (said.isEmpty ? "" : " (\(said.joined(separator: "; ")))")
  }
}

/// Moves all-reduces that the switch added up to an algorithm of their own.
///
/// NCCL does not say which algorithm ran. A switch adds floating-point numbers only, so where, with
/// the same ranks and the largest bytes that both were measured with, they take less than nine
/// tenths of what integers take, it was the switch.
private func reducedInSwitch(_ rows: [CollectiveMeasurement]) -> [CollectiveMeasurement] {
  let reductions = rows.filter { $0.operation == .allReduce }
  func best(_ ranks: Int, _ bytes: Bytes, floating: Bool) -> Seconds? {
    reductions.filter {
      $0.load.ranks == ranks && $0.isFloatingPoint == floating && $0.load.wireBytes == bytes
    }.map(\.time).min()
  }
  let inSwitch = Set(reductions.map(\.load.ranks)).filter { ranks in
    let sizes = reductions.filter { $0.load.ranks == ranks }.map(\.load.wireBytes)
    let common = sizes.filter {
      best(ranks, $0, floating: true) != nil && best(ranks, $0, floating: false) != nil
    }
    guard let most = common.max(), let floats = best(ranks, most, floating: true),
      let integers = best(ranks, most, floating: false)
    else { return false }
    return floats < integers * 0.9
  }
  return rows.map { row in
    var row = row
    if row.operation == .allReduce && row.isFloatingPoint && inSwitch.contains(row.load.ranks) {
      row.algorithm = .inSwitch
      row.load = CollectiveLoad(
        .allReduce, buffer: row.load.messageBytes * Double(row.load.ranks), ranks: row.load.ranks,
        algorithm: .inSwitch)
    }
    return row
  }
}
