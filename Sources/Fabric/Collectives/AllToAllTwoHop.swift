import Units

extension MessageSchedule {
  /// All-to-all with each row once to a node and from there to the ranks that need it, as it comes:
  /// the normal kernels of DeepEP (DeepSeek-AI, github.com/deepseek-ai/DeepEP) and PXN-like forwarding.
  ///
  /// A rank sends what it has for another node to the rank that speaks for its place there
  /// (``TrafficMatrix/bytes(from:toNode:_:)``: each row once, where that is known); that rank forwards
  /// to each rank of its node what it needs. What is for the own node goes directly. On the way back
  /// (``TrafficMatrix/fromNode``) the mirror image: all that a node has for a rank goes to the rank that
  /// speaks for its place, which sums and sends it over the network once.
  ///
  /// Each pair of a rank and a node is a stream: part i is forwarded when it has arrived, part i + 1 is
  /// on its way meanwhile, and no stream waits for another. n(N - 1) messages between nodes and n(n - N)
  /// inside, as many together as flat has, times `chunks`; the longest chain is chunks + 1 messages.
  mutating func appendTwoHopExchange(
    _ matrix: TrafficMatrix, _ layout: RankLayout, chunks: Int = 1
  ) {
    for ranks in layout.nodes {
      for source in ranks {
        for target in ranks where target != source {
          appendStream(matrix[source, target], from: source, to: target, chunks: chunks)
        }
      }
    }
    for rank in 0..<layout.rankCount {
      for node in layout.nodes.indices where node != layout.node(of: rank) {
        if matrix.fromNode == nil {
          appendForwarding(matrix, layout, from: rank, toNode: node, chunks: chunks)
        } else {
          appendSumming(matrix, layout, fromNode: node, to: rank, chunks: chunks)
        }
      }
    }
  }

  private mutating func appendStream(
    _ bytes: Bytes, from source: Int, to target: Int, chunks: Int
  ) {
    guard bytes.value > 0 else { return }
    var before: StepID?
    for _ in 0..<chunks {
      before = send(bytes / Double(chunks), from: source, to: target, after: before)
    }
  }

  private mutating func appendForwarding(
    _ matrix: TrafficMatrix, _ layout: RankLayout, from source: Int, toNode node: Int, chunks: Int
  ) {
    let bytes = matrix.bytes(from: source, toNode: node, layout) / Double(chunks)
    guard bytes.value > 0 else { return }
    let relay = layout.rank(inPlaceOf: source, ofNode: node)
    let targets = layout.nodes[node].filter { $0 != relay && matrix[source, $0].value > 0 }
    var before: StepID?
    var forwardedBefore = [StepID?](repeating: nil, count: targets.count)
    for _ in 0..<chunks {
      let arrival = send(bytes, from: source, to: relay, after: before)
      before = arrival
      for (index, target) in targets.enumerated() {
        let forward = send(
          matrix[source, target] / Double(chunks), from: relay, to: target, after: arrival)
        if let earlier = forwardedBefore[index] { add(forward, after: earlier) }
        forwardedBefore[index] = forward
      }
    }
  }

  private mutating func appendSumming(
    _ matrix: TrafficMatrix, _ layout: RankLayout, fromNode node: Int, to target: Int, chunks: Int
  ) {
    let bytes = matrix.bytes(fromNode: node, to: target, layout) / Double(chunks)
    guard bytes.value > 0 else { return }
    let relay = layout.rank(inPlaceOf: target, ofNode: node)
    let sources = layout.nodes[node].filter { $0 != relay && matrix[$0, target].value > 0 }
    var before: StepID?
    var gatheredBefore = [StepID?](repeating: nil, count: sources.count)
    for _ in 0..<chunks {
      for (index, source) in sources.enumerated() {
        gatheredBefore[index] = send(
          matrix[source, target] / Double(chunks), from: source, to: relay,
          after: gatheredBefore[index])
      }
      let sum = send(bytes, from: relay, to: target, after: before)
      for case let gathered? in gatheredBefore { add(sum, after: gathered) }
      before = sum
    }
  }
}
