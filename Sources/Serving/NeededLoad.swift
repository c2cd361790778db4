import Fabric
import Models

/// What the tokens of iterations made necessary by the experts that they chose, however these are
/// scheduled.
public struct NeededLoad: Hashable, Sendable {
  /// Copies of experts that had tokens, by place among the layers with experts: each is read once in
  /// every microbatch and every guess, so these add up. One that is cut over devices counts once.
  public var activeCopies: [Int] = []
  /// The same of copies of tokens that had to leave their device for another of its node, in dispatch
  /// alone; none where the algorithm spares some of them.
  public var copiesWithinNode: [Int] = []
  /// Copies that had to leave their node; once for each other node where the algorithm knows how.
  public var copiesBetweenNodes: [Int] = []
  /// What each attention group had to do; empty where all iterations are alike.
  public var mixes: [IterationMix] = []
  public var iterations = 0

  /// Of no iteration.
  public init() {}

  /// Adds further iterations of the same deployment.
  public mutating func add(_ other: NeededLoad) {
    func sum(_ a: [Int], _ b: [Int]) -> [Int] { a.isEmpty ? b : zip(a, b).map { $0 + $1 } }
    activeCopies = sum(activeCopies, other.activeCopies)
    copiesWithinNode = sum(copiesWithinNode, other.copiesWithinNode)
    copiesBetweenNodes = sum(copiesBetweenNodes, other.copiesBetweenNodes)
    mixes += other.mixes
    iterations += other.iterations
  }

  /// - Parameters:
  ///   - loads: Of each microbatch.
  ///   - guesses: Of one token for each sequence, as a guess after the first takes it.
  init(
    _ loads: [RoutedLoad], guesses: [RoutedLoad], _ workload: Workload, _ deployment: Deployment,
    mixes: [IterationMix]
  ) {
    self.mixes = mixes
    iterations = 1
    activeCopies = [Int](repeating: 0, count: deployment.placement.layers)
    copiesWithinNode = activeCopies
    copiesBetweenNodes = activeCopies
    let positions = deployment.model.expertPositions(of: workload.phase)
    for load in loads {
      for position in positions { add(load, position, deployment) }
    }
    let guessed = workload.speculation?.tokens ?? 0
    guard guessed > 0, let last = activeCopies.indices.last else { return }
    for load in loads { add(load, last, deployment) }
    for load in guesses {
      for _ in 1..<max(1, guessed) { add(load, last, deployment) }
    }
  }

  /// One pass of a microbatch through a layer with experts. O(experts + devices).
  private mutating func add(_ load: RoutedLoad, _ position: Int, _ deployment: Deployment) {
    let devices = deployment.cluster.deviceCount
    if let work = load.blocks?.work {
      for device in 0..<devices {
        activeCopies[position] += Int(work.loads[position * devices + device].active)
      }
    } else {
      let slots = load.counts.slots
      for slot in 0..<slots.slotCount[position]
      where load.slotTokens(position * slots.slotsPerLayer + slot) > 0 {
        activeCopies[position] += 1
      }
    }
    for device in 0..<devices {
      let cell = position * devices + device
      // Rows that a whole attention group has are not sent within it.
      if deployment.exchange.algorithm != .tensorCoordinated {
        copiesWithinNode[position] += load.traffic.innerOut[cell]
      }
      if let counts = load.nodeCounts {
        copiesBetweenNodes[position] += Int(counts.sent[device * counts.slots.layers + position])
      } else {
        copiesBetweenNodes[position] += load.traffic.outerOut[cell]
      }
    }
  }
}
