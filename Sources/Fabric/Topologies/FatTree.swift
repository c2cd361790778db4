import Units

/// A fat tree of any number of tiers: leaves join network cards, each further tier joins what is below.
///
/// In each tier, `children` groups of the tier below meet in `switches` switches that stand side by
/// side; every topmost switch of a child is linked to each of them. All uplinks of a child together
/// carry what comes from below it, divided by the oversubscription. (The extended generalised fat
/// tree of Oehring, Ibel, Das and Kumar, "On generalized fat trees", IPPS 1995, with a capacity for
/// each tier.)
public struct FatTree: Hashable, Sendable {
  public struct Tier: Hashable, Sendable {
    /// Network cards of a leaf; groups of the tier below elsewhere. The last may have fewer.
    public var children: Int
    /// Side by side; 1 for leaves.
    public var switches: Int
    /// What can come from a child's own children over what its uplinks carry.
    public var oversubscription: Double

    public init(children: Int, switches: Int = 1, oversubscription: Double = 1) {
      self.children = children
      self.switches = switches
      self.oversubscription = oversubscription
    }
  }

  /// From the leaves up.
  public var tiers: [Tier]

  public init(tiers: [Tier]) { self.tiers = tiers }

  /// Leaves and spines.
  public init(cardsPerLeaf: Int, spines: Int, oversubscription: Double = 1) {
    tiers = [
      Tier(children: cardsPerLeaf),
      Tier(children: Int.max, switches: spines, oversubscription: oversubscription),
    ]
  }

  static func name(ofTier tier: Int) -> String {
    switch tier {
    case 0: "leaf"
    case 1: "spine"
    case 2: "core"
    default: "tier \(tier + 1) switch"
    }
  }

  func build(_ network: inout Network, _ cards: [CardPort]) throws(FabricError) {
    guard let leaves = tiers.first, !cards.isEmpty else {
      throw .topology("a fat tree joins network cards, and these nodes have none")
    }
    guard tiers.allSatisfy({ $0.children > 0 && $0.switches > 0 && $0.oversubscription > 0 }) else {
      throw .topology("the children, switches and oversubscription of a tier are more than 0")
    }
    guard leaves.switches == 1 else {
      throw .topology("a leaf is one switch; 'switches' belongs to the tiers above")
    }
    var groups: [SwitchGroup] = []
    for first in stride(from: 0, to: cards.count, by: leaves.children) {
      let own = cards[first..<min(cards.count, first + leaves.children)]
      let leaf = network.addVertex("leaf \(groups.count)", .switch)
      for card in own { network.attach(card, to: leaf) }
      groups.append(SwitchGroup(top: [leaf], cards: Array(own)))
    }
    for (number, tier) in tiers.enumerated().dropFirst() {
      let lower = groups.reduce(0) { $0 + $1.top.count }
      try network.requireRoom(forLinks: 2 * Double(lower) * Double(tier.switches))
      groups = network.join(groups, tier, named: Self.name(ofTier: number))
    }
    guard groups.count == 1 else {
      throw .topology(
        "the highest tier leaves \(groups.count) groups apart; give it more children or add a tier")
    }
  }
}

/// Switches with everything below them.
struct SwitchGroup {
  var top: [Int]
  /// What comes from below, each way.
  var bandwidth: Bandwidth
  var hopLatency: SimTime

  init(top: [Int], bandwidth: Bandwidth, hopLatency: SimTime) {
    self.top = top
    self.bandwidth = bandwidth
    self.hopLatency = hopLatency
  }

  init(top: [Int], cards: [CardPort]) {
    self.init(
      top: top, bandwidth: Bandwidth(cards.reduce(0) { $0 + $1.bandwidth.value }),
      hopLatency: cards.map(\.hopLatency).max() ?? .zero)
  }
}

extension Network {
  /// Joins groups of switches by a tier of switches above them.
  ///
  /// - Parameter length: Of each link of the tier.
  mutating func join(
    _ children: [SwitchGroup], _ tier: FatTree.Tier, named name: String, length: Int = 1
  ) -> [SwitchGroup] {
    var groups: [SwitchGroup] = []
    var number = 0
    var first = 0
    while first < children.count {
      let end = first + min(tier.children, children.count - first)
      let own = children[first..<end]
      first = end
      let switches = (0..<tier.switches).map { _ in
        number += 1
        return addVertex("\(name) \(number - 1)", .switch)
      }
      var carried = 0.0
      for child in own {
        let up = child.bandwidth.value / tier.oversubscription
        carried += up
        let each = Bandwidth(up / Double(child.top.count * switches.count))
        for lower in child.top {
          for upper in switches {
            connect(.core, lower, upper, each, latency: child.hopLatency, length: length)
          }
        }
      }
      let hop = own.map(\.hopLatency).max() ?? .zero
      groups.append(
        SwitchGroup(top: switches, bandwidth: Bandwidth(carried), hopLatency: hop))
    }
    return groups
  }
}
