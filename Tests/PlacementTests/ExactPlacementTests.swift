import Statistics
import Testing

@testable import Placement

/// The cheapest of all placements, by its full evaluation.
private func enumerated(_ problem: PlacementProblem) -> Double {
  let states = allLayerPlacements(
    experts: problem.experts, groups: problem.groups, slots: problem.slotsPerGroup)
  var chains: [[Int]] = [[]]
  for layer in 0..<problem.layers {
    let allowed = states.filter { state in
      problem.pinned.allSatisfy { $0.layer != layer || state[$0.expert] == $0.group }
        && problem.forbidden.allSatisfy { $0.layer != layer || state[$0.expert] != $0.group }
    }
    chains = chains.flatMap { chain in allowed.map { chain + $0 } }
  }
  return chains.map { chain in
    PlacementCost(
      of: ExpertPlacement(
        groups: problem.groups, experts: problem.experts, groupOfExpert: chain.map { Int32($0) }),
      in: problem
    ).total
  }.min() ?? .infinity
}

private let kinds: [(PlacementProblem.Traffic, PlacementProblem.Objective, windows: Int)] = [
  (.transition, .sum, 1), (.transition, .sum, 3), (.home, .sum, 1), (.both, .sum, 2),
  (.transition, .bottleneck, 1), (.transition, .bottleneck, 2),
]

@Test(arguments: kinds)
func theExactPlacementIsTheBestOfAll(
  traffic: PlacementProblem.Traffic, objective: PlacementProblem.Objective, windows: Int
) throws {
  // Experts, groups, groups of a node, slots.
  let sizes = [(4, 2, 2, 2), (4, 2, 1, 2), (3, 2, 2, 2), (4, 4, 2, 1), (3, 8, 4, 1)]
  for (experts, groups, node, slots) in sizes {
    var problem = try boundProblem(
      seed: UInt64(experts * 10 + groups), layers: groups == 8 ? 1 : groups == 4 ? 2 : 3,
      experts: experts,
      groups: groups, groupsPerNode: node, slots: slots, windows: windows, traffic: traffic,
      objective: objective)
    for exchange in traffic == .transition ? [TokenExchange()] : tokenExchanges {
      problem.exchange = exchange
      let exact = try ExactPlacement(of: problem)
      let best = enumerated(problem)
      #expect(abs(exact.cost.total - best) < 1e-12 * best)
    }
  }
}

@Test func theExactPlacementKeepsPinnedAndForbiddenPlaces() throws {
  var problem = try boundProblem(seed: 1, experts: 4, groups: 2, groupsPerNode: 2)
  let free = try ExactPlacement(of: problem)
  let home = free.placement.hosts[1][0][0]
  problem.pinned = [.init(layer: 1, expert: 0, group: 1 - home)]
  problem.forbidden = [.init(layer: 0, expert: 2, group: 0), .init(layer: 2, expert: 3, group: 1)]
  let exact = try ExactPlacement(of: problem)
  let best = enumerated(problem)
  #expect(abs(exact.cost.total - best) < 1e-12)
  #expect(exact.placement.hosts[1][0] == [1 - home])
  #expect(exact.cost.total >= free.cost.total)
}

@Test(arguments: kinds)
func anExactPlacementThatIsStoppedKnowsHowFarItCame(
  traffic: PlacementProblem.Traffic, objective: PlacementProblem.Objective, windows: Int
) throws {
  for pins in [false, true] {
    // 315 states of a layer but for names, or 90, 30 and 90 with names: it is asked every 64.
    var problem = try boundProblem(
      seed: 5, layers: 3, experts: pins ? 6 : 8, groups: pins ? 3 : 4, groupsPerNode: pins ? 1 : 2,
      windows: windows, traffic: traffic, objective: objective)
    if pins { problem.pinned = [.init(layer: 1, expert: 3, group: 2)] }
    let exact = try ExactPlacement(of: problem)
    #expect(exact.isOptimal && exact.bound == exact.cost.total && exact.layersDone == 3)
    let quick = try PlacementSearch(trials: 0).run(problem).cost.total
    var (asked, bounds, layers): (Int, [Double], [Int]) = (0, [], [])
    _ = try ExactPlacement(of: problem) { done, all in
      asked += 1
      return done < all
    }
    #expect(asked == (pins ? 4 : 15))
    for most in Set([0, 1, 2, asked / 2, asked - 1]).sorted() {
      var left = most
      let stopped = try ExactPlacement(of: problem) { _, _ in
        left -= 1
        return left >= 0
      }
      #expect(!stopped.isOptimal && stopped.layersDone < 3)
      #expect(problem.admits(stopped.placement))
      // What it has been through is no dearer than where the quick start had it.
      #expect(stopped.cost.total <= quick * (1 + 1e-12))
      #expect(stopped.cost.total >= exact.cost.total * (1 - 1e-12))
      #expect(stopped.bound > 0 && stopped.bound <= exact.cost.total * (1 + 1e-12))
      bounds.append(stopped.bound)
      layers.append(stopped.layersDone)
    }
    #expect(layers.first == 0 && layers.last == 2)
    // More time proves more.
    #expect(zip(bounds, bounds.dropFirst()).allSatisfy { $0 <= $1 * (1 + 1e-12) })
  }
}

@Test func tokensShareAGroupWhereEachGroupGetsACopyOfItsOwn() throws {
  // A quarter of a token takes experts 0 and 1, another 2 and 3, and so on; two nodes of two groups.
  var problem = try PlacementProblem(
    layers: 1, experts: 8, groups: 4, groupsPerNode: 2, work: [2, 2, 1, 1, 2, 2, 1, 1])
  problem.sets = ExpertSets(
    topK: 2, starts: [0, 4], members: [0, 1, 2, 3, 4, 5, 6, 7],
    tokens: [0.25, 0.25, 0.25, 0.25])
  problem.traffic = .home
  (problem.secondsInNode, problem.secondsAcrossNodes) = (1, 10)
  // On groups of their own in one node half a token visits each group and node, and loads are 3; on one
  // group a quarter visits it, and loads are 4 and 2. Copies for the other node are half of all; where a
  // node gets them once, half of what a group gets comes by its port.
  let apart = 3 + 4 * 0.5 * 0.5 * 1 + 0.5 * 10
  let besideOneAnother = 3 + 0.5 * 10
  let together = 4 + 4 * 0.25 * 0.5 * 10
  let ways: [(TokenExchange.Way, Double)] = [
    (.hopByHop, apart), (.streamed, besideOneAnother), (.direct, together),
  ]
  for (way, total) in ways {
    problem.exchange.way = way
    #expect(abs(try ExactPlacement(of: problem).cost.total - total) < 1e-12)
    #expect(abs(try PlacementSearch(trials: 3000).run(problem).cost.total - total) < 1e-12)
    #expect(try PlacementBound(of: problem).total <= total * (1 + 1e-12))
  }
}

@Test func renamingLeavesFewStates() throws {
  // 8! / 2!^4 = 2,520; by names of four groups / 4! = 105; by names in and of two nodes / 8 = 315.
  for (node, distinct) in [(4, 105), (2, 315)] {
    let problem = try boundProblem(
      seed: 0, layers: 1, experts: 8, groups: 4, groupsPerNode: node)
    let states = try LayerStates(of: problem, most: 10_000)
    #expect(states.count == 2520)
    #expect(states.representatives.count == distinct)
  }
  // Two groups of one node share a card, and two another one: as if they were two nodes.
  var cards = try boundProblem(
    seed: 0, layers: 1, experts: 8, groups: 4, groupsPerNode: 4, traffic: .home)
  cards.exchange.groupsPerWayOut = 2
  #expect(try LayerStates(of: cards, most: 10_000).representatives.count == 315)
  // Of three groups the last has a card of its own, as no other has.
  cards = try boundProblem(
    seed: 0, layers: 1, experts: 3, groups: 3, groupsPerNode: 3, traffic: .home)
  cards.exchange.groupsPerWayOut = 2
  #expect(try LayerStates(of: cards, most: 10_000).representatives.count == 6)
}

@Test func assignmentsAndStatesAgreeOnOneExpertEach() throws {
  let problem = try boundProblem(seed: 8, layers: 4, experts: 5, groups: 5, groupsPerNode: 5)
  let exact = try ExactPlacement(of: problem)
  var chain = try StateChain(of: problem, limits: .init())
  let byStates = PlacementCost(
    of: ExpertPlacement(
      groups: 5, experts: 5, groupOfExpert: chain.solve { _, _ in true }.groupOfExpert), in: problem
  )
  #expect(exact.states == 0)
  #expect(abs(exact.cost.total - byStates.total) < 1e-12)
}

@Test(arguments: kinds)
func theBoundIsBelowTheOptimum(
  traffic: PlacementProblem.Traffic, objective: PlacementProblem.Objective, windows: Int
) throws {
  for (experts, groups, node, slots) in [(6, 3, 3, 2), (6, 2, 1, 3), (4, 4, 2, 1), (5, 2, 2, 3)] {
    for seed in 0..<3 {
      var problem = try boundProblem(
        seed: UInt64(seed), experts: experts, groups: groups, groupsPerNode: node, slots: slots,
        windows: windows, traffic: traffic, objective: objective)
      for exchange in traffic == .transition ? [TokenExchange()] : tokenExchanges {
        problem.exchange = exchange
        let exact = try ExactPlacement(of: problem)
        let bound = try PlacementBound(of: problem)
        #expect(bound.total <= exact.cost.total * (1 + 1e-12))
        #expect(bound.total > 0.5 * exact.cost.total)
        #expect(!bound.isOfChosenCopies)
      }
    }
  }
}

/// Every placement with so many copies of each expert of each of two layers.
private func allPlacements(
  copies: [[Int]], groups: Int, slots: Int
) -> [ExpertPlacement] {
  let states = copies.map { layer in
    allLayerPlacements(experts: layer.reduce(0, +), groups: groups, slots: slots).map { groups in
      var (hosts, next): ([[Int]], Int) = ([], 0)
      for count in layer {
        hosts.append(Array(groups[next..<next + count]))
        next += count
      }
      return hosts
    }.filter { $0.allSatisfy { Set($0).count == $0.count } }
  }
  return states[0].flatMap { first in
    states[1].map { ExpertPlacement(groups: groups, hosts: [first, $0]) }
  }
}

@Test(
  arguments: [PlacementProblem.Traffic.transition, .home, .both],
  [
    (copies: [[2, 2, 1, 1], [1, 1, 1, 3]], node: 3), (copies: [[2, 1, 1], [1, 1, 2]], node: 1),
  ])
func theBoundHoldsForTheChosenCopies(
  traffic: PlacementProblem.Traffic, shape: (copies: [[Int]], node: Int)
) throws {
  for (seed, windows) in [(0, 1), (1, 3)] {
    let experts = shape.copies[0].count
    var problem = try boundProblem(
      seed: UInt64(seed), layers: 2, experts: experts, groups: 3, groupsPerNode: shape.node,
      slots: 2, redundant: shape.copies[0].reduce(0, +) - experts, windows: windows,
      traffic: traffic)
    // Copies that cost something whatever their share make no placement cheaper.
    let shared = try PlacementBound(of: problem, copies: shape.copies).total
    problem.workPerCopy = problem.work.map { 0.4 * $0 }
    let bound = try PlacementBound(of: problem, copies: shape.copies)
    #expect(bound.isOfChosenCopies)
    #expect(bound.total >= shared)
    let best = allPlacements(copies: shape.copies, groups: 3, slots: 2)
      .map { PlacementCost(of: $0, in: problem).total }.min()
    let least = try #require(best)
    #expect(bound.total <= least * (1 + 1e-12))
    #expect(bound.total > 0.5 * least)
  }
}

@Test func aCopyCostsItsWeightsWhateverItsShare() throws {
  // Two experts of 10 s on two groups, 4 s of which each copy takes: apart 10 s; both on both 4 + 3 for
  // each of two, on either group.
  var problem = try PlacementProblem(
    layers: 1, experts: 2, groups: 2, slotsPerGroup: 2, redundant: 2, work: [10, 10])
  problem.workPerCopy = [4, 4]
  let both = ExpertPlacement(groups: 2, hosts: [[[0, 1], [0, 1]]])
  #expect(PlacementCost(of: both, in: problem).work == 14)
  #expect(try PlacementBound(of: problem, copies: [[2, 2]]).work == 14)
  var alone = try PlacementProblem(
    layers: 1, experts: 2, groups: 2, slotsPerGroup: 2, work: [10, 10])
  alone.workPerCopy = [4, 4]
  let apart = ExpertPlacement(groups: 2, hosts: [[[0], [1]]])
  #expect(PlacementCost(of: apart, in: alone).work == 10)
  // A share of nothing takes nothing: the least loaded group has all tokens of the second expert.
  var skewed = try PlacementProblem(
    layers: 1, experts: 2, groups: 2, slotsPerGroup: 2, redundant: 1, work: [10, 2])
  skewed.workPerCopy = [4, 1]
  skewed.replicaChoice = .leastLoaded
  let beside = ExpertPlacement(groups: 2, hosts: [[[0], [0, 1]]])
  #expect(PlacementCost(of: beside, in: skewed).work == 10)
}

@Test func onlyPlacementsOfTheProblemAreAdmitted() throws {
  let problem = try PlacementProblem(
    layers: 2, experts: 4, groups: 2, work: [Double](repeating: 1, count: 8))
  func admits(_ first: [[Int]], _ second: [[Int]], groups: Int = 2) -> Bool {
    problem.admits(ExpertPlacement(groups: groups, hosts: [first, second]))
  }
  let even = [[0], [0], [1], [1]]
  #expect(admits(even, [[1], [0], [0], [1]]))
  #expect(!admits(even, [[1], [1], [0], [1]]))
  #expect(!admits(even, [[1], [0, 1], [0], [1]]))
  #expect(!admits(even, [[1], [], [0], [1]]))
  #expect(!admits(even, even, groups: 4))
  let uneven = ExpertPlacement(groups: 2, hosts: [even, [[1], [1], [0], [1]]])
  #expect(throws: PlacementProblemError.self) {
    _ = try PlacementSearch(trials: 10).run(problem, from: uneven)
  }
}

@Test func threadsAndACacheChangeNoBound() throws {
  let problem = try boundProblem(seed: 2, layers: 5, experts: 8, groups: 4, groupsPerNode: 2)
  let cache = TrafficBoundCache()
  let alone = try PlacementBound(of: problem)
  let together = try PlacementBound(of: problem, threads: 3, cache: cache)
  let known = cache.count
  let again = try PlacementBound(of: problem, cache: cache)
  #expect(alone == together && alone == again)
  #expect(known >= 8 && cache.count == known)
}

@Test func whatIsTooLargeIsRefusedInWords() throws {
  let problem = try boundProblem(seed: 0, layers: 2, experts: 12, groups: 4, groupsPerNode: 4)
  #expect(
    throws: ExactPlacementError.tooManyStates(atLeast: 1000, most: 1000)
  ) { try ExactPlacement(of: problem, limits: .init(states: 1000)) }
  #expect(
    ExactPlacementError.tooManyStates(atLeast: 1000, most: 1000).sentence
      == "a layer has 1000 or more ways to place its experts; exact placement goes through at most "
      + "1000, so use search, which comes with a bound")
  // 6! / 2!^3 = 90 states, 15 of them distinct, times 6 + 1 steps.
  let small = try boundProblem(seed: 0, layers: 2, experts: 6, groups: 3, groupsPerNode: 3)
  #expect(
    throws: ExactPlacementError.tooManySteps(states: 90, distinct: 15, steps: 9450, most: 100)
  ) { try ExactPlacement(of: small, limits: .init(steps: 100)) }
  let copies = try boundProblem(
    seed: 0, layers: 2, experts: 4, groups: 2, groupsPerNode: 2, redundant: 2)
  #expect(throws: ExactPlacementError.replicas(copies: 6, experts: 4)) {
    try ExactPlacement(of: copies)
  }
  var pinned = small
  pinned.pinned = [.init(layer: 1, expert: 0, group: 0)]
  pinned.forbidden = pinned.pinned
  #expect(throws: ExactPlacementError.contradictoryPlaces(layer: 1)) {
    try ExactPlacement(of: pinned)
  }
}
