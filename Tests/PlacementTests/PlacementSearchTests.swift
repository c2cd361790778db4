import Statistics
import Testing

@testable import Placement

/// Swaps items at random where they may, and holds each change against evaluations of the whole.
private func checkSwaps(_ problem: PlacementProblem, seed: UInt64) throws {
  let counts = ExpertPlacement.eplb(problem).hosts.map { $0.map(\.count) }
  let tables = SearchTables(problem, counts: counts)
  let state = SearchState(tables, groupOfItem: try #require(tables.packedStart()))
  var random = RandomStream(seed: seed, name: "swaps")
  var total = PlacementCost(of: state.placement, in: problem).total
  let tolerance = 2e-6 * total
  #expect(abs(state.cost - total) < tolerance)
  for _ in 0..<40 {
    let layer = random.below(tables.layers)
    let (this, other) = (random.below(tables.items), random.below(tables.items))
    let first = layer * tables.items
    guard state.swaps.groupOf[first + this] != state.swaps.groupOf[first + other],
      state.swaps.maySwap(layer, this, other)
    else { continue }
    let change = state.swaps.change(layer, this, other)
    state.swaps.swap(layer, this, other)
    let after = PlacementCost(of: state.placement, in: problem).total
    #expect(abs(change - (after - total)) < tolerance)
    #expect(abs(state.cost - after) < tolerance)
    total = after
  }
}

@Test func aSwapsChangeIsTheDifferenceOfWholeEvaluations() throws {
  for seed in 0..<4 as Range<UInt64> {
    try checkSwaps(randomProblem(seed: seed, layers: 3, experts: 8, groups: 4), seed: seed)
    try checkSwaps(
      randomProblem(seed: seed, layers: 3, experts: 8, groups: 4, groupsPerNode: 2, windows: 3),
      seed: seed)
    try checkSwaps(
      randomProblem(
        seed: seed, layers: 2, experts: 6, groups: 4, groupsPerNode: 2, redundant: 2, windows: 9),
      seed: seed)
    // Slots that stay empty, on two groups.
    try checkSwaps(
      randomProblem(seed: seed, layers: 3, experts: 5, groups: 2, slotsPerGroup: 4), seed: seed)
  }
}

@Test func tinyProblemsAreSolvedAsWellAsByTryingAll() throws {
  for seed in 0..<3 as Range<UInt64> {
    let problem = try randomProblem(
      seed: seed, layers: 3, experts: 4, groups: 2, groupsPerNode: seed == 0 ? 1 : nil,
      windows: 2)
    let found = try PlacementSearch(seed: seed, trials: 4000).run(problem)
    #expect(abs(found.cost.total - leastTotal(problem)) < 1e-9 * found.cost.total)
  }
  let wide = try randomProblem(seed: 9, layers: 2, experts: 6, groups: 3)
  let found = try PlacementSearch(trials: 6000).run(wide)
  #expect(abs(found.cost.total - leastTotal(wide)) < 1e-9 * found.cost.total)
}

@Test func theSlowestPairOfGroupsIsSearchedAsWellAsByTryingAll() throws {
  for seed in 0..<3 as Range<UInt64> {
    var problem = try randomProblem(
      seed: seed, layers: 3, experts: 4, groups: 2, groupsPerNode: seed == 0 ? 1 : nil)
    problem.objective = .bottleneck
    let found = try PlacementSearch(seed: seed, trials: 3000).run(problem)
    #expect(abs(found.cost.total - leastTotal(problem)) < 1e-9 * found.cost.total)
  }
}

@Test func aSwapsChangeOfTheSlowestPairIsTheDifferenceOfWholeEvaluations() throws {
  var problem = try randomProblem(
    seed: 4, layers: 3, experts: 8, groups: 4, groupsPerNode: 2, windows: 2)
  problem.objective = .bottleneck
  let tables = SearchTables(
    problem, counts: Array(repeating: Array(repeating: 1, count: 8), count: 3))
  let state = SearchState(tables, groupOfItem: try #require(tables.packedStart()))
  var flows = BottleneckFlows(state)
  var random = RandomStream(seed: 4, name: "swaps")
  var total = PlacementCost(of: state.placement, in: problem).total
  for _ in 0..<60 {
    let (layer, this, other) = (random.below(3), random.below(8), random.below(8))
    guard state.swaps.groupOf[layer * 8 + this] != state.swaps.groupOf[layer * 8 + other]
    else { continue }
    let change = Double(flows.change(layer, this, other))
    flows.swap(layer, this, other)
    let after = PlacementCost(of: state.placement, in: problem).total
    #expect(abs(change - (after - total)) < 1e-5 * total)
    #expect(abs(flows.cost - after) < 1e-5 * total)
    total = after
  }
}

@Test func aSearchNeverEndsWorseThanItsStart() throws {
  for seed in 0..<4 as Range<UInt64> {
    let problem = try randomProblem(
      seed: seed, layers: 4, experts: 8, groups: 4, groupsPerNode: 2, windows: 2)
    let good = try PlacementSearch(seed: seed, trials: 8000).run(problem)
    // From what it cannot improve on, without a single trial.
    let again = try PlacementSearch(seed: seed, trials: 0).run(problem, from: good.placement)
    #expect(again.cost.total <= good.cost.total)
    #expect(again.startCost == good.cost)
    let random = ExpertPlacement.random(problem, seed: seed)
    let better = try PlacementSearch(seed: seed, trials: 2000).run(problem, from: random)
    #expect(better.cost.total < PlacementCost(of: random, in: problem).total)
  }
}

@Test func aSearchEndsNoDearerThanWhatTakesLessWork() throws {
  // Few trials or none, so that what is found is found by beginning well.
  for seed in 0..<6 as Range<UInt64> {
    for (groups, perNode, objective) in [
      (4, nil, .bottleneck), (4, 2, .bottleneck), (8, 4, .bottleneck), (4, 2, .sum),
    ] as [(Int, Int?, PlacementProblem.Objective)] {
      var problem = try randomProblem(
        seed: seed, layers: 4, experts: 8, groups: groups, groupsPerNode: perNode)
      problem.objective = objective
      for trials in [0, 200] {
        let found = try PlacementSearch(seed: seed, trials: trials).run(problem).cost.total
        for method in [PlacementMethod.moetuner, .eplb, .contiguous, .roundRobin] {
          let effort = PlacementMethod.Effort(seed: 0, trials: 0)
          #expect(found <= (try method.place(problem, effort).cost.total), "\(method)")
        }
      }
    }
  }
}

@Test func nothingIsPlacedForTheSearchThatTheProblemDoesNotAdmit() throws {
  // Expert 0 must leave the group where contiguous blocks have it; three layers may not move at all.
  var problem = try randomProblem(seed: 1, layers: 4, experts: 8, groups: 4)
  problem.forbidden = (0..<4).map { .init(layer: $0, expert: 0, group: 0) }
  let found = try PlacementSearch(trials: 0).run(problem)
  #expect(problem.admits(found.placement))
  problem.forbidden = []
  let start = ExpertPlacement.random(problem, seed: 3)
  var search = PlacementSearch(trials: 0)
  search.movableLayers = [2]
  let moved = try search.run(problem, from: start).placement
  #expect([0, 1, 3].allSatisfy { moved.hosts[$0] == start.hosts[$0] })
}

@Test func threadsDoNotChangeTheResult() throws {
  let problem = try randomProblem(seed: 2, layers: 4, experts: 8, groups: 4, windows: 2)
  var search = PlacementSearch(seed: 3, trials: 3000)
  search.chains = 4
  let alone = try search.run(problem)
  search.threads = 4
  let together = try search.run(problem)
  #expect(alone.placement == together.placement && alone.cost == together.cost)
  #expect(together.trials == 4 * 3000 + 2 * 300)
}

@Test func aRoundIsTheLeastThatIsDone() throws {
  let problem = try randomProblem(seed: 5, layers: 2, experts: 6, groups: 3)
  var calls = 0
  let found = try PlacementSearch(seed: 1, trials: 500).run(problem) {
    calls += 1
    return false
  }
  #expect(calls == 1 && found.trials == 500 + 2 * 50)
}

@Test func pinnedAndForbiddenPlacesAreKept() throws {
  var problem = try randomProblem(
    seed: 6, layers: 3, experts: 6, groups: 3, redundant: 3, windows: 2)
  problem.pinned = [
    .init(layer: 0, expert: 4, group: 2), .init(layer: 2, expert: 0, group: 1),
  ]
  problem.forbidden = (0..<3).map { .init(layer: $0, expert: 5, group: 0) }
  let found = try PlacementSearch(trials: 3000).run(problem).placement
  #expect(found.hosts[0][4].contains(2) && found.hosts[2][0].contains(1))
  #expect(found.hosts.allSatisfy { !$0[5].contains(0) })
  #expect(found.hosts.allSatisfy { $0.allSatisfy { Set($0).count == $0.count } })
  problem.pinned.append(.init(layer: 1, expert: 5, group: 0))
  var sentence: String?
  do throws(PlacementProblemError) {
    _ = try PlacementSearch(trials: 0).run(problem)
  } catch { sentence = error.sentence }
  #expect(
    sentence
      == "expert 5 of layer 1 cannot be placed: pinned and forbidden places leave it no group"
      + " (group 0)")
}

/// What a method says where it refuses; nil where it does not.
private func refusal(
  _ method: PlacementMethod, _ problem: PlacementProblem, from start: ExpertPlacement? = nil
) -> String? {
  do throws(PlacementProblemError) {
    _ = try method.place(problem, from: start, PlacementMethod.Effort(seed: 1, trials: 500))
    return nil
  } catch { return error.sentence }
}

@Test func whatBreaksAPinIsRefusedWhoeverPlacedIt() throws {
  var problem = try randomProblem(seed: 6, layers: 2, experts: 4, groups: 2)
  let row = try ExpertPlacement.contiguous(layers: 2, experts: 4, groups: 2)
  problem.pinned = [.init(layer: 1, expert: 0, group: 1)]
  let pin = "expert 0 of layer 1 is not on group 1, where it is pinned"
  #expect(!problem.admits(row))
  #expect(
    refusal(.search, problem, from: row)
      == "the search cannot start where experts live now: \(pin)")
  for method in [PlacementMethod.contiguous, .roundRobin] {
    #expect(
      refusal(method, problem)
        == "\(method.rawValue) does not place experts as they must be: \(pin); use search")
  }
  #expect(refusal(.search, problem) == nil && refusal(.exact, problem) == nil)
  problem.pinned = []
  for (method, found) in [
    (PlacementMethod.eplb, ExpertPlacement.eplb(problem)), (.random, .random(problem, seed: 1)),
  ] {
    let group = found.hosts[0][3][0]
    var other = problem
    other.forbidden = [.init(layer: 0, expert: 3, group: group)]
    #expect(
      refusal(method, other)
        == "\(method.rawValue) does not place experts as they must be: expert 3 of layer 0 is on "
        + "group \(group), where it is forbidden; use search")
    #expect(refusal(method, problem) == nil)
  }
}

@Test func anExpertHasACopyForEachPin() throws {
  // By load the redundant copy is the first expert's.
  var problem = try PlacementProblem(
    layers: 1, experts: 4, groups: 2, slotsPerGroup: 3, redundant: 1, work: [10, 1, 1, 1])
  problem.pinned = [
    .init(layer: 0, expert: 3, group: 0), .init(layer: 0, expert: 3, group: 1),
    .init(layer: 0, expert: 3, group: 1),
  ]
  let found = try PlacementSearch(trials: 300).run(problem).placement
  #expect(found.hosts[0].map(\.count) == [1, 1, 1, 2] && problem.admits(found))
  problem.pinned += [.init(layer: 0, expert: 2, group: 0), .init(layer: 0, expert: 2, group: 1)]
  #expect(refusal(.search, problem) == "pinned places need 6 copies in layer 0, which has 5")
  // And no more copies than groups that it may be on.
  problem.pinned = []
  problem.forbidden = [.init(layer: 0, expert: 0, group: 1)]
  let apart = try PlacementSearch(trials: 300).run(problem).placement
  #expect(apart.hosts[0].map(\.count) == [1, 2, 1, 1] && problem.admits(apart))
}

/// Forbids an expert everywhere but on some groups.
private func keep(
  _ expert: Int, on groups: Set<Int>, layer: Int = 0, _ problem: inout PlacementProblem
) {
  for group in 0..<problem.groups where !groups.contains(group) {
    problem.forbidden.append(.init(layer: layer, expert: expert, group: group))
  }
}

@Test func whatLeavesNoWayIsNamedWhoeverPlaces() throws {
  var problem = try randomProblem(seed: 2, layers: 2, experts: 6, groups: 3)
  // Three experts for the two slots of group 1, as the third sees when the two others have made way.
  for expert in [0, 3, 5] { keep(expert, on: [1], layer: 1, &problem) }
  let sentence =
    "experts 0, 3 and 5 of layer 1 cannot all be placed: pinned and forbidden places leave them group 1 "
    + "with 2 slots"
  for method in [PlacementMethod.search, .exact, .eplb] {
    #expect(refusal(method, problem) == sentence)
  }
  problem.forbidden = []
  // Four experts in pairs of groups, of which each two fit and all four do not.
  for (expert, groups) in [(1, [0, 1]), (2, [0, 1]), (3, [0, 1]), (4, [0, 1]), (5, [0, 1])] {
    keep(expert, on: Set(groups), &problem)
  }
  #expect(
    refusal(.search, problem)
      == "experts 1, 2, 3, 4 and 5 of layer 0 cannot all be placed: pinned and forbidden places leave them "
      + "groups 0 and 1 with 2 slots each")
}

@Test func wayIsFoundWhereverThereIsOne() throws {
  // Random places that one placement keeps, so that there is a way; greedy packing ends nowhere in some.
  var random = RandomStream(seed: 3, name: "ways")
  var deadEnds = 0
  for seed in 0..<40 as Range<UInt64> {
    var problem = try randomProblem(
      seed: seed, layers: 1, experts: 8, groups: 6, groupsPerNode: 2, redundant: 4)
    problem.spreadsCopiesOverNodes = seed % 2 == 0
    let counts = ExpertPlacement.eplb(problem).hosts[0].map(\.count)
    guard let kept = LayerRoom(problem, layer: 0, copies: counts).hosts else {
      Issue.record("no way without places")
      continue
    }
    for expert in 0..<8 {
      for group in 0..<6 where !kept[expert].contains(group) && random.below(10) < 7 {
        problem.forbidden.append(.init(layer: 0, expert: expert, group: group))
      }
    }
    let tables = SearchTables(problem, counts: [counts])
    let loads = (0..<tables.items).map { tables.meanWork(ofItem: $0) }
    if tables.greedyLayer(0, loads) == nil { deadEnds += 1 }
    let start = try #require(tables.packedStart())
    #expect(problem.admits(SearchState(tables, groupOfItem: start).placement))
  }
  #expect(deadEnds > 0)
}

@Test func copiesSpreadOverNodesHoweverTokensChoose() throws {
  // EPLB puts both copies of the first expert in node 0, and no placement costs less.
  var problem = try PlacementProblem(
    layers: 1, experts: 3, groups: 4, groupsPerNode: 2, redundant: 1, work: [4, 2, 2])
  problem.replicaChoice = .leastLoaded
  let balanced = ExpertPlacement.eplb(problem)
  #expect(balanced.hosts[0][0] == [0, 1] && problem.admits(balanced))
  problem.spreadsCopiesOverNodes = true
  #expect(!problem.admits(balanced))
  let found = try PlacementSearch(trials: 300).run(problem)
  #expect(found.cost.total == PlacementCost(of: balanced, in: problem).total)
  #expect(found.placement.hosts[0][0].map { $0 / 2 } == [0, 1])
  #expect(
    refusal(.eplb, problem)
      == "eplb does not place experts as they must be: expert 0 of layer 0 has too many of its copies "
      + "in node 0: they are to be spread over nodes; use search")
}

@Test func onlyTheLayersThatMayMoveDo() throws {
  let problem = try randomProblem(seed: 7, layers: 4, experts: 8, groups: 4)
  let start = ExpertPlacement.random(problem, seed: 1)
  var search = PlacementSearch(trials: 2000)
  search.movableLayers = [2]
  let found = try search.run(problem, from: start)
  #expect(found.placement.hosts[2] != start.hosts[2])
  for layer in [0, 1, 3] { #expect(found.placement.hosts[layer] == start.hosts[layer]) }
  #expect(found.cost.total < PlacementCost(of: start, in: problem).total)
}

@Test func copiesSpreadOverNodesWhereAsked() throws {
  var problem = try randomProblem(
    seed: 8, layers: 2, experts: 6, groups: 4, groupsPerNode: 2, redundant: 2)
  problem.spreadsCopiesOverNodes = true
  let found = try PlacementSearch(trials: 3000).run(problem).placement
  for hosts in found.hosts.flatMap({ $0 }) where hosts.count > 1 {
    #expect(hosts.count { $0 < 2 } <= (hosts.count + 1) / 2)
    #expect(hosts.count { $0 >= 2 } <= (hosts.count + 1) / 2)
  }
}

/// Two layers of eight experts on two nodes of two groups, or on others, of which tokens take three.
private func randomHomeProblem(
  seed: UInt64, groups: Int = 4, groupsPerNode: Int = 2, redundant: Int = 0
) throws -> PlacementProblem {
  var random = RandomStream(seed: seed, name: "sets")
  var problem = try randomProblem(
    seed: seed, layers: 2, experts: 8, groups: groups, groupsPerNode: groupsPerNode,
    redundant: redundant)
  var members: [UInt16] = []
  for _ in 0..<40 {
    var set = Set<UInt16>()
    while set.count < 3 { set.insert(UInt16(random.below(8))) }
    members += set.sorted()
  }
  problem.sets = ExpertSets(
    topK: 3, starts: [0, 20, 40], members: members, tokens: (0..<40).map { Double($0 % 5) })
  problem.traffic = .both
  return problem
}

@Test func balanceIsBoughtForLittleAndNeverAboveTheStart() throws {
  for seed in 0..<4 as Range<UInt64> {
    let problem = try randomHomeProblem(seed: seed)
    var search = PlacementSearch(seed: seed, trials: 2000)
    let found = try search.run(problem)
    // As many chains again look for balance, and each kind has its own pilots.
    #expect(found.trials == 2 * (2000 + 2 * 200))
    search.threads = 3
    #expect(try search.run(problem).placement == found.placement)
    let again = try search.run(problem, from: found.placement)
    #expect(again.cost.total <= found.cost.total)
  }
}

@Test func outcomesAreChosenByCostUnlessBalanceIsLookedFor() throws {
  let transition = try randomProblem(seed: 3, layers: 3, experts: 6, groups: 3)
  let home = try randomHomeProblem(seed: 3)
  for problem in [transition, home] {
    let outcomes = try (0..<6).map {
      try PlacementSearch(seed: UInt64($0), trials: $0 * 50).run(problem)
    }
    let chosen = outcomes[PlacementSearch.best(of: outcomes)].cost
    let least = try #require(outcomes.map(\.cheapest).min())
    #expect(chosen.total <= least * (problem.traffic == .transition ? 1 : 1.0025))
    #expect(
      outcomes.allSatisfy {
        $0.cost.total > least * 1.0025 || problem.traffic == .transition
          || chosen.total + chosen.work <= $0.cost.total + $0.cost.work
      })
  }
}

@Test func balanceCostsItsPriceOnceOverSeveralSearches() throws {
  let problem = try randomHomeProblem(seed: 3)
  let placement = ExpertPlacement.random(problem, seed: 1)
  /// Of a search whose cheapest placement costs `cheapest`, and which took another for its balance.
  func outcome(work: Double, home: Double, cheapest: Double) -> PlacementSearch.Outcome {
    var cost = PlacementCost(of: placement, in: problem)
    (cost.layerWork, cost.transitionSeconds, cost.homeSeconds) = ([work], [], [home])
    return PlacementSearch.Outcome(
      placement: placement, cost: cost, startCost: nil, trials: 1, cheapest: cheapest,
      most: .infinity,
      weighsBalance: true)
  }
  // 1002 is within 0.25 % of 1000, and 1004 of 1002: but 1004 is 0.4 % above what was found.
  let outcomes = [
    outcome(work: 500, home: 502, cheapest: 1000), outcome(work: 400, home: 604, cheapest: 1002),
  ]
  #expect(PlacementSearch.best(of: outcomes) == 0)
  let near = [
    outcome(work: 500, home: 501, cheapest: 1000), outcome(work: 400, home: 602, cheapest: 1001),
  ]
  #expect(PlacementSearch.best(of: near) == 1)
  // A search says what the cheapest of its own was.
  let found = try PlacementSearch(seed: 2, trials: 2000).run(problem)
  #expect(found.cheapest <= found.cost.total && found.cost.total <= found.cheapest * 1.0025)
}

@Test func searchesFromOneBeginningAreWhatTheyAreAlone() throws {
  let problem = try randomProblem(seed: 7, layers: 3, experts: 8, groups: 4, windows: 2)
  let beginning = try PlacementSearch(seed: 2, trials: 100).begin(problem)
  for trials in [400, 3000] {
    let search = PlacementSearch(seed: 2, trials: trials)
    let alone = try search.run(problem)
    let found = search.run(from: beginning)
    #expect(found.placement == alone.placement && found.trials == alone.trials)
  }
}

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

@Test func homeTrafficFallsWhenExpertsTakenTogetherMeet() throws {
  // Tokens take {0, 3}, {1, 4} or {2, 5}: one group each suffices.
  var problem = try PlacementProblem(
    layers: 2, experts: 6, groups: 3, work: [Double](repeating: 1, count: 12))
  problem.sets = ExpertSets(
    topK: 2, starts: [0, 3, 6], members: [0, 3, 1, 4, 2, 5, 0, 3, 1, 4, 2, 5],
    tokens: [Double](repeating: 4, count: 6))
  problem.traffic = .home
  (problem.secondsInNode, problem.secondsAcrossNodes) = (1, 1)
  let found = try PlacementSearch(trials: 3000).run(problem)
  #expect(found.cost.groupsPerToken == 1)
}
