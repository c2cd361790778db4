import Models
import Placement
import Serving
import StrictYAML
import Traces
import Units

/// A scenario's experts to be placed: by one part of the trace's requests, judged by the other.
///
///     let task = try PlacementTask(scenario)
///     let answer = try PlacementMethod.search.place(task.profiled, from: task.current, effort)
///     let unseen = task.unseenCost(of: answer.placement)
///     let run = try task.scenario(with: answer.placement, named: "search")
public struct PlacementTask: Sendable {
  public let scenario: Scenario
  public let study: PlacementStudy
  /// The problem that the profiled requests pose.
  public let profiled: PlacementProblem
  /// The same of the other requests; nil where all were profiled.
  public let unseen: PlacementProblem?
  public let profile: RoutingProfile
  public let unseenProfile: RoutingProfile?
  public let profiledRequests: Int
  /// Whether the profile's windows are random halves, not windows that were asked for.
  public let windowsOverlap: Bool
  public let unseenRequests: Int
  private let unseenSequences: [Int]?

  /// What is asked beside the scenario.
  public struct Question: Hashable, Sendable {
    /// The share of the tokens whose requests are profiled, above 0; 1 for all.
    public var split = 0.5
    /// Of profiled requests, apart from one another and each balanced for itself. Nil for ``halves``.
    public var windows: Int?
    /// Random halves of the profiled requests, which overlap: a window that has fewer requests than an
    /// iteration is uneven by chance that an iteration averages out, and one window of all is balanced by
    /// chance that the next requests will not share (`Benchmarks/placement.md`).
    public static let halves = 16
    /// Copies of a layer beyond one for each expert; the scenario's where nil.
    public var redundant: Int?
    /// As the scenario's communication has it where nil.
    public var traffic: PlacementProblem.Traffic?
    public var objective = PlacementProblem.Objective.sum
    /// The scenario's where nil.
    public var replicaChoice: ReplicaChoice?
    /// What an expert's copies are kept apart over; the scenario's where nil.
    public var replicaSpread: ReplicaSpread?
    /// Copies of a layer on one expert group; the scenario's where nil, and the fewest that hold all where
    /// that says nothing.
    public var mostPerGroup: Int?

    public init() {}
  }

  /// - Throws: ``PlacementProblemError`` for a trace too short or copies that cannot be, and
  ///   ``ServingError`` for a deployment whose work is not its devices' own.
  public init(_ scenario: Scenario, _ question: Question = Question()) throws {
    guard scenario.workload.routing == .asRecorded else {
      throw PlacementProblemError.misfit(
        "the scenario replays uniform selections, to which no placement fits better than another; use "
          + "routing 'as-recorded'")
    }
    self.scenario = scenario
    study = try PlacementStudy(scenario.deployment, scenario.workload)
    let trace = scenario.trace
    let phase: TokenPhase? =
      scenario.workload.requests != nil
      ? nil : scenario.workload.phase == .decode ? .decode : .prefill
    let current = study.current
    let copies = current.hosts.first.map { $0.reduce(0) { $0 + $1.count } } ?? 0
    let redundant = question.redundant ?? (copies - current.experts)
    guard question.replicaChoice == nil || redundant > 0 else {
      throw PlacementProblemError.misfit(
        "there are no redundant experts to choose among: a replica choice has no effect")
    }
    let spreads = try Self.spreads(question, scenario, study, redundant: redundant)
    let traffic =
      question.traffic ?? (scenario.deployment.exchange.residence == .home ? .home : .transition)
    guard question.objective == .sum || traffic == .transition else {
      throw PlacementProblemError.misfit(
        "the slowest pair of devices is an objective of transition traffic only; the scenario's tokens "
          + "return home")
    }
    let choice =
      redundant > 0 ? question.replicaChoice ?? scenario.deployment.replicaChoice : .even
    guard choice != .nearest || traffic != .both else {
      throw PlacementProblemError.misfit(
        "the nearest copy is nearest to one place that a token comes from, its own device or its last "
          + "expert's: use home or transition traffic")
    }
    guard choice != .nearest || current.sharedGroups == 0 else {
      throw PlacementProblemError.misfit(
        "which copy is nearest is not estimated where shared experts have expert groups of their own: "
          + "use even copies")
    }
    var sequences: [Int]?
    var others: [Int]?
    if question.split < 1 {
      (sequences, others) = try RoutingProfile.split(
        trace, share: question.split, seed: scenario.seed)
    }
    let requests = sequences?.count ?? trace.sequences.count
    if let windows = question.windows, windows > requests {
      throw PlacementProblemError.misfit(
        "\(windows) windows of \(requests) profiled requests leave some without any")
    }
    profile = try RoutingProfile(
      of: trace, sequences: sequences, phase: phase, windows: question.windows ?? Question.halves,
      windowing: question.windows == nil ? .halves(seed: 0) : .shuffled(seed: 0))
    // Nothing is balanced by these: as many windows judge as were asked for, else all of them together.
    unseenProfile = try others.map {
      try RoutingProfile(of: trace, sequences: $0, phase: phase, windows: question.windows ?? 1)
    }
    func problem(_ profile: RoutingProfile, _ study: PlacementStudy) throws -> PlacementProblem {
      var problem = try study.problem(
        of: profile, redundant: redundant,
        mostPerGroup: question.mostPerGroup ?? scenario.placementChoice?.mostPerGroup,
        traffic: traffic, objective: question.objective, choice: choice)
      problem.spreadsCopiesOverNodes = spreads
      problem.pinned = scenario.placementChoice?.places.pinned ?? []
      problem.forbidden = scenario.placementChoice?.places.forbidden ?? []
      return problem
    }
    profiled = try problem(profile, study)
    unseen = try unseenProfile.map { [study] in try problem($0, study) }
    windowsOverlap = question.windows == nil
    profiledRequests = requests
    unseenRequests = others?.count ?? 0
    unseenSequences = others
  }

  /// Whether an expert's copies are kept apart over nodes.
  ///
  /// - Throws: ``PlacementProblemError`` where it is asked for and there is nothing to keep apart.
  private static func spreads(
    _ question: Question, _ scenario: Scenario, _ study: PlacementStudy, redundant: Int
  ) throws(PlacementProblemError) -> Bool {
    guard question.replicaSpread == nil || redundant > 0 else {
      throw .misfit(
        "there are no redundant experts to keep apart: a replica spread has no effect")
    }
    guard question.replicaSpread != .nodes || study.groupsPerNode < study.groups else {
      throw .misfit(
        "all experts live in one node: a replica spread over nodes has no effect")
    }
    return redundant > 0
      && (question.replicaSpread ?? scenario.placementChoice?.copies.spread) == .nodes
  }

  /// What a method answers.
  ///
  /// - Throws: What it throws; `Problems` with a place in the scenario where this says what leaves an expert
  ///   no way.
  public func answering<Answer>(_ method: () throws -> Answer) throws -> Answer {
    do { return try method() } catch let error as PlacementProblemError {
      guard let location = scenario.placementChoice?.location(of: error) else { throw error }
      throw Problems([Problem(error.sentence, at: location)])
    }
  }

  /// Where experts live by the scenario, where the problem admits that; nil otherwise.
  public var current: ExpertPlacement? {
    let current = study.current
    return profiled.admits(current) ? current : nil
  }

  /// What it costs where experts live by the scenario, by profiled requests and by the others, with its own
  /// copies whatever the problem's are: each of them costs its weights.
  ///
  /// - Throws: ``PlacementProblemError``, where the problem's own making would.
  public func currentCosts() throws(PlacementProblemError) -> (
    profiled: PlacementCost, unseen: PlacementCost?
  ) {
    let current = study.current
    let redundant = current.mostRedundant
    func cost(
      _ problem: PlacementProblem, _ profile: RoutingProfile
    ) throws(PlacementProblemError) -> PlacementCost {
      guard problem.copies != current.experts + redundant else {
        return PlacementCost(of: current, in: problem)
      }
      let own = try study.problem(
        of: profile, redundant: redundant, traffic: problem.traffic, objective: problem.objective,
        choice: problem.hasReplicas ? problem.replicaChoice : nil)
      return PlacementCost(of: current, in: own)
    }
    let onProfile = try cost(profiled, profile)
    guard let unseen, let unseenProfile else { return (onProfile, nil) }
    return (onProfile, try cost(unseen, unseenProfile))
  }

  /// What a placement costs by requests that were not profiled; by all where none are left.
  public func unseenCost(of placement: ExpertPlacement) -> PlacementCost {
    PlacementCost(of: placement, in: unseen ?? profiled)
  }

  /// The scenario with experts placed so, over the requests that were not profiled.
  ///
  /// - Parameters:
  ///   - name: What results call the placement.
  ///   - remarks: What a reader of results must know of it.
  /// - Throws: ``ServingError`` where the placement fits no device's memory.
  public func scenario(
    with placement: ExpertPlacement, named name: String, remarks: [String] = []
  ) throws(ServingError) -> Scenario {
    var said = remarks
    if unseenRequests > 0 {
      said.append(
        "the run replays \(unseenRequests) requests only: \(profiledRequests) others were profiled")
    }
    return try scenario(with: placement, remarks: said).named(placement: name)
  }

  /// What the fullest device holds with experts placed so.
  ///
  /// - Throws: ``ServingError`` where they do not fit it.
  public func memory(of placement: ExpertPlacement) throws(ServingError) -> MemoryBudget {
    // However tokens choose among copies, which no run may be able to.
    try scenario.placing(study.placement(of: placement), choice: .even, replaying: nil).memory
  }

  /// What a device of each expert group holds with experts placed so, `[group]` of those with routed experts.
  ///
  /// - Throws: ``ServingError`` where the placement cannot be.
  public func memoryOfGroups(_ placement: ExpertPlacement) throws(ServingError) -> [Bytes] {
    let placed = try scenario.placing(
      study.placement(of: placement), choice: .even, replaying: nil)
    let shared = placed.deployment.placement.sharedGroups
    return (shared..<placed.deployment.placement.groups).map {
      MemoryBudget(placed.deployment, placed.workload, group: $0).total
    }
  }

  /// Refuses, before anything is searched for, copies that fit no device's memory wherever they are: some
  /// group holds no fewer than all layers' copies over the groups, rounded up.
  ///
  /// - Throws: ``ServingError/doesNotFit(_:)``
  public func checkMemory() throws(ServingError) {
    let (copies, experts, groups) = (profiled.copies, profiled.experts, profiled.groups)
    // A prediction layer takes the last layer's copies once more, of which a group may then have fewer.
    guard copies % groups == 0 || scenario.workload.speculation == nil else { return }
    var next = 0
    let hosts = (0..<profiled.layers).map { _ in
      (0..<experts).map { expert in
        let first = next
        next += copies * (expert + 1) / experts - copies * expert / experts
        return (first..<next).map { $0 % groups }
      }
    }
    do throws(ServingError) {
      _ = try memory(of: ExpertPlacement(groups: groups, hosts: hosts))
    } catch {
      // These copies in a row stand for all placements; what else is wrong with them is not of all.
      if case .doesNotFit = error { throw error }
    }
  }

  /// The same where the scenario's own policy chose the placement.
  func scenario(
    with placement: ExpertPlacement, remarks: [String]
  ) throws(ServingError) -> Scenario {
    try scenario.placing(
      study.placement(of: placement), choice: profiled.replicaChoice, replaying: unseenSequences,
      remarks: remarks)
  }
}
