/// Experts placed as MoETuner does (arXiv 2502.06643): first each layer's experts into clusters of
/// equal load, then clusters onto expert groups so that the slowest pair of groups is fast.
///
///     let tuned = try MoETunerPlacement(problem)
///     tuned.balance.status                        // .optimal, with proof
///     PlacementCost(of: tuned.placement, in: problem).total
///
/// The two programs are as published; each is solved to proven optimality where that is possible, and
/// what is not proven is said in its outcome. The second sees only the clusters of the first: the
/// best placement of the whole problem may be better than both optima together.
///
/// Loads are the problem's mean work over windows, transitions its tokens. There are no replicas.
public struct MoETunerPlacement: Sendable {
  public let placement: ExpertPlacement
  /// `[layer][expert]`
  public let clusterOfExpert: [[Int]]
  /// The first program, in seconds of work: the sum over layers.
  public let balance: ProgramOutcome
  /// The second program, in seconds. Where no assignment was found that has equally many experts on every
  /// group, all layers together, it says so, and the placement is the best one without.
  public let assignment: ProgramOutcome

  /// - Parameters:
  ///   - solver: what to turn to where enumeration and shortest paths do not reach.
  ///   - seconds: the most that the solver may take, half for each program.
  /// - Throws: ``PlacementProblemError/misfit(_:)`` where the problem has what MoETuner knows nothing
  ///   of: replicas, pinned or forbidden places, fewer experts than groups.
  public init(
    _ problem: PlacementProblem, solver: IntegerSolver? = nil, seconds: Double = 60
  ) throws(PlacementProblemError) {
    try self.init(problem, solver: solver, seconds: seconds, balanceSteps: 200_000, isQuick: false)
  }

  /// The same without a solver, where a search begins: proven where that takes little, else by descent and
  /// by keeping the largest flows on one group.
  ///
  /// - Throws: As the other.
  init(quick problem: PlacementProblem) throws(PlacementProblemError) {
    try self.init(problem, solver: nil, seconds: 0, balanceSteps: 20_000, isQuick: true)
  }

  private init(
    _ problem: PlacementProblem, solver: IntegerSolver?, seconds: Double, balanceSteps: Int,
    isQuick: Bool
  ) throws(PlacementProblemError) {
    let balances = try Self.balances(of: problem)
    var clusters: [[Int]] = []
    var outcomes: [ProgramOutcome] = []
    for balance in balances {
      let (found, outcome) = balance.solve(
        mostSteps: balanceSteps, solver: solver, seconds: seconds / 2 / Double(problem.layers))
      clusters.append(found)
      outcomes.append(outcome)
    }
    let program = Self.assignment(of: clusters, in: problem)
    var (groupOfCluster, outcome) =
      isQuick ? program.solveQuickly() : program.solve(solver: solver, seconds: seconds / 2)
    if groupOfCluster == nil {
      let anySizes = program.withoutSizes
      groupOfCluster =
        isQuick
        ? anySizes.solveQuickly().groupOfCluster
        : anySizes.solve(solver: solver, seconds: seconds / 2).groupOfCluster
    }
    let groups = groupOfCluster ?? clusters.map { _ in Array(0..<problem.groups) }
    placement = ExpertPlacement(
      groups: problem.groups,
      hosts: zip(clusters, groups).map { clusters, groups in clusters.map { [groups[$0]] } })
    clusterOfExpert = clusters
    balance = Self.sum(outcomes)
    assignment = outcome
  }

  /// Both programs for any solver to check; the second is about the clusters of ``clusterOfExpert``.
  ///
  /// - Throws: As the initialiser.
  public func programs(
    for problem: PlacementProblem
  ) throws(PlacementProblemError) -> (balance: IntegerProgram, assignment: IntegerProgram) {
    let balances = try Self.balances(of: problem)
    return (
      ClusterBalance.program(layers: balances),
      Self.assignment(of: clusterOfExpert, in: problem).program()
    )
  }
}

extension MoETunerPlacement {
  /// The first program of each layer.
  static func balances(
    of problem: PlacementProblem
  ) throws(PlacementProblemError) -> [ClusterBalance] {
    try problem.check()
    let (experts, groups) = (problem.experts, problem.groups)
    guard !problem.hasReplicas else { throw .misfit("MoETuner places no redundant experts") }
    guard problem.pinned.isEmpty, problem.forbidden.isEmpty else {
      throw .misfit("MoETuner knows no pinned or forbidden places")
    }
    guard experts >= groups else {
      throw .misfit("MoETuner needs an expert for each of \(groups) groups; a layer has \(experts)")
    }
    // Equally many experts in each cluster, or numbers that differ by one where experts do not divide.
    let sizes = experts / groups...(experts + groups - 1) / groups
    let work = problem.meanWork
    return (0..<problem.layers).map {
      ClusterBalance(
        loads: Array(work[$0 * experts..<($0 + 1) * experts]), clusters: groups, sizes: sizes)
    }
  }

  /// The second program for some clusters, `[layer][expert]`.
  static func assignment(
    of clusters: [[Int]], in problem: PlacementProblem
  ) -> ClusterAssignment {
    let (experts, groups) = (problem.experts, problem.groups)
    var tokens = [Double](repeating: 0, count: (problem.layers - 1) * groups * groups)
    if problem.countsTransitions {
      for pair in 0..<problem.layers - 1 {
        let transition = problem.transition(pair)
        for this in 0..<experts {
          let row = (pair * groups + clusters[pair][this]) * groups
          let from = transition.startIndex + this * experts
          for next in 0..<experts {
            tokens[row + clusters[pair + 1][next]] += transition[from + next]
          }
        }
      }
    }
    let sizes = clusters.map { layer in
      (0..<groups).map { cluster in layer.count { $0 == cluster } }
    }
    // A pair sends alone; the sum objective's seconds are divided among all groups.
    let senders = problem.objective == .sum ? Double(groups) : 1
    return ClusterAssignment(
      layers: problem.layers, groups: groups, groupsPerNode: problem.groupsPerNode,
      tokens: tokens, sizes: sizes, secondsInNode: problem.secondsInNode * senders,
      secondsAcrossNodes: max(problem.secondsInNode, problem.secondsAcrossNodes) * senders)
  }

  private static func sum(_ layers: [ProgramOutcome]) -> ProgramOutcome {
    let unproven = layers.filter { $0.status != .optimal }
    // Layers found in different ways are as well proven as the one that took the most.
    let order: [ProgramOutcome.Method] = [.search, .solver, .enumeration, .bound]
    let method = order.first { method in layers.contains { $0.method == method } } ?? .bound
    let remark =
      unproven.first?.remark.map { "\(unproven.count) of \(layers.count) layers: \($0)" }
    return ProgramOutcome(
      status: unproven.isEmpty ? .optimal : .feasible, method: method,
      objective: layers.reduce(0) { $0 + ($1.objective ?? 0) },
      bound: layers.reduce(0) { $0 + $1.bound }, remark: remark)
  }
}

extension ClusterAssignment {
  /// The same without the row of equal memory.
  fileprivate var withoutSizes: ClusterAssignment {
    ClusterAssignment(
      layers: layers, groups: groups, groupsPerNode: groupsPerNode, tokens: tokens,
      secondsInNode: secondsInNode, secondsAcrossNodes: secondsAcrossNodes)
  }
}
