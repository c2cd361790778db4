import Statistics
import Threading

/// Finds a good placement: a chain of transportation problems from layer to layer, swap descent, then
/// annealing with constant-time change of cost.
///
///     let search = PlacementSearch(seed: 1, trials: 2_000_000)
///     let found = try search.run(problem, from: current)
///
/// Deterministic by number of trials, whatever the threads. Never worse than its start.
///
/// Which experts have redundant copies is chosen first, by load, as ``ExpertPlacement/eplb(_:routerGroups:)``
/// does it; the search moves copies, each with an equal share of its expert. Annealing: Kirkpatrick,
/// Gelatt and Vecchi, "Optimization by simulated annealing", Science 220, 1983, with temperatures that
/// are fractions of the mean change by a random swap.
public struct PlacementSearch: Sendable {
  public var seed: UInt64
  /// Proposals of annealing for each chain; with none the best start after descent is returned.
  public var trials: Int
  /// Independent chains; the best one counts, of equal ones the first.
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
  private static let endingTemperature = 0.0015

  public init(seed: UInt64 = 0, trials: Int = 2_000_000) {
    self.seed = seed
    self.trials = trials
  }

  public struct Outcome: Sendable {
    public var placement: ExpertPlacement
    public var cost: PlacementCost
    /// The cost of the start that was given; `nil` without one.
    public var startCost: PlacementCost?
    /// The best of the quick starts (or the given one) after descent, before annealing.
    public var descentCost: Double
    /// Trials of annealing of all chains, the pilot's included.
    public var trials: Int
  }

  /// - Parameters:
  ///   - start: the result costs no more than this.
  ///   - shouldContinue: asked after each round of ``trialsPerRound`` trials of every chain; `false`
  ///     ends annealing early. The result depends on the rounds done alone; temperatures fall over
  ///     ``trials`` all the same.
  /// - Throws: ``PlacementProblemError`` where pinned and forbidden places cannot be kept.
  public func run(
    _ problem: PlacementProblem, from start: ExpertPlacement? = nil,
    shouldContinue: () -> Bool = { true }
  ) throws(PlacementProblemError) -> Outcome {
    try problem.check()
    if let start, !problem.admits(start) {
      throw .misfit(
        "the search cannot start where experts live now: that has other copies, or more on a group "
          + "than its share")
    }
    let layers = movableLayers ?? Array(0..<problem.layers)
    let tables = SearchTables(problem, counts: copyCounts(problem, start))
    let best = try bestStart(tables, start, layers)
    let descentCost = best.cost
    var (rounds, pilotTrials) = (0, 0)
    var candidates = [best.groupOfItem]
    if trials > 0, !layers.isEmpty, problem.groups > 1 {
      let chains = try pilot(tables, best.groupOfItem, layers, trials: &pilotTrials)
      while rounds * Self.trialsPerRound < trials {
        let next = min(Self.trialsPerRound, trials - rounds * Self.trialsPerRound)
        concurrently(chains) { $0.round(next) }
        rounds += 1
        guard shouldContinue() else { break }
      }
      concurrently(chains) { $0.finish() }
      candidates += chains.map(\.best)
    }
    let done = min(trials, rounds * Self.trialsPerRound) * max(1, chains) + pilotTrials
    return outcome(problem, tables, candidates, start, descentCost: descentCost, trials: done)
  }

  /// The cheapest by the exact measure; the given start where nothing is cheaper.
  private func outcome(
    _ problem: PlacementProblem, _ tables: SearchTables, _ candidates: [[Int32]],
    _ start: ExpertPlacement?, descentCost: Double, trials: Int
  ) -> Outcome {
    let state = SearchState(tables, groupOfItem: candidates[0])
    let startCost = start.map { PlacementCost(of: $0, in: problem) }
    var best = start.flatMap { start in startCost.map { (start, $0) } }
    for candidate in candidates {
      state.place(candidate)
      let placement = state.placement
      let cost = PlacementCost(of: placement, in: problem)
      if best.map({ cost.total < $0.1.total }) ?? true { best = (placement, cost) }
    }
    let (placement, cost) =
      best ?? (state.placement, PlacementCost(of: state.placement, in: problem))
    return Outcome(
      placement: placement, cost: cost, startCost: startCost, descentCost: descentCost,
      trials: trials)
  }

  private func copyCounts(_ problem: PlacementProblem, _ start: ExpertPlacement?) -> [[Int]] {
    if movableLayers != nil, let start { return start.hosts.map { $0.map(\.count) } }
    let work = problem.meanWork
    return (0..<problem.layers).map { layer in
      replicaCounts(
        work: work[layer * problem.experts..<(layer + 1) * problem.experts],
        copies: problem.copies, most: problem.groups)
    }
  }

  /// The cheapest start after descent.
  private func bestStart(
    _ tables: SearchTables, _ start: ExpertPlacement?, _ layers: [Int]
  ) throws(PlacementProblemError) -> (groupOfItem: [Int32], cost: Double) {
    var starts: [[Int32]] = []
    if let start, let given = tables.groupOfItem(start) { starts.append(given) }
    if movableLayers == nil {
      if let packed = tables.packedStart() {
        starts.append(packed)
        if tables.hasTransitions, let chained = tables.chainedStart(from: packed) {
          starts.append(chained)
        }
      }
    }
    guard let first = starts.first else {
      throw .misfit(
        movableLayers == nil
          ? "pinned and forbidden places leave some expert without a group"
          : "to move experts of some layers only, a placement with the problem's copies is needed")
    }
    let state = SearchState(tables, groupOfItem: first)
    var best: (groupOfItem: [Int32], cost: Double)?
    for groupOfItem in starts {
      state.place(groupOfItem)
      state.descend(layers: layers)
      state.refill()
      var flows = tables.isBottleneck ? BottleneckFlows(state) : nil
      flows?.descend(layers: layers)
      let cost = flows?.cost ?? state.cost
      if best.map({ cost < $0.cost }) ?? true { best = (state.groupOfItem, cost) }
    }
    return best ?? (first, state.cost)
  }

  /// The chains, at the starting temperature with which a tenth of the trials ends cheaper.
  private func pilot(
    _ tables: SearchTables, _ start: [Int32], _ layers: [Int], trials done: inout Int
  ) throws(PlacementProblemError) -> [SearchChain] {
    var random = RandomStream(seed: seed, name: "placement temperature")
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
        tables, start, layers, RandomStream(seed: seed, name: "placement pilot", index: index),
        Cooling(start: temperature * change, end: end, trials: short))
    }
    concurrently(pilots) { $0.round(short) }
    done = 2 * short
    let warmest = pilots[1].bestCost < pilots[0].bestCost ? 1 : 0
    return (0..<max(1, chains)).map { index in
      SearchChain(
        tables, start, layers, RandomStream(seed: seed, name: "placement search", index: index),
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
      state.descend(layers: annealing.layers)
      if let home = HomeDescent(state) {
        keepBest()
        // A part of the mean change, which the starting temperature was a part of.
        home.descend(layers: annealing.layers, margin: annealing.cooling.start / 4)
      }
    }
    keepBest()
  }

  private func keepBest() {
    state.refill()
    bottleneck?.refill()
    let cost = bottleneck?.cost ?? state.cost
    if cost < bestCost { (best, bestCost) = (state.groupOfItem, cost) }
  }
}
