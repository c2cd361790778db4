/// What has to move so that experts live by one placement instead of another.
///
///     let migration = PlacementMigration(from: current, to: better, groupsPerNode: 8)
///     migration.copies                   // that some group has to get
///     migration.copiesSent[from * groups + to]
///
/// A group that is to have a copy gets it from one that has one: of its own node if there is any, of
/// those the one that has sent the fewest so far.
public struct PlacementMigration: Hashable, Sendable {
  public let groups: Int
  /// `[from][to]`
  public let copiesSent: [Int]

  /// O(layers x copies).
  public init(from old: ExpertPlacement, to new: ExpertPlacement, groupsPerNode: Int) {
    precondition(
      old.layers == new.layers && old.experts == new.experts && old.groups == new.groups,
      "both placements are of one model on one cluster")
    let groups = new.groups
    var copiesSent = [Int](repeating: 0, count: groups * groups)
    var sent = [Int](repeating: 0, count: groups)
    for (before, after) in zip(old.hosts, new.hosts) {
      for (holders, hosts) in zip(before, after) {
        for target in hosts where !holders.contains(target) {
          let near = holders.filter { $0 / groupsPerNode == target / groupsPerNode }
          let sources = near.isEmpty ? holders : near
          guard let source = sources.min(by: { (sent[$0], $0) < (sent[$1], $1) }) else { continue }
          sent[source] += 1
          copiesSent[source * groups + target] += 1
        }
      }
    }
    self.groups = groups
    self.copiesSent = copiesSent
  }

  /// Copies that move.
  public var copies: Int { copiesSent.reduce(0, +) }
}
