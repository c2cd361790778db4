import Engine
import Units

/// What an exchange between devices puts on the links of a network.
///
///     var traffic = ExchangeTraffic(resources, routes)
///     traffic.add(Bytes(4096), from: 0, to: 3)
///     traffic.appendTask(label, to: &graph)
///
/// The exchange is one task that demands every link it uses. It begins when its last participant is
/// ready and takes the time of the link with the most bytes for its bandwidth. That is exactly what
/// flows take that are served in proportion to their size, and no schedule is faster, because that
/// link is never idle.
public struct ExchangeTraffic: Sendable {
  public let resources: ClusterResources
  /// Bytes on each link, with what the protocol adds.
  public private(set) var loads: [Double]
  /// Messages that begin on each link; kept where a link has a message rate.
  private var messages: [Double] = []
  /// Bytes that a device copies within its memory, by device.
  private var copies: [Double]
  /// What the library's protocol leaves of links; to be set before traffic is added.
  public var protocolShares: ProtocolShares {
    didSet { if protocolShares != oldValue { findWireFactors() } }
  }
  /// Bytes on each link for each byte of data.
  private var wireFactors: [Double] = []
  /// By vertex of the network.
  private let nodes: [Int?]
  /// Of one message, where a library sends token by token; nil where a pair's bytes are one message.
  /// To be set before traffic is added.
  public var messageBytes: Bytes?
  private var sent: [Double]
  /// The part of ``sent`` that leaves the node.
  private var sentOutside: [Double]
  /// Every pair's flow by itself, where that is asked for.
  private var flows: SimultaneousFlows?
  public private(set) var bytesSent = Bytes.zero
  public private(set) var bytesReceived = Bytes.zero
  /// Of the longest way that is used.
  public private(set) var wayLatency = SimTime.zero
  private var switched = false
  private let routes: RouteTable?
  /// What is left of each link's bandwidth; nil for all of it.
  private let factors: [Double]?
  private let portLatency: PortLatencies

  /// - Parameters:
  ///   - routes: Nil only where the network's ports say all: ``Network/ports``.
  ///   - protocolShares: What the library's protocol leaves of links.
  ///   - fidelity: With flows the exchange takes at least what its flows take that begin together
  ///     and share links max-min fairly. It needs routes.
  ///   - factors: What is left of each link's bandwidth.
  public init(
    _ resources: ClusterResources, _ routes: RouteTable? = nil,
    protocolShares: ProtocolShares = ProtocolShares(), fidelity: FabricPlan.Fidelity = .ports,
    factors: [Double]? = nil
  ) {
    precondition(routes != nil || resources.network.ports != nil, "ways are known")
    if fidelity == .flows && routes != nil {
      var flows = SimultaneousFlows()
      for (index, link) in resources.network.links.enumerated() {
        _ = flows.addLink(capacity: link.bandwidth * (factors?[index] ?? 1))
      }
      self.flows = flows
    }
    self.resources = resources
    self.routes = routes
    self.factors = factors
    loads = [Double](repeating: 0, count: resources.network.links.count)
    copies = [Double](repeating: 0, count: resources.devices.count)
    sent = copies
    sentOutside = copies
    self.protocolShares = protocolShares
    if resources.messages.contains(where: { $0 != nil }) { messages = loads }
    portLatency = PortLatencies(resources.network)
    nodes = resources.network.vertices.map(\.node)
    findWireFactors()
  }

  private mutating func findWireFactors() {
    wireFactors = network.links.map { protocolShares.wireFactor(of: $0.kind) }
  }

  private var network: Network { resources.network }

  /// Forgets all traffic and keeps the memory.
  public mutating func removeAll() {
    for link in loads.indices { loads[link] = 0 }
    for link in messages.indices { messages[link] = 0 }
    for device in copies.indices {
      copies[device] = 0
      sent[device] = 0
      sentOutside[device] = 0
    }
    bytesSent = .zero
    bytesReceived = .zero
    wayLatency = .zero
    switched = false
    flows?.removeFlows()
  }

  /// Adds bytes from one device to another; bytes that stay on a device cost nothing here.
  public mutating func add(
    _ bytes: Bytes, from source: Int, to target: Int, messages given: Double = 1
  ) {
    add(bytes, from: source, to: target, messages: given, over: routes, resources.network)
  }

  /// Adds what every device sends every other. O(devices x devices x hops).
  public mutating func add(_ matrix: TrafficMatrix) {
    // Each pair by itself would count references to the network and its ways anew. The ways are stored
    // target by target.
    let (routes, network) = (routes, resources.network)
    for target in 0..<matrix.ranks {
      for source in 0..<matrix.ranks {
        add(
          matrix[source, target], from: source, to: target, messages: 1, over: routes, network)
      }
    }
  }

  private mutating func add(
    _ bytes: Bytes, from source: Int, to target: Int, messages given: Double,
    over routes: RouteTable?, _ network: Network
  ) {
    guard source != target, bytes.value > 0 else { return }
    let count = messageBytes.map { bytes / $0 } ?? given
    bytesSent = bytesSent + bytes
    bytesReceived = bytesReceived + bytes
    sent[source] += bytes.value
    let isInner = nodes[source] == nodes[target]
    if !isInner { sentOutside[source] += bytes.value }
    if let routes {
      flows?.addFlow(bytes)
      let isFlow = flows != nil
      routes.forEachHop(from: source, to: target) { link, share in
        put(bytes.value * share, count * share, on: link)
        if isFlow { flows?.cross(link, amount: share * wireFactors[link]) }
      }
      wayLatency = max(wayLatency, routes.latency(from: source, to: target))
    } else if let ports = network.ports {
      let out = ports[source]
      let incoming = ports[target]
      for link in isInner ? out.innerOut : out.outerOut { put(bytes.value, count, on: link) }
      for link in isInner ? incoming.innerIn : incoming.outerIn {
        put(bytes.value, count, on: link)
      }
      wayLatency = max(wayLatency, isInner ? portLatency.inner : portLatency.outer)
    }
  }

  private mutating func put(_ bytes: Double, _ count: Double, on link: Int) {
    loads[link] += bytes * wireFactors[link]
    if !messages.isEmpty { messages[link] += count }
  }

  /// Adds a step of a schedule whose ranks are devices.
  ///
  /// - Throws: ``FabricError/noSwitch(device:)``.
  public mutating func add(_ step: MessageSchedule.Step) throws(FabricError) {
    let bytes = Bytes(step.bytes)
    switch step.kind {
    case .join: break
    case .copy: addCopy(bytes, on: Int(step.source))
    case .message where step.source == MessageSchedule.network:
      try addSwitched(bytes, .outOf, at: Int(step.target))
    case .message where step.target == MessageSchedule.network:
      try addSwitched(bytes, .into, at: Int(step.source))
    case .message:
      add(bytes, from: Int(step.source), to: Int(step.target), messages: step.messages)
    }
  }

  /// Adds a copy of bytes within a device's memory: each is read once and written once.
  public mutating func addCopy(_ bytes: Bytes, on device: Int) { copies[device] += bytes.value }

  /// Adds what a device sends into the switch of its node, which consumes it, or gets out of it.
  ///
  /// - Throws: ``FabricError/noSwitch(device:)``.
  public mutating func addSwitched(
    _ bytes: Bytes, _ direction: SwitchDirection, at device: Int
  ) throws(FabricError) {
    let link = try network.switchLink(direction, of: device)
    put(bytes.value, 1, on: link)
    flows?.addFlow(bytes)
    flows?.cross(link, amount: wireFactors[link])
    wayLatency = max(wayLatency, network.links[link].latency)
    switched = true
  }

  /// Adds what a device sends and gets, where nobody needs to know between which pairs.
  public mutating func addPorts(
    of device: Int, innerOut: Bytes, innerIn: Bytes, outerOut: Bytes, outerIn: Bytes
  ) {
    guard let ports = network.ports?[device] else { return }
    for link in ports.innerOut { put(innerOut.value, 0, on: link) }
    for link in ports.innerIn { put(innerIn.value, 0, on: link) }
    // Without pairs nobody knows how many messages there are, but by their size.
    func messages(_ bytes: Bytes) -> Double { messageBytes.map { bytes / $0 } ?? 0 }
    for link in ports.outerOut { put(outerOut.value, messages(outerOut), on: link) }
    for link in ports.outerIn { put(outerIn.value, messages(outerIn), on: link) }
    bytesSent = bytesSent + innerOut + outerOut
    bytesReceived = bytesReceived + innerIn + outerIn
    sent[device] += innerOut.value + outerOut.value
    sentOutside[device] += outerOut.value
    if innerOut.value > 0 { wayLatency = max(wayLatency, portLatency.inner) }
    if outerOut.value > 0 { wayLatency = max(wayLatency, portLatency.outer) }
  }

  public var isEmpty: Bool {
    bytesSent.value == 0 && !switched && !copies.contains { $0 > 0 }
  }

  /// What the device that sends most sends to others.
  public var mostSent: Bytes { Bytes(sent.max() ?? 0) }
  /// What the device that sends most to others of its node sends them.
  public var mostSentInside: Bytes {
    Bytes(sent.indices.reduce(0) { max($0, sent[$1] - sentOutside[$1]) })
  }
  /// What the device that sends most to other nodes sends there.
  public var mostSentOutside: Bytes { Bytes(sentOutside.max() ?? 0) }

  /// What bounds the exchange when it runs alone.
  public enum Bound: Hashable, Sendable {
    case latency
    case link(Network.LinkKind)
  }

  /// The link that takes longest for its bytes, and how long; nil without traffic. O(links).
  public var busiestLink: (link: Int, time: Seconds)? {
    var busiest: (link: Int, time: Seconds)?
    for (link, load) in loads.enumerated() where load > 0 {
      let time = Bytes(load) / (network.links[link].bandwidth * (factors?[link] ?? 1))
      // Of equally busy links the one farther out is named: a card, and not the lane behind it.
      if time >= (busiest?.time ?? .zero) { busiest = (link, time) }
    }
    return busiest
  }

  /// - Parameter latency: The exchange's whole start-up.
  public func bound(latency: SimTime) -> Bound {
    guard let busiest = busiestLink, busiest.time > Seconds(latency) else { return .latency }
    return .link(network.links[busiest.link].kind)
  }

  /// What the exchange's work waits for longest, its start-up left out.
  public enum Work: Hashable, Sendable {
    case nothing
    case link(Network.LinkKind)
    /// Copies within a device's memory.
    case memory
    /// Messages that a card cannot post faster, or whatever handles copies on the devices.
    case handling
  }

  /// - Parameter span: What the exchange takes besides its start-up, whatever the links would allow.
  public func work(atLeast span: Seconds) -> Work {
    let busiest = busiestLink
    var longest = busiest?.time ?? .zero
    var work = busiest.map { Work.link(network.links[$0.link].kind) } ?? .nothing
    func consider(_ time: Seconds, _ other: Work) {
      guard time > longest else { return }
      (longest, work) = (time, other)
    }
    let capacities = resources.table.capacities
    for (device, bytes) in copies.enumerated() where bytes > 0 {
      let memory = resources.devices[device].memory
      consider(Seconds(2 * bytes / capacities[memory.position]), .memory)
    }
    for (link, count) in messages.enumerated() where count > 0 {
      if let rate = resources.messages[link] {
        consider(Seconds(count / capacities[rate.position]), .handling)
      }
    }
    consider(span, .handling)
    return work
  }

  /// Appends the exchange to a graph. O(links), and with flows what solving them takes.
  ///
  /// - Parameters:
  ///   - startUp: What the exchange takes before and beside its bytes and their way.
  ///   - span: What it takes besides its start-up, whatever the links would allow.
  ///   - occupancy: The part of every device's compute units that are busy with it meanwhile.
  ///   - energy: What it takes besides the links, whose energy is not counted.
  @discardableResult
  public func appendTask(
    _ label: TaskLabel, startUp: SimTime = .zero, atLeast span: Seconds = .zero,
    occupancy: Double = 0, energy: Joules = .zero, to graph: inout TaskGraph
  ) -> TaskID {
    let task = graph.addTask(label, latency: startUp + wayLatency, energy: energy)
    for (link, load) in loads.enumerated() where load > 0 {
      graph.demand(Bytes(load), of: resources.links[link])
    }
    for (device, bytes) in copies.enumerated() where bytes > 0 {
      graph.demand(Bytes(2 * bytes), of: resources.devices[device].memory)
    }
    for (link, count) in messages.enumerated() where count > 0 {
      if let rate = resources.messages[link] { graph.demand(Messages(count), of: rate) }
    }
    if occupancy > 0, let busiest = busiestLink {
      for device in resources.devices { graph.demand(busiest.time * occupancy, of: device.cores) }
    }
    graph.takeAtLeast(span)
    if let flows { graph.takeAtLeast(Seconds(flows.completions().ends.max() ?? 0)) }
    return task
  }
}

/// The latency of the ways that all devices of a network have alike.
private struct PortLatencies: Sendable {
  var inner = SimTime.zero
  var outer = SimTime.zero

  init(_ network: Network) {
    func sum(_ links: [Int]) -> SimTime {
      links.reduce(.zero) { $0 + network.links[$1].latency }
    }
    for ports in network.ports ?? [] {
      inner = max(inner, sum(ports.innerOut) + sum(ports.innerIn))
      outer = max(outer, sum(ports.outerOut) + sum(ports.outerIn))
    }
  }
}
