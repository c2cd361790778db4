import Fabric
import Foundation
import Hardware
import Results
import Scenario
import Units

/// What a collective costs, as a table and as JSON.
struct CollectiveAnswer {
  private let run: CollectiveRun
  private let operation: CollectiveKind
  private let bytes: Bytes
  private let network: Network
  private let name: String
  private let library: CollectiveLibrary?
  private let remarks: [String]
  private let heatMap: TextOutput?
  /// What a matrix has for other ranks; nil without one.
  private let sentOfMatrix: Bytes?

  init(_ group: CollectiveOptionGroup, _ description: NetworkDescription) throws {
    if let matrix = group.matrix, let map = group.heatMap,
      URL(fileURLWithPath: map).resolvingSymlinksInPath()
        == URL(fileURLWithPath: matrix).resolvingSymlinksInPath()
    {
      throw CommandFailure("--heat-map and --matrix are the same file, which would be lost")
    }
    heatMap = try group.heatMap.map {
      try TextOutput($0, startingWith: RunResult.heatMapStart)
    }
    try Self.check(description.fabric.changes)
    let plan = description.plan
    operation = try CollectiveKind(word: group.collective ?? "")
    let operation = operation
    var algorithm = try group.algorithm.map { try CollectiveAlgorithm(word: $0, for: operation) }
    let ranks = group.ranks ?? plan.deviceCount
    let layout = try plan.layout(ofFirst: ranks)
    library = try Self.library(group.library)
    var collective = CollectiveProtocol()
    var remarks: [String] = []
    if let library {
      (collective, remarks) = CollectiveProtocol.found(
        in: description.catalogue, library, operation, algorithm: algorithm,
        bytes: try Self.bytes(group.bytes), plan, layout: layout)
      if algorithm == nil, case .fitted(let cost) = collective.startUp,
        cost.algorithm == .inSwitch
      {
        algorithm = .inSwitch
      }
    }
    if algorithm == nil {
      algorithm = plan.meetsByCards ? operation.defaultAlgorithm(layout) : operation.algorithms[0]
    }
    var question = CollectiveRun.Question(
      operation: operation, algorithm: algorithm, bytes: try Self.bytes(group.bytes),
      ranks: ranks,
      options: CollectiveOptions(
        chunks: group.chunks, root: group.root, target: group.target,
        tensorWidth: group.tensorWidth), protocol: collective)
    // What cannot be held in memory is refused before anything is built.
    if group.matrix == nil { try question.check(layout) }
    question.matrix = try group.matrix.map { try Self.matrix($0, ranks: ranks) }
    sentOfMatrix = question.matrix.map { matrix in
      (0..<ranks).reduce(Bytes((matrix.bytes).reduce(0, +))) { $0 - matrix[$1, $1] }
    }
    network = try description.network()
    let resources = ClusterResources(
      plan.machines.flatMap { [Device](repeating: $0.node.device, count: $0.devices) }, network)
    run = try CollectiveRun(question, on: resources, description.fabric)
    name = description.name
    bytes = question.bytes ?? Bytes((question.matrix?.bytes ?? []).reduce(0, +) / Double(ranks))
    let nodes = plan.machines.map(\.node)
    for (index, node) in nodes.enumerated() where !nodes[..<index].contains(node) {
      for remark in node.linkRemarks where !remarks.contains(remark) { remarks.append(remark) }
    }
    let end = run.time
    let late = description.fabric.changes.count { $0.time > end }
    if late > 0 {
      remarks.append(
        "\(late) of \(description.fabric.changes.count) changes come after the collective's end")
    }
    self.remarks = remarks
  }

  /// Messages keep the ways they began with, so that a part cannot fail under them.
  private static func check(_ changes: [NetworkChange]) throws {
    guard let change = changes.first(where: { $0.time > .zero && $0.factor == 0 }) else { return }
    throw CommandFailure(
      "'fabric.changes' lets a part fail at \(change.time), and a collective keeps the ways that "
        + "there are at its beginning; let it fail at 0 s, or be slow then")
  }

  private static func library(_ word: String?) throws -> CollectiveLibrary? {
    guard let word else { return .nccl }
    if word == "none" { return nil }
    if word == CollectiveLibrary.nccl.rawValue { return .nccl }
    if CollectiveLibrary(rawValue: word) != nil {
      throw CommandFailure(
        "'\(word)' carries the dispatch and combine of runs (policies.communication.library), and no "
          + "collective")
    }
    throw CommandFailure("'\(word)' is not a library; one of: nccl, none")
  }

  private static func bytes(_ text: String?) throws -> Bytes? {
    guard let text else { return nil }
    do throws(QuantityError) {
      return try Bytes(parsing: text)
    } catch {
      throw CommandFailure("--bytes: \(error.sentence)")
    }
  }

  private static func matrix(_ path: String, ranks: Int) throws -> TrafficMatrix {
    let text: String
    if let reason = reasonNotToRead(path) {
      throw CommandFailure("\(path): cannot be read: \(reason)")
    }
    do { text = try String(contentsOfFile: path, encoding: .utf8) } catch {
      throw CommandFailure("\(path): cannot be read: it is not text")
    }
    do throws(CollectiveError) {
      return try TrafficMatrix(csv: text, ranks: ranks)
    } catch {
      if case .malformedMatrix(let line?, let detail) = error {
        throw CommandFailure("\(path):\(line): \(detail)")
      }
      throw CommandFailure("\(path): \(error.sentence)")
    }
  }

  // MARK: - Figures

  /// Bytes over time.
  private var algorithmBandwidth: Bandwidth {
    run.time > .zero ? bytes / Seconds(run.time) : .zero
  }

  /// What NCCL's tests call bus bandwidth: what a rank's port must have carried.
  private var busBandwidth: Bandwidth {
    let n = Double(run.ranks)
    switch operation {
    case .allReduce: return algorithmBandwidth * (2 * (n - 1) / n)
    case .allToAll, .allGather, .reduceScatter:
      guard let sent = sentOfMatrix else { return algorithmBandwidth * ((n - 1) / n) }
      return run.time > .zero ? sent / n / Seconds(run.time) : .zero
    case .broadcast, .send: return algorithmBandwidth
    }
  }

  private static let shownLinks = 8

  var text: String {
    var lines = ["\(operation.rawValue) by \(run.algorithm.rawValue), \(run.ranks) ranks, \(bytes)"]
    lines.append("\(name), \(run.fidelity.rawValue)")
    lines.append("")
    var table = TextTable([.left(""), .right("")])
    table.add("time", "\(run.time)")
    table.add("  launch and protocol", "\(run.startUp)")
    table.add("  busiest link alone", "\(SimTime(roundingUp: run.leastTime))")
    table.add("bandwidth of the collective", "\(algorithmBandwidth)")
    table.add("bandwidth of the bus", "\(busBandwidth)")
    table.add("messages", "\(run.messages)")
    lines += table.lines
    if !run.links.isEmpty {
      lines.append("")
      var links = TextTable([
        .left("hottest links"), .left("kind"), .right("bytes"), .right("utilisation"),
        .right("waited"),
      ])
      for use in run.links.prefix(Self.shownLinks) {
        let link = network.links[use.link]
        links.add(
          link.name, link.kind.rawValue, "\(use.bytes)",
          "\(fixed(use.utilisation * 100, decimals: 1)) %", "\(use.waited)")
      }
      lines += links.lines
      if run.links.count > Self.shownLinks {
        lines.append("and \(run.links.count - Self.shownLinks) more that carried something")
      }
    }
    if !remarks.isEmpty {
      lines.append("")
      lines += remarks.map { "- \($0)" }
    }
    return lines.joined(separator: "\n")
  }

  private struct Report: Encodable {
    struct LinkUse: Encodable {
      var name: String
      var kind: String
      var bytes: Double
      var utilisation: Double
      var busySeconds: Double
      var waitedSeconds: Double
    }

    var network: String
    var operation: String
    var algorithm: String
    var fidelity: String
    var library: String?
    var ranks: Int
    var bytes: Double
    var seconds: Double
    var startUpSeconds: Double
    var busiestLinkSeconds: Double
    var algorithmBytesPerSecond: Double
    var busBytesPerSecond: Double
    var messages: Int
    var links: [LinkUse]
    var remarks: [String]
  }

  func json() throws -> String {
    let links = run.links.map { use in
      Report.LinkUse(
        name: network.links[use.link].name, kind: network.links[use.link].kind.rawValue,
        bytes: use.bytes.value, utilisation: use.utilisation, busySeconds: use.busy.value,
        waitedSeconds: use.waited.value)
    }
    return try jsonText(
      Report(
        network: name, operation: operation.rawValue, algorithm: run.algorithm.rawValue,
        fidelity: run.fidelity.rawValue, library: library?.rawValue, ranks: run.ranks,
        bytes: bytes.value, seconds: run.time.seconds, startUpSeconds: run.startUp.seconds,
        busiestLinkSeconds: run.leastTime.value,
        algorithmBytesPerSecond: algorithmBandwidth.value,
        busBytesPerSecond: busBandwidth.value, messages: run.messages, links: links,
        remarks: remarks))
  }

  func writeHeatMap() throws { try heatMap?.write(run.traffic.csv) }
}

/// JSON as every command prints it.
func jsonText(_ value: some Encodable) throws -> String {
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
  return String(decoding: try encoder.encode(value), as: UTF8.self)
}
