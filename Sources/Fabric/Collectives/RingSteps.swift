/// Ranks that do a collective among themselves, and the bytes of the part that each begins or ends
/// with, in the same order.
struct PartedGroup {
  var ranks: [Int]
  var parts: [Double]

  /// Equal parts of a buffer.
  init(_ ranks: some Sequence<Int>, sharing bytes: Double) {
    self.ranks = Array(ranks)
    parts = [Double](repeating: bytes / Double(self.ranks.count), count: self.ranks.count)
  }

  init(_ ranks: [Int], parts: [Double]) {
    self.ranks = ranks
    self.parts = parts
  }
}

extension PhasedTransfers {
  /// Reduce-scatter round a ring, several groups at once: after it, each rank has the sum of its own
  /// part over all ranks of its group.
  ///
  /// In step k of n - 1, the rank at place i sends its sum so far of part i - 1 - k to the next. Each
  /// rank sends S(n - 1)/n of S bytes, which is the least possible (Patarasuk and Yuan, "Bandwidth
  /// optimal all-reduce algorithms for clusters of workstations", JPDC 2009).
  mutating func addRingReduceScatter(_ groups: [PartedGroup]) {
    addRing(groups, firstPart: -1)
  }

  /// All-gather round a ring, several groups at once: in step k of n - 1, the rank at place i sends
  /// part i - k to the next. Each sends S(n - 1)/n.
  mutating func addRingAllGather(_ groups: [PartedGroup]) {
    addRing(groups, firstPart: 0)
  }

  /// All-reduce round a ring: a reduce-scatter and an all-gather, 2(n - 1) steps in which each rank
  /// sends S/n, 2S(n - 1)/n together.
  mutating func addRingAllReduce(_ groups: [PartedGroup]) {
    addRingReduceScatter(groups)
    addRingAllGather(groups)
  }

  private mutating func addRing(_ groups: [PartedGroup], firstPart: Int) {
    let longest = groups.map(\.ranks.count).max() ?? 0
    for step in 0..<max(longest - 1, 0) {
      for group in groups where step < group.ranks.count - 1 {
        let count = group.ranks.count
        for (place, rank) in group.ranks.enumerated() {
          let part = (place + firstPart - step + 2 * count) % count
          add(group.parts[part], from: rank, to: group.ranks[(place + 1) % count])
        }
      }
      endPhase()
    }
  }

  /// Broadcast along the ring from `root`: each rank passes on to the next what it gets, n - 1 steps of
  /// the whole buffer. In c chunks the last has it after n - 2 + c steps of S/c: for many chunks the
  /// time of one message, whatever the number of ranks.
  ///
  /// - Parameter bytes: The buffer.
  mutating func addRingBroadcast(_ bytes: Double, root: Int) {
    for step in 0..<max(rankCount - 1, 0) {
      add(bytes, from: (root + step) % rankCount, to: (root + step + 1) % rankCount)
      endPhase()
    }
  }
}
