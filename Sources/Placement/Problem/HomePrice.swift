/// What home traffic costs: the one statement of it that costs, searches, bounds and exact methods share.
///
///     let price = HomePrice(problem)
///     price.seconds(groups: 3, nodes: 2)    // of a token whose experts are on 3 groups of 2 nodes
///
/// A token makes a copy for each group that it goes to, its own left out. Where it is sent once to each
/// other node and passed on there, as many copies cross as it goes to other nodes; else each copy for a
/// group of another node crosses. A copy that crosses costs ``acrossNodes``, any other ``inNode``.
struct HomePrice {
  /// Seconds of a copy that stays in its node, and of one that does not.
  let inNode: Double
  let acrossNodes: Double
  let sendsOnceToNode: Bool
  /// The chance that a group, or node, is not the token's own, which is any, each as likely.
  let groupsLeft: Double
  let nodesLeft: Double

  init(_ problem: PlacementProblem) {
    inNode = problem.secondsInNode
    acrossNodes = problem.secondsAcrossNodes
    sendsOnceToNode = problem.sendsOnceToNode
    groupsLeft = 1 - 1 / Double(problem.groups)
    nodesLeft = 1 - 1 / Double(problem.nodes)
  }

  /// Seconds for each group, and on top for each node, that a token goes to whatever its own is: the
  /// mean over all that its own may be.
  var perGroup: Double {
    groupsLeft * inNode + (sendsOnceToNode ? 0 : nodesLeft * (acrossNodes - inNode))
  }
  var perNode: Double { sendsOnceToNode ? nodesLeft * (acrossNodes - inNode) : 0 }

  /// The same of so many of them.
  func seconds(groups: Double, nodes: Double) -> Double { groups * perGroup + nodes * perNode }

  /// Of copies that leave their group, and of those among them that cross.
  func seconds(left: Double, crossing: Double) -> Double {
    left * inNode + crossing * (acrossNodes - inNode)
  }

  /// What ``seconds(groups:nodes:)`` is the sum of.
  func parts(groups: Double, nodes: Double) -> (inNode: Double, acrossNodes: Double) {
    let crossing = nodesLeft * (sendsOnceToNode ? nodes : groups)
    return ((groups * groupsLeft - crossing) * inNode, crossing * acrossNodes)
  }

  /// The same where the groups that a token goes to depend on its own.
  func parts(of visits: NearestVisits) -> (inNode: Double, acrossNodes: Double) {
    let crossing = sendsOnceToNode ? visits.nodesLeft : visits.groupsBeyondNode
    return ((visits.groupsLeft - crossing) * inNode, crossing * acrossNodes)
  }
}
