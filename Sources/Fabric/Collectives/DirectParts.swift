extension PhasedTransfers {
  /// All-gather with a message from each rank to each other, all at once: one step, n(n - 1) messages
  /// of S/n, S(n - 1)/n sent by each.
  ///
  /// - Parameter parts: The bytes that each rank begins with.
  mutating func addDirectAllGather(parts: [Double]) {
    for source in 0..<rankCount {
      for target in 0..<rankCount where target != source {
        add(parts[source], from: source, to: target)
      }
    }
    endPhase()
  }

  /// Reduce-scatter with a message from each rank to each other, which adds them: one step, n(n - 1)
  /// messages of S/n, S(n - 1)/n sent by each.
  ///
  /// - Parameter parts: The bytes that each rank ends with.
  mutating func addDirectReduceScatter(parts: [Double]) {
    for source in 0..<rankCount {
      for target in 0..<rankCount where target != source {
        add(parts[target], from: source, to: target)
      }
    }
    endPhase()
  }
}
