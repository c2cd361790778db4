extension PhasedTransfers {
  /// All-reduce in two dimensions (Cho et al., "BlueConnect", IBM Journal of R&D 2019; two-dimensional
  /// rings elsewhere): a reduce-scatter inside each node, an all-reduce round a ring among the ranks of
  /// equal local index of all nodes, an all-gather inside each node.
  ///
  /// With N nodes of g ranks and S bytes: inside, 2(g - 1) steps of S/g by rings, or 4 steps of S and
  /// S/g by the switches; between nodes 2(N - 1) steps of S/n. Each rank sends 2(S/g)(N - 1)/N to other
  /// nodes, where a ring over all ranks sends 2S(n - 1)/n through one rank of each node. Where nodes
  /// differ in size, the largest gives the number of places and ``RankLayout/rank(at:ofNode:)`` says
  /// who speaks for a place.
  ///
  /// - Parameter parts: `[place][node]`: the bytes of what that place's rank of that node reduces.
  mutating func addHierarchicalAllReduce(
    parts: [[Double]], _ layout: RankLayout, inSwitch: Bool
  ) {
    var inside: [PartedGroup] = []
    for (node, ranks) in layout.nodes.enumerated() {
      var group = PartedGroup(Array(ranks), parts: ranks.map { _ in 0 })
      for (place, pieces) in parts.enumerated() {
        let rank = layout.rank(at: place, ofNode: node)
        group.parts[layout.localIndex(of: rank)] += pieces.reduce(0, +)
      }
      inside.append(group)
    }
    let across = parts.enumerated().map { place, pieces in
      PartedGroup(
        layout.nodes.indices.map { layout.rank(at: place, ofNode: $0) }, parts: pieces)
    }
    if inSwitch { addInSwitchReduceScatter(inside, layout) } else { addRingReduceScatter(inside) }
    addRingAllReduce(across)
    if inSwitch { addInSwitchAllGather(inside, layout) } else { addRingAllGather(inside) }
  }
}

extension RankLayout {
  /// Equal parts of a buffer by place and node.
  func parts(of bytes: Double) -> [[Double]] {
    let each = bytes / Double(placeCount * nodes.count)
    return [[Double]](
      repeating: [Double](repeating: each, count: nodes.count), count: placeCount)
  }
}
