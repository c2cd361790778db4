extension PhasedTransfers {
  /// All-to-all between groups of `width` neighbours that work on the same rows (tensor parallelism):
  /// each rank carries one part of its group's rows and the group gathers the parts. DeepSpeed-MoE
  /// (Rajbhandari et al., ICML 2022, "parallelism coordinated communication"), TED (Singh et al., ICS
  /// 2023, duplicate token dropping) and LocMoE (Li et al., 2024) do it so.
  ///
  ///  1. Each rank sends the rank of equal index in every other group 1/width of what its group has for
  ///     that group.
  ///  2. Inside each group, each rank gives the others all that it got.
  ///
  /// The matrix counts each row once: what a group has for another is the sum over both groups' ranks,
  /// whichever of them it stands at. All ranks of the target's group get it. A group has its own rows
  /// already, so they are not sent. With R bytes from a group to all other groups, each rank sends R/t
  /// in n/t - 1 messages and, getting as much, R(t - 1)/t in its group: 2 steps.
  ///
  /// - Parameter width: Divides the ranks of every node.
  mutating func addTensorCoordinatedExchange(
    _ matrix: TrafficMatrix, _ layout: RankLayout, width: Int
  ) {
    let groups = stride(from: 0, to: rankCount, by: width).map { $0..<$0 + width }
    // What each rank of a group has got after the first step.
    var got = [Double](repeating: 0, count: groups.count)
    for source in groups {
      for (index, target) in groups.enumerated() where target != source {
        let part = matrix.bytes(from: source, to: target).value / Double(width)
        got[index] += part
        for member in 0..<width {
          add(part, from: source.lowerBound + member, to: target.lowerBound + member)
        }
      }
    }
    endPhase()
    for (index, group) in groups.enumerated() {
      for source in group {
        for target in group where target != source { add(got[index], from: source, to: target) }
      }
    }
    endPhase()
  }
}
