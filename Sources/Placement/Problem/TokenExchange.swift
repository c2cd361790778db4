/// How the tokens of a layer get to its experts and return home: what tells one exchange from another, for
/// ``PlacementProblem/Traffic/home``.
public struct TokenExchange: Sendable {
  public var way = Way.hopByHop
  /// Whether a group gets a copy of a token for each of the token's experts on it; else one for all.
  public var copiesForEachExpert = false
  /// Devices of a group, over which its experts are sliced: each needs all tokens of the group, and has its
  /// part of those whose own group it is. At least 1.
  public var devicesPerGroup = 1
  /// Groups of a node, in a row, that share a way out of it; the last way of a node may have fewer. A group's
  /// part of it is what ``PlacementProblem/secondsAcrossNodes`` are of. At least 1.
  public var groupsPerWayOut = 1
  /// Whether what goes to other nodes and comes from them passes a group's port in its node, too.
  public var leavesByPort = false
  /// What devices take to handle copies on the way to experts and back, beside what ports take, where
  /// tokens go straight or stream; nil where that is not known to cost.
  public var dispatchHandling: Handling?
  public var combineHandling: Handling?
  /// What of ``PlacementProblem/secondsInNode`` and ``PlacementProblem/secondsAcrossNodes`` a token takes
  /// on its way to its experts, 0 to 1; the rest is its way back.
  public var dispatchShare = (inNode: 0.5, acrossNodes: 0.5)

  /// Where a token is sent, and what waits for what.
  public enum Way: String, Hashable, Sendable, CaseIterable {
    /// Straight to each group that has any of its experts.
    case direct
    /// Once to each other node, to the group in the place of the token's own, which passes it on in its
    /// node. Nodes exchange first, and when all tokens are there their groups do, what is for the own node
    /// among it; on the way back groups first.
    case hopByHop = "hop-by-hop"
    /// The same, but what is for the own node goes at once, beside what is for other nodes.
    case forwarded
    /// The same with each token passed on as it comes, so that no hop waits for another.
    case streamed

    public var sendsOnceToNode: Bool { self != .direct }
  }

  /// Seconds for each copy, divided among the groups as those of ports are; none below 0.
  public struct Handling: Sendable {
    /// That a device makes for others and itself of its own tokens, or that its experts have made.
    public var copied: Double
    /// Of its own tokens, one for each node that they go to where tokens are sent to nodes once.
    public var staged: Double

    public init(copied: Double, staged: Double) { (self.copied, self.staged) = (copied, staged) }
  }

  public init(_ way: Way = .hopByHop) { self.way = way }
}

extension TokenExchange {
  /// - Throws: ``PlacementProblemError`` where a number is outside of its range.
  func check() throws(PlacementProblemError) {
    guard groupsPerWayOut > 0, devicesPerGroup > 0 else {
      throw .misfit(
        "a token exchange has \(groupsPerWayOut) groups to a way out of a node and "
          + "\(devicesPerGroup) devices to a group; at least one of each is needed")
    }
    let (inNode, acrossNodes) = dispatchShare
    guard (0...1).contains(inNode), (0...1).contains(acrossNodes) else {
      throw .misfit(
        "a dispatch takes \(inNode) of an exchange within nodes and \(acrossNodes) across them; "
          + "shares are 0 to 1")
    }
    for handling in [dispatchHandling, combineHandling] {
      guard let handling else { continue }
      guard [handling.copied, handling.staged].allSatisfy({ $0 >= 0 && $0 < .infinity }) else {
        throw .notANumber("seconds to handle a copy")
      }
    }
  }
}
