extension PhasedTransfers {
  /// All-to-all inside nodes by the target's local index, then between nodes among ranks of equal
  /// local index: the two-dimensional hierarchical all-to-all of Tutel (Hwang et al., "Tutel: Adaptive
  /// Mixture-of-Experts at Scale", MLSys 2023, arXiv 2206.03382).
  ///
  ///  1. Each rank sorts what it holds by the targets' local index, in its memory.
  ///  2. Inside each node, the rank at place p gets all that the node has for ranks at place p.
  ///  3. It sorts that by target, in its memory.
  ///  4. It sends every rank at place p of other nodes one message.
  ///
  /// With N nodes of g ranks: 4 steps; of S bytes that each rank holds, it sends g - 1 messages of S/g
  /// inside its node and N - 1 of S/N to others, where flat sends g - 1 of S/n inside and n - g of S/n
  /// to others: as many bytes between nodes in g times fewer messages, for N times as many inside.
  /// Where nodes differ in size, ``RankLayout/rank(at:ofNode:)`` says who speaks for a place.
  ///
  /// Copies take the whole that a rank holds, its own part included. With one node, or one rank a
  /// node, nothing needs sorting and it is the flat exchange.
  mutating func addHierarchicalExchange(_ matrix: TrafficMatrix, _ layout: RankLayout) {
    let all = 0..<rankCount
    if layout.needsSorting {
      for rank in all {
        add(matrix.bytes(from: rank..<rank + 1, to: all).value, from: rank, to: rank)
      }
      endPhase()
    }
    let held = addExchangeByPlace(matrix, layout)
    if layout.needsSorting {
      for rank in all { add(held[rank], from: rank, to: rank) }
      endPhase()
    }
    for (node, ranks) in layout.nodes.enumerated() {
      for target in all where !ranks.contains(target) {
        let relay = layout.rank(inPlaceOf: target, ofNode: node)
        add(matrix.bytes(from: ranks, to: target..<target + 1).value, from: relay, to: target)
      }
    }
    endPhase()
  }

  /// Inside each node, to the rank that speaks for the target's place. Returns the bytes that each
  /// rank holds then.
  @discardableResult
  mutating func addExchangeByPlace(_ matrix: TrafficMatrix, _ layout: RankLayout) -> [Double] {
    var held = [Double](repeating: 0, count: rankCount)
    for (node, ranks) in layout.nodes.enumerated() {
      for source in ranks {
        var bytes = [Double](repeating: 0, count: ranks.count)
        for target in 0..<rankCount {
          let relay = layout.rank(inPlaceOf: target, ofNode: node)
          bytes[relay - ranks.lowerBound] += matrix[source, target].value
        }
        for relay in ranks {
          held[relay] += bytes[relay - ranks.lowerBound]
          if relay != source { add(bytes[relay - ranks.lowerBound], from: source, to: relay) }
        }
      }
    }
    endPhase()
    return held
  }
}

extension RankLayout {
  /// Whether there are several nodes and one of several ranks, so that hierarchical all-to-all is not
  /// flat.
  var needsSorting: Bool { nodes.count > 1 && nodes.contains { $0.count > 1 } }
}
