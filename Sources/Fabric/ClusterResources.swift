import Engine
import Hardware
import Units

/// What one device of a cluster brings to a run besides its links.
public struct DeviceResources: Sendable {
  /// All compute units together: one second of the whole device per second. A kernel claims the
  /// time it takes alone, so kernels that run beside each other share the device, whatever part of
  /// it each of them is bound by.
  public var cores: ResourceID
  /// The arithmetic units at their data-sheet rate: one second of peak work per second.
  public var tensor: ResourceID
  public var memory: ResourceID
  /// The processor beside it, where the node has one.
  public var companion: CompanionResources?
}

/// What the processor beside a device brings to a run.
public struct CompanionResources: Sendable {
  /// As of a device.
  public var cores: ResourceID
  public var tensor: ResourceID
  /// What it streams from itself; where it is behind a link, all that kernels and copies together
  /// reach of it.
  public var memory: ResourceID
  /// The way to its memory and the way from there; nil where it works on the device's.
  public var way: (to: ResourceID, from: ResourceID)?
}

extension Node.Companion {
  /// What users of its memory have together.
  fileprivate var memoryRate: Bandwidth {
    let memory = processor.memory.bandwidth
    return sharesMemory ? memory : memory * processor.efficiency.memoryFraction
  }

  /// What results call the way to the companion of a device, and the way from it.
  public func linkNames(ofDevice number: Int) -> (to: String, from: String) {
    ("device \(number) to \(processor.name)", "\(processor.name) to device \(number)")
  }
}

/// A kind of resource, for tables that average over devices or links.
public enum ResourceKind: Hashable, Sendable {
  case cores
  case tensor
  case memory
  case companionCores
  case companionTensor
  case companionMemory
  case companionLink
  case link(Network.LinkKind)
  /// Messages that a link's port can begin.
  case messages

  public var name: String {
    switch self {
    case .cores: "cores"
    case .tensor: "tensor units"
    case .memory: "memory"
    case .companionCores: "companion cores"
    case .companionTensor: "companion tensor units"
    case .companionMemory: "companion memory"
    case .companionLink: "companion links"
    case .link(let kind): kind.rawValue
    case .messages: "message rates"
    }
  }
}

/// A cluster's devices and the links of its network as resources of the engine.
///
///     let resources = ClusterResources(cluster, try Network(NetworkPlan(cluster)))
///     var engine = Engine<FourAryHeap>(resources: resources.table)
public struct ClusterResources: Sendable {
  public internal(set) var network: Network
  public private(set) var table = ResourceTable()
  public private(set) var devices: [DeviceResources] = []
  /// In the order of the network's links.
  public private(set) var links: [ResourceID] = []
  /// For each link, the messages its port can begin; nil where only bytes limit.
  public private(set) var messages: [ResourceID?] = []
  /// For each resource of the table, in its order.
  public private(set) var kinds: [ResourceKind] = []
  /// The device that a resource belongs to, in the order of the table; nil where several share it.
  public private(set) var owners: [Int?] = []

  /// - Parameter devices: Of each device of the network, in order.
  public init(_ devices: [Device], _ network: Network) {
    precondition(devices.count == network.deviceCount, "each device of the network is one")
    self.network = network
    for (number, device) in devices.enumerated() { addDevice(number, device) }
    addLinks()
  }

  public init(_ cluster: Cluster, _ network: Network) {
    self.init([Device](repeating: cluster.device, count: cluster.deviceCount), network)
    guard let companion = cluster.node.companion else { return }
    for number in cluster.deviceIndices { addCompanion(companion, of: number) }
  }

  private mutating func add<Unit>(
    _ kind: ResourceKind, of device: Int?, _ name: String, _ capacity: Quantity<PerSecond<Unit>>
  ) -> ResourceID {
    kinds.append(kind)
    owners.append(device)
    return table.add(name, capacity: capacity)
  }

  private mutating func addDevice(_ number: Int, _ device: Device) {
    let wholeDevice = Quantity<PerSecond<Second>>(1)
    let name = "device \(number)"
    devices.append(
      DeviceResources(
        cores: add(.cores, of: number, "\(name) cores", wholeDevice),
        tensor: add(.tensor, of: number, "\(name) tensor units", wholeDevice),
        memory: add(.memory, of: number, "\(name) memory", device.memory.bandwidth)))
  }

  private mutating func addCompanion(_ companion: Node.Companion, of number: Int) {
    let whole = Quantity<PerSecond<Second>>(1)
    let name = "device \(number) \(companion.processor.name)"
    var resources = CompanionResources(
      cores: add(.companionCores, of: number, "\(name) cores", whole),
      tensor: add(.companionTensor, of: number, "\(name) tensor units", whole),
      memory: add(.companionMemory, of: number, "\(name) memory", companion.memoryRate))
    if let port = companion.port {
      let rate = port.effectiveBandwidth
      let names = companion.linkNames(ofDevice: number)
      resources.way = (
        add(.companionLink, of: number, names.to, rate),
        add(.companionLink, of: number, names.from, rate)
      )
    }
    devices[number].companion = resources
  }

  private mutating func addLinks() {
    let users = network.ports.map { usersOfLinks($0) }
    for (index, link) in network.links.enumerated() {
      let end = [link.source, link.target].first { network.vertices[$0].kind == .device }
      let owner = end ?? users.flatMap { $0[index].count == 1 ? $0[index][0] : nil }
      links.append(add(.link(link.kind), of: owner, link.name, link.bandwidth))
      messages.append(
        link.messageRate.map {
          add(
            .messages, of: owner, link.name + " messages", Quantity<PerSecond<Message>>($0))
        })
    }
  }

  /// For each link, the devices whose traffic passes it.
  private func usersOfLinks(_ ports: [DevicePorts]) -> [[Int]] {
    var users = [[Int]](repeating: [], count: network.links.count)
    for (device, ports) in ports.enumerated() {
      for link in Set(ports.innerOut + ports.innerIn + ports.outerOut + ports.outerIn).sorted() {
        users[link].append(device)
      }
    }
    return users
  }
}
