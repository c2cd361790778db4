extension PhasedTransfers {
  /// All-to-all between nodes first, each rank with its peers of equal local index, then inside nodes
  /// (He et al., "SMILE: Scaling Mixture-of-Experts with Efficient Bi-level Routing", arXiv
  /// 2212.05191).
  ///
  ///  1. Each rank sends each other node one message, to the rank that speaks for its own place.
  ///  2. Inside each node, that rank gives every other what is for it.
  ///
  /// The order of ``addHierarchicalExchange(_:_:)`` turned round, without its copies and with the same
  /// bytes where each row has one target: N - 1 messages of S/N between nodes and g - 1 of S/g inside.
  /// What differs is that SMILE's router chooses nodes first and experts inside them second: a row that
  /// several ranks of a node need crosses to it once. Where the matrix knows such rows
  /// (``TrafficMatrix/toNode``), they are counted once here; hierarchical gathers by target and cannot.
  /// On the way back (``TrafficMatrix/fromNode``) ranks exchange inside nodes first, sum there, and
  /// send the sums.
  mutating func addBiLevelExchange(_ matrix: TrafficMatrix, _ layout: RankLayout) {
    if matrix.fromNode != nil {
      addExchangeByPlace(matrix, layout)
      addSumsBetweenNodes(matrix, layout)
    } else {
      addExchangeBetweenPeers(matrix, layout)
      addExchangeInsideNodes(matrix, layout)
    }
  }

  private mutating func addExchangeBetweenPeers(_ matrix: TrafficMatrix, _ layout: RankLayout) {
    for source in 0..<rankCount {
      for node in layout.nodes.indices where node != layout.node(of: source) {
        let peer = layout.rank(inPlaceOf: source, ofNode: node)
        add(matrix.bytes(from: source, toNode: node, layout).value, from: source, to: peer)
      }
    }
    endPhase()
  }

  /// What a rank has itself for ranks of its node, with what it got for them from its peers.
  private mutating func addExchangeInsideNodes(_ matrix: TrafficMatrix, _ layout: RankLayout) {
    for (node, ranks) in layout.nodes.enumerated() {
      // `[relay][target]`, by local index.
      var bytes = [Double](repeating: 0, count: ranks.count * ranks.count)
      for source in 0..<rankCount {
        let relay = layout.rank(inPlaceOf: source, ofNode: node)
        for (index, target) in ranks.enumerated() {
          bytes[layout.localIndex(of: relay) * ranks.count + index] += matrix[source, target].value
        }
      }
      for relay in ranks {
        for (index, target) in ranks.enumerated() where target != relay {
          add(
            bytes[layout.localIndex(of: relay) * ranks.count + index], from: relay, to: target)
        }
      }
    }
    endPhase()
  }

  private mutating func addSumsBetweenNodes(_ matrix: TrafficMatrix, _ layout: RankLayout) {
    for target in 0..<rankCount {
      for node in layout.nodes.indices where node != layout.node(of: target) {
        let relay = layout.rank(inPlaceOf: target, ofNode: node)
        add(matrix.bytes(fromNode: node, to: target, layout).value, from: relay, to: target)
      }
    }
    endPhase()
  }
}
