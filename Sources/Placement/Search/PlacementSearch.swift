import Statistics
import Threading

/// Finds a good placement: a chain of transportation problems from layer to layer, swap descent, then
/// annealing with constant-time change of cost.
///
///     let search = PlacementSearch(seed: 1, trials: 2_000_000)
///     let found = try search.run(problem, from: current)
///
/// Deterministic by number of trials, whatever the threads. Never worse than its start, nor than what EPLB,
/// MoETuner without a solver and the plain baselines give. Keeps pinned and
/// forbidden places and spreads copies as the problem asks (``PlacementProblem/admits(_:)``).
///
/// Which experts have redundant copies is chosen first, by load, as ``ExpertPlacement/eplb(_:)``
/// does it; the search moves copies, each with an equal share of its expert. Where tokens return home and take
/// the nearest it ends with descent and annealing by those (``NearestDescent``); whatever they do, the exact
/// measure judges what it ends at. Annealing: Kirkpatrick,
/// Gelatt and Vecchi, "Optimization by simulated annealing", Science 220, 1983, with temperatures that
/// are fractions of the mean change by a random swap.
public struct PlacementSearch: Sendable {
  public var seed: UInt64
  /// Proposals of annealing for each chain; with none the best start after descent is returned.
  public var trials: Int
  /// Independent chains; the best one counts, of equal ones the first. Home traffic without redundant
  /// copies takes as many again, which look for a better balance at nearly the same cost.
  public var chains = 1
  public var threads = 1
  /// The layers whose experts may move; all where `nil`. Needs a start, whose copies are kept.
  public var movableLayers: [Int]?

  /// Trials of a chain between two calls of `shouldContinue`.
  public static let trialsPerRound = 1 << 19

  /// Starting temperatures that a short pilot chooses from, and where they end, as parts of the mean
  /// change of cost by a random swap.
  private static let startingTemperatures = [0.1, 1.0]
  /// The same where there are few trials for each copy: a hot start would lose what descent has found
  /// and not find it again.
  private static let coolStartingTemperatures = [0.015, 0.1]
  private static let fewTrialsPerCopy = 1200
  static let endingTemperature = 0.0015
  /// Of the mean change: swaps that look worse by this and less are measured exactly in the end. More finds
  /// nothing more on DeepSeek-V2-Lite and gpt-oss-20b on 8 devices, a third of it half as much.
  static let exactMargin = 0.3
  /// What descents and annealing by nearest copies may take together: about as long as annealing by pairs does,
  /// and some seconds at least, a third each. Temperatures as parts of the mean change
  /// by pairs: on DeepSeek-V2-Lite on 16 devices with 32 copies 0.3 ends lower than 0.03, 0.1 and 1 do.
  static let nearestStepsPerTrial = 20
  static let leastNearestSteps = 900_000_000
  static let nearestTemperatures = (start: 0.3, end: 0.0015)
  /// Requests that were not profiled load devices less evenly than those that were, and have the same
  /// traffic. So of home traffic, where swaps are judged by pairs and end in many places of like cost, some
  /// chains weigh work twice, and a better balance may cost 0.25 %. On DeepSeek-V2-Lite on 16 devices the
  /// most loaded device of unseen requests is 2.1 % above EPLB's by that, not 3.4 %, for 0.2 % of the cost
  /// (means of four halves of the requests that these numbers were not chosen by; Benchmarks/placement.md).
  /// With redundant copies balance is within 2 % without.
  private static let priceOfBalance = 1.0025
  private static let balancingWorkWeight = 2.0
  /// Passes of descent over each quick start: at 64 groups of five slots four gain nine tenths of what
  /// all do, in a fifth of the time, and annealing ends as low.
  private static let passesOfStarts = 4
  /// Passes after annealing, which leaves little to gain: at 64 groups of five slots less than 0.1 % by more.
  static let lastPasses = 8

  public init(seed: UInt64 = 0, trials: Int = 2_000_000) {
    self.seed = seed
    self.trials = trials
  }

  public struct Outcome: Sendable {
    public var placement: ExpertPlacement
    public var cost: PlacementCost
    /// The cost of the start that was given; `nil` without one.
    public var startCost: PlacementCost?
    /// Trials of annealing of all chains, the pilot's included.
    public var trials: Int
    /// Seconds of the cheapest placement that the search ended at: no more than of the one it took, which
    /// may be better balanced.
    var cheapest: Double
    /// What no answer may cost more than: the cheapest of what the search was given to begin from, and of
    /// the plain placements.
    var most: Double
    var weighsBalance: Bool
  }

  /// Where searches of a problem begin: the cheapest quick start after some passes of descent. At 64
  /// groups of five slots this takes as long as a million trials; any number of searches may begin there.
  public struct Beginning: Sendable {
    let tables: SearchTables
    /// The same with more weight on work, for the chains that look for a better balance; `nil` without.
    let balancingTables: SearchTables?
    let given: ExpertPlacement?
    let layers: [Int]
    let groupOfItem: [Int32]
    /// ``PlacementProblem/plainPlacements`` with what they cost; none where only some layers may move.
    let plain: [(placement: ExpertPlacement, cost: PlacementCost)]
  }

  /// - Parameter start: results cost no more than this.
  /// - Throws: ``PlacementProblemError`` where the start is none of the problem's placements, or pinned
  ///   and forbidden places cannot be kept.
  public func begin(
    _ problem: PlacementProblem, from start: ExpertPlacement? = nil
  ) throws(PlacementProblemError) -> Beginning {
    try problem.check()
    if let objection = start.flatMap(problem.objection) {
      throw .misfit("the search cannot start where experts live now: \(objection)")
    }
    let layers = movableLayers ?? Array(0..<problem.layers)
    let plain = movableLayers == nil ? problem.plainPlacements : []
    let counts = try copyCounts(problem, start)
    let tables = SearchTables(problem, counts: counts)
    return Beginning(
      tables: tables,
      balancingTables: tables.weighsBalance
        ? SearchTables(problem, counts: counts, workWeight: Self.balancingWorkWeight) : nil,
      given: start, layers: layers,
      groupOfItem: try bestStart(tables, start, plain, layers),
      plain: plain.map { ($0, PlacementCost(of: $0, in: problem)) })
  }

  /// - Parameter shouldContinue: asked after each round of ``trialsPerRound`` trials of every chain;
  ///   `false` ends annealing early. The result depends on the rounds done alone; temperatures fall over
  ///   ``trials`` all the same.
  public func run(from beginning: Beginning, shouldContinue: () -> Bool = { true }) -> Outcome {
    let (tables, layers) = (beginning.tables, beginning.layers)
    var (rounds, pilotTrials, chainCount) = (0, 0, 0)
    var candidates = [beginning.groupOfItem]
    if trials == 0 {
      candidates.append(descended(tables, beginning.groupOfItem, layers))
    } else if !layers.isEmpty, tables.groups > 1 {
      var chains = pilot(
        tables, beginning.groupOfItem, layers, "placement", trials: &pilotTrials)
      if let balancing = beginning.balancingTables {
        chains += pilot(
          balancing, beginning.groupOfItem, layers, "placement balance", trials: &pilotTrials)
      }
      chainCount = chains.count
      while rounds * Self.trialsPerRound < trials {
        let next = min(Self.trialsPerRound, trials - rounds * Self.trialsPerRound)
        concurrently(chains) { $0.round(next) }
        rounds += 1
        guard shouldContinue() else { break }
      }
      concurrently(chains) { $0.finish() }
      candidates += chains.map(\.best) + chains.compactMap(\.bestNearest)
    }
    let done = min(trials, rounds * Self.trialsPerRound) * chainCount + pilotTrials
    return outcome(beginning, candidates, trials: done)
  }

  /// The same in one, from quick starts or `start`, whichever is cheaper after some descent.
  public func run(
    _ problem: PlacementProblem, from start: ExpertPlacement? = nil,
    shouldContinue: () -> Bool = { true }
  ) throws(PlacementProblemError) -> Outcome {
    run(from: try begin(problem, from: start), shouldContinue: shouldContinue)
  }

  /// The best of the candidates, of the given start and of the plain placements.
  private func outcome(
    _ beginning: Beginning, _ candidates: [[Int32]], trials: Int
  ) -> Outcome {
    let tables = beginning.tables
    let problem = tables.problem
    let state = SearchState(tables, groupOfItem: candidates[0])
    let startCost = beginning.given.map { PlacementCost(of: $0, in: problem) }
    let most = beginning.plain.reduce(startCost?.total ?? .infinity) { min($0, $1.cost.total) }
    var found: [Outcome] = []
    func add(_ placement: ExpertPlacement, _ cost: PlacementCost) {
      found.append(
        Outcome(
          placement: placement, cost: cost, startCost: startCost, trials: trials,
          cheapest: cost.total, most: most, weighsBalance: tables.weighsBalance))
    }
    if let given = beginning.given, let startCost { add(given, startCost) }
    // The first is the beginning, which was looked at.
    for (index, candidate) in candidates.enumerated() {
      if index > 0 { state.place(candidate) }
      let placement = state.placement
      if index == 0 || problem.admits(placement) {
        add(placement, PlacementCost(of: placement, in: problem))
      }
    }
    for (placement, cost) in beginning.plain { add(placement, cost) }
    var best = found[Self.best(of: found)]
    best.cheapest = found.map(\.cheapest).min() ?? best.cheapest
    return best
  }

  /// Which of some outcomes of one problem, at least one, to take: by the exact measure the cheapest, of
  /// equal ones the first. Where balance is looked for, of those that cost 0.25 % more at most than the
  /// cheapest placement of any of the searches, and no more than the given start or a plain placement, the one that is cheapest
  /// when work weighs twice.
  public static func best(of outcomes: [Outcome]) -> Int {
    func first(_ indices: [Int], by measure: (PlacementCost) -> Double) -> Int {
      indices.reduce(indices[0]) {
        measure(outcomes[$1].cost) < measure(outcomes[$0].cost) ? $1 : $0
      }
    }
    let cheapest = first(Array(outcomes.indices)) { $0.total }
    let outcome = outcomes[cheapest]
    guard outcome.weighsBalance else { return cheapest }
    // What outcomes were themselves taken for costs up to as much more: their own prices do not add up.
    let least = outcomes.map(\.cheapest).min() ?? outcome.cost.total
    let most = min(least * priceOfBalance, outcome.most)
    let near = outcomes.indices.filter { outcomes[$0].cost.total <= most }
    return first([cheapest] + near) { $0.total + (balancingWorkWeight - 1) * $0.work }
  }

  /// By load; of the start where only some layers may move.
  private func copyCounts(
    _ problem: PlacementProblem, _ start: ExpertPlacement?
  ) throws(PlacementProblemError) -> [[Int]] {
    if movableLayers != nil, let start { return start.hosts.map { $0.map(\.count) } }
    return try problem.copyCounts()
  }

  /// Descends until nothing is gained.
  private func descended(
    _ tables: SearchTables, _ groupOfItem: [Int32], _ layers: [Int]
  ) -> [Int32] {
    let state = SearchState(tables, groupOfItem: groupOfItem)
    state.descend(layers: layers)
    state.refill()
    var flows = tables.isBottleneck ? BottleneckFlows(state) : nil
    flows?.descend(layers: layers)
    return state.groupOfItem
  }

  /// The cheapest start after some passes of descent.
  private func bestStart(
    _ tables: SearchTables, _ start: ExpertPlacement?, _ plain: [ExpertPlacement],
    _ layers: [Int]
  ) throws(PlacementProblemError) -> [Int32] {
    var starts: [[Int32]] = []
    if let start, let given = tables.groupOfItem(start) { starts.append(given) }
    // MoETuner is about the slowest pair; of the sum, the others end lower.
    if tables.isBottleneck { starts += plain.compactMap(tables.groupOfItem) }
    if movableLayers == nil {
      if let packed = tables.packedStart() {
        starts.append(packed)
        if tables.hasTransitions, let chained = tables.chainedStart(from: packed) {
          starts.append(chained)
        }
      }
    }
    guard let first = starts.first else { throw noStart }
    let state = SearchState(tables, groupOfItem: first)
    var best: (groupOfItem: [Int32], cost: Double)?
    for groupOfItem in starts {
      state.place(groupOfItem)
      guard tables.problem.admits(state.placement) else { continue }
      state.descend(layers: layers, passes: Self.passesOfStarts)
      state.refill()
      var flows = tables.isBottleneck ? BottleneckFlows(state) : nil
      flows?.descend(layers: layers)
      let cost = flows?.cost ?? state.cost
      if best.map({ cost < $0.cost }) ?? true { best = (state.groupOfItem, cost) }
    }
    guard let best else { throw noStart }
    return best.groupOfItem
  }

  private var noStart: PlacementProblemError {
    .misfit(
      movableLayers == nil
        ? "pinned and forbidden places, or copies apart over nodes, leave the search nowhere to begin"
        : "to move experts of some layers only, a placement with the problem's copies is needed")
  }

  /// The chains, at the starting temperature with which a tenth of the trials ends cheaper.
  private func pilot(
    _ tables: SearchTables, _ start: [Int32], _ layers: [Int], _ stream: String,
    trials done: inout Int
  ) -> [SearchChain] {
    var random = RandomStream(seed: seed, name: "\(stream) temperature")
    let state = SearchState(tables, groupOfItem: start)
    var flows = tables.isBottleneck ? BottleneckFlows(state) : nil
    let change =
      flows?.meanChange(&random, layers: layers) ?? state.meanChange(&random, layers: layers)
    let end = Self.endingTemperature * change
    let short = min(trials / 10, 4 * Self.trialsPerRound)
    let hasFew = trials < Self.fewTrialsPerCopy * layers.count * tables.items
    let temperatures = hasFew ? Self.coolStartingTemperatures : Self.startingTemperatures
    let pilots = temperatures.enumerated().map { index, temperature in
      SearchChain(
        tables, start, layers, RandomStream(seed: seed, name: "\(stream) pilot", index: index),
        Cooling(start: temperature * change, end: end, trials: short))
    }
    concurrently(pilots) { $0.round(short) }
    done += 2 * short
    let warmest = pilots[1].bestCost < pilots[0].bestCost ? 1 : 0
    return (0..<max(1, chains)).map { index in
      SearchChain(
        tables, start, layers, RandomStream(seed: seed, name: "\(stream) search", index: index),
        Cooling(
          start: temperatures[warmest] * change, end: end, trials: trials))
    }
  }

  /// Each chain has a state of its own, so the threads do not matter to the result.
  private func concurrently(_ chains: [SearchChain], _ body: @Sendable (SearchChain) -> Void) {
    _ = inParallel(chains.count, threads: threads) { body(chains[$0]) }
  }
}

/// One chain of annealing: its state, its random numbers and the best it has seen at the end of a
/// round. Unchecked because its state is bare memory: one thread at a time has a chain.
final class SearchChain: @unchecked Sendable {
  private let state: SearchState
  private var bottleneck: BottleneckFlows?
  private var annealing: Annealing
  private(set) var best: [Int32]
  private(set) var bestCost: Double
  /// Where tokens take the nearest copies, what a search by these makes of the best.
  private(set) var bestNearest: [Int32]?

  init(
    _ tables: SearchTables, _ start: [Int32], _ layers: [Int], _ random: RandomStream,
    _ cooling: Cooling
  ) {
    state = SearchState(tables, groupOfItem: start)
    bottleneck = tables.isBottleneck ? BottleneckFlows(state) : nil
    annealing = Annealing(random: random, cooling: cooling, layers: layers)
    best = start
    bestCost = bottleneck?.cost ?? state.cost
  }

  func round(_ trials: Int) {
    if bottleneck != nil {
      bottleneck?.anneal(&annealing, trials: trials)
    } else {
      state.anneal(&annealing, trials: trials)
    }
    keepBest()
  }

  /// Descends from where annealing ended.
  func finish() {
    if bottleneck != nil {
      bottleneck?.descend(layers: annealing.layers)
    } else {
      state.descend(layers: annealing.layers, passes: PlacementSearch.lastPasses)
      if var home = HomeDescent(state) {
        keepBest()
        home.descend(layers: annealing.layers, margin: margin)
      }
    }
    keepBest()
    guard NearestDescent.appliesTo(state.tables.problem) else { return }
    state.place(best)
    guard var nearest = NearestDescent(state) else { return }
    let steps =
      PlacementSearch.leastNearestSteps
      + PlacementSearch.nearestStepsPerTrial * annealing.cooling.trials
    let temperatures = PlacementSearch.nearestTemperatures
    nearest.descend(layers: annealing.layers, margin: margin, mostSteps: steps / 3)
    nearest.anneal(
      layers: annealing.layers, &annealing.random,
      temperatures: (temperatures.start * meanChange, temperatures.end * meanChange),
      mostSteps: steps / 3)
    nearest.descend(layers: annealing.layers, margin: margin, mostSteps: steps / 3)
    bestNearest = state.groupOfItem
  }

  /// Seconds by which a random swap changes the cost by pairs.
  private var meanChange: Double {
    annealing.cooling.end / PlacementSearch.endingTemperature
  }

  /// Seconds by which a swap may look worse by the pairs and still be measured exactly.
  private var margin: Double { meanChange * PlacementSearch.exactMargin }

  private func keepBest() {
    state.refill()
    bottleneck?.refill()
    let cost = bottleneck?.cost ?? state.cost
    if cost < bestCost { (best, bestCost) = (state.groupOfItem, cost) }
  }
}
