extension PhasedTransfers {
  /// Broadcast by a binomial tree: in each of ceil(log2 n) steps, every rank that has the buffer sends it
  /// to one that has not, first the farthest: n - 1 messages of S. Ranks are counted from the root
  /// on, so for a root at the beginning of a node and nodes of 2^k ranks each other node gets it once.
  ///
  /// - Parameter bytes: The buffer.
  mutating func addTreeBroadcast(_ bytes: Double, root: Int) {
    var distance = 1
    while distance < rankCount { distance *= 2 }
    while distance > 1 {
      for place in stride(from: 0, to: rankCount - distance / 2, by: distance) {
        add(
          bytes, from: (root + place) % rankCount,
          to: (root + place + distance / 2) % rankCount)
      }
      endPhase()
      distance /= 2
    }
  }
}
