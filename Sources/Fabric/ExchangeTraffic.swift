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
  /// Bytes on each link.
  public private(set) var loads: [Double]
  /// Messages that begin on each link; kept where a link has a message rate.
  private var messages: [Double] = []
  public private(set) var bytesSent = Bytes.zero
  public private(set) var bytesReceived = Bytes.zero
  /// Of the longest way that is used.
  public private(set) var wayLatency = SimTime.zero
  private let routes: RouteTable?
  private let portLatency: PortLatencies

  /// - Parameter routes: Nil only where the network's ports say all: ``Network/ports``.
  public init(_ resources: ClusterResources, _ routes: RouteTable? = nil) {
    precondition(routes != nil || resources.network.ports != nil, "ways are known")
    self.resources = resources
    self.routes = routes
    loads = [Double](repeating: 0, count: resources.network.links.count)
    if resources.messages.contains(where: { $0 != nil }) { messages = loads }
    portLatency = PortLatencies(resources.network)
  }

  private var network: Network { resources.network }

  /// Whether what each device sends and gets does not say how long it takes: who sends to whom does.
  public var needsPairs: Bool { routes != nil || network.ports == nil }

  /// Forgets all traffic and keeps the memory.
  public mutating func removeAll() {
    for link in loads.indices { loads[link] = 0 }
    for link in messages.indices { messages[link] = 0 }
    bytesSent = .zero
    bytesReceived = .zero
    wayLatency = .zero
  }

  /// Adds bytes from one device to another; bytes that stay on a device cost nothing here.
  public mutating func add(
    _ bytes: Bytes, from source: Int, to target: Int, messages count: Double = 1
  ) {
    guard source != target, bytes.value > 0 else { return }
    bytesSent = bytesSent + bytes
    bytesReceived = bytesReceived + bytes
    if let routes {
      routes.forEachHop(from: source, to: target) { link, share in
        put(bytes.value * share, count * share, on: link)
      }
      wayLatency = max(wayLatency, routes.latency(from: source, to: target))
    } else if let ports = network.ports {
      let isInner = network.vertices[source].node == network.vertices[target].node
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
    loads[link] += bytes
    if !messages.isEmpty { messages[link] += count }
  }

  /// Adds what a device sends and gets, where nobody needs to know between which pairs.
  public mutating func addPorts(
    of device: Int, innerOut: Bytes, innerIn: Bytes, outerOut: Bytes, outerIn: Bytes
  ) {
    guard let ports = network.ports?[device] else { return }
    for link in ports.innerOut { put(innerOut.value, 0, on: link) }
    for link in ports.innerIn { put(innerIn.value, 0, on: link) }
    for link in ports.outerOut { put(outerOut.value, 0, on: link) }
    for link in ports.outerIn { put(outerIn.value, 0, on: link) }
    bytesSent = bytesSent + innerOut + outerOut
    bytesReceived = bytesReceived + innerIn + outerIn
    if innerOut.value > 0 { wayLatency = max(wayLatency, portLatency.inner) }
    if outerOut.value > 0 { wayLatency = max(wayLatency, portLatency.outer) }
  }

  public var isEmpty: Bool { bytesSent.value == 0 }

  /// What bounds the exchange when it runs alone.
  public enum Bound: Hashable, Sendable {
    case latency
    case link(Network.LinkKind)
  }

  /// The link that takes longest for its bytes, and how long; nil without traffic. O(links).
  public var busiestLink: (link: Int, time: Seconds)? {
    var busiest: (link: Int, time: Seconds)?
    for (link, load) in loads.enumerated() where load > 0 {
      let time = Bytes(load) / network.links[link].bandwidth
      if time > (busiest?.time ?? .zero) { busiest = (link, time) }
    }
    return busiest
  }

  /// - Parameter latency: The exchange's whole start-up.
  public func bound(latency: SimTime) -> Bound {
    guard let busiest = busiestLink, busiest.time > Seconds(latency) else { return .latency }
    return .link(network.links[busiest.link].kind)
  }

  /// Appends the exchange to a graph. O(links).
  ///
  /// - Parameters:
  ///   - startUp: What the exchange takes before and beside its bytes and their way.
  @discardableResult
  public func appendTask(
    _ label: TaskLabel, startUp: SimTime = .zero, to graph: inout TaskGraph
  ) -> TaskID {
    let task = graph.addTask(label, latency: startUp + wayLatency)
    for (link, load) in loads.enumerated() where load > 0 {
      graph.demand(Bytes(load), of: resources.links[link])
    }
    for (link, count) in messages.enumerated() where count > 0 {
      if let rate = resources.messages[link] { graph.demand(Messages(count), of: rate) }
    }
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
