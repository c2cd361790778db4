import Fabric
import Hardware
import Results
import Scenario
import Units

/// A network as tables and as JSON.
struct NetworkView {
  private let name: String
  private let network: Network
  private let plan: NetworkPlan
  private let fabric: FabricPlan
  private let state: NetworkState

  init(_ description: NetworkDescription) throws {
    name = description.name
    plan = description.plan
    fabric = description.fabric
    network = try description.network()
    state = try network.state(after: fabric.changes, at: .zero)
    if let late = fabric.changes.first(where: { $0.time > .zero }) {
      throw CommandFailure(
        "'fabric.changes' has one at \(late.time), which has no effect here: the network is shown as it "
          + "is at 0 s")
    }
  }

  /// A table beside what encodes to the same.
  struct Page<Content: Encodable> {
    var text: String
    var content: Content

    func json() throws -> String { try jsonText(content) }
  }

  // MARK: - Overview

  struct Overview: Encodable {
    struct Kind: Encodable {
      var kind: String
      var links: Int
      var bytesPerSecond: [Double]
      var totalBytesPerSecond: Double
    }

    var name: String
    var topology: String
    var devices: Int
    var nodes: Int
    var switches: Int
    var links: Int
    var kinds: [Kind]
  }

  var overview: Page<Overview> {
    let kinds = Network.LinkKind.allCases.compactMap { kind -> Overview.Kind? in
      let own = network.links.indices.filter { network.links[$0].kind == kind }
      guard !own.isEmpty else { return nil }
      let bandwidths = own.map { network.links[$0].bandwidth.value * state.factors[$0] }
      return Overview.Kind(
        kind: kind.rawValue, links: own.count, bytesPerSecond: Set(bandwidths).sorted(),
        totalBytesPerSecond: bandwidths.reduce(0, +))
    }
    let content = Overview(
      name: name, topology: plan.topology.word, devices: network.deviceCount,
      nodes: plan.machines.count, switches: network.vertices.count { $0.kind == .switch },
      links: network.links.count, kinds: kinds)
    var table = TextTable([
      .left("links, one direction"), .right("number"), .right("each"), .right("together"),
    ])
    for kind in kinds {
      let (least, most) = (kind.bytesPerSecond.first ?? 0, kind.bytesPerSecond.last ?? 0)
      let each = least == most ? "\(Bandwidth(least))" : "\(Bandwidth(least)) to \(Bandwidth(most))"
      table.add(kind.kind, "\(kind.links)", each, "\(Bandwidth(kind.totalBytesPerSecond))")
    }
    let head =
      "\(name): \(content.devices) devices in \(content.nodes) nodes, \(content.topology), "
      + "\(content.switches) switches"
    return Page(text: ([head, ""] + table.lines).joined(separator: "\n"), content: content)
  }

  // MARK: - Links

  struct LinkRow: Encodable {
    var name: String
    var kind: String
    var bytesPerSecond: Double
    var latencySeconds: Double
    var messagesPerSecond: Double?
  }

  var links: Page<[LinkRow]> {
    var table = TextTable([
      .left("link"), .left("kind"), .right("bandwidth"), .right("latency"), .right("messages/s"),
    ])
    var rows: [LinkRow] = []
    for (index, link) in network.links.enumerated() {
      let bandwidth = link.bandwidth * state.factors[index]
      table.add(
        link.name, link.kind.rawValue, "\(bandwidth)", "\(link.latency)",
        link.messageRate.map { fourDigits($0) } ?? "")
      rows.append(
        LinkRow(
          name: link.name, kind: link.kind.rawValue, bytesPerSecond: bandwidth.value,
          latencySeconds: link.latency.seconds, messagesPerSecond: link.messageRate))
    }
    return Page(text: table.lines.joined(separator: "\n"), content: rows)
  }

  // MARK: - Routes

  struct RouteRow: Encodable {
    var from: Int
    var to: Int
    var latencySeconds: Double
    /// What one flow alone gets.
    var bytesPerSecond: Double
    var links: [String]
    var shares: [Double]
  }

  /// - Throws: ``FabricError``.
  func routes(from source: Int) throws -> Page<[RouteRow]> {
    guard (0..<network.deviceCount).contains(source) else {
      throw FabricError.unknownPart(
        "device \(source)", known: ["devices 0 to \(network.deviceCount - 1)"])
    }
    var finder = RouteFinder(
      network, spread: fabric.spread, detour: fabric.detour, factors: state.factors)
    var table = TextTable([
      .right("to"), .right("alone"), .right("latency"), .left("way"),
    ])
    var rows: [RouteRow] = []
    for target in 0..<network.deviceCount where target != source {
      let route = try finder.route(from: source, to: target)
      let alone =
        route.hops.map {
          network.links[$0.link].bandwidth.value * state.factors[$0.link] / $0.share
        }
        .min() ?? 0
      let latency = route.latency(network)
      table.add("\(target)", "\(Bandwidth(alone))", "\(latency)", words(route))
      rows.append(
        RouteRow(
          from: source, to: target, latencySeconds: latency.seconds, bytesPerSecond: alone,
          links: route.hops.map { network.links[$0.link].name }, shares: route.hops.map(\.share)))
    }
    let head = "from device \(source), \(finder.spread.rawValue), \(finder.detour.rawValue) ways"
    return Page(text: ([head, ""] + table.lines).joined(separator: "\n"), content: rows)
  }

  /// Ways beside each other are counted, not listed.
  private func words(_ route: Route) -> String {
    var parts: [String] = []
    for hop in route.hops {
      let target = network.vertices[network.links[hop.link].target].name
      if hop.share == 1 {
        parts.append(target)
      } else if parts.last?.hasSuffix("ways") != true {
        parts.append("\(route.hops.count { $0.share == hop.share }) links of spread ways")
      }
    }
    return parts.joined(separator: " -> ")
  }

  // MARK: - Bisection

  struct Bisection: Encodable {
    var devicesOfHalf: Int
    var bytesPerSecond: Double
  }

  /// Devices, or switches side by side, times links: about 100 ns each.
  private static let mostBisectionSteps = 200_000_000.0

  /// - Throws: ``CommandFailure`` where it would take minutes.
  func bisection() throws -> Page<Bisection> {
    let half = network.deviceCount / 2
    let middles = fabric.detour == .valiant ? network.detours.count : 0
    // A maximum flow through s switches side by side looks at every link about s times.
    let widest = network.outgoing.map(\.count).max() ?? 0
    let steps = Double(max(half + middles, widest)) * Double(network.links.count)
    guard steps <= Self.mostBisectionSteps else {
      throw CommandFailure(
        "from half to half of \(network.deviceCount) devices with \(network.links.count) links takes "
          + "too long to find; ask for a smaller network of the same shape")
    }
    let flow = MaximumFlow(
      network, from: 0..<half, to: half..<network.deviceCount, detour: fabric.detour,
      factors: state.factors)
    let content = Bisection(devicesOfHalf: half, bytesPerSecond: flow.bandwidth.value)
    var table = TextTable([.left(""), .right("")])
    table.add("from the first \(half) devices to the others", "\(flow.bandwidth)")
    if half > 0 {
      table.add("for each of the \(half)", "\(flow.bandwidth / Double(half))")
    }
    return Page(text: ([name, ""] + table.lines).joined(separator: "\n"), content: content)
  }
}
