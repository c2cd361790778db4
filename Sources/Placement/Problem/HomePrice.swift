/// What home traffic costs: the one statement of it that costs, searches, bounds and exact methods share.
///
///     let price = HomePrice(problem)
///     price.seconds((groups: [3, 1, 2, 2], nodes: [4, 3]))    // tokens of a layer that visit each
///
/// A layer's exchange ends with its busiest port, as `ExchangeTraffic` has it: the port of a group in its
/// node, or its way to other nodes, which a node's groups may share. Every group is as many tokens' own, so
/// that a group with V visits gets V (groups per node - 1) / groups copies from its node and
/// V (groups - groups per node) / groups from others, in dispatch, and sends as many in combine. What a group
/// sends in dispatch goes to others evenly and is no more than what the busiest of them gets.
///
/// Where a token is sent once to each other node and passed on there, both take their turns: a copy for each
/// group that is not the token's own in nodes, one for each node that is not its own across, in place of one
/// of those. A copy that crosses costs ``acrossNodes``, any other ``inNode``, both divided among all groups:
/// so that means over ports are sums over copies, and no placement costs less than by them
/// (``perGroup``, ``perNode``).
struct HomePrice {
  /// Seconds of a copy that stays in its node, and of one that does not.
  let inNode: Double
  let acrossNodes: Double
  let sendsOnceToNode: Bool
  let groupsPerNode: Int
  /// Whether a node's groups leave it by one way.
  let sharesWayOut: Bool
  private let groups: Double
  private let nodes: Double

  init(_ problem: PlacementProblem) {
    inNode = problem.secondsInNode
    acrossNodes = problem.secondsAcrossNodes
    sendsOnceToNode = problem.sendsOnceToNode
    groupsPerNode = problem.groupsPerNode
    sharesWayOut = problem.sharesWayOut && problem.nodes > 1
    groups = Double(problem.groups)
    nodes = Double(problem.nodes)
  }

  /// Seconds of a visit by what copies from the same node take, and by what those from others take, where
  /// each group gets a copy of its own.
  private var near: Double { inNode * (Double(groupsPerNode) - 1) / groups }
  private var far: Double { acrossNodes * (groups - Double(groupsPerNode)) / groups }
  private var groupsLeft: Double { 1 - 1 / groups }
  private var nodesLeft: Double { 1 - 1 / nodes }

  /// Seconds for each group, and on top for each node, that a token goes to whatever its own is, if all
  /// ports were as busy as the mean one.
  var perGroup: Double { sendsOnceToNode ? groupsLeft * inNode : max(near, far) }
  var perNode: Double { sendsOnceToNode ? nodesLeft * (acrossNodes - inNode) : 0 }

  /// Whether nodes matter beside groups.
  var needsNodes: Bool { nodes > 1 && (sendsOnceToNode || sharesWayOut) }

  /// Of the tokens that visit each group and node, what counts by node: these, or visits to its groups.
  func nodeVisits(_ visits: (groups: [Double], nodes: [Double])) -> [Double] {
    if sendsOnceToNode { return visits.nodes }
    return stride(from: 0, to: visits.groups.count, by: groupsPerNode).map {
      visits.groups[$0..<$0 + groupsPerNode].reduce(0, +)
    }
  }

  /// Seconds of a layer whose tokens visit groups and nodes.
  func seconds(_ visits: (groups: [Double], nodes: [Double])) -> Double {
    seconds(
      busiestGroup: visits.groups.max() ?? 0, busiestNode: nodeVisits(visits).max() ?? 0)
  }

  /// The same of those most visited.
  func seconds(busiestGroup: Double, busiestNode: Double) -> Double {
    let parts = parts(busiestGroup: busiestGroup, busiestNode: busiestNode)
    return parts.inNode + parts.acrossNodes
  }

  /// What ``seconds(busiestGroup:busiestNode:)`` is the sum of: of two ports at a time, the slower one.
  func parts(
    busiestGroup: Double, busiestNode: Double
  ) -> (inNode: Double, acrossNodes: Double) {
    let (visits, nodeVisits) = (groups * busiestGroup, nodes * busiestNode)
    if sendsOnceToNode {
      let crossing = nodesLeft * nodeVisits
      return ((visits * groupsLeft - crossing) * inNode, crossing * acrossNodes)
    }
    return slower(near * visits, far * (sharesWayOut ? nodeVisits : visits))
  }

  /// The same where the groups that a token goes to depend on its own.
  func parts(of ports: HomePorts) -> (inNode: Double, acrossNodes: Double) {
    if sendsOnceToNode {
      let crossing = nodes * ports.busiestNode
      let entered = groups * (ports.groups.lazy.map(\.entered).max() ?? 0)
      return ((max(crossing, entered) - crossing) * inNode, crossing * acrossNodes)
    }
    let busiest = ports.busiest(onWayOut: sharesWayOut ? groupsPerNode : 1)
    return slower(inNode * groups * busiest.inNode, acrossNodes * groups * busiest.across)
  }

  /// What no placement whose copies leave their group, and of which some cross, costs less than.
  func least(left: Double, crossing: Double) -> Double {
    if sendsOnceToNode { return left * inNode + crossing * (acrossNodes - inNode) }
    // However they divide between the two ports, one of these is not faster.
    guard inNode > 0, nodes > 1 else { return nodes > 1 ? crossing * acrossNodes : left * inNode }
    return max(crossing * acrossNodes, left / (1 / inNode + 1 / acrossNodes))
  }

  private func slower(
    _ inside: Double, _ across: Double
  ) -> (inNode: Double, acrossNodes: Double) {
    inside > across ? (inside, 0) : (0, across)
  }
}
