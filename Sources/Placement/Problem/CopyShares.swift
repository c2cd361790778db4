import Traces

/// How the tokens of each expert divide among its copies.
///
/// With ``ReplicaChoice/even`` and ``ReplicaChoice/leastLoaded`` a token's copy does not depend on
/// where it comes from. With ``ReplicaChoice/nearest`` it does: of transition traffic the shares follow
/// the tokens from layer to layer, starting from homes on all groups alike; where tokens return home, they
/// are from there in every layer.
struct CopyShares {
  let placement: ExpertPlacement
  let groups: Int
  /// `[layer][expert][copy]`, each expert's shares sum to 1.
  private(set) var shares: [[[Double]]]

  init(of placement: ExpertPlacement, in problem: PlacementProblem) {
    self.placement = placement
    groups = placement.groups
    shares = placement.hosts.map {
      $0.map { Array(repeating: 1 / Double($0.count), count: $0.count) }
    }
    guard placement.hasReplicas else { return }
    switch problem.replicaChoice {
    case .even: break
    case .leastLoaded: balance(problem)
    case .nearest:
      let follows = !problem.transitions.isEmpty && problem.traffic != .home
      for layer in 0..<(follows ? 1 : problem.layers) {
        for expert in 0..<problem.experts {
          shares[layer][expert] = sharesFromHomes(placement.hosts[layer][expert], problem)
        }
      }
      if follows { for pair in 0..<problem.layers - 1 { follow(pair, problem) } }
    }
  }

  /// The work of each group of a layer, from each expert's.
  ///
  /// - Parameters:
  ///   - work: `[layer][expert]`, from the index `first` on.
  ///   - perCopy: Of that, what each copy takes; empty for none.
  func loads(
    _ layer: Int, _ work: [Double], _ perCopy: [Double], first: Int = 0
  ) -> [Double] {
    var loads = [Double](repeating: 0, count: groups)
    for (expert, hosts) in placement.hosts[layer].enumerated() {
      let cell = first + layer * placement.experts + expert
      let fixed = perCopy.isEmpty ? 0 : perCopy[cell]
      for (copy, group) in hosts.enumerated() {
        loads[group] += copySeconds(work[cell], fixed, share: shares[layer][expert][copy])
      }
    }
    return loads
  }

  /// Tokens from group to group between a layer and the next, `[from][to]`.
  func flows(_ pair: Int, _ problem: PlacementProblem) -> [Double] {
    var flows = [Double](repeating: 0, count: groups * groups)
    forEachFlow(pair, problem) { from, _, _, to, tokens in flows[from * groups + to] += tokens }
    return flows
  }

  /// Calls `body` with group, next expert, its copy, that copy's group, tokens.
  private func forEachFlow(
    _ pair: Int, _ problem: PlacementProblem, _ body: (Int, Int, Int, Int, Double) -> Void
  ) {
    let experts = problem.experts
    let isNearest =
      problem.replicaChoice == .nearest && problem.traffic != .home && placement.hasReplicas
    // Tokens that leave a group for an expert: sums over experts first, copies after.
    var wanted = [Double](repeating: 0, count: groups * experts)
    problem.transitions.withUnsafeBufferPointer { all in
      for this in 0..<experts {
        let row = (pair * experts + this) * experts
        for (copy, from) in placement.hosts[pair][this].enumerated() {
          let share = shares[pair][this][copy]
          for next in 0..<experts { wanted[from * experts + next] += share * all[row + next] }
        }
      }
    }
    for from in 0..<groups {
      for next in 0..<experts {
        let tokens = wanted[from * experts + next]
        guard tokens > 0 else { continue }
        let hosts = placement.hosts[pair + 1][next]
        if hosts.count == 1 {
          body(from, next, 0, hosts[0], tokens)
        } else if isNearest {
          let copy = nearestCopy(of: hosts, to: from, devicesPerNode: problem.groupsPerNode)
          body(from, next, copy, hosts[copy], tokens)
        } else {
          for (copy, to) in hosts.enumerated() {
            body(from, next, copy, to, tokens * shares[pair + 1][next][copy])
          }
        }
      }
    }
  }

  private mutating func follow(_ pair: Int, _ problem: PlacementProblem) {
    var tokens = shares[pair + 1].map { $0.map { _ in 0.0 } }
    forEachFlow(pair, problem) { _, next, copy, _, count in tokens[next][copy] += count }
    for (expert, counts) in tokens.enumerated() {
      let sum = counts.reduce(0, +)
      if sum > 0 { shares[pair + 1][expert] = counts.map { $0 / sum } }
    }
  }

  private func sharesFromHomes(_ hosts: [Int], _ problem: PlacementProblem) -> [Double] {
    var counts = [Double](repeating: 0, count: hosts.count)
    for home in 0..<groups {
      counts[nearestCopy(of: hosts, to: home, devicesPerNode: problem.groupsPerNode)] += 1
    }
    return counts.map { $0 / Double(groups) }
  }

  /// Expert after expert is poured anew over its copies, like water into vessels of unequal height,
  /// until nothing moves; the slowest group's mean work falls or stays with every expert.
  ///
  /// Without ``PlacementProblem/workPerCopy`` that ends at the least sum of squares of the groups' loads,
  /// which is also the least maximum. With it a copy that gets nothing costs nothing, so that which
  /// copies to use is a choice of yes or no, and what is found by taking one expert at a time need not
  /// be the best.
  private mutating func balance(_ problem: PlacementProblem) {
    let (mean, perCopy) = (problem.meanWork, problem.meanWorkPerCopy)
    for layer in 0..<problem.layers {
      var loads = loads(layer, mean, perCopy)
      let replicated = (0..<problem.experts).filter { placement.hosts[layer][$0].count > 1 }
      let total = loads.reduce(0, +)
      for _ in 0..<200 {
        var moved = 0.0
        for expert in replicated {
          let cell = layer * problem.experts + expert
          let seconds = mean[cell]
          guard seconds > 0 else { continue }
          let fixed = perCopy.isEmpty ? 0 : perCopy[cell]
          let hosts = placement.hosts[layer][expert]
          let former = shares[layer][expert]
          for (copy, group) in hosts.enumerated() {
            loads[group] -= copySeconds(seconds, fixed, share: former[copy])
          }
          let poured = poured(seconds - fixed, over: hosts.map { loads[$0] + fixed })
          shares[layer][expert] = poured
          for (copy, group) in hosts.enumerated() {
            loads[group] += copySeconds(seconds, fixed, share: poured[copy])
            moved += seconds * abs(poured[copy] - former[copy])
          }
        }
        if moved <= 1e-9 * total { break }
      }
    }
  }

  /// The shares of `amount` that bring vessels to one level where they reach it: of nothing, all to the
  /// lowest.
  private func poured(_ amount: Double, over heights: [Double]) -> [Double] {
    let order = heights.sorted()
    guard amount > 0 else {
      let lowest = heights.firstIndex(of: order[0])
      return heights.indices.map { $0 == lowest ? 1 : 0 }
    }
    var (sum, level) = (0.0, 0.0)
    for (index, height) in order.enumerated() {
      sum += height
      level = (amount + sum) / Double(index + 1)
      if index + 1 == order.count || level <= order[index + 1] { break }
    }
    return heights.map { max(0, level - $0) / amount }
  }

  /// Tokens of a layer that visit each group, and each node.
  func visits(
    _ sets: ExpertSets, _ layer: Int, _ problem: PlacementProblem
  ) -> (groups: [Double], nodes: [Double]) {
    var visits = [Double](repeating: 0, count: groups)
    var nodeVisits = [Double](repeating: 0, count: problem.nodes)
    // The chance that no expert of the set is taken on a group; 1 for all but those touched.
    var missed = [Double](repeating: 1, count: groups)
    var missedNode = [Double](repeating: 1, count: problem.nodes)
    var touched: [Int] = []
    for set in sets.starts[layer]..<sets.starts[layer + 1] {
      touched.removeAll(keepingCapacity: true)
      for member in sets.members[set * sets.topK..<(set + 1) * sets.topK] {
        let hosts = placement.hosts[layer][Int(member)]
        var inNode: [(node: Int, share: Double)] = []
        for (copy, group) in hosts.enumerated() {
          let share = shares[layer][Int(member)][copy]
          missed[group] *= 1 - share
          touched.append(group)
          let node = problem.node(ofGroup: group)
          if hosts.count == 1 {
            missedNode[node] = 0
          } else if let known = inNode.firstIndex(where: { $0.node == node }) {
            inNode[known].share += share
          } else {
            inNode.append((node, share))
          }
        }
        for (node, share) in inNode { missedNode[node] *= max(0, 1 - share) }
      }
      let tokens = sets.tokens[set]
      for group in touched {
        let node = problem.node(ofGroup: group)
        visits[group] += tokens * (1 - missed[group])
        nodeVisits[node] += tokens * (1 - missedNode[node])
        missed[group] = 1
        missedNode[node] = 1
      }
    }
    return (visits, nodeVisits)
  }
}
