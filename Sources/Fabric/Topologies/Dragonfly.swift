import Units

/// Groups of routers, all-to-all inside a group and between groups (Kim, Dally, Scott and Abts,
/// "Technology-driven, highly-scalable dragonfly topology", ISCA 2008).
///
/// A router has p network cards, a link to each of the a - 1 others of its group, and h links to other
/// groups. Balanced is a = 2p = 2h. Global link q of group i (q from 0 to a h - 1, router q / h) leads
/// to group i + 1 + q mod (g - 1), modulo g. A minimal route takes at most one global link.
public struct Dragonfly: Hashable, Sendable {
  /// p
  public var cardsPerRouter: Int
  /// a
  public var routersPerGroup: Int
  /// h
  public var globalLinksPerRouter: Int
  /// Each link inside a group, each direction; a card's where nil.
  public var localBandwidth: Bandwidth?
  /// Each link between groups, each direction; a card's where nil.
  public var globalBandwidth: Bandwidth?

  public init(
    cardsPerRouter: Int, routersPerGroup: Int, globalLinksPerRouter: Int,
    localBandwidth: Bandwidth? = nil, globalBandwidth: Bandwidth? = nil
  ) {
    self.cardsPerRouter = cardsPerRouter
    self.routersPerGroup = routersPerGroup
    self.globalLinksPerRouter = globalLinksPerRouter
    self.localBandwidth = localBandwidth
    self.globalBandwidth = globalBandwidth
  }

  /// So long that two global links are never shorter than one and two local ones.
  private static let globalLength = 3

  func build(_ network: inout Network, _ cards: [CardPort]) throws(FabricError) {
    guard let card = cards.first else {
      throw .topology("a dragonfly joins network cards, and these nodes have none")
    }
    guard min(cardsPerRouter, routersPerGroup, globalLinksPerRouter) > 0 else {
      throw .topology("the cards, routers and global links of a dragonfly are more than 0")
    }
    let perGroup = cardsPerRouter * routersPerGroup
    let groups = (cards.count + perGroup - 1) / perGroup
    let ends = routersPerGroup * globalLinksPerRouter
    guard groups <= ends + 1 else {
      throw .topology(
        "\(groups) groups need \(groups - 1) links each to the others; \(routersPerGroup) routers of "
          + "\(globalLinksPerRouter) have \(ends)")
    }
    try network.requireRoom(
      forLinks: Double(groups) * Double(routersPerGroup)
        * Double(routersPerGroup - 1 + globalLinksPerRouter))
    let local = localBandwidth ?? card.bandwidth
    let global = globalBandwidth ?? card.bandwidth
    var routers: [[Int]] = []
    for group in 0..<groups {
      let own = (0..<routersPerGroup).map {
        network.addVertex("group \(group) router \($0)", .switch)
      }
      for (index, router) in own.enumerated() {
        for other in own[(index + 1)...] {
          network.connect(.core, router, other, local, latency: card.hopLatency)
        }
      }
      routers.append(own)
    }
    for (index, card) in cards.enumerated() {
      let router = index / cardsPerRouter
      network.attach(card, to: routers[router / routersPerGroup][router % routersPerGroup])
    }
    network.detours = routers.flatMap { $0 }
    guard groups > 1 else { return }
    for round in 0..<ends / (groups - 1) {
      for group in 0..<groups {
        for step in 1..<groups {
          let other = (group + step) % groups
          let router = (round * (groups - 1) + step - 1) / globalLinksPerRouter
          let back = (round * (groups - 1) + groups - step - 1) / globalLinksPerRouter
          network.addLink(
            .core, from: routers[group][router], to: routers[other][back], global,
            latency: card.hopLatency, length: Self.globalLength)
        }
      }
    }
  }
}
