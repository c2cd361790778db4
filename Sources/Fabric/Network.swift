import Hardware
import Units

/// A network as a directed graph: devices, hosts, network cards and switches, and the links between
/// them.
///
///     let network = try Network(NetworkPlan(cluster, topology: .railOptimised(.init(spines: 4))))
///     let route = try RouteFinder(network).route(from: 0, to: 9)
///
/// A link is one direction; two-way links are two. Devices come first among the vertices and stand in
/// the order of their numbers.
public struct Network: Sendable {
  public struct Vertex: Hashable, Sendable {
    public var name: String
    public var kind: Kind
    /// The machine it is part of; nil for switches between machines.
    public var node: Int?
    /// Whether traffic may pass through it on its way to somewhere else.
    public var forwards: Bool

    public enum Kind: String, CaseIterable, Hashable, Sendable {
      case device
      /// A processor socket with its memory.
      case host
      case `switch`
    }
  }

  public struct Link: Hashable, Sendable {
    public var name: String
    public var source: Int
    public var target: Int
    public var kind: LinkKind
    public var bandwidth: Bandwidth
    /// From a byte's departure at the source to its arrival at the target.
    public var latency: SimTime
    /// Messages that may begin in a second; nil where only bytes limit.
    public var messageRate: Double?
    /// How much of a route's length it is. Routes are the shortest.
    public var length: Int
  }

  /// What a link is, for tables that average over links.
  public enum LinkKind: String, CaseIterable, Hashable, Sendable {
    /// Between a device and the switch of its node, or its planes.
    case scaleUp = "scale-up ports"
    /// Between two devices, without a switch.
    case pair = "device-to-device links"
    /// PCIe lanes between a device and its switch.
    case hostLane = "host links"
    /// Between a PCIe switch and its host.
    case hostUplink = "host uplinks"
    /// Between the sockets of a host.
    case socket = "socket links"
    /// Between a network card and the switch outside.
    case card = "network cards"
    /// Between switches.
    case core = "switch links"
  }

  public private(set) var vertices: [Vertex] = []
  public private(set) var links: [Link] = []
  public private(set) var deviceCount = 0
  /// Links that leave a vertex, in the order they were added.
  public private(set) var outgoing: [[Int]] = []
  /// Links that end at a vertex, in the order they were added.
  public private(set) var incoming: [[Int]] = []
  /// How routes choose among shortest ways unless somebody says otherwise.
  public var standardSpread = Spread.spray
  /// Vertices through one of which a route may be led on purpose; see ``Routing/valiant``.
  public internal(set) var detours: [Int] = []
  /// The ways in and out of each device, where every route is a way out and a way in: then the core
  /// does not block, and traffic between pairs can be summed at the ports without error.
  public internal(set) var ports: [DevicePorts]?

  /// Whether scale-up links are like those of the nodes that costs were fitted to; not a grid's or a
  /// file's, whose latency somebody wrote.
  var hasScaleUpOfNodes = true

  public init() {}

  public mutating func addVertex(
    _ name: String, _ kind: Vertex.Kind, node: Int? = nil, forwards: Bool = true
  ) -> Int {
    vertices.append(Vertex(name: name, kind: kind, node: node, forwards: forwards))
    outgoing.append([])
    incoming.append([])
    return vertices.count - 1
  }

  /// Adds the next device. Devices are added before any other vertex.
  public mutating func addDevice(node: Int?, forwards: Bool = false) -> Int {
    precondition(vertices.count == deviceCount, "devices come first among the vertices")
    deviceCount += 1
    return addVertex("device \(deviceCount - 1)", .device, node: node, forwards: forwards)
  }

  /// Adds one direction.
  ///
  /// - Parameter name: `device 3 -> node 0 switch` where nil.
  @discardableResult
  public mutating func addLink(
    _ kind: LinkKind, from source: Int, to target: Int, _ bandwidth: Bandwidth,
    latency: SimTime = .zero, messageRate: Double? = nil, length: Int = 1, name: String? = nil
  ) -> Int {
    links.append(
      Link(
        name: name ?? "\(vertices[source].name) -> \(vertices[target].name)", source: source,
        target: target, kind: kind, bandwidth: bandwidth, latency: latency,
        messageRate: messageRate, length: length))
    outgoing[source].append(links.count - 1)
    incoming[target].append(links.count - 1)
    return links.count - 1
  }

  /// - Throws: ``FabricError/tooManyLinks(links:bytes:limit:)`` where so many more links would take
  ///   more memory than is used for them.
  func requireRoom(forLinks count: Double) throws(FabricError) {
    let bytes = count * Self.bytesPerLink
    guard bytes <= Self.mostBytes else {
      throw .tooManyLinks(links: count, bytes: bytes, limit: Self.mostBytes)
    }
  }

  /// A link with its name and its place in lists, here and as a resource of the engine: rounded up.
  private static var bytesPerLink: Double { 400 }
  private static var mostBytes: Double { 4e9 }

  /// Adds both directions, the way from `a` to `b` first.
  mutating func connect(
    _ kind: LinkKind, _ a: Int, _ b: Int, _ bandwidth: Bandwidth, latency: SimTime = .zero,
    length: Int = 1
  ) {
    addLink(kind, from: a, to: b, bandwidth, latency: latency, length: length)
    addLink(kind, from: b, to: a, bandwidth, latency: latency, length: length)
  }

  /// Lets bytes arrive at once over scale-up links, whose latency a fitted start-up holds.
  public mutating func dropScaleUpLatency() {
    guard hasScaleUpOfNodes else { return }
    for link in links.indices where [.scaleUp, .pair].contains(links[link].kind) {
      links[link].latency = .zero
    }
  }

  /// Lets traffic between others pass through the devices.
  mutating func letDevicesForward() { letForward(0..<deviceCount) }

  mutating func letForward(_ devices: Range<Int>) {
    for device in devices { vertices[device].forwards = true }
  }

  public func vertex(named name: String) -> Int? { vertices.firstIndex { $0.name == name } }
}

/// The links that all traffic of one device passes, by where it goes.
public struct DevicePorts: Hashable, Sendable {
  /// To and from devices of its own node.
  public var innerOut: [Int] = []
  public var innerIn: [Int] = []
  /// To and from devices of other nodes.
  public var outerOut: [Int] = []
  public var outerIn: [Int] = []
}
