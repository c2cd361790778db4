import Placement
import Statistics
import Testing

/// Two layers of two experts on two groups, of which each is a node where `nodes` is 2.
private func pair(nodes: Int = 1, redundant: Int = 0) throws -> PlacementProblem {
  var problem = try PlacementProblem(
    layers: 2, experts: 2, groups: 2, groupsPerNode: 2 / nodes, redundant: redundant,
    work: [3, 1, 2, 2])
  problem.transitions = [5, 1, 2, 4]
  problem.secondsInNode = 0.1
  problem.secondsAcrossNodes = nodes == 1 ? 0.1 : 0.4
  return problem
}

private func isNear(_ a: Double, _ b: Double) -> Bool { abs(a - b) < 1e-12 * max(1, abs(b)) }

@Test func aCostIsTheSlowestGroupsAndTheTokensThatMove() throws {
  let straight = ExpertPlacement(groups: 2, hosts: [[[0], [1]], [[0], [1]]])
  let cost = PlacementCost(of: straight, in: try pair())
  #expect(cost.layerWork == [3, 2])
  #expect(cost.imbalance == [1.5, 1])
  // Off the group: 1 token from expert 0 to 1, 2 from 1 to 0.
  #expect(isNear(cost.transitionSeconds[0], 0.3) && isNear(cost.total, 5.3))
  #expect(isNear(cost.localShare, 9 / 12) && isNear(cost.nodeShare, 3 / 12))
  let crossed = ExpertPlacement(groups: 2, hosts: [[[0], [1]], [[1], [0]]])
  let across = PlacementCost(of: crossed, in: try pair(nodes: 2))
  #expect(isNear(across.acrossNodesSeconds, 9 * 0.4) && across.inNodeSeconds == 0)
  #expect(isNear(across.crossShare, 0.75))
}

@Test func sharesArePartsOfOneSumHoweverItIsRounded() throws {
  for seed in 0..<100 {
    var problem = try boundProblem(
      seed: UInt64(seed), layers: 4, experts: 6, groups: 3, groupsPerNode: 3)
    let within = PlacementCost(of: .random(problem, seed: 1), in: problem)
    // Nothing crosses where there is one node, and nothing stays in a node of one group.
    #expect(within.crossShare == 0)
    problem = try boundProblem(
      seed: UInt64(seed), layers: 4, experts: 6, groups: 3, groupsPerNode: 1)
    let across = PlacementCost(of: .random(problem, seed: 1), in: problem)
    #expect(across.nodeShare == 0 && across.crossShare == within.nodeShare)
    for cost in [within, across] {
      let shares = [cost.localShare, cost.nodeShare, cost.crossShare]
      #expect(shares.allSatisfy { (0...1).contains($0) })
      #expect(isNear(shares.reduce(0, +), 1))
    }
  }
}

@Test func theBottleneckIsTheSlowestPairOfGroups() throws {
  var problem = try pair(nodes: 2)
  problem.objective = .bottleneck
  let straight = ExpertPlacement(groups: 2, hosts: [[[0], [1]], [[0], [1]]])
  // 1 token goes from group 0 to 1, 2 the other way.
  #expect(isNear(PlacementCost(of: straight, in: problem).communication, 2 * 0.4))
}

@Test func workOfWindowsIsTheMeanOfEachWindowsSlowestGroup() throws {
  // Both windows together are balanced, each alone is not.
  let problem = try PlacementProblem(
    layers: 1, experts: 2, groups: 2, work: [4, 0, 0, 2], windowWeights: [3, 1])
  let placement = ExpertPlacement(groups: 2, hosts: [[[0], [1]]])
  #expect(PlacementCost(of: placement, in: problem).work == 3.5)
}

@Test func copiesShareTokensAsTheChoiceSays() throws {
  // Expert 0 of both layers is on both groups; expert 1 on group 1, then on group 0.
  let placement = ExpertPlacement(groups: 2, hosts: [[[0, 1], [1]], [[0, 1], [0]]])
  var problem = try pair(redundant: 2)
  let even = PlacementCost(of: placement, in: problem)
  #expect(even.layerWork == [2.5, 3])
  // From the halves of expert 0 half of 5 moves, and half of the 1 to expert 1; from expert 1 half of
  // 2 and all of 4.
  let moved = 2.5 + 0.5 + 1.0 + 4.0
  #expect(isNear(even.transitionSeconds[0], 0.1 * moved))
  problem.replicaChoice = .leastLoaded
  // Expert 0 of layer 0 is poured 2 and 1 beside the 1 of expert 1; of layer 1 2 beside 2: all of its
  // work goes to group 1.
  #expect(PlacementCost(of: placement, in: problem).layerWork == [2, 2])
  problem.replicaChoice = .nearest
  let nearest = PlacementCost(of: placement, in: problem)
  #expect(isNear(nearest.transitionSeconds[0], 0.45))
  // Expert 0 of layer 1 gets 2.5 tokens on group 0 and 2.5 + 2 on group 1.
  let group0 = 2 + 2 * 2.5 / 7
  #expect(isNear(nearest.layerWork[1], group0))
}

@Test func copiesThatGetNothingCostNothingWhereLoadsAreBalanced() throws {
  // 5 s on group 0 and 6 s on group 1; B's 10 s are 9 s of each copy on groups 0 and 2 and 1 s of
  // tokens; D's 8 s divide freely between groups 0 and 1. B on group 2 alone and D 4.5 and 3.5 bring
  // groups to 9.5, 9.5 and 10.
  var problem = try PlacementProblem(
    layers: 1, experts: 4, groups: 3, slotsPerGroup: 3, redundant: 2, work: [5, 6, 10, 8])
  problem.workPerCopy = [0, 0, 9, 0]
  problem.replicaChoice = .leastLoaded
  let placement = ExpertPlacement(groups: 3, hosts: [[[0], [1], [0, 2], [0, 1]]])
  #expect(PlacementCost(of: placement, in: problem).work == 10)
  // A copy that has nothing but its own work: on the lowest group alone.
  problem.work[2] = 9
  #expect(PlacementCost(of: placement, in: problem).work == 9.5)
}

/// The least maximum over ways to divide experts among their copies in tenths.
private func leastSlowest(_ problem: PlacementProblem, _ placement: ExpertPlacement) -> Double {
  var least = Double.infinity
  func extend(_ expert: Int, _ loads: [Double]) {
    guard expert < problem.experts else {
      least = min(least, loads.max() ?? 0)
      return
    }
    let hosts = placement.hosts[0][expert]
    let (all, fixed) = (problem.work[expert], problem.workPerCopy[expert])
    for tenths in 0...(hosts.count > 1 ? 10 : 0) {
      let shares = hosts.count > 1 ? [Double(tenths) / 10, 1 - Double(tenths) / 10] : [1]
      var next = loads
      for (group, share) in zip(hosts, shares) where share > 0 {
        next[group] += fixed + (all - fixed) * share
      }
      extend(expert + 1, next)
    }
  }
  extend(0, [Double](repeating: 0, count: problem.groups))
  return least
}

@Test func balancedCopiesAreNoSlowerThanEvenOnesAndNearTheBestShares() throws {
  var random = RandomStream(seed: 3, name: "least loaded")
  var ratios = 0.0
  for _ in 0..<40 {
    let work = (0..<6).map { _ in Double(2 + random.below(10)) }
    var problem = try PlacementProblem(
      layers: 1, experts: 6, groups: 3, slotsPerGroup: 3, redundant: 3, work: work)
    problem.workPerCopy = work.map { $0 * Double(random.below(10)) / 10 }
    let placement = ExpertPlacement(
      groups: 3, hosts: [[[0], [1], [2], [0, 1], [1, 2], [2, 0]]])
    let even = PlacementCost(of: placement, in: problem).work
    problem.replicaChoice = .leastLoaded
    let balanced = PlacementCost(of: placement, in: problem).work
    #expect(balanced <= even + 1e-12)
    ratios += balanced / leastSlowest(problem, placement)
  }
  #expect(ratios < 40 * 1.06, "\(ratios)")
}

@Test func homeTrafficTakesAsLongAsItsBusiestPort() throws {
  var problem = try PlacementProblem(
    layers: 1, experts: 4, groups: 4, groupsPerNode: 2, work: [1, 1, 1, 1])
  problem.sets = ExpertSets(topK: 2, starts: [0, 2], members: [0, 1, 1, 2], tokens: [6, 2])
  problem.traffic = .home
  // Of one port: all four send at a time.
  problem.secondsInNode = 1.0 / 4
  problem.secondsAcrossNodes = 10.0 / 4
  let placement = ExpertPlacement(groups: 4, hosts: [[[0], [1], [2], [3]]])
  let cost = PlacementCost(of: placement, in: problem)
  #expect(cost.groupsPerToken == 2)
  #expect(cost.nodesPerToken == 10.0 / 8)
  // All 8 tokens visit group 1 and its node: 4 come to the node from the other, by the ways of two groups;
  // and of all 8 half come to the group's node at the other one, which passes them on.
  #expect(isNear(cost.acrossNodesSeconds, 10 * 4.0 / 2))
  #expect(isNear(cost.inNodeSeconds, 4))
  #expect(isNear(cost.total, 1 + 24))
  // Where tokens are passed on as they come, the slower of the two; where only those of the own node go at
  // once, what is passed on in dispatch, and what is gathered in combine, comes on top.
  problem.exchange.way = .streamed
  #expect(isNear(PlacementCost(of: placement, in: problem).communication, 20))
  problem.exchange.way = .forwarded
  let forwarded = PlacementCost(of: placement, in: problem)
  #expect(isNear(forwarded.acrossNodesSeconds, 20))
  #expect(isNear(forwarded.inNodeSeconds, 4.0 / 4 + 4.0 / 2))
  // Where each group gets a copy of its own, group 1 gets 4 from the other node and 2 from its own meanwhile.
  problem.exchange.way = .direct
  let flat = PlacementCost(of: placement, in: problem)
  #expect(isNear(flat.acrossNodesSeconds, 40) && flat.inNodeSeconds == 0)
  problem.secondsAcrossNodes = 1.0 / 4
  problem.secondsInNode = 2.1 / 4
  let inside = PlacementCost(of: placement, in: problem)
  #expect(isNear(inside.inNodeSeconds, 4.2) && inside.acrossNodesSeconds == 0)
  // By one way out of the node, half of 6 + 8 visits for each of its two groups.
  problem.secondsAcrossNodes = 10.0 / 4
  problem.exchange.groupsPerWayOut = 2
  #expect(isNear(PlacementCost(of: placement, in: problem).communication, 10 * 3.5))
}

@Test func impossibleProblemsAreRefusedWithASentence() throws {
  func sentence(_ body: () throws(PlacementProblemError) -> Void) -> String? {
    do {
      try body()
      return nil
    } catch { return error.sentence }
  }
  let none = sentence { () throws(PlacementProblemError) in
    _ = try PlacementProblem(
      layers: 1, experts: 8, groups: 4, slotsPerGroup: 1, work: Array(repeating: 1, count: 8))
  }
  #expect(none == "8 copies of a layer's experts do not fit 4 expert groups with 1 slot each")
  let uneven = sentence { () throws(PlacementProblemError) in
    _ = try PlacementProblem(
      layers: 1, experts: 8, groups: 4, groupsPerNode: 3, work: Array(repeating: 1, count: 8))
  }
  #expect(uneven == "4 expert groups do not divide into nodes of 3")
  let problem = try pair()
  var wrong = problem
  wrong.transitions = [1]
  let table = sentence { () throws(PlacementProblemError) in try wrong.check() }
  #expect(table == "transitions has 1 entry; 4 are needed")
  func refused(
    slots: Int? = nil, redundant: Int = 0, work: Int = 2, weights: [Double]? = nil
  ) -> String? {
    sentence { () throws(PlacementProblemError) in
      _ = try PlacementProblem(
        layers: 1, experts: 2, groups: 3, slotsPerGroup: slots, redundant: redundant,
        work: Array(repeating: 1, count: work), windowWeights: weights)
    }
  }
  #expect(
    refused(slots: 3)
      == "3 slots of an expert group for 2 experts in a layer, of which it holds one copy each at most"
  )
  #expect(refused(redundant: 5) == "5 redundant experts in a layer; 0 to 4 are possible here")
  #expect(refused(redundant: -1) == "-1 redundant experts in a layer; 0 to 4 are possible here")
  #expect(refused(work: 3) == "work has 3 entries; 2 (or a multiple) are needed")
  #expect(refused(weights: [1, 1]) == "windowWeights has 2 entries; 1 is needed")
  #expect(refused(weights: [0]) == "windowWeights add up to 0.0; it must be a number above 0")
  #expect(
    refused(work: 4, weights: [2, -1]) == "windowWeights has an entry that is negative or no number"
  )
}

@Test(arguments: [0, 3], [TokenExchange.Way.direct, .hopByHop, .streamed])
func aLayerTakesWhatItsBusiestPortsCarry(redundant: Int, way: TokenExchange.Way) throws {
  var problem = try boundProblem(
    seed: 4, layers: 1, experts: 8, groups: 6, groupsPerNode: 3, redundant: redundant,
    traffic: .home)
  problem.exchange.way = way
  problem.replicaChoice = .nearest
  let placement = ExpertPlacement.eplb(problem)
  let ports = PlacementFlows(of: placement, in: problem).ports(forth: 0.4, back: 0.6)
  // What one way sends the other gets: the mean of both is between them, and each is the cost's once.
  let there = PlacementFlows(of: placement, in: problem).ports(forth: 6, back: 0)
  let inside = there.flatMap { [$0.sentInNode, $0.receivedInNode] }.max() ?? 0
  let across = there.flatMap { [$0.sentAcrossNodes, $0.receivedAcrossNodes] }.max() ?? 0
  let (near, far) = (inside * problem.secondsInNode, across * problem.secondsAcrossNodes)
  let cost = PlacementCost(of: placement, in: problem).communication
  #expect(near > 0 && far > 0)
  #expect(abs(cost / (way == .hopByHop ? near + far : max(near, far)) - 1) < 1e-12)
  for (port, other) in zip(ports, there) {
    #expect(
      isNear(port.sentInNode, (0.4 * other.sentInNode + 0.6 * other.receivedInNode) / 6))
    #expect(
      isNear(
        port.receivedAcrossNodes,
        (0.4 * other.receivedAcrossNodes + 0.6 * other.sentAcrossNodes) / 6))
  }
}

@Test func portsCarryWhatMovesAndWhatComesBack() throws {
  // Expert 0 on group 0 and 1 on group 1 in both layers: 1 token goes from group 0 to 1, 2 the other way.
  let straight = ExpertPlacement(groups: 2, hosts: [[[0], [1]], [[0], [1]]])
  let near = PlacementFlows(of: straight, in: try pair()).ports(forth: 10, back: 1)
  #expect(near.map(\.sentInNode) == [10 + 2, 20 + 1])
  #expect(near.map(\.receivedInNode) == [20 + 1, 10 + 2])
  #expect(near.allSatisfy { $0.sentAcrossNodes == 0 && $0.receivedAcrossNodes == 0 })
  let far = PlacementFlows(of: straight, in: try pair(nodes: 2)).ports(forth: 10, back: 0)
  #expect(far.map(\.sentAcrossNodes) == [10, 20] && far.map(\.receivedAcrossNodes) == [20, 10])
  #expect(far.allSatisfy { $0.sentInNode == 0 })
}

@Test func anExchangeOutsideOfItsRangesIsRefused() throws {
  func refused(_ change: (inout TokenExchange) -> Void) throws -> String? {
    var problem = try pair()
    change(&problem.exchange)
    do {
      try problem.check()
      return nil
    } catch { return error.sentence }
  }
  #expect(try refused { _ in } == nil)
  #expect(
    try refused { $0.groupsPerWayOut = 0 }
      == "a token exchange has 0 groups to a way out of a node and 1 devices to a group; at least one "
      + "of each is needed")
  #expect(try refused { $0.devicesPerGroup = 0 } != nil)
  #expect(
    try refused { $0.dispatchShare.inNode = 1.5 }
      == "a dispatch takes 1.5 of an exchange within nodes and 0.5 across them; shares are 0 to 1")
  #expect(try refused { $0.dispatchShare.acrossNodes = .nan } != nil)
  #expect(
    try refused { $0.combineHandling = .init(copied: 0, staged: -1) }
      == "seconds to handle a copy has an entry that is negative or no number")
}
