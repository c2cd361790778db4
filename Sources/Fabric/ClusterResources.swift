import Engine
import Hardware
import Units

/// What one device of a cluster brings to a run.
public struct DeviceResources: Sendable {
  /// All compute units together: one second of the whole device per second. A kernel claims the
  /// time it takes alone, so kernels that run beside each other share the device, whatever part of
  /// it each of them is bound by.
  public var cores: ResourceID
  /// The arithmetic units at their data-sheet rate: one second of peak work per second.
  public var tensor: ResourceID
  public var memory: ResourceID
  /// The port to the other devices of the node, each way.
  public var scaleUpOut: ResourceID
  public var scaleUpIn: ResourceID
  /// The lanes to the host, each way. Network cards hang behind them.
  public var hostOut: ResourceID
  public var hostIn: ResourceID
  /// The network card, each way; nil in a cluster of one node without network traffic.
  public var networkOut: ResourceID?
  public var networkIn: ResourceID?
}

/// A kind of resource, for tables that average over devices.
public enum ResourceKind: String, CaseIterable, Sendable {
  case cores
  case tensor = "tensor units"
  case memory
  case scaleUp = "scale-up ports"
  case hostLink = "host links"
  case network = "network cards"
  case pairLink = "device-to-device links"
}

/// A cluster's devices and ports as resources of the engine.
///
///     let resources = ClusterResources(cluster)
///     var engine = Engine<FourAryHeap>(resources: resources.table)
///
/// Devices of a node reach each other through switched ports (each has one way out and one way in,
/// and the switch between them does not block), through point-to-point links (a mesh: the ports and,
/// for each ordered pair, its own link), or through their host lanes. Nodes reach each other through
/// a network card for each device or a few, behind the device's host lanes, over a fabric that does
/// not block.
public struct ClusterResources: Sendable {
  public let cluster: Cluster
  public private(set) var table = ResourceTable()
  public private(set) var devices: [DeviceResources] = []
  /// For each resource of the table, in its order.
  public private(set) var kinds: [ResourceKind] = []
  /// The device that a resource belongs to, in the order of the table; the sender of a link, the
  /// first device of a card that several share.
  public private(set) var owners: [Int] = []
  /// `[device][position of the other device in the node]`, where the node is a mesh.
  private var pairLinks: [[ResourceID]] = []

  public init(_ cluster: Cluster) {
    self.cluster = cluster
    for device in cluster.deviceIndices { addDevice(device) }
    if cluster.nodeCount > 1 { addNetworkCards() }
    if cluster.node.scaleUp.kind == .mesh { addPairLinks() }
  }

  /// The link from one device to another of its node, where the node is a mesh.
  public func pairLink(from device: Int, to other: Int) -> ResourceID? {
    pairLinks.isEmpty ? nil : pairLinks[device][cluster.localIndex(of: other)]
  }

  private mutating func add<Unit>(
    _ kind: ResourceKind, of device: Int, _ suffix: String, _ capacity: Quantity<PerSecond<Unit>>
  ) -> ResourceID {
    kinds.append(kind)
    owners.append(device)
    return table.add("device \(device) \(suffix)", capacity: capacity)
  }

  private mutating func addDevice(_ device: Int) {
    let wholeDevice = Quantity<PerSecond<Second>>(1)
    let node = cluster.node
    let lanes = node.hostLink.effectiveBandwidth
    let hostOut = add(.hostLink, of: device, "host link out", lanes)
    let hostIn = add(.hostLink, of: device, "host link in", lanes)
    let hasPorts = node.scaleUp.kind != .host
    let port = node.scaleUp.port.effectiveBandwidth
    devices.append(
      DeviceResources(
        cores: add(.cores, of: device, "cores", wholeDevice),
        tensor: add(.tensor, of: device, "tensor units", wholeDevice),
        memory: add(.memory, of: device, "memory", node.device.memory.bandwidth),
        scaleUpOut: hasPorts ? add(.scaleUp, of: device, "scale-up out", port) : hostOut,
        scaleUpIn: hasPorts ? add(.scaleUp, of: device, "scale-up in", port) : hostIn,
        hostOut: hostOut, hostIn: hostIn))
  }

  private mutating func addNetworkCards() {
    guard let network = cluster.node.network else { return }
    for node in 0..<cluster.nodeCount {
      var cards: [Int: (out: ResourceID, in: ResourceID)] = [:]
      for device in cluster.devices(ofNode: node) {
        guard let number = cluster.networkCard(of: device) else { continue }
        let bandwidth = network.port.effectiveBandwidth
        let card =
          cards[number] ?? (
            out: add(.network, of: device, "network card out", bandwidth),
            in: add(.network, of: device, "network card in", bandwidth)
          )
        cards[number] = card
        devices[device].networkOut = card.out
        devices[device].networkIn = card.in
      }
    }
  }

  private mutating func addPairLinks() {
    guard let bandwidth = cluster.pairBandwidth else { return }
    for device in cluster.deviceIndices {
      let others = cluster.devices(ofNode: cluster.node(of: device))
      pairLinks.append(others.map { add(.pairLink, of: device, "link to \($0)", bandwidth) })
    }
  }
}

extension Cluster {
  /// What the link between two devices of a mesh reaches each way; its nominal bandwidth times what
  /// its kind of link was measured to reach.
  var pairBandwidth: Bandwidth? {
    node.scaleUp.pairBandwidth.map { $0 * node.scaleUp.port.link.efficiency }
  }
}
