import Engine
import Foundation
import Units

/// An all-to-all exchange over leaves of 16 ranks and a spine, uplinks half of the ports' sum, all
/// flows beginning at once and each a flow of its own: the time to find when each of them is done.
///
/// SimGrid gets the same flows over the same links, and its makespan and the sum of all ends must
/// agree with ours to a millionth. Processor time of one thread, from the flows to their ends; neither
/// side's time contains writing down the network. SimGrid is stopped after a while, unless all of its
/// hours are asked for.
@Sendable func allToAllBenchmark(_ effort: Effort) throws -> [BenchmarkRow] {
  let simGrid = Peer.simGrid()
  var rows: [BenchmarkRow] = []
  for ranks in effort == .quick ? [64, 128] : [64, 128, 320, 384] {
    for sizes in ExchangeSizes.allCases {
      let exchange = Exchange(ranks: ranks, sizes)
      if ranks > 128, sizes == .skewed, effort != .full {
        say("without \(exchange.name): it takes us minutes; --full runs it")
        continue
      }
      let ours = exchange.measure(repetitions: effort == .quick || ranks > 128 ? 1 : 3)
      rows += ours.rows
      guard let simGrid else { continue }
      guard ranks <= 128 || sizes == .uniform || effort == .full else {
        say("without SimGrid on \(exchange.name): it takes hours; --full runs it")
        continue
      }
      let limit: Int? =
        switch effort {
        case .quick: 20
        case .usual: 120
        case .full: nil
        }
      rows += try exchange.compare(ours, with: simGrid, limit: limit)
    }
  }
  return rows
}

private enum ExchangeSizes: String, CaseIterable {
  /// 1.5 MB each.
  case uniform
  /// Whole bytes, uniform from 1 to 2 MB.
  case random
  /// The same times a factor of the target, uniform from a half to two and a half.
  case skewed
}

private struct Exchange {
  static let ranksPerLeaf = 16
  static let port = 50e9
  static let uplink = 400e9

  let ranks: Int
  let sizes: ExchangeSizes
  /// Bytes, by source and then target.
  private let bytes: [UInt32]

  init(ranks: Int, _ sizes: ExchangeSizes) {
    self.ranks = ranks
    self.sizes = sizes
    var random = Xorshift(state: 88_172_645_463_325_252)
    let factors = (0..<ranks).map { _ in 0.5 + Double(random.next() % 2001) / 1000 }
    bytes = (0..<ranks * ranks).map { pair in
      let drawn = Double(1_000_000 + random.next() % 1_000_001)
      return switch sizes {
      case .uniform: 1_500_000
      case .random: UInt32(drawn)
      case .skewed: UInt32(drawn * factors[pair % ranks])
      }
    }
  }

  var name: String { "all-to-all \(ranks) \(sizes)" }

  struct Result {
    var rows: [BenchmarkRow]
    var seconds: Double
    /// Of the exchange collapsed to two classes of flows, where that says the same.
    var secondsCollapsed: Double?
    var makespan: Double
    var sumOfEnds: Double
  }

  func measure(repetitions: Int) -> Result {
    let flows = flows
    var done = flows.completions()
    let times = (0..<repetitions).map { _ in secondsTaken { done = flows.completions() } }
    let share = flows.longestLinkTime.value / done.makespan.value * 100
    let row = BenchmarkRow(
      "\(name), each flow", times.map { $0 * 1e3 }, unit: "ms",
      note: "\(flows.flowCount) flows, \(done.instants) instants; makespan "
        + "\(fixed(done.makespan.value * 1e3, decimals: 4)) ms, of which the busiest link's load "
        + "explains \(fixed(share, decimals: 2)) %")
    var result = Result(
      rows: [row], seconds: row.value, makespan: done.makespan.value,
      sumOfEnds: done.ends.reduce(0, +))
    result.seconds = row.value / 1e3
    if sizes == .uniform { measureCollapsed(repetitions, into: &result) }
    return result
  }

  private func measureCollapsed(_ repetitions: Int, into result: inout Result) {
    let runs = 1000
    let classes = classes
    var done = classes.completions()
    let times = (0..<repetitions).map { _ in
      secondsTaken { for _ in 0..<runs { done = classes.completions() } } / Double(runs)
    }
    let row = BenchmarkRow(
      "\(name), two classes", times.map { $0 * 1e6 }, unit: "us",
      note: "makespan \(fixed(done.makespan.value * 1e3, decimals: 4)) ms")
    result.rows.append(row)
    result.secondsCollapsed = row.value / 1e6
  }

  /// - Parameter limit: The processor time in seconds after which SimGrid is stopped.
  func compare(_ ours: Result, with simGrid: Peer, limit: Int?) throws -> [BenchmarkRow] {
    let file = NSTemporaryDirectory() + "switchyard-all-to-all-\(UUID().uuidString).sizes"
    defer { try? FileManager.default.removeItem(atPath: file) }
    try bytes.withUnsafeBytes { try Data($0).write(to: URL(fileURLWithPath: file)) }
    let arguments = ["\(ranks)", "\(Self.ranksPerLeaf)", "\(Self.port)", "\(Self.uplink)", file]
    guard let theirs = try simGrid.numbers(arguments, limit: limit) else {
      return ratios(ours, Double(limit ?? 0), simGrid, note: "at least: it was stopped")
    }
    guard theirs.count == 3 else { throw PeerError(description: "SimGrid printed \(theirs)") }
    let difference = max(
      abs(theirs[1] / ours.makespan - 1), abs(theirs[2] / ours.sumOfEnds - 1))
    guard difference < 1e-6 else {
      throw PeerError(
        description: "SimGrid's ends of \(name) differ from ours by \(difference): makespan "
          + "\(theirs[1]) and \(ours.makespan), sum \(theirs[2]) and \(ours.sumOfEnds)")
    }
    let agreement = "ends differ by \(String(format: "%.0e", difference))"
    return ratios(ours, theirs[0], simGrid, note: agreement)
  }

  private func ratios(
    _ ours: Result, _ theirs: Double, _ simGrid: Peer, note: String
  ) -> [BenchmarkRow] {
    var rows = [
      BenchmarkRow("\(name), \(simGrid.name)", [theirs * 1e3], unit: "ms", note: note),
      BenchmarkRow(
        "\(name), each flow vs \(simGrid.name)", [theirs / ours.seconds], unit: "x",
        note: "faster"),
    ]
    if let collapsed = ours.secondsCollapsed {
      rows.append(
        BenchmarkRow(
          "\(name), two classes vs \(simGrid.name)", [theirs / collapsed], unit: "x",
          note: "faster"))
    }
    return rows
  }

  /// Every pair's flow, over the sender's port, the uplink and the downlink of their leaves where
  /// these differ, and the receiver's port.
  private var flows: SimultaneousFlows {
    var flows = SimultaneousFlows()
    let leaves = ranks / Self.ranksPerLeaf
    for _ in 0..<2 * ranks { _ = flows.addLink(capacity: Bandwidth(Self.port)) }
    for _ in 0..<2 * leaves { _ = flows.addLink(capacity: Bandwidth(Self.uplink)) }
    for source in 0..<ranks {
      for target in 0..<ranks where target != source {
        flows.addFlow(Bytes(Double(bytes[source * ranks + target])))
        flows.cross(source)
        let leaf = source / Self.ranksPerLeaf
        let other = target / Self.ranksPerLeaf
        if leaf != other {
          flows.cross(2 * ranks + leaf)
          flows.cross(2 * ranks + leaves + other)
        }
        flows.cross(ranks + target)
      }
    }
    return flows
  }

  /// A uniform exchange: flows inside a leaf and flows that leave it, on a port out, a port in, an
  /// uplink and a downlink, each standing for all of its kind.
  private var classes: SimultaneousFlows {
    var flows = SimultaneousFlows()
    let ports = (0..<2).map { _ in flows.addLink(capacity: Bandwidth(Self.port)) }
    let uplinks = (0..<2).map { _ in flows.addLink(capacity: Bandwidth(Self.uplink)) }
    let inside = Double(Self.ranksPerLeaf - 1)
    let outside = Double(ranks - Self.ranksPerLeaf)
    flows.addFlow(Bytes(Double(bytes[1])))
    for port in ports { flows.cross(port, amount: inside) }
    flows.addFlow(Bytes(Double(bytes[1])))
    for port in ports { flows.cross(port, amount: outside) }
    for uplink in uplinks { flows.cross(uplink, amount: Double(Self.ranksPerLeaf) * outside) }
    return flows
  }
}
