/// Tokens that move between groups in an iteration, all layers together.
///
///     let flows = PlacementFlows(of: placement, in: problem)
///     flows.tokens[from * problem.groups + to]
///
/// Transition traffic: from the groups of one layer's experts to those of the next. Home traffic: from a
/// token's own rank, any group as likely, once to each other group that has any of its experts; as much
/// comes back.
public struct PlacementFlows: Sendable, Hashable {
  public let groups: Int
  public let groupsPerNode: Int
  /// `[from][to]`; nothing from a group to itself.
  public private(set) var tokens: [Double]

  /// O(layers x copies^2 + sets x k).
  public init(of placement: ExpertPlacement, in problem: PlacementProblem) {
    groups = problem.groups
    groupsPerNode = problem.groupsPerNode
    tokens = [Double](repeating: 0, count: groups * groups)
    let shares = CopyShares(of: placement, in: problem)
    if problem.countsTransitions {
      for pair in 0..<problem.layers - 1 {
        for (cell, count) in shares.flows(pair, problem).enumerated() { tokens[cell] += count }
      }
    }
    if problem.countsSets, let sets = problem.setsSent {
      for layer in 0..<problem.layers {
        if problem.replicaChoice == .nearest, placement.hasReplicas {
          addNearest(sets, layer, placement, problem)
          continue
        }
        let visits = shares.visits(sets, layer, problem).groups
        for from in 0..<groups {
          for to in 0..<groups { tokens[from * groups + to] += visits[to] / Double(groups) }
        }
      }
    }
    for group in 0..<groups { tokens[group * groups + group] = 0 }
  }

  /// Each home's tokens go to the copies nearest to it.
  private mutating func addNearest(
    _ sets: ExpertSets, _ layer: Int, _ placement: ExpertPlacement, _ problem: PlacementProblem
  ) {
    let table = NearestTable(layer, placement, problem)
    for set in sets.starts[layer]..<sets.starts[layer + 1] {
      let members = sets.members[set * sets.topK..<(set + 1) * sets.topK].map { Int($0) }
      for home in 0..<groups {
        let visited = Set(members.map { table.target(of: $0, from: home) })
        // Sums of equal numbers, whatever their order.
        for to in visited { tokens[home * groups + to] += sets.tokens[set] / Double(groups) }
      }
    }
  }

  /// What goes over a group's ports in an iteration, in the unit of what a token brings.
  public struct Ports: Sendable, Hashable {
    public var sentInNode = 0.0
    public var receivedInNode = 0.0
    public var sentAcrossNodes = 0.0
    public var receivedAcrossNodes = 0.0
  }

  /// By group. O(groups^2).
  ///
  /// - Parameters:
  ///   - forth: Of each token on its way, in any unit.
  ///   - back: Of what comes back.
  public func ports(forth: Double, back: Double) -> [Ports] {
    var ports = [Ports](repeating: Ports(), count: groups)
    for from in 0..<groups {
      for to in 0..<groups {
        let sent = forth * tokens[from * groups + to] + back * tokens[to * groups + from]
        if from / groupsPerNode == to / groupsPerNode {
          ports[from].sentInNode += sent
          ports[to].receivedInNode += sent
        } else {
          ports[from].sentAcrossNodes += sent
          ports[to].receivedAcrossNodes += sent
        }
      }
    }
    return ports
  }
}
