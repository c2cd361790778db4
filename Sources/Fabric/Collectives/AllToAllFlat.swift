extension PhasedTransfers {
  /// All-to-all with a message for each pair of ranks, all at once: n(n - 1) messages in one step, and
  /// of S bytes that each rank holds, S(n - 1)/n sent and got by each.
  ///
  /// What most libraries do: NCCL's grouped send and receive, one to each peer.
  mutating func addFlatExchange(_ matrix: TrafficMatrix) {
    for source in 0..<rankCount {
      for target in 0..<rankCount where target != source {
        add(matrix[source, target].value, from: source, to: target)
      }
    }
    endPhase()
  }
}
