/// Copies of a layer's tokens that cross ports in dispatch; in combine as many go the other way.
struct HomePorts: Sendable {
  /// Of each device of a group, by group.
  private(set) var groups: [Port]
  private let groupsPerNode: Int
  private let exchange: TokenExchange

  /// What a group sends and gets: within its node of tokens of its node, and of others that are passed on
  /// there, and to and from other nodes.
  struct Port {
    var sentInNode = 0.0
    var receivedInNode = 0.0
    var sentOn = 0.0
    var receivedOn = 0.0
    var sentAcross = 0.0
    var receivedAcross = 0.0
    /// Copies that it makes of its own tokens and that are for it, and nodes that its tokens go to: what
    /// stays is among them.
    var made = 0.0
    var worked = 0.0
    var staged = 0.0
  }

  init(_ problem: PlacementProblem) {
    groups = [Port](repeating: Port(), count: problem.groups)
    groupsPerNode = problem.groupsPerNode
    exchange = problem.exchange
  }

  /// Of tokens that visit groups and nodes whatever their own group is, which is any, each as likely.
  init(of visits: (groups: [Double], nodes: [Double]), in problem: PlacementProblem) {
    self.init(problem)
    for home in groups.indices {
      for (group, tokens) in visits.groups.enumerated() {
        add(tokens / Double(groups.count), from: home, to: group)
      }
      for (node, tokens) in visits.nodes.enumerated() {
        add(tokens / Double(groups.count), from: home, toNode: node)
      }
    }
  }

  /// Adds what crosses other ports, and what their groups handle.
  mutating func add(_ other: HomePorts) {
    for (group, port) in other.groups.enumerated() {
      groups[group].sentInNode += port.sentInNode
      groups[group].receivedInNode += port.receivedInNode
      groups[group].sentOn += port.sentOn
      groups[group].receivedOn += port.receivedOn
      groups[group].sentAcross += port.sentAcross
      groups[group].receivedAcross += port.receivedAcross
      groups[group].made += port.made
      groups[group].worked += port.worked
      groups[group].staged += port.staged
    }
  }

  /// Adds tokens that visit a group; takes them off where they are less than none. Where a token is sent
  /// once to each other node, that is what is sent in the group's node.
  mutating func add(_ tokens: Double, from home: Int, to group: Int) {
    groups[home].made += tokens
    groups[group].worked += tokens
    let node = group / groupsPerNode
    let slices = Double(exchange.devicesPerGroup)
    // Of the devices of one group each sends its part of the tokens to the others.
    func sent(by source: Int) -> Double { source == group ? tokens * (1 - 1 / slices) : tokens }
    if home / groupsPerNode == node {
      groups[home].sentInNode += sent(by: home)
      groups[group].receivedInNode += sent(by: home)
    } else if !exchange.way.sendsOnceToNode {
      groups[home].sentAcross += tokens
      groups[group].receivedAcross += tokens
    } else {
      let relay = self.relay(of: home, in: node)
      groups[relay].sentOn += sent(by: relay)
      groups[group].receivedOn += sent(by: relay)
    }
  }

  /// Adds tokens that visit a node; where they are sent there once, that is what crosses.
  mutating func add(_ tokens: Double, from home: Int, toNode node: Int) {
    groups[home].staged += tokens
    guard exchange.way.sendsOnceToNode, home / groupsPerNode != node else { return }
    let part = tokens / Double(exchange.devicesPerGroup)
    groups[home].sentAcross += part
    groups[relay(of: home, in: node)].receivedAcross += part
  }

  /// The group in the place of another in its node.
  private func relay(of group: Int, in node: Int) -> Int {
    node * groupsPerNode + group % groupsPerNode
  }

  /// Over the busiest port, in the busier direction.
  var load: HomeLoad {
    var load = HomeLoad()
    var (out, into) = (0.0, 0.0)
    for (group, port) in groups.enumerated() {
      let leaving = exchange.leavesByPort ? port.sentAcross : 0
      let entering = exchange.leavesByPort ? port.receivedAcross : 0
      let (sent, received) = (port.sentInNode, port.receivedInNode)
      let (allSent, allReceived) = (sent + port.sentOn, received + port.receivedOn)
      load.own = max(load.own, sent, received)
      load.passedOn = max(load.passedOn, port.sentOn, port.receivedOn)
      load.inside = max(load.inside, allSent, allReceived)
      load.ownAndLeaving = max(load.ownAndLeaving, sent + leaving, received + entering)
      load.insideAndLeaving = max(
        load.insideAndLeaving, allSent + leaving, allReceived + entering)
      load.leaving = max(load.leaving, leaving, entering)
      load.made = max(load.made, port.made)
      load.worked = max(load.worked, port.worked)
      load.staged = max(load.staged, port.staged)
      // A way out ends with its groups, or with its node.
      if group % groupsPerNode % exchange.groupsPerWayOut == 0 { (out, into) = (0, 0) }
      out += port.sentAcross
      into += port.receivedAcross
      load.across = max(load.across, max(out, into) / Double(exchange.groupsPerWayOut))
    }
    return load
  }
}
