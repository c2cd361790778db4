import Hardware
import Units

/// The outer end of a network card: where it hangs in its machine, and what it can take each way.
struct CardPort {
  /// A PCIe switch, or where that serves none of the devices alone, a host.
  var vertex: Int
  var isOnHost: Bool
  var node: Int
  /// Counted within the node: the rail.
  var number: Int
  var bandwidth: Bandwidth
  var latency: SimTime
  /// What each further switch adds.
  var hopLatency: SimTime
  var messageRate: Double?
}

extension Network {
  /// Joins a network card to a switch outside.
  @discardableResult
  mutating func attach(_ card: CardPort, to outside: Int) -> (out: Int, in: Int) {
    let name = "node \(card.node) card \(card.number)"
    let out = addLink(
      .card, from: card.vertex, to: outside, card.bandwidth, latency: card.latency,
      messageRate: card.messageRate, length: Self.cardLength, name: name + " out")
    let back = addLink(
      .card, from: outside, to: card.vertex, card.bandwidth, messageRate: card.messageRate,
      length: Self.cardLength, name: name + " in")
    return (out, back)
  }

  /// So long that traffic inside a machine, through however many of its parts, never leaves it.
  private static var cardLength: Int { 1000 }
}

/// Builds what is inside the machines: scale-up links, PCIe lanes and switches, sockets.
///
/// A device reaches the others of its machine through the scale-up network, or where there is none,
/// through PCIe. Its lanes lead to a PCIe switch, on which the network card hangs that serves it; the
/// switch's uplink leads to the host. So host transfers and network traffic share lanes. A card that
/// serves devices of several PCIe switches hangs on the host.
///
/// A way's latency lies on its first link. That of a network is measured from memory to memory, so
/// the card has what the lanes leave of it.
struct MachineBuilder {
  var network: Network
  private let plan: NetworkPlan
  /// The links of each device towards the inside and the outside, where they are the same for all
  /// traffic.
  private var inner: [(out: [Int], in: [Int])?] = []
  private var lanes: [(out: Int, in: Int)] = []
  private var uplinks: [(out: Int, in: Int)] = []
  /// For each device, the position of its card among all; nil without one.
  private var cardOf: [Int?] = []

  /// Devices that share a PCIe switch are nearer through the scale-up network. A grid's devices are
  /// less hops apart than there are, and nothing should take the way through the host.
  private let laneLength: Int

  /// So long that no way takes a card of another PCIe switch to save links between switches outside.
  private var uplinkLength: Int { max(laneLength, 100) }

  init(_ network: Network, _ plan: NetworkPlan) {
    self.network = network
    self.plan = plan
    var longest = 2
    if case .grid = plan.topology { longest = plan.deviceCount }
    for machine in plan.machines where machine.node.scaleUp.kind == .grid {
      longest = max(longest, machine.devices)
    }
    laneLength = longest
  }

  /// - Returns: The network cards, in order; none for machines that meet without.
  /// - Throws: ``FabricError/topology(_:)`` where a machine's grid has other places than devices.
  mutating func build() throws(FabricError) -> [CardPort] {
    var cards: [CardPort] = []
    var first = 0
    var isGrid = false
    if case .grid = plan.topology { isGrid = true }
    var planes: [Int] = []
    for (number, machine) in plan.machines.enumerated() {
      let devices = first..<first + machine.devices
      first = devices.upperBound
      for _ in devices { inner.append(nil) }
      if !isGrid { try addScaleUp(machine.node, number, devices, &planes) }
      let hasCards = !isGrid && machine.node.scaleUp.kind != .planes
      let firstCard = cards.count
      let (hung, numbers) = addHost(machine.node, number, devices)
      if hasCards { cards += hung }
      cardOf += numbers.map { hasCards ? $0.map { firstCard + $0 } : nil }
    }
    return cards
  }

  // MARK: - Scale-up

  private mutating func addScaleUp(
    _ node: Node, _ number: Int, _ devices: Range<Int>, _ planes: inout [Int]
  ) throws(FabricError) {
    let port = node.scaleUp.port
    switch node.scaleUp.kind {
    case .host:
      break
    case .switched:
      let center = network.addVertex("node \(number) switch", .switch, node: number)
      for device in devices {
        let out = network.addLink(
          .scaleUp, from: device, to: center, port.effectiveBandwidth, latency: port.latency)
        let back = network.addLink(.scaleUp, from: center, to: device, port.effectiveBandwidth)
        inner[device] = ([out], [back])
      }
    case .mesh:
      let bandwidth = (node.scaleUp.pairBandwidth ?? .zero) * port.link.efficiency
      for device in devices {
        for other in devices where other != device {
          network.addLink(.pair, from: device, to: other, bandwidth, latency: port.latency)
        }
      }
    case .grid:
      let grid = Grid(
        dimensions: node.scaleUp.dimensions, wraps: false, bandwidth: port.effectiveBandwidth,
        latency: port.latency)
      try grid.build(&network, joining: devices)
    case .planes:
      addPlanes(node, number, devices, &planes)
    }
  }

  /// A switch of its own for each plane in each node, and one that never limits for the rest of the
  /// plane.
  private mutating func addPlanes(
    _ node: Node, _ number: Int, _ devices: Range<Int>, _ planes: inout [Int]
  ) {
    guard let parts = node.scaleUp.planes else { return }
    let port = node.scaleUp.port
    let share = port.effectiveBandwidth / Double(parts.count)
    let hop = port.link.hopLatency ?? .zero
    while planes.count < parts.count {
      planes.append(network.addVertex("plane \(planes.count)", .switch))
    }
    for plane in 0..<parts.count {
      let own = network.addVertex("node \(number) plane \(plane)", .switch, node: number)
      for device in devices {
        network.addLink(.scaleUp, from: device, to: own, share, latency: port.latency)
        network.addLink(.scaleUp, from: own, to: device, share)
      }
      network.connect(
        .core, own, planes[plane], parts.uplink * port.link.efficiency, latency: hop)
    }
  }

  // MARK: - PCIe and cards

  private mutating func addHost(
    _ node: Node, _ number: Int, _ devices: Range<Int>
  ) -> (cards: [CardPort], ofDevices: [Int?]) {
    let hosts = addSockets(node, number)
    let lane = node.hostLink.effectiveBandwidth
    let latency = node.hostLink.latency
    let cardCount = node.network?.cardCount ?? 0
    let oneForEachCard = cardCount > 1 && cardCount <= node.deviceCount
    let switchCount = node.hostSwitches ?? (oneForEachCard ? cardCount : node.deviceCount)
    var switches: [Int: (vertex: Int, up: Int, down: Int)] = [:]
    var cards: [CardPort] = []
    var ofDevices: [Int?] = []
    for (local, device) in devices.enumerated() {
      let place = local * switchCount / node.deviceCount
      let host = hosts[local * hosts.count / node.deviceCount]
      if switches[place] == nil {
        let vertex = network.addVertex("node \(number) PCIe \(place)", .switch, node: number)
        let up = network.addLink(.hostUplink, from: vertex, to: host, lane, length: uplinkLength)
        let down = network.addLink(
          .hostUplink, from: host, to: vertex, lane, latency: latency, length: uplinkLength)
        switches[place] = (vertex, up, down)
      }
      guard let pcie = switches[place] else { continue }
      let out = network.addLink(
        .hostLane, from: device, to: pcie.vertex, lane, latency: latency, length: laneLength)
      let back = network.addLink(
        .hostLane, from: pcie.vertex, to: device, lane, length: laneLength)
      lanes.append((out, back))
      uplinks.append((pcie.up, pcie.down))
      guard let network = node.network else {
        ofDevices.append(nil)
        continue
      }
      let card = local * cardCount / node.deviceCount
      if cards.last?.number != card {
        let isOnHost = cardCount < switchCount
        cards.append(
          CardPort(
            vertex: isOnHost ? hosts[card * hosts.count / cardCount] : pcie.vertex,
            isOnHost: isOnHost, node: number, number: card,
            bandwidth: network.port.effectiveBandwidth,
            latency: max(.zero, network.port.latency - latency),
            hopLatency: network.port.link.hopLatency ?? .zero,
            messageRate: network.port.link.messagesPerSecond))
      }
      ofDevices.append(cards.count - 1)
    }
    return (cards, ofDevices)
  }

  private mutating func addSockets(_ node: Node, _ number: Int) -> [Int] {
    guard let link = node.host.socketLink, node.host.sockets > 1 else {
      return [network.addVertex("node \(number) host", .host, node: number)]
    }
    let sockets = (0..<node.host.sockets).map {
      network.addVertex("node \(number) socket \($0)", .host, node: number)
    }
    for (index, socket) in sockets.enumerated() {
      for other in sockets[(index + 1)...] {
        network.connect(
          .socket, socket, other, link.effectiveBandwidth, latency: link.latency,
          length: uplinkLength)
      }
    }
    return sockets
  }

  // MARK: - Ports

  /// The ways in and out of each device, where they do not depend on who is at the other end; nil
  /// otherwise.
  ///
  /// - Parameter cardLinks: The cards, joined to a core that never limits; empty for one machine.
  func ports(_ cards: [CardPort], _ cardLinks: [(out: Int, in: Int)]) -> [DevicePorts]? {
    // Machines that meet without cards meet on planes, which are no ports.
    guard plan.machines.count == 1 || !cardLinks.isEmpty else { return nil }
    var ports: [DevicePorts] = []
    for device in 0..<network.deviceCount {
      guard let node = network.vertices[device].node else { return nil }
      let machine = plan.machines[node]
      var own = DevicePorts()
      if let inner = inner[device] {
        own.innerOut = inner.out
        own.innerIn = inner.in
      } else if machine.devices > 1 {
        guard machine.node.scaleUp.kind == .host, machine.node.hasNoLimitAcrossHost
        else { return nil }
        own.innerOut = [lanes[device].out, uplinks[device].out]
        own.innerIn = [uplinks[device].in, lanes[device].in]
      }
      if !cardLinks.isEmpty {
        guard let number = cardOf[device] else { return nil }
        let card = cards[number]
        guard card.isOnHost ? machine.node.hasNoLimitAcrossHost : machine.node.hasOwnCardSwitches
        else { return nil }
        let viaHost = card.isOnHost ? [uplinks[device]] : []
        own.outerOut = [lanes[device].out] + viaHost.map(\.out) + [cardLinks[number].out]
        own.outerIn = [cardLinks[number].in] + viaHost.map(\.in) + [lanes[device].in]
      }
      ports.append(own)
    }
    return ports
  }
}

extension Node {
  /// Whether everything that crosses the host is limited by each device's own uplink only.
  fileprivate var hasNoLimitAcrossHost: Bool {
    (host.socketLink == nil || host.sockets == 1) && hostSwitches == nil
      && (network?.cardCount ?? 0) <= 1
  }

  /// Whether each PCIe switch has one card.
  fileprivate var hasOwnCardSwitches: Bool {
    hostSwitches == nil || hostSwitches == network?.cardCount
  }
}
