/// How the machines of a cluster are joined, and how finely traffic between them is simulated.
public struct FabricPlan: Hashable, Sendable {
  public var topology: Topology
  /// How flows use the shortest ways; the network's own where nil: ``Network/standardSpread``.
  public var spread: Spread?
  public var detour: Detour
  public var fidelity: Fidelity
  /// In the order in which they were written.
  public var changes: [NetworkChange]

  /// How traffic becomes tasks.
  public enum Fidelity: String, CaseIterable, Hashable, Sendable {
    /// An exchange demands of each link what it carries in all, and takes the time of the busiest:
    /// flows served in proportion to their size.
    case ports
    /// Every pair of devices has a flow of its own, and flows share links max-min fairly.
    case flows
  }

  public init(
    topology: Topology = .nonBlocking, spread: Spread? = nil, detour: Detour = .minimal,
    fidelity: Fidelity = .ports, changes: [NetworkChange] = []
  ) {
    self.topology = topology
    self.spread = spread
    self.detour = detour
    self.fidelity = fidelity
    self.changes = changes
  }

  /// Whether the ports of the network alone say what flat traffic costs.
  public func portsSuffice(_ network: Network) -> Bool {
    network.ports != nil && fidelity == .ports && changes.isEmpty
  }
}
