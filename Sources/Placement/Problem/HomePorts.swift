/// Copies of a layer's tokens that cross ports in dispatch; in combine as many go the other way.
struct HomePorts {
  /// Of each group.
  private(set) var groups: [Port]
  private let groupsPerNode: Int
  private let sendsOnceToNode: Bool

  /// What a group sends and gets: within its node of tokens of its node, and of others that are passed on
  /// there, and to and from other nodes.
  struct Port {
    var sentInNode = 0.0
    var receivedInNode = 0.0
    var sentOn = 0.0
    var receivedOn = 0.0
    var sentAcross = 0.0
    var receivedAcross = 0.0
  }

  init(_ problem: PlacementProblem) {
    groups = [Port](repeating: Port(), count: problem.groups)
    groupsPerNode = problem.groupsPerNode
    sendsOnceToNode = problem.exchange.way.sendsOnceToNode
  }

  /// Adds tokens that visit a group; takes them off where they are less than none. Where a token is sent
  /// once to each other node, that is what is sent in the group's node.
  mutating func add(_ tokens: Double, from home: Int, to group: Int) {
    if home == group { return }
    let node = group / groupsPerNode
    if home / groupsPerNode == node {
      groups[home].sentInNode += tokens
      groups[group].receivedInNode += tokens
    } else if !sendsOnceToNode {
      groups[home].sentAcross += tokens
      groups[group].receivedAcross += tokens
    } else {
      let relay = self.relay(of: home, in: node)
      guard relay != group else { return }
      groups[relay].sentOn += tokens
      groups[group].receivedOn += tokens
    }
  }

  /// Adds tokens that visit a node, where they are sent there once.
  mutating func add(_ tokens: Double, from home: Int, toNode node: Int) {
    guard sendsOnceToNode, home / groupsPerNode != node else { return }
    groups[home].sentAcross += tokens
    groups[relay(of: home, in: node)].receivedAcross += tokens
  }

  /// The group in the place of another in its node.
  private func relay(of group: Int, in node: Int) -> Int {
    node * groupsPerNode + group % groupsPerNode
  }

  /// Over the busiest port, in the busier direction; of so many groups in a row that share a way out of
  /// their node, their mean.
  func load(groupsPerWayOut width: Int) -> HomeLoad {
    var load = HomeLoad()
    for first in stride(from: 0, to: groups.count, by: width) {
      var (out, into) = (0.0, 0.0)
      for port in groups[first..<first + width] {
        load.own = max(load.own, port.sentInNode, port.receivedInNode)
        load.passedOn = max(load.passedOn, port.sentOn, port.receivedOn)
        load.inside = max(
          load.inside, port.sentInNode + port.sentOn, port.receivedInNode + port.receivedOn)
        out += port.sentAcross
        into += port.receivedAcross
      }
      load.across = max(load.across, max(out, into) / Double(width))
    }
    return load
  }
}
