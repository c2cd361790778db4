/// The best placement there is, with the proof that is in the method: dynamic programming over layers.
///
///     let exact = try ExactPlacement(of: problem)
///     exact.placement                               // no placement costs less than exact.cost.total
///
/// A state is one way to place a layer's experts; communication hangs on the states of neighbouring
/// layers only, so that the best cost up to a layer is a function of its state. Renaming groups (as
/// ``LayerStates`` says) changes no cost, so that this function is needed for one state of each set
/// only, while the layer before runs over all states. O(layers x states x representatives x experts);
/// eight experts on four groups have 2,520 states and 105 representatives.
///
/// One expert on each group of a single node needs no states: given one layer, the best next one is an
/// assignment problem whose answer depends on nothing before, so layers - 1 of those are enough.
public struct ExactPlacement: Sendable {
  public let placement: ExpertPlacement
  public let cost: PlacementCost
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

  /// - Throws: ``ExactPlacementError`` where the problem has replicas or is too large to prove.
  public init(
    of problem: PlacementProblem, limits: Limits = Limits()
  ) throws(ExactPlacementError) {
    guard !problem.hasReplicas else {
      throw .replicas(copies: problem.copies, experts: problem.experts)
    }
    if let groupOfExpert = ExactPlacement.assigned(problem) {
      placement = ExpertPlacement(
        groups: problem.groups, experts: problem.experts, groupOfExpert: groupOfExpert)
      (states, representatives) = (0, 0)
    } else {
      var chain = try StateChain(of: problem, limits: limits)
      placement = ExpertPlacement(
        groups: problem.groups, experts: problem.experts,
        groupOfExpert: try chain.solve())
      (states, representatives) = (chain.states.count, chain.representatives)
    }
    cost = PlacementCost(of: placement, in: problem)
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
