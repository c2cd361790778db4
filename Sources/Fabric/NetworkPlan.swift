import Hardware

/// What a network is built from: machines, and what joins them.
///
///     let network = try Network(NetworkPlan(cluster, topology: .fatTree(tree)))
///
/// Machines may differ. Devices are numbered from 0, machine by machine.
public struct NetworkPlan: Hashable, Sendable {
  /// A machine and how many of its devices are used.
  public struct Machine: Hashable, Sendable {
    public var node: Node
    public var devices: Int

    public init(_ node: Node, devices: Int? = nil) {
      self.node = node
      self.devices = min(devices ?? node.deviceCount, node.deviceCount)
    }
  }

  public var machines: [Machine]
  public var topology: Topology

  public init(machines: [Machine], topology: Topology = .nonBlocking) {
    self.machines = machines
    self.topology = topology
  }

  public init(_ cluster: Cluster, topology: Topology = .nonBlocking) {
    let machine = Machine(cluster.node, devices: cluster.devicesPerNode)
    self.init(
      machines: [Machine](repeating: machine, count: cluster.nodeCount), topology: topology)
  }

  public var deviceCount: Int { machines.reduce(0) { $0 + $1.devices } }

  /// Whether devices of different machines reach each other through network cards.
  public var meetsByCards: Bool {
    machines.count > 1 && !topology.joinsDevices
      && machines.allSatisfy { $0.node.scaleUp.kind != .planes }
  }

  /// Which of the first devices share a machine.
  ///
  /// - Throws: ``FabricError/ranks(_:devices:)``.
  public func layout(ofFirst ranks: Int) throws(FabricError) -> RankLayout {
    try RankLayout(
      ofFirst: ranks,
      nodes: machines.enumerated().flatMap { [Int?](repeating: $0, count: $1.devices) })
  }
}

/// How the network cards of several machines meet, or the devices themselves.
public enum Topology: Hashable, Sendable {
  /// Through switches that never limit: only the machines' own ports do.
  case nonBlocking
  case railOptimised(RailOptimised)
  case fatTree(FatTree)
  case dragonfly(Dragonfly)
  /// The devices meet their neighbours; there are no switches and no network cards.
  case grid(Grid)
  case fullMesh(FullMesh)
  case linkByLink(LinkList)

  /// Whether devices meet by it, and not only the network cards of several machines.
  public var joinsDevices: Bool {
    switch self {
    case .grid, .linkByLink: true
    case .nonBlocking, .railOptimised, .fatTree, .dragonfly, .fullMesh: false
    }
  }

  public var word: String {
    switch self {
    case .nonBlocking: "non-blocking"
    case .railOptimised: "rail-optimised"
    case .fatTree: "fat-tree"
    case .dragonfly: "dragonfly"
    case .grid(let grid): grid.wraps ? "torus" : "mesh"
    case .fullMesh: "full-mesh"
    case .linkByLink: "file"
    }
  }
}

extension Network {
  /// Builds the machines and what joins them. O(vertices + links).
  ///
  /// - Throws: ``FabricError/topology(_:)`` where the topology does not suit the machines.
  public init(_ plan: NetworkPlan) throws(FabricError) {
    self.init()
    let hasGrids = plan.machines.contains { $0.node.scaleUp.kind == .grid }
    hasScaleUpOfNodes = !plan.topology.joinsDevices && !hasGrids
    if hasGrids { standardSpread = .ordered }
    for (number, machine) in plan.machines.enumerated() {
      for _ in 0..<machine.devices { _ = addDevice(node: number) }
    }
    if case .linkByLink(let list) = plan.topology {
      try list.build(&self)
      return
    }
    var machines = MachineBuilder(self, plan)
    let cards = try machines.build()
    self = machines.network
    switch plan.topology {
    case .grid(let grid):
      try grid.build(&self)
      return
    case .nonBlocking where plan.machines.count > 1 && !cards.isEmpty:
      let core = addVertex("core", .switch)
      let links = cards.map { attach($0, to: core) }
      ports = machines.ports(cards, links)
    case .nonBlocking:
      ports = machines.ports(cards, [])
    case .railOptimised(let rails):
      try rails.build(&self, cards, plan)
    case .fatTree(let tree):
      try tree.build(&self, cards)
    case .dragonfly(let dragonfly):
      try dragonfly.build(&self, cards)
    case .fullMesh(let mesh):
      try mesh.build(&self, cards, plan)
    case .linkByLink:
      return
    }
    if plan.machines.count > 1 { try requireWaysOut(plan, cards) }
  }

  /// Machines on planes reach each other; the others need a network card each.
  private func requireWaysOut(_ plan: NetworkPlan, _ cards: [CardPort]) throws(FabricError) {
    var hasCard = [Bool](repeating: false, count: plan.machines.count)
    for card in cards { hasCard[card.node] = true }
    for (number, machine) in plan.machines.enumerated() where machine.node.scaleUp.kind != .planes {
      guard !hasCard[number] else { continue }
      throw .topology(
        "'\(machine.node.name)' has no network, so it cannot be one of \(plan.machines.count) nodes"
      )
    }
  }
}
