/// Copies of a layer's tokens that cross ports in dispatch; in combine as many go the other way.
struct HomePorts {
  /// Of each group.
  var groups: [Port]
  /// Tokens of other nodes that visit each node, and visits of each node's tokens to others.
  private var nodeEntries: [Double]
  private var nodeExits: [Double]
  private let groupsPerNode: Int

  /// What a group sends and gets: within its node, and to and from others.
  struct Port {
    var sentInNode = 0.0
    var receivedInNode = 0.0
    var sentAcross = 0.0
    var receivedAcross = 0.0

    var entered: Double { receivedInNode + receivedAcross }
  }

  init(_ problem: PlacementProblem) {
    groups = [Port](repeating: Port(), count: problem.groups)
    nodeEntries = [Double](repeating: 0, count: problem.nodes)
    nodeExits = nodeEntries
    groupsPerNode = problem.groupsPerNode
  }

  /// Adds tokens that visit a group; takes them off where they are less than none.
  mutating func add(_ tokens: Double, from home: Int, to group: Int) {
    if home == group { return }
    if home / groupsPerNode == group / groupsPerNode {
      groups[home].sentInNode += tokens
      groups[group].receivedInNode += tokens
    } else {
      groups[home].sentAcross += tokens
      groups[group].receivedAcross += tokens
    }
  }

  /// The same of a node.
  mutating func add(_ tokens: Double, from home: Int, toNode node: Int) {
    if home / groupsPerNode == node { return }
    nodeEntries[node] += tokens
    nodeExits[home / groupsPerNode] += tokens
  }

  /// Of the node that most enter or leave, in the busier direction.
  var busiestNode: Double { max(nodeEntries.max() ?? 0, nodeExits.max() ?? 0) }

  /// Copies over the busiest port, in the busier direction: of a group in its node, and of so many groups in
  /// a row that share a way out of it, their mean.
  func busiest(onWayOut width: Int) -> (inNode: Double, across: Double) {
    var (inNode, across) = (0.0, 0.0)
    for first in stride(from: 0, to: groups.count, by: width) {
      var (out, into) = (0.0, 0.0)
      for port in groups[first..<first + width] {
        inNode = max(inNode, max(port.sentInNode, port.receivedInNode))
        out += port.sentAcross
        into += port.receivedAcross
      }
      across = max(across, max(out, into) / Double(width))
    }
    return (inNode, across)
  }
}
