/// A collective as phases of transfers: what most algorithms are made as.
///
/// A rank begins a phase when its part in the phases before is done: what it sends is out and what it
/// gets is in. Ranks do not wait for each other's phases otherwise.
///
/// The ends of a transfer are numbers: ranks from 0, then the switches of the nodes in their order.
/// A transfer from a rank to itself is a copy in its memory.
struct PhasedTransfers {
  struct Transfer: BitwiseCopyable {
    var source: Int32
    var target: Int32
    var bytes: Double
  }

  let rankCount: Int
  /// Ranks and switches.
  let endCount: Int
  private(set) var transfers: [Transfer] = []
  /// Where each phase ends in ``transfers``.
  private(set) var phaseEnds: [Int] = []

  init(_ layout: RankLayout) {
    rankCount = layout.rankCount
    endCount = layout.rankCount + layout.nodes.count
  }

  /// The number of a node's switches, which are one end.
  func switches(ofNode node: Int) -> Int { rankCount + node }

  /// Adds a transfer to the phase that is being made; nothing where there are no bytes.
  mutating func add(_ bytes: Double, from source: Int, to target: Int) {
    guard bytes > 0 else { return }
    transfers.append(Transfer(source: Int32(source), target: Int32(target), bytes: bytes))
  }

  /// Ends a phase; one without transfers is none.
  mutating func endPhase() {
    if transfers.count > phaseEnds.last ?? 0 { phaseEnds.append(transfers.count) }
  }
}
