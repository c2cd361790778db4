/// The best placement there is, with the proof that is in the method: dynamic programming over layers.
///
///     let exact = try ExactPlacement(of: problem)
///     exact.placement                               // no placement costs less than exact.cost.total
///     let best = try ExactPlacement(of: problem) { done, all in isTimeLeft() }
///     best.isOptimal                                // or best.bound, which no placement costs less than
///
/// A state is one way to place a layer's experts; communication hangs on the states of neighbouring
/// layers only, so that the best cost up to a layer is a function of its state. Renaming groups (as
/// ``LayerStates`` says) changes no cost, so that this function is needed for one state of each set
/// only, while the layer before runs over all states. O(layers x states x representatives x experts);
/// eight experts on four groups have 2,520 states and 105 representatives.
///
/// One expert on each group of a single node needs no states: given one layer, the best next one is an
/// assignment problem whose answer depends on nothing before, so layers - 1 of those are enough.
///
/// Where it is stopped, the layers that it has been through are placed as well as can be beside the others,
/// which are where a search's quick start has them.
public struct ExactPlacement: Sendable {
  public let placement: ExpertPlacement
  public let cost: PlacementCost
  /// Seconds that no placement costs less than: ``cost``'s total where it is optimal; where it was stopped,
  /// the cheapest way through the first layers and no less than the others' work.
  public let bound: Double
  /// Layers that it has been through: all, unless it was stopped.
  public let layersDone: Int
  public var isOptimal: Bool { layersDone == placement.layers }
  /// Ways to place one layer's experts; 0 where assignment problems were enough.
  public let states: Int
  /// Those that differ by more than names of groups.
  public let representatives: Int

  /// What the method may take.
  public struct Limits: Sendable, Hashable {
    public var states: Int
    /// Additions in the inner loop.
    public var steps: Double

    public init(states: Int = 2_000_000, steps: Double = 30e9) {
      self.states = states
      self.steps = steps
    }
  }

  /// - Parameter shouldContinue: Asked now and then with how many of how many states are done; `false` ends
  ///   it with what it has. Not asked where assignment problems are enough.
  /// - Throws: ``ExactPlacementError`` where the problem has replicas or is too large to prove.
  public init(
    of problem: PlacementProblem, limits: Limits = Limits(),
    shouldContinue: (_ done: Int, _ all: Int) -> Bool = { _, _ in true }
  ) throws(ExactPlacementError) {
    guard !problem.hasReplicas else {
      throw .replicas(copies: problem.copies, experts: problem.experts)
    }
    if let groupOfExpert = ExactPlacement.assigned(problem) {
      placement = ExpertPlacement(
        groups: problem.groups, experts: problem.experts, groupOfExpert: groupOfExpert)
      (states, representatives) = (0, 0)
      layersDone = problem.layers
      cost = PlacementCost(of: placement, in: problem)
      bound = cost.total
      return
    }
    var chain = try StateChain(of: problem, limits: limits)
    let answer = chain.solve(shouldContinue: shouldContinue)
    placement = ExpertPlacement(
      groups: problem.groups, experts: problem.experts, groupOfExpert: answer.groupOfExpert)
    (states, representatives) = (chain.states.count, chain.representatives)
    layersDone = answer.layersDone
    cost = PlacementCost(of: placement, in: problem)
    bound = layersDone == problem.layers ? cost.total : answer.bound
  }

  /// The assignment problems' answer, `[layer][expert]`; `nil` where they do not apply.
  private static func assigned(_ problem: PlacementProblem) -> [Int32]? {
    guard problem.slotsPerGroup == 1, problem.experts == problem.groups, problem.nodes == 1,
      problem.objective == .sum, problem.pinned.isEmpty, problem.forbidden.isEmpty
    else { return nil }
    let experts = problem.experts
    var groups = (0..<experts).map { Int32($0) }
    for pair in 0..<problem.layers - 1 {
      let last = groups.suffix(experts)
      guard problem.countsTransitions else {
        groups += last
        continue
      }
      let kept = problem.transition(pair).map { -$0 * problem.secondsInNode }
      guard let best = LinearAssignment(costs: kept, rows: experts, columns: experts) else {
        return nil
      }
      var next = [Int32](repeating: 0, count: experts)
      for (expert, group) in last.enumerated() { next[best.columnOfRow[expert]] = group }
      groups += next
    }
    return groups
  }
}
