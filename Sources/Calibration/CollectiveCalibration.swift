import Hardware
import Statistics
import Units

/// Fits ``CollectiveCost`` to measurements: one entry for each operation, algorithm, and for nodes
/// alone and nodes together, because a library uses other kernels between nodes.
///
///     let measurements = try CollectiveMeasurements(reading: ["nccl.csv.xz"])
///     let calibration = try CollectiveCalibration(measurements, scaleUp: link)
///     print(calibration.table)
///
/// Every entry is fitted twice: to all measurements, which is what it says; and to those that a
/// seeded draw leaves, to be judged by the fifth that it did not see.
public struct CollectiveCalibration: Sendable {
  public let library: CollectiveLibrary
  public private(set) var entries: [Entry] = []

  /// A cost, the certainty of its numbers and its errors row by row.
  public struct Entry: Sendable {
    public var cost: CollectiveCost
    /// Standard error over value of each fitted term, by the catalogue's keys.
    public var terms: [(key: String, relativeError: Double)]
    /// Of the fit to everything.
    public var errors: [RowError]
    /// Of the fit to the other rows, for those held out.
    public var heldOutErrors: [RowError]
  }

  /// What a share of the questions is held out for the check.
  public static let heldOutShare = 0.2

  /// - Parameters:
  ///   - scaleOut: The link between nodes; needed where measurements cross nodes.
  ///   - source: Where the tables come from; written before what they say of themselves.
  ///   - date: Written into the entries: `2026-11-21`.
  /// - Throws: ``CalibrationError``.
  public init(
    _ measurements: CollectiveMeasurements, scaleUp: Link, scaleOut: Link? = nil,
    holdOutSeed: UInt64 = 0, source: String? = nil, date: String
  ) throws(CalibrationError) {
    library = measurements.library
    try measurements.checkPlausibility(scaleUp, scaleOut)
    let ports = CollectiveCost.Ports(scaleUp: scaleUp.bandwidth, scaleOut: scaleOut?.bandwidth)
    for crossesNodes in [false, true] {
      for operation in CollectiveOperation.allCases {
        for algorithm in ReductionPlace.allCases {
          let rows = measurements.rows.filter {
            $0.operation == operation && $0.algorithm == algorithm
              && ($0.load.nodes > 1) == crossesNodes
          }
          guard !rows.isEmpty else { continue }
          var cost = CollectiveCost(launch: .zero)
          cost.library = library
          cost.operation = operation
          cost.algorithm = algorithm
          cost.scaleUp = scaleUp.name
          cost.scaleOut = crossesNodes ? scaleOut?.name : nil
          cost.name = cost.standardName
          cost.citation = (source.map { $0 + ": " } ?? "") + measurements.origin
          // Between nodes the network hides what the devices' ports reach.
          let inNode = entries.first {
            $0.cost.operation == operation && $0.cost.algorithm == algorithm
          }
          let fit = GroupFit(
            rows: rows, ports: ports, fixedShare: crossesNodes ? inNode?.cost.share ?? 1 : nil)
          try fit.checkCount(for: cost.name)
          do {
            entries.append(try fit.entry(cost, holdOutSeed: holdOutSeed, date: date))
          } catch {
            throw .noFit(entry: cost.name, error)
          }
        }
      }
    }
  }
}

extension CollectiveCost {
  /// `nccl-nvlink4-all-to-all`
  var standardName: String {
    ([library.rawValue, scaleUp] + (scaleOut.map { [$0] } ?? []) + [operation.rawValue]
      + (algorithm == .ranks ? [] : [algorithm.rawValue])).joined(separator: "-")
  }
}

/// The measurements of one entry.
private struct GroupFit {
  let rows: [CollectiveMeasurement]
  let ports: CollectiveCost.Ports
  let fixedShare: Double?

  /// Questions for each number of the form.
  private static let leastQuestionsPerTerm = 2

  /// - Throws: ``CalibrationError/tooFewRows(kernel:rows:needed:terms:)``.
  func checkCount(for name: String) throws(CalibrationError) {
    let terms = search(rows).form.terms
    let (questions, needed) = (
      Set(rows.map(\.load)).count, terms.count * Self.leastQuestionsPerTerm
    )
    guard questions >= needed else {
      throw .tooFewRows(
        kernel: name, rows: questions, needed: needed, terms: terms.map(\.key))
    }
  }

  func entry(
    _ blank: CollectiveCost, holdOutSeed: UInt64, date: String
  ) throws(LeastSquaresError) -> CollectiveCalibration.Entry {
    let all = try search(rows).found()
    let cost = cost(blank, all)
    var entry = CollectiveCalibration.Entry(
      cost: cost, terms: zip(all.form.terms, all.relativeErrors).map { ($0.key, $1) },
      errors: errors(of: cost, rows), heldOutErrors: [])
    let (kept, heldOut) = heldOut(seed: holdOutSeed)
    if !heldOut.isEmpty {
      let check = self.cost(blank, try search(kept).found())
      entry.heldOutErrors = errors(of: check, heldOut)
    }
    entry.cost.range = range
    let summary = ErrorSummary(entry.errors)
    entry.cost.fit = CollectiveCost.Fit(
      date: date, rows: rows.count, heldOut: heldOut.count, median: summary.median,
      ninetieth: summary.ninetieth, worst: summary.worst,
      heldOutMedian: ErrorSummary(entry.heldOutErrors).median)
    return entry
  }

  /// Which terms the measurements can tell apart.
  private func search(_ rows: [CollectiveMeasurement]) -> CollectiveSearch {
    func varies<Value: Hashable>(_ value: (CollectiveLoad) -> Value) -> Bool {
      Set(rows.map { value($0.load) }).count > 1
    }
    let nodeCounts = Set(rows.map(\.load.nodes)).sorted()
    let isNCCL = rows.first?.library == .nccl
    let ranksVary = varies(\.ranks)
    let nodesVary = nodeCounts.count > 1
    var terms: [CollectiveTerm] = [.launch]
    if ranksVary && !nodesVary { terms.append(.perRank) }
    if nodesVary { terms.append(.perDoubling) }
    if varies(\.expertsPerRank) && !nodesVary { terms.append(.perExpert) }
    if isNCCL { terms += [.protocolCost, .protocolCeiling] }
    // With one number of ranks a message is a fixed part of the bytes on the wire.
    if isNCCL ? ranksVary : varies(\.messageBytes) { terms.append(.copyCost) }
    terms.append(.ramp)
    if fixedShare == nil { terms.append(.share) }
    terms += nodeCounts.filter { $0 > 1 }.map { .networkShare($0) }
    if varies(\.multiprocessors) && !(nodesVary && rows.first?.library == .deepEPLowLatency) {
      terms += [.copyingCost, .stagingCost]
    }
    var form = CollectiveForm(terms: terms)
    if let fixedShare { form.fixed = [.share: fixedShare] }
    return CollectiveSearch(
      form: form,
      rows: rows.map { CollectiveForm.Row($0, ports, nodeCounts: nodeCounts) },
      nodeCounts: nodeCounts)
  }

  /// Questions (loads), not rows, are drawn: a repeated measurement of a question that the fit has
  /// seen would be no check.
  private func heldOut(
    seed: UInt64
  ) -> (kept: [CollectiveMeasurement], heldOut: [CollectiveMeasurement]) {
    var stream = RandomStream(seed: seed, name: "hold-out")
    var isOut: [CollectiveLoad: Bool] = [:]
    for row in rows where isOut[row.load] == nil {
      isOut[row.load] = stream.uniform() < CollectiveCalibration.heldOutShare
    }
    return (
      rows.filter { isOut[$0.load] == false }, rows.filter { isOut[$0.load] == true }
    )
  }

  private func cost(_ blank: CollectiveCost, _ found: CollectiveSearch.Found) -> CollectiveCost {
    let nodeCounts = Set(rows.map(\.load.nodes)).sorted()
    let values = found.form.values(found.values, nodeCounts: nodeCounts)
    var cost = blank
    cost.launch = Seconds(values.launch)
    cost.perRank = Seconds(values.perRank)
    cost.perDoubling = Seconds(values.perDoubling)
    cost.perExpert = Seconds(values.perExpert)
    if values.protocolCost > 0 {
      cost.protocolBandwidth = Bandwidth(1 / values.protocolCost)
      cost.protocolCeiling = Seconds(values.protocolCeiling)
    }
    if values.copyCost > 0 { cost.copyBandwidth = Bandwidth(1 / values.copyCost) }
    cost.ramp = Seconds(values.ramp)
    cost.share = values.share
    cost.networkShares = zip(nodeCounts, values.networkShares).filter { $0.0 > 1 }.map {
      CollectiveCost.NetworkShare(nodes: $0, share: $1)
    }
    if values.copyingCost > 0 { cost.copyingBandwidth = Bandwidth(1 / values.copyingCost) }
    if values.stagingCost > 0 { cost.stagingBandwidth = Bandwidth(1 / values.stagingCost) }
    return cost
  }

  private func errors(of cost: CollectiveCost, _ rows: [CollectiveMeasurement]) -> [RowError] {
    rows.map {
      RowError(
        row: $0, predicted: cost.time(of: $0.load, on: ports),
        error: cost.time(of: $0.load, on: ports) / $0.time - 1)
    }
  }

  private var range: CollectiveCost.Range {
    func span<Value: Comparable>(_ values: [Value], _ none: Value) -> ClosedRange<Value> {
      (values.min() ?? none)...(values.max() ?? none)
    }
    return CollectiveCost.Range(
      bytes: span(rows.map(\.load.bytesSent), .zero), ranks: span(rows.map(\.load.ranks), 1),
      nodes: span(rows.map(\.load.nodes), 1))
  }
}

extension CollectiveMeasurements {
  /// Refuses bytes that pass faster than the link and tables whose times cannot be collectives':
  /// a column in another unit than it should be, or another link.
  fileprivate func checkPlausibility(
    _ scaleUp: Link, _ scaleOut: Link?
  ) throws(CalibrationError) {
    for row in rows {
      if row.load.nodes > 1 && scaleOut == nil {
        throw .networkUnsaid(file: row.file, line: row.line, nodes: row.load.nodes)
      }
      let rate = row.load.wireBytes / row.time
      guard rate <= scaleUp.bandwidth * 1.1 else {
        throw .implausible(
          file: row.file, line: row.line,
          detail: "\(row.load.wireBytes) in \(row.time) are \(rate), more than the "
            + "\(scaleUp.bandwidth) of \(scaleUp.name); the time's unit or the link is wrong")
      }
    }
    guard let fastest = rows.min(by: { $0.time < $1.time }), fastest.time > 1e-3 else { return }
    throw .implausible(
      file: fastest.file, line: fastest.line,
      detail: "even the fastest collective takes \(fastest.time); the time's unit is wrong")
  }
}
