import Hardware
import Units

/// Network cards of the same number in their nodes meet at the same leaf: a rail.
///
/// Devices of different rails reach each other through the scale-up network of the sender's node and
/// the receiver's rail (relays; NCCL's PXN), or through spines.
public struct RailOptimised: Hashable, Sendable {
  /// Nodes whose cards meet at one leaf of each rail; all where nil. With fewer than all, spines
  /// join the leaves.
  public var nodesPerLeaf: Int?
  /// 0 for none.
  public var spines: Int
  /// What the cards of a leaf can send over what its uplinks carry.
  public var oversubscription: Double
  public var crossRail: CrossRail

  public enum CrossRail: String, CaseIterable, Hashable, Sendable {
    /// Through a device of the own node that is on the receiver's rail.
    case relay
    /// Through a spine.
    case spine
  }

  public init(
    nodesPerLeaf: Int? = nil, spines: Int = 0, oversubscription: Double = 1,
    crossRail: CrossRail = .relay
  ) {
    self.nodesPerLeaf = nodesPerLeaf
    self.spines = spines
    self.oversubscription = oversubscription
    self.crossRail = crossRail
  }

  func build(
    _ network: inout Network, _ cards: [CardPort], _ plan: NetworkPlan
  ) throws(FabricError) {
    guard !cards.isEmpty else {
      throw .topology("rails join network cards, and these nodes have none")
    }
    let block = nodesPerLeaf ?? plan.machines.count
    guard block > 0, spines >= 0, oversubscription > 0 else {
      throw .topology("the nodes of a leaf and the oversubscription are more than 0")
    }
    let rails = (cards.map(\.number).max() ?? 0) + 1
    let canRelay = plan.machines.allSatisfy { $0.node.scaleUp.kind != .host }
    if spines == 0 {
      guard block >= plan.machines.count else {
        throw .topology("leaves of \(block) nodes meet nowhere without 'spines'")
      }
      guard rails == 1 || (crossRail == .relay && canRelay) else {
        throw .topology(
          "rails meet nowhere: give them 'spines', or let devices relay, which takes a scale-up "
            + "network in every node")
      }
    }
    var leaves: [SwitchGroup] = []
    var cardsOfLeaf = [[CardPort]](
      repeating: [], count: ((plan.machines.count - 1) / block + 1) * rails)
    for card in cards { cardsOfLeaf[card.node / block * rails + card.number].append(card) }
    for first in stride(from: 0, to: plan.machines.count, by: block) {
      for rail in 0..<rails {
        let own = cardsOfLeaf[first / block * rails + rail]
        guard !own.isEmpty else { continue }
        let name = "rail \(rail) leaf"
        let leaf = network.addVertex(
          block < plan.machines.count ? "\(name) \(first / block)" : name, .switch)
        for card in own { network.attach(card, to: leaf) }
        leaves.append(SwitchGroup(top: [leaf], cards: own))
      }
    }
    let relays = crossRail == .relay && canRelay
    if relays && rails > 1 { network.letDevicesForward() }
    guard spines > 0 else { return }
    try network.requireRoom(forLinks: 2 * Double(leaves.count) * Double(spines))
    let tier = FatTree.Tier(
      children: Int.max, switches: spines, oversubscription: oversubscription)
    // A relay is nearer than a spine.
    _ = network.join(leaves, tier, named: "spine", length: relays ? 2 : 1)
  }
}
