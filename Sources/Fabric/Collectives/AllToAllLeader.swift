extension PhasedTransfers {
  /// All-to-all through the first rank of each node (Nie et al., "HetuMoE: An Efficient Trillion-scale
  /// Mixture-of-Expert Distributed Training System", arXiv 2203.14685).
  ///
  ///  1. Each rank gives its leader all that it has for others.
  ///  2. The leader sorts it by node, in its memory.
  ///  3. Leaders exchange one message for each pair of nodes.
  ///  4. The leader sorts what it has by rank.
  ///  5. It gives each rank of its node what is for it, from the node itself too.
  ///
  /// With N nodes of g ranks: 5 steps, 2(n - N) + N(N - 1) messages. Of S bytes a rank, a leader takes
  /// in (g - 1)S(n - 1)/n, sends g^2 S/n to each other leader, and gives out as much as it took in.
  /// Fewest and largest messages between nodes, all through one port of each.
  mutating func addLeaderExchange(_ matrix: TrafficMatrix, _ layout: RankLayout) {
    let all = 0..<rankCount
    // What each rank has for others, and what others have for it.
    let sent = all.map { rank in
      (matrix.bytes(from: rank..<rank + 1, to: all) - matrix[rank, rank]).value
    }
    let due = all.map { rank in
      (matrix.bytes(from: all, to: rank..<rank + 1) - matrix[rank, rank]).value
    }
    for ranks in layout.nodes {
      for source in ranks.dropFirst() { add(sent[source], from: source, to: ranks.lowerBound) }
    }
    endPhase()
    addSorting(sent, layout)
    for ranks in layout.nodes {
      for others in layout.nodes where others != ranks {
        let bytes = matrix.bytes(from: ranks, to: others).value
        add(bytes, from: ranks.lowerBound, to: others.lowerBound)
      }
    }
    endPhase()
    if layout.nodes.count > 1 { addSorting(due, layout) }
    for ranks in layout.nodes {
      for target in ranks.dropFirst() { add(due[target], from: ranks.lowerBound, to: target) }
    }
    endPhase()
  }

  /// A copy at each leader of what it holds for or from its node's ranks.
  private mutating func addSorting(_ bytes: [Double], _ layout: RankLayout) {
    for ranks in layout.nodes where ranks.count > 1 {
      add(bytes[ranks].reduce(0, +), from: ranks.lowerBound, to: ranks.lowerBound)
    }
    endPhase()
  }
}
