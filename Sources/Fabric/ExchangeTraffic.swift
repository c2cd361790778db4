import Engine
import Hardware
import Units

/// What an exchange between all devices puts on their ports: bytes out and in, inside the node and
/// between nodes.
///
///     var traffic = ExchangeTraffic(cluster)
///     traffic.add(Bytes(4096), from: 0, to: 3)
///     traffic.appendTask(label, to: &graph, on: resources)
///
/// The exchange is one task that demands every port it uses. It begins when its last participant is
/// ready and takes the time of the port with the most bytes for its bandwidth. Where switch and
/// network do not block this is exactly what flows served in proportion to their size take: no
/// schedule is faster, because that port is never idle.
public struct ExchangeTraffic: Sendable {
  public let cluster: Cluster
  /// Bytes to and from devices of the same node, by device.
  public private(set) var innerOut: [Double]
  public private(set) var innerIn: [Double]
  /// Bytes to and from devices of other nodes, by device.
  public private(set) var outerOut: [Double]
  public private(set) var outerIn: [Double]
  /// `[device][position in its node]`, kept where the node is a mesh.
  private var pairs: [Double] = []

  public init(_ cluster: Cluster) {
    self.cluster = cluster
    innerOut = [Double](repeating: 0, count: cluster.deviceCount)
    innerIn = innerOut
    outerOut = innerOut
    outerIn = innerOut
    if needsPairs {
      pairs = [Double](repeating: 0, count: cluster.deviceCount * cluster.devicesPerNode)
    }
  }

  /// Whether the ports alone do not say how long it takes: in a mesh each pair has a link.
  public var needsPairs: Bool { cluster.node.scaleUp.kind == .mesh }

  /// Forgets all traffic and keeps the memory.
  public mutating func removeAll() {
    for device in cluster.deviceIndices {
      innerOut[device] = 0
      innerIn[device] = 0
      outerOut[device] = 0
      outerIn[device] = 0
    }
    for index in pairs.indices { pairs[index] = 0 }
  }

  /// Adds bytes from one device to another; bytes that stay on a device cost nothing here.
  public mutating func add(_ bytes: Bytes, from source: Int, to target: Int) {
    guard source != target else { return }
    if cluster.node(of: source) == cluster.node(of: target) {
      innerOut[source] += bytes.value
      innerIn[target] += bytes.value
      if !pairs.isEmpty {
        pairs[source * cluster.devicesPerNode + cluster.localIndex(of: target)] += bytes.value
      }
    } else {
      outerOut[source] += bytes.value
      outerIn[target] += bytes.value
    }
  }

  /// Sets what a device sends and gets, where nobody needs to know between which pairs.
  public mutating func setPorts(
    of device: Int, innerOut: Bytes, innerIn: Bytes, outerOut: Bytes, outerIn: Bytes
  ) {
    self.innerOut[device] = innerOut.value
    self.innerIn[device] = innerIn.value
    self.outerOut[device] = outerOut.value
    self.outerIn[device] = outerIn.value
  }

  public var bytesSent: Bytes { Bytes(innerOut.reduce(0, +) + outerOut.reduce(0, +)) }
  public var bytesReceived: Bytes { Bytes(innerIn.reduce(0, +) + outerIn.reduce(0, +)) }
  public var isEmpty: Bool { bytesSent.value == 0 }

  /// What bounds the exchange when it runs alone.
  public enum Bound: Sendable {
    case latency, scaleUp, network
  }

  /// The start-up of the exchange: the collective's own, and the way through the links it uses.
  public var latency: SimTime {
    let node = cluster.node
    let crossesNodes = outerOut.contains { $0 > 0 }
    let way = crossesNodes ? (node.network?.port.latency ?? .zero) : node.scaleUp.port.latency
    return node.scaleUp.collectiveLatency + way
  }

  /// Which port the exchange takes longest on when it runs alone, or its start-up. O(devices), and
  /// O(devices x devices of a node) for a mesh.
  public var bound: Bound {
    let node = cluster.node
    let lane = node.hostLink.effectiveBandwidth
    let hasPorts = node.scaleUp.kind != .host
    let port = hasPorts ? node.scaleUp.port.effectiveBandwidth : lane
    var inner = Seconds.zero
    var outer = Seconds.zero
    for device in cluster.deviceIndices {
      inner = max(inner, Bytes(max(innerOut[device], innerIn[device])) / port)
      outer = max(outer, Bytes(max(outerOut[device], outerIn[device])) / lane)
    }
    if let pair = cluster.pairBandwidth {
      for bytes in pairs { inner = max(inner, Bytes(bytes) / pair) }
    }
    if let card = node.network?.port.effectiveBandwidth {
      forEachCard { devices in
        let load = max(outerOut[devices].reduce(0, +), outerIn[devices].reduce(0, +))
        outer = max(outer, Bytes(load) / card)
      }
    }
    if Seconds(latency) > max(inner, outer) { return .latency }
    return outer > inner ? .network : .scaleUp
  }

  /// Appends the exchange to a graph. O(devices), and O(devices x devices of a node) for a mesh.
  public func appendTask(
    _ label: TaskLabel, to graph: inout TaskGraph, on resources: ClusterResources
  ) -> TaskID {
    let task = graph.addTask(label, latency: latency)
    for device in cluster.deviceIndices {
      let ports = resources.devices[device]
      // Network traffic passes the host lanes; in a node without ports so does inner traffic, and
      // the two are one demand.
      let isHostNode = ports.scaleUpOut == ports.hostOut
      let laneOut = outerOut[device] + (isHostNode ? innerOut[device] : 0)
      let laneIn = outerIn[device] + (isHostNode ? innerIn[device] : 0)
      graph.demand(Bytes(laneOut), of: ports.hostOut)
      graph.demand(Bytes(laneIn), of: ports.hostIn)
      if !isHostNode {
        graph.demand(Bytes(innerOut[device]), of: ports.scaleUpOut)
        graph.demand(Bytes(innerIn[device]), of: ports.scaleUpIn)
      }
    }
    appendCards(to: &graph, on: resources)
    appendPairs(to: &graph, on: resources)
    return task
  }

  /// Devices that share a network card demand it together.
  private func appendCards(to graph: inout TaskGraph, on resources: ClusterResources) {
    forEachCard { devices in
      guard let out = resources.devices[devices.lowerBound].networkOut,
        let incoming = resources.devices[devices.lowerBound].networkIn
      else { return }
      graph.demand(Bytes(outerOut[devices].reduce(0, +)), of: out)
      graph.demand(Bytes(outerIn[devices].reduce(0, +)), of: incoming)
    }
  }

  /// The devices behind each network card, which are neighbours.
  private func forEachCard(_ body: (Range<Int>) -> Void) {
    var first = 0
    while first < cluster.deviceCount {
      let card = cluster.networkCard(of: first)
      let node = cluster.devices(ofNode: cluster.node(of: first))
      let end = (first..<node.upperBound).first { cluster.networkCard(of: $0) != card }
      if card != nil { body(first..<(end ?? node.upperBound)) }
      first = end ?? node.upperBound
    }
  }

  private func appendPairs(to graph: inout TaskGraph, on resources: ClusterResources) {
    guard !pairs.isEmpty else { return }
    for source in cluster.deviceIndices {
      for target in cluster.devices(ofNode: cluster.node(of: source)) where target != source {
        guard let link = resources.pairLink(from: source, to: target) else { continue }
        let index = source * cluster.devicesPerNode + cluster.localIndex(of: target)
        graph.demand(Bytes(pairs[index]), of: link)
      }
    }
  }
}
