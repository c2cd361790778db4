import Fabric
import Models

/// What the tokens of iterations made necessary by the experts that they chose, however these are
/// scheduled.
public struct NeededLoad: Hashable, Sendable {
  /// Copies of experts that had tokens, by place among the layers with experts: each is read once in
  /// every microbatch, so these add up. One that is cut over devices counts once.
  public var activeCopies: [Int] = []
  /// The same of copies of tokens that had to leave their device for another of its node, in dispatch
  /// alone; none where the algorithm spares some of them.
  public var copiesWithinNode: [Int] = []
  /// Copies that had to leave their node; once for each other node where the algorithm knows how.
  public var copiesBetweenNodes: [Int] = []
  /// The same of all guesses' ways through the prediction layer.
  public var prediction = Layer()
  /// What each attention group had to do; empty where all iterations are alike.
  public var mixes: [IterationMix] = []
  /// Each microbatch of each iteration, where these have some tokens and then others; empty where all
  /// iterations are alike.
  public var passes: [Pass] = []
  public var iterations = 0

  /// Of one layer.
  public struct Layer: Hashable, Sendable {
    public var activeCopies = 0
    public var copiesWithinNode = 0
    public var copiesBetweenNodes = 0

    public init() {}

    fileprivate mutating func add(_ other: Layer) {
      activeCopies += other.activeCopies
      copiesWithinNode += other.copiesWithinNode
      copiesBetweenNodes += other.copiesBetweenNodes
    }
  }

  /// Tokens that went through the layers together.
  public struct Pass: Hashable, Sendable {
    /// Of all groups.
    public var tokens: Int
    /// By place among the layers with experts.
    public var activeCopies: [Int]

    public init(tokens: Int, activeCopies: [Int]) {
      self.tokens = tokens
      self.activeCopies = activeCopies
    }
  }

  /// Of no iteration.
  public init() {}

  /// Adds further iterations of the same deployment.
  public mutating func add(_ other: NeededLoad) {
    func sum(_ a: [Int], _ b: [Int]) -> [Int] { a.isEmpty ? b : zip(a, b).map { $0 + $1 } }
    activeCopies = sum(activeCopies, other.activeCopies)
    copiesWithinNode = sum(copiesWithinNode, other.copiesWithinNode)
    copiesBetweenNodes = sum(copiesBetweenNodes, other.copiesBetweenNodes)
    prediction.add(other.prediction)
    mixes += other.mixes
    passes += other.passes
    iterations += other.iterations
  }

  /// - Parameters:
  ///   - loads: Of each microbatch.
  ///   - guesses: Of one token for each sequence, as a guess after the first takes it.
  ///   - mixes: Of each group in each microbatch; empty where all iterations are alike.
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
    for (index, load) in loads.enumerated() {
      var pass = Pass(
        tokens: 0, activeCopies: [Int](repeating: 0, count: deployment.placement.layers))
      for position in positions {
        let layer = Layer(load, position, deployment)
        activeCopies[position] += layer.activeCopies
        copiesWithinNode[position] += layer.copiesWithinNode
        copiesBetweenNodes[position] += layer.copiesBetweenNodes
        pass.activeCopies[position] = layer.activeCopies
      }
      guard !mixes.isEmpty else { continue }
      let groups = mixes.count / loads.count
      pass.tokens = mixes[index * groups..<(index + 1) * groups].reduce(0) { $0 + $1.tokens }
      passes.append(pass)
    }
    let guessed = workload.speculation?.tokens ?? 0
    guard guessed > 0, let last = activeCopies.indices.last else { return }
    for load in loads { prediction.add(Layer(load, last, deployment)) }
    for load in guesses {
      for _ in 1..<max(1, guessed) { prediction.add(Layer(load, last, deployment)) }
    }
  }
}

extension NeededLoad.Layer {
  /// One pass of a microbatch through a layer with experts. O(experts + devices).
  fileprivate init(_ load: RoutedLoad, _ position: Int, _ deployment: Deployment) {
    let devices = deployment.cluster.deviceCount
    if let work = load.blocks?.work {
      for device in 0..<devices {
        activeCopies += Int(work.loads[position * devices + device].active)
      }
    } else {
      let slots = load.counts.slots
      for slot in 0..<slots.slotCount[position]
      where load.slotTokens(position * slots.slotsPerLayer + slot) > 0 {
        activeCopies += 1
      }
    }
    for device in 0..<devices {
      let cell = position * devices + device
      // Rows that a whole attention group has are not sent within it.
      if deployment.exchange.algorithm != .tensorCoordinated {
        copiesWithinNode += load.traffic.innerOut[cell]
      }
      if let counts = load.nodeCounts {
        copiesBetweenNodes += Int(counts.sent[device * counts.slots.layers + position])
      } else {
        copiesBetweenNodes += load.traffic.outerOut[cell]
      }
    }
  }
}
