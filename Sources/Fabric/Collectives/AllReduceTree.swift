/// A rooted tree over all ranks: chains inside nodes, a binary tree over nodes.
///
/// NCCL's: the nodes form two trees of which each carries half of the buffer, and a node that has
/// children in one has none in the other, so that no node sends or gets more than about 2S in each
/// direction (Sanders, Speck and Traeff, "Two-tree algorithms for full bandwidth broadcast, reduction and scan",
/// Parallel Computing 2009). Inside a node, ranks form a chain to the one that speaks for the node: the
/// first in one tree, the last in the other, so that both directions and two network cards are used.
struct ReductionTree {
  /// The rank that each gives its sum to; nil at the root.
  let parents: [Int?]
  /// How many messages there are between each rank and the root.
  let depths: [Int]

  init(_ layout: RankLayout, isSecond: Bool) {
    func leader(_ node: Int) -> Int {
      isSecond ? layout.nodes[node].upperBound - 1 : layout.nodes[node].lowerBound
    }
    let nodeCount = layout.nodes.count
    parents = (0..<layout.rankCount).map { rank in
      let node = layout.node(of: rank)
      if rank != leader(node) { return isSecond ? rank + 1 : rank - 1 }
      return Self.parent(of: node, count: nodeCount, isSecond: isSecond).map(leader)
    }
    let nodeDepths = layout.nodes.indices.map { node in
      var depth = 0
      var above = Self.parent(of: node, count: nodeCount, isSecond: isSecond)
      while let next = above {
        depth += 1
        above = Self.parent(of: next, count: nodeCount, isSecond: isSecond)
      }
      return depth
    }
    depths = (0..<layout.rankCount).map { rank in
      nodeDepths[layout.node(of: rank)] + abs(rank - leader(layout.node(of: rank)))
    }
  }

  /// The parent of a place in the tree numbered in order: odd places are leaves, places that 2 divides
  /// once are above them, and so on; place 0 is above all. A parent beyond the last place is
  /// replaced by the nearest one below. At most ceil(log2 count) deep.
  static func parent(of place: Int, count: Int) -> Int? {
    guard place > 0 else { return nil }
    let height = place & -place
    let isRightChild = place & (height << 1) != 0
    return isRightChild || place + height >= count ? place - height : place + height
  }

  /// The first tree, or the second: the first mirrored or, where a mirror would map odd to odd, shifted
  /// by one. The leaves of the second are the even places, but for place 0 of an odd count.
  static func parent(of place: Int, count: Int, isSecond: Bool) -> Int? {
    guard isSecond else { return parent(of: place, count: count) }
    if count.isMultiple(of: 2) {
      return parent(of: count - 1 - place, count: count).map { count - 1 - $0 }
    }
    return parent(of: (place + count - 1) % count, count: count).map { ($0 + 1) % count }
  }
}

extension PhasedTransfers {
  /// All-reduce over a tree: sums go up to the root and the result goes down, the deepest ranks first:
  /// 2(n - 1) messages of S, two for each edge. Over two trees with half the buffer each, a rank of a
  /// chain sends S/2 up and S/2 down in each tree, 2S, as round a ring; the longest chain is 2(g - 1) +
  /// 2 ceil(log2 N) messages or less, where a ring has 2(n - 1).
  mutating func addTreeAllReduce(_ bytes: Double, _ tree: ReductionTree) {
    let deepest = tree.depths.max() ?? 0
    var ranks = [[Int]](repeating: [], count: deepest + 1)
    for (rank, depth) in tree.depths.enumerated() { ranks[depth].append(rank) }
    for level in ranks.reversed() {
      for rank in level {
        if let parent = tree.parents[rank] { add(bytes, from: rank, to: parent) }
      }
      endPhase()
    }
    for level in ranks {
      for rank in level {
        if let parent = tree.parents[rank] { add(bytes, from: parent, to: rank) }
      }
      endPhase()
    }
  }
}
