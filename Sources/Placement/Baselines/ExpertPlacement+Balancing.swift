import Statistics

extension ExpertPlacement {
  /// What DeepSeek's expert-parallel load balancer (EPLB) does: balances load and knows nothing of
  /// traffic between layers.
  ///
  /// Hierarchical, where the router's groups of experts divide evenly over more than one node: these
  /// groups are packed to nodes, each node gives its redundant copies to its most loaded experts, and
  /// packs its copies to its groups. Otherwise the same globally, as if there were one node. Packing
  /// is heaviest first to the lightest with room. Unlike DeepSeek's, copies of an expert never meet
  /// on a group. Pinned and forbidden places are not heeded, nor are copies spread over nodes.
  ///
  /// deepseek-ai/EPLB at d52c72d, `rebalance_experts`. O(layers x copies x (groups + experts)).
  public static func eplb(_ problem: PlacementProblem) -> ExpertPlacement {
    let work = problem.meanWork
    let isHierarchical =
      problem.nodes > 1 && problem.copies % problem.nodes == 0
      && problem.routerGroups % problem.nodes == 0
      && problem.experts % problem.routerGroups == 0
      // Copies of an expert keep apart: a node has room for so many of its own experts'.
      && problem.copies <= problem.experts * problem.groupsPerNode
    let hosts = (0..<problem.layers).map { layer in
      let row = work[layer * problem.experts..<(layer + 1) * problem.experts]
      if isHierarchical { return hierarchical(row, problem) }
      return packed(
        row, copies: problem.copies, groups: 0..<problem.groups, slots: problem.slotsPerGroup)
    }
    return ExpertPlacement(groups: problem.groups, hosts: hosts)
  }

  private static func hierarchical(
    _ work: ArraySlice<Double>, _ problem: PlacementProblem
  ) -> [[Int]] {
    let routerGroups = problem.routerGroups
    let size = problem.experts / routerGroups
    let weights = (0..<routerGroups).map { group in
      let first = work.startIndex + group * size
      return work[first..<first + size].reduce(0, +)
    }
    let toNodes = BalancedPacking(
      weights: weights, owners: Array(0..<routerGroups), packs: problem.nodes,
      room: routerGroups / problem.nodes)
    var hosts = [[Int]](repeating: [], count: problem.experts)
    for node in 0..<problem.nodes {
      let members = (0..<problem.experts).filter { toNodes.packOfItem[$0 / size] == node }
      let first = node * problem.groupsPerNode
      let inside = packed(
        members.map { work[work.startIndex + $0] }[...], copies: problem.copies / problem.nodes,
        groups: first..<first + problem.groupsPerNode, slots: problem.slotsPerGroup)
      for (place, expert) in members.enumerated() { hosts[expert] = inside[place] }
    }
    return hosts
  }

  /// The groups of each expert's copies: replicated by load, then packed.
  static func packed(
    _ work: ArraySlice<Double>, copies: Int, groups: Range<Int>, slots: Int
  ) -> [[Int]] {
    let counts = replicaCounts(
      work: work, copies: copies, most: [Int](repeating: groups.count, count: work.count))
    let owners = counts.indices.flatMap { Array(repeating: $0, count: counts[$0]) }
    let packing = BalancedPacking(
      weights: owners.map { work[work.startIndex + $0] / Double(counts[$0]) }, owners: owners,
      packs: groups.count, room: slots)
    var hosts = [[Int]](repeating: [], count: work.count)
    for (item, expert) in owners.enumerated() {
      hosts[expert].append(groups.lowerBound + packing.packOfItem[item])
    }
    return hosts.map { $0.sorted() }
  }

  /// Copies dealt to groups at random, another way in each layer; which experts have redundant copies
  /// is random too. The same seed gives the same placement.
  public static func random(_ problem: PlacementProblem, seed: UInt64) -> ExpertPlacement {
    var random = RandomStream(seed: seed, name: "random placement")
    let hosts = (0..<problem.layers).map { _ in
      // Random weights and few of them: packing by them is a random deal that keeps copies apart.
      let weights = (0..<problem.experts).map { _ in random.uniform() }
      return packed(
        weights[...], copies: problem.copies, groups: 0..<problem.groups,
        slots: problem.slotsPerGroup)
    }
    return ExpertPlacement(groups: problem.groups, hosts: hosts)
  }
}
