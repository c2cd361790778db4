import Units

/// A link between every two nodes.
public struct FullMesh: Hashable, Sendable {
  /// Between two nodes, each direction; a card's where nil.
  public var bandwidth: Bandwidth?

  public init(bandwidth: Bandwidth? = nil) { self.bandwidth = bandwidth }

  func build(
    _ network: inout Network, _ cards: [CardPort], _ plan: NetworkPlan
  ) throws(FabricError) {
    guard let card = cards.first else {
      throw .topology("a full mesh joins network cards, and these nodes have none")
    }
    let count = Double(plan.machines.count)
    try network.requireRoom(forLinks: count * (count - 1))
    let routers = plan.machines.indices.map {
      network.addVertex("node \($0) router", .switch, node: $0)
    }
    for card in cards { network.attach(card, to: routers[card.node]) }
    for (index, router) in routers.enumerated() {
      for other in routers[(index + 1)...] {
        network.connect(
          .core, router, other, bandwidth ?? card.bandwidth, latency: card.hopLatency)
      }
    }
  }
}
