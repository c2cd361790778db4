/// What goes over the ports of each group's devices in an iteration, all layers together.
///
///     let ports = PlacementFlows(of: placement, in: problem).ports(forth: 4096, back: 4096)
///
/// Transition traffic: from the groups of one layer's experts to those of the next. Home traffic: what a run
/// sends of tokens whose own rank is any group, each as likely (``PlacementProblem/exchange``); as much comes
/// back.
public struct PlacementFlows: Sendable {
  private var tokens: HomePorts

  /// O(layers x (copies^2 + groups^2) + sets x k).
  public init(of placement: ExpertPlacement, in problem: PlacementProblem) {
    tokens = HomePorts(problem)
    let shares = CopyShares(of: placement, in: problem)
    if problem.countsTransitions {
      var straight = problem
      straight.exchange = TokenExchange(.direct)
      var moved = HomePorts(straight)
      for pair in 0..<problem.layers - 1 {
        for (cell, count) in shares.flows(pair, problem).enumerated() {
          moved.add(count, from: cell / problem.groups, to: cell % problem.groups)
        }
      }
      tokens.add(moved)
    }
    if problem.countsSets, let sets = problem.setsSent {
      for layer in 0..<problem.layers {
        if problem.replicaChoice == .nearest, placement.hasReplicas {
          tokens.add(NearestVisits(sets, layer, placement, problem).ports)
        } else {
          tokens.add(HomePorts(of: shares.visits(sets, layer, problem), in: problem))
        }
      }
    }
  }

  /// What goes over the ports of a group's devices, each, in an iteration, in the unit of what a token brings.
  public struct Ports: Sendable, Hashable {
    public var sentInNode = 0.0
    public var receivedInNode = 0.0
    public var sentAcrossNodes = 0.0
    public var receivedAcrossNodes = 0.0
  }

  /// By group. O(groups).
  ///
  /// - Parameters:
  ///   - forth: Of each token on its way, in any unit.
  ///   - back: Of what comes back.
  public func ports(forth: Double, back: Double) -> [Ports] {
    tokens.groups.map { port in
      let (out, into) = (port.sentInNode + port.sentOn, port.receivedInNode + port.receivedOn)
      return Ports(
        sentInNode: forth * out + back * into, receivedInNode: forth * into + back * out,
        sentAcrossNodes: forth * port.sentAcross + back * port.receivedAcross,
        receivedAcrossNodes: forth * port.receivedAcross + back * port.sentAcross)
    }
  }
}
