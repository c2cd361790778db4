/// Which ranks share a node. Ranks of a node are neighbours in number; nodes may differ in size.
public struct RankLayout: Hashable, Sendable {
  /// The ranks of each node.
  public let nodes: [Range<Int>]
  private let nodeOfRank: [Int32]
  /// The number of ranks of the largest node.
  let placeCount: Int

  /// - Parameter sizes: How many ranks each node has; empty nodes are left out.
  public init(nodeSizes sizes: [Int]) {
    var nodes: [Range<Int>] = []
    var first = 0
    for size in sizes where size > 0 {
      nodes.append(first..<first + size)
      first += size
    }
    self.nodes = nodes
    placeCount = sizes.max() ?? 0
    nodeOfRank = nodes.enumerated().flatMap { node, ranks in
      [Int32](repeating: Int32(node), count: ranks.count)
    }
  }

  /// `count` ranks, `perNode` to a node; the last node may have fewer.
  public init(ranks count: Int, perNode: Int) {
    let whole = count / perNode
    self.init(nodeSizes: [Int](repeating: perNode, count: whole) + [count - whole * perNode])
  }

  /// The first of some devices, given the node of each; one that is in none is by itself.
  ///
  /// - Throws: ``FabricError/ranks(_:devices:)``.
  init(ofFirst ranks: Int, nodes: [Int?]) throws(FabricError) {
    guard (1...max(1, nodes.count)).contains(ranks) else {
      throw .ranks(ranks, devices: nodes.count)
    }
    var sizes: [Int] = []
    var last: Int?
    for node in nodes.prefix(ranks) {
      if let node, node == last { sizes[sizes.count - 1] += 1 } else { sizes.append(1) }
      last = node
    }
    self.init(nodeSizes: sizes)
  }

  public var rankCount: Int { nodeOfRank.count }

  public func node(of rank: Int) -> Int { Int(nodeOfRank[rank]) }

  /// A rank's place in its node.
  public func localIndex(of rank: Int) -> Int { rank - nodes[node(of: rank)].lowerBound }

  /// The rank of a node that speaks for a place: the one at that place, or where the node is too
  /// small, the places dealt out over those it has.
  public func rank(at place: Int, ofNode node: Int) -> Int {
    nodes[node].lowerBound + place % nodes[node].count
  }

  /// The rank of a node that speaks for another rank's place: itself in its own node.
  public func rank(inPlaceOf other: Int, ofNode node: Int) -> Int {
    rank(at: localIndex(of: other), ofNode: node)
  }
}
