import Statistics
import Testing

@testable import Placement

/// Carries random swaps out, and holds each exact change against evaluations of the whole.
private func checkExactSwaps<Descent: SwapDescent>(
  _ start: Descent, _ problem: PlacementProblem, _ random: inout RandomStream
) {
  var descent = start
  let (state, items) = (start.state, start.state.tables.items)
  var total = PlacementCost(of: state.placement, in: problem).total
  var swapped = 0
  for _ in 0..<120 {
    let layer = random.below(problem.layers)
    let (this, other) = (random.below(items), random.below(items))
    guard state.swaps.groupOf[layer * items + this] != state.swaps.groupOf[layer * items + other],
      state.swaps.maySwap(layer, this, other)
    else { continue }
    let change = descent.change(layer, this, other)
    let mayGain = descent.mayGain(layer, this, other)
    descent.swap(layer, this, other)
    let after = PlacementCost(of: state.placement, in: problem).total
    #expect(abs(change - (after - total)) < 1e-5 * total)
    #expect(mayGain || after - total > -1e-5 * total)
    total = after
    swapped += 1
  }
  #expect(swapped > 30)
}

@Test(arguments: tokenExchanges)
func aSwapsExactChangeOfHomeTrafficIsTheDifferenceOfWholeEvaluations(
  exchange: TokenExchange
) throws {
  var random = RandomStream(seed: 5, name: "swaps")
  var single = try randomHomeProblem(seed: 5)
  single.exchange = exchange
  let copied = try randomHomeProblem(seed: 6, redundant: 5)
  var even = copied
  even.exchange = exchange
  even.traffic = .home
  var nearest = even
  nearest.replicaChoice = .nearest
  for problem in [single, even, nearest] {
    let counts = ExpertPlacement.eplb(problem).hosts.map { $0.map(\.count) }
    let tables = SearchTables(problem, counts: counts)
    let state = SearchState(tables, groupOfItem: try #require(tables.packedStart()))
    if problem.replicaChoice == .nearest {
      #expect(HomeDescent(state) == nil)
      checkExactSwaps(try #require(NearestDescent(state)), problem, &random)
    } else {
      let total = PlacementCost(of: state.placement, in: problem).total
      #expect(abs(state.cost - total) < 1e-5 * total)
      #expect(NearestDescent(state) == nil)
      checkExactSwaps(try #require(HomeDescent(state)), problem, &random)
    }
  }
}

@Test func aSearchForNearestCopiesEndsWhereNoSwapGains() throws {
  var problem = try randomHomeProblem(seed: 4, redundant: 5)
  (problem.traffic, problem.replicaChoice) = (.home, .nearest)
  let eplb = ExpertPlacement.eplb(problem)
  let tables = SearchTables(problem, counts: eplb.hosts.map { $0.map(\.count) })
  let state = SearchState(tables, groupOfItem: try #require(tables.groupOfItem(eplb)))
  var descent = try #require(NearestDescent(state))
  descent.descend(layers: [0, 1], margin: .infinity, passes: 100)
  let cost = PlacementCost(of: state.placement, in: problem).total
  #expect(cost < PlacementCost(of: eplb, in: problem).total)
  for this in 0..<tables.items {
    for other in 0..<tables.items
    where state.swaps.groupOf[this] != state.swaps.groupOf[other]
      && state.swaps.maySwap(0, this, other)
    {
      #expect(descent.change(0, this, other) > -1e-6 * cost)
    }
  }
}

@Test func annealingByNearestCopiesLeavesDescentsEndAndReturnsToTheBest() throws {
  var gained = 0
  for seed in 0..<8 as Range<UInt64> {
    var problem = try randomHomeProblem(seed: seed, redundant: 5)
    (problem.traffic, problem.replicaChoice) = (.home, .nearest)
    let eplb = ExpertPlacement.eplb(problem)
    let tables = SearchTables(problem, counts: eplb.hosts.map { $0.map(\.count) })
    /// The cost after a descent, and after annealing from there.
    func costs(_ stream: UInt64) throws -> [Double] {
      let state = SearchState(tables, groupOfItem: try #require(tables.groupOfItem(eplb)))
      var descent = try #require(NearestDescent(state))
      descent.descend(layers: [0, 1], margin: .infinity, passes: 100)
      let descended = PlacementCost(of: state.placement, in: problem).total
      var random = RandomStream(seed: stream, name: "annealing")
      descent.anneal(
        layers: [0, 1], &random, temperatures: (descended / 20, descended / 2000),
        mostSteps: 20_000_000)
      #expect(problem.admits(state.placement))
      let annealed = PlacementCost(of: state.placement, in: problem).total
      // What it holds of the layers is what is there: changes are still those of whole evaluations.
      checkExactSwaps(descent, problem, &random)
      return [descended, annealed]
    }
    let (first, again) = try (costs(seed), costs(seed))
    #expect(first == again && first[1] <= first[0] * (1 + 1e-9))
    if first[1] < first[0] * 0.999 { gained += 1 }
  }
  // In six of the eight.
  #expect(gained >= 4)
}

@Test func nearestCopiesKeepApartAndWhereTheyArePinned() throws {
  var problem = try randomHomeProblem(seed: 4, redundant: 5)
  (problem.traffic, problem.replicaChoice) = (.home, .nearest)
  problem.spreadsCopiesOverNodes = true
  problem.pinned = [.init(layer: 0, expert: 3, group: 1)]
  problem.forbidden = [.init(layer: 1, expert: 2, group: 0)]
  let found = try PlacementSearch(seed: 2, trials: 500).run(problem).placement
  #expect(problem.admits(found))
  // Nothing of this comes by itself.
  var free = problem
  (free.spreadsCopiesOverNodes, free.pinned, free.forbidden) = (false, [], [])
  #expect(!problem.admits(try PlacementSearch(seed: 2, trials: 500).run(free).placement))
}

@Test(arguments: [32, 64])
func sixtyFourGroupsAreTheBitsOfAWord(groupsPerNode: Int) throws {
  var problem = try randomHomeProblem(
    seed: 3, groups: 64, groupsPerNode: groupsPerNode, redundant: 40)
  (problem.traffic, problem.replicaChoice) = (.home, .nearest)
  let tables = SearchTables(problem, counts: try problem.copyCounts())
  let state = SearchState(tables, groupOfItem: try #require(tables.packedStart()))
  var random = RandomStream(seed: 3, name: "swaps")
  checkExactSwaps(try #require(NearestDescent(state)), problem, &random)
}

@Test func moreGroupsThanBitsAreSearchedByPairsAlone() throws {
  var problem = try randomHomeProblem(seed: 3, groups: 65, groupsPerNode: 13, redundant: 40)
  (problem.traffic, problem.replicaChoice) = (.home, .nearest)
  let tables = SearchTables(problem, counts: try problem.copyCounts())
  let state = SearchState(tables, groupOfItem: try #require(tables.packedStart()))
  #expect(NearestDescent(state) == nil)
  let found = try PlacementSearch(seed: 1, trials: 200).run(problem)
  #expect(problem.admits(found.placement))
  #expect(found.cost.total < PlacementCost(of: .eplb(problem), in: problem).total)
}
