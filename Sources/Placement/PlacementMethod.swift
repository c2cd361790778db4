import Units

/// The ways to choose a placement, by the names that people give them.
public enum PlacementMethod: String, CaseIterable, Hashable, Sendable {
  case search
  case exact
  case moetuner
  case eplb
  case contiguous
  case roundRobin = "round-robin"
  case random

  /// Whether it gives every group as many copies of a layer, or one fewer, however many the group may hold.
  public var holdsEquallyMany: Bool {
    switch self {
    case .moetuner, .contiguous, .roundRobin: true
    case .search, .exact, .eplb, .random: false
    }
  }

  /// How much work a method may take. What a method has no use for is ignored here, and refused
  /// where people say it.
  public struct Effort: Sendable {
    /// Of search and random.
    public var seed: UInt64
    /// Of search, for each chain.
    public var trials: Int
    public var chains = 1
    public var threads = 1
    /// Of search: the layers whose experts may move; all where nil.
    public var movableLayers: [Int]?
    /// Of exact: problems that would take more are refused.
    public var exact = ExactPlacement.Limits()
    /// The most that MoETuner's solver may take, where one is needed.
    public var solverSeconds = 60.0

    public init(seed: UInt64, trials: Int) {
      self.seed = seed
      self.trials = trials
    }

    /// What ``PlacementMethod/search`` does.
    public var search: PlacementSearch {
      var search = PlacementSearch(seed: seed, trials: trials)
      search.chains = chains
      search.threads = threads
      search.movableLayers = movableLayers
      return search
    }
  }
}

/// A placement that a method chose.
public struct PlacementAnswer: Sendable {
  public var placement: ExpertPlacement
  public var cost: PlacementCost
  /// Whether no placement of the problem costs less, by a proof.
  public var isOptimal = false
  /// Seconds that the method itself has proven no placement to cost less than; nil where it proves none.
  public var bound: Double?
  /// Of annealing, in all searches.
  public var trials = 0
  /// Searches that did them, of which this is the best.
  public var searches = 0
  /// What must be known of it, in sentences.
  public var notes: [String] = []

  /// A placement as it is.
  public init(_ placement: ExpertPlacement, in problem: PlacementProblem) {
    self.placement = placement
    cost = PlacementCost(of: placement, in: problem)
  }

  /// What the exact method has proven, or how far it came.
  init(_ exact: ExactPlacement) {
    (placement, cost) = (exact.placement, exact.cost)
    (isOptimal, bound) = (exact.isOptimal, exact.bound)
    guard !isOptimal else { return }
    notes.append(
      "the time was over after \(exact.layersDone) of \(placement.layers) layers: this is the best found, "
        + "not proven to be the best, and another run may end elsewhere")
  }

  /// What a search has found.
  public init(_ found: PlacementSearch.Outcome) {
    self.init(found, of: [found])
  }

  /// What the best of some searches of one problem has found (``PlacementSearch/best(of:)``).
  ///
  /// - Parameter searches: All that were made, itself among them.
  public init(_ best: PlacementSearch.Outcome, of searches: [PlacementSearch.Outcome]) {
    placement = best.placement
    cost = best.cost
    trials = searches.reduce(0) { $0 + $1.trials }
    self.searches = searches.count { $0.trials > 0 }
    if best.trials == 0 {
      notes.append(
        "no trials: this is the best of quick starts, after descent, and of plain placements")
    }
  }
}

extension PlacementProblem {
  /// - Throws: As ``ExpertPlacement/contiguous(layers:experts:groups:redundant:)``.
  fileprivate func contiguous() throws(PlacementError) -> ExpertPlacement {
    try .contiguous(
      layers: layers, experts: experts, groups: groups, redundant: copies - experts)
  }

  /// - Throws: As ``ExpertPlacement/roundRobin(layers:experts:groups:redundant:)``.
  fileprivate func roundRobin() throws(PlacementError) -> ExpertPlacement {
    try .roundRobin(
      layers: layers, experts: experts, groups: groups, redundant: copies - experts)
  }

  /// What the methods that take little give, as far as the problem admits it: a search ends no dearer. Of
  /// MoETuner without a solver, where transitions count.
  var plainPlacements: [ExpertPlacement] {
    var found = [ExpertPlacement.eplb(self)]
    if let contiguous = try? contiguous() { found.append(contiguous) }
    if let roundRobin = try? roundRobin() { found.append(roundRobin) }
    if countsTransitions, let tuned = try? MoETunerPlacement(quick: self) {
      found.append(tuned.placement)
    }
    return found.filter(admits)
  }
}

extension PlacementMethod {
  /// - Parameters:
  ///   - current: Search returns nothing that costs more.
  ///   - shouldContinue: Asked by exact, now and then, with how much of how much is done; `false` ends it
  ///     with the best that it has.
  /// - Throws: ``PlacementProblemError`` where a table or a place is wrong, the method cannot solve the
  ///   problem, or knows nothing of places that it must keep.
  public func place(
    _ problem: PlacementProblem, from current: ExpertPlacement? = nil, _ effort: Effort,
    shouldContinue: (_ done: Int, _ all: Int) -> Bool = { _, _ in true }
  ) throws(PlacementProblemError) -> PlacementAnswer {
    try problem.check()
    let answer = try answer(to: problem, from: current, effort, shouldContinue)
    if let objection = problem.objection(to: answer.placement) {
      throw .misfit(
        "\(rawValue) does not place experts as they must be: \(objection); use search")
    }
    return answer
  }

  private func answer(
    to problem: PlacementProblem, from current: ExpertPlacement?, _ effort: Effort,
    _ shouldContinue: (Int, Int) -> Bool
  ) throws(PlacementProblemError) -> PlacementAnswer {
    switch self {
    case .search:
      return PlacementAnswer(try effort.search.run(problem, from: current))
    case .exact:
      do throws(ExactPlacementError) {
        return PlacementAnswer(
          try ExactPlacement(of: problem, limits: effort.exact, shouldContinue: shouldContinue))
      } catch { throw .misfit(error.sentence) }
    case .moetuner: return try moetuner(problem, effort)
    case .eplb: return PlacementAnswer(.eplb(problem), in: problem)
    case .random: return PlacementAnswer(.random(problem, seed: effort.seed), in: problem)
    case .contiguous, .roundRobin:
      do throws(PlacementError) {
        let placement = try self == .contiguous ? problem.contiguous() : problem.roundRobin()
        return PlacementAnswer(placement, in: problem)
      } catch { throw .misfit(error.sentence) }
    }
  }

  private func moetuner(
    _ problem: PlacementProblem, _ effort: Effort
  ) throws(PlacementProblemError) -> PlacementAnswer {
    let solver = try? IntegerSolver.installed()
    let tuned = try MoETunerPlacement(problem, solver: solver, seconds: effort.solverSeconds)
    var answer = PlacementAnswer(tuned.placement, in: problem)
    answer.notes = [
      "its first program (balance): \(tuned.balance.words)",
      "its second program (slowest pairs): \(tuned.assignment.words)",
    ]
    if !problem.countsTransitions {
      answer.notes.append(
        "tokens return home, and its second program is about tokens that stay with an expert: it had "
          + "nothing to minimise")
    }
    return answer
  }
}

extension ProgramOutcome {
  /// `0.00123 s, optimal by enumeration`
  fileprivate var words: String {
    let found = objective.map { "\(Seconds($0)), " } ?? ""
    let gap = status == .optimal ? "" : ", proven to be no less than \(Seconds(bound))"
    return "\(found)\(status.rawValue) by \(method.rawValue)\(gap)"
      + (remark.map { "; \($0)" } ?? "")
  }
}
