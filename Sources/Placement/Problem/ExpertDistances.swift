/// How far from a token's own group the experts are that it takes, of its selections in all layers.
///
/// Every group is as many tokens' own. Where tokens share an expert's copies whatever group is theirs, that is
/// one in as many as there are groups, wherever experts live; placements differ where tokens take the nearest.
public struct ExpertDistances: Sendable, Hashable {
  /// Shares of the selections; their sum is 1.
  public private(set) var onGroup = 0.0
  public private(set) var inNode = 0.0
  public private(set) var acrossNodes = 0.0

  /// `nil` where it is not known which experts tokens take.
  ///
  /// - Parameter choice: Among copies. O(sets x k + copies x groups).
  public init?(
    of placement: ExpertPlacement, in problem: PlacementProblem, choice: ReplicaChoice
  ) {
    guard let sets = problem.sets else { return nil }
    let groups = Double(problem.groups)
    let own = 1 / groups
    let near = Double(problem.groupsPerNode) / groups
    var total = 0.0
    for layer in 0..<problem.layers {
      let tokens = sets.tokensOfExperts(layer: layer, experts: problem.experts)
      for (expert, count) in tokens.enumerated() {
        let hosts = placement.hosts[layer][expert]
        total += count
        guard choice == .nearest, hosts.count > 1 else {
          onGroup += count * own
          inNode += count * (near - own)
          acrossNodes += count * (1 - near)
          continue
        }
        for (home, group) in problem.nearestGroups(hosts).enumerated() {
          let tokens = count * own
          if home == group {
            onGroup += tokens
          } else if problem.node(ofGroup: home) == problem.node(ofGroup: group) {
            inNode += tokens
          } else {
            acrossNodes += tokens
          }
        }
      }
    }
    guard total > 0 else { return nil }
    (onGroup, inNode, acrossNodes) = (onGroup / total, inNode / total, acrossNodes / total)
  }
}
