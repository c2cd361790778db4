/// Collectives inside a node whose switches add and copy (NVIDIA's NVLink SHARP: `multimem.ld_reduce`
/// and `multimem.st` of PTX on addresses that stand for all ranks' memories).
///
/// A rank that loads a reduced part makes the switches read it at all ranks, itself included, and gets
/// one sum. A rank that stores makes the switches write at all ranks, itself included. So of S bytes at
/// each of n ranks every port carries
///
///  - reduce-scatter: S up (all parts are read at it), S/n down (the sum of its part);
///  - all-gather: S/n up (its part), S down (all parts, written at it);
///  - all-reduce, the one and then the other: S + S/n each way, where a ring needs 2S(n - 1)/n.
///    For 8 ranks 1.125S to 1.75S;
///  - broadcast: S up at the root, S down at every rank.
///
/// Up and down are steps one after the other, 2 for each of the halves; only chunks make them overlap.
extension PhasedTransfers {
  /// - Parameter groups: The ranks of each node, with the part that each ends with.
  mutating func addInSwitchReduceScatter(_ groups: [PartedGroup], _ layout: RankLayout) {
    for group in groups where group.ranks.count > 1 {
      let whole = group.parts.reduce(0, +)
      for rank in group.ranks { add(whole, from: rank, to: switches(of: rank, layout)) }
    }
    endPhase()
    for group in groups where group.ranks.count > 1 {
      for (rank, part) in zip(group.ranks, group.parts) {
        add(part, from: switches(of: rank, layout), to: rank)
      }
    }
    endPhase()
  }

  /// - Parameter groups: The ranks of each node, with the part that each begins with.
  mutating func addInSwitchAllGather(_ groups: [PartedGroup], _ layout: RankLayout) {
    for group in groups where group.ranks.count > 1 {
      for (rank, part) in zip(group.ranks, group.parts) {
        add(part, from: rank, to: switches(of: rank, layout))
      }
    }
    endPhase()
    for group in groups where group.ranks.count > 1 {
      let whole = group.parts.reduce(0, +)
      for rank in group.ranks { add(whole, from: switches(of: rank, layout), to: rank) }
    }
    endPhase()
  }

  /// - Parameter bytes: The buffer.
  mutating func addInSwitchBroadcast(_ bytes: Double, root: Int, _ layout: RankLayout) {
    guard rankCount > 1 else { return }
    add(bytes, from: root, to: switches(of: root, layout))
    endPhase()
    for rank in 0..<rankCount { add(bytes, from: switches(of: rank, layout), to: rank) }
    endPhase()
  }

  private func switches(of rank: Int, _ layout: RankLayout) -> Int {
    switches(ofNode: layout.node(of: rank))
  }
}
