import Testing

@testable import Engine

/// Flows over shared links: a row lists (link, consumption); penalties are SimGrid's, 1 / weight.
private func rates(
  capacities: [Double], shared: Bool = true,
  _ flows: [(penalty: Double, path: [(Int, Double)])]
) -> [Double] {
  var problem = SharingProblem()
  for capacity in capacities { problem.addResource(capacity: capacity, isShared: shared) }
  for flow in flows {
    for (link, consumption) in flow.path { problem.addDemand(consumption, on: link) }
    problem.endTask(weight: 1 / flow.penalty)
  }
  var solver = MaxMinSolver()
  var rates: [Double] = []
  solver.solve(problem, into: &rates)
  return rates
}

private func expectEqual(_ found: [Double], _ expected: [Double]) {
  #expect(found.count == expected.count)
  for (a, b) in zip(found, expected) { #expect(abs(a - b) <= 1e-12 * max(1, abs(b))) }
}

@Test func threeLinksInARowGiveTheTextbookShares() {
  // Links 1, 10, 1; one flow over all three and one on each: the long flow and the short ones on
  // the narrow links get 1/2, the one in the middle takes what is left of 10.
  expectEqual(
    rates(
      capacities: [1, 10, 1],
      [
        (1, [(0, 1), (1, 1), (2, 1)]), (1, [(0, 1)]), (1, [(1, 1)]), (1, [(2, 1)]),
      ]), [0.5, 0.5, 9.5, 0.5])
}

@Test func tenLinksAndElevenFlowsAgreeWithSimGrid() {
  // SimGrid's test 3, all capacities 10 (facts/network.md, reference case 2). By hand: link 7 has five
  // flows and fills first, at 2 (flows 2, 4, 6, 9, 10). Link 5 has 10 - 4 left for flows 0 and 3: 3 each.
  // Link 1 gives flows 1, 7 and 8 a third of 10 each; link 9 leaves 10 - 4 = 6 to flow 5.
  let flowsOnLink: [[Int]] = [
    [1, 7], [1, 7, 8], [1, 8], [8], [0, 3, 9], [0, 3, 4, 9], [0, 4, 9, 10], [2, 4, 6, 9, 10],
    [2, 10], [5, 6, 9],
  ]
  let flows: [(penalty: Double, path: [(Int, Double)])] = (0...10).map { flow in
    (1, flowsOnLink.indices.filter { flowsOnLink[$0].contains(flow) }.map { ($0, 1) })
  }
  expectEqual(
    rates(capacities: [Double](repeating: 10, count: 10), flows),
    [3, 10.0 / 3, 2, 3, 2, 6, 2, 10.0 / 3, 10.0 / 3, 2, 2])
}

@Test func penaltiesAndConsumptionDivideAsInSimGrid() {
  // Twice the penalty, half the rate: 2 + 1 = 3.
  expectEqual(rates(capacities: [3], [(1, [(0, 1)]), (2, [(0, 1)])]), [2, 1])
  // Twice the consumption, the same rate: 1 + 2 x 1 = 3.
  expectEqual(rates(capacities: [3], [(1, [(0, 1)]), (1, [(0, 2)])]), [1, 1])
  // Both: r1 = 2 r2 and r1 + 2 r2 = 20.
  expectEqual(rates(capacities: [20], [(1, [(0, 1)]), (2, [(0, 2)])]), [10, 5])
  // A second link of 60 that flow 1 uses twice over: 60 - 2 x 10 = 40 for flow 3.
  expectEqual(
    rates(
      capacities: [20, 60], [(1, [(0, 1), (1, 2)]), (2, [(0, 2)]), (1, [(1, 1)])]),
    [10, 5, 40])
  // Three flows with penalties 1, 2, 2 on 8: 4 + 2 + 2.
  expectEqual(rates(capacities: [8], [(1, [(0, 1)]), (2, [(0, 1)]), (2, [(0, 1)])]), [4, 2, 2])
}

@Test func linksThatAreNotSharedLimitTheFastestFlow() {
  expectEqual(
    rates(capacities: [10], shared: false, [(1, [(0, 1)]), (2, [(0, 1)])]), [10, 5])
  expectEqual(
    rates(capacities: [10], shared: false, [(1, [(0, 1)]), (1, [(0, 2)])]), [5, 5])
  expectEqual(
    rates(capacities: [10], shared: false, [(1, [(0, 1)]), (2, [(0, 2)])]), [10, 5])
  expectEqual(
    rates(
      capacities: [10, 60], shared: false,
      [(1, [(0, 1), (1, 2)]), (2, [(0, 2)]), (1, [(1, 1)])]),
    [10, 5, 60])
}

@Test func crossTrafficOfAcknowledgementsIsADemandLikeAnother() {
  // Two flows one way and one back, acknowledgements 5 % of the other direction. Forward:
  // r + r + 0.05 r = 1.
  let found = rates(
    capacities: [1, 1],
    [(1, [(0, 1), (1, 0.05)]), (1, [(0, 1), (1, 0.05)]), (1, [(0, 0.05), (1, 1)])])
  #expect(abs(found[0] - 1 / 2.05) < 1e-12)
  #expect(abs(found[1] - 1 / 2.05) < 1e-12)
}

@Test func aLinkThatLosesTenPercentToASecondFlowGivesEachFourAndAHalf() {
  // SimGrid's non-linear link as a capacity that depends on how many use it: 10 (1 - 0.1) = 9.
  expectEqual(rates(capacities: [10 * (1 - 0.1)], [(1, [(0, 1)]), (1, [(0, 1)])]), [4.5, 4.5])
}

@Test func aCapStopsAFlowAndTheOthersTakeTheRest() {
  var problem = SharingProblem()
  problem.addResource(capacity: 10)
  for cap in [1.0, .infinity, .infinity] {
    problem.addDemand(1, on: 0)
    problem.endTask(cap: cap)
  }
  var solver = MaxMinSolver()
  var found: [Double] = []
  solver.solve(problem, into: &found)
  expectEqual(found, [1, 4.5, 4.5])
}

@Test func allToAllOnTwoNodesIsBoundByTheNetworkCards() {
  // 2 nodes x 8 devices, ports of 300 GB/s, one 25 GB/s card a device. A card carries 8 flows out:
  // 25 / 8 = 3.125 GB/s; a port the 7 flows inside the node: 300 / 7 = 42.857 (facts/network.md,
  // reference case 4).
  var problem = SharingProblem()
  for _ in 0..<16 { problem.addResource(capacity: 300) }  // out
  for _ in 0..<16 { problem.addResource(capacity: 300) }  // in
  for _ in 0..<32 { problem.addResource(capacity: 25) }  // card out, card in
  var isInner: [Bool] = []
  for source in 0..<16 {
    for target in 0..<16 where target != source {
      let inner = source / 8 == target / 8
      isInner.append(inner)
      if inner {
        problem.addDemand(1, on: source)
        problem.addDemand(1, on: 16 + target)
      } else {
        problem.addDemand(1, on: 32 + source)
        problem.addDemand(1, on: 48 + target)
      }
      problem.endTask()
    }
  }
  var solver = MaxMinSolver()
  var found: [Double] = []
  solver.solve(problem, into: &found)
  for (rate, inner) in zip(found, isInner) {
    #expect(abs(rate - (inner ? 300.0 / 7 : 25.0 / 8)) < 1e-9)
  }
}

private func bottleneckFair(
  _ capacities: [Double], _ demands: [[Double]]
) -> (rates: [Double], isFair: Bool) {
  var problem = SharingProblem()
  for capacity in capacities { problem.addResource(capacity: capacity) }
  for row in demands {
    for (resource, amount) in row.enumerated() where amount > 0 {
      problem.addDemand(amount, on: resource)
    }
    problem.endTask()
  }
  var solver = BottleneckFairSolver()
  var rates: [Double] = []
  let fair = solver.solve(problem, into: &rates)
  return (rates, fair)
}

@Test func twoTasksWithCrossedDemandsEachGetTheirBottleneck() {
  // Capacities 1 and 1; demands (1, 1/4) and (1/4, 1). By symmetry x1 = x2 = x: 1.25 x = 1.
  let (rates, isFair) = bottleneckFair([1, 1], [[1, 0.25], [0.25, 1]])
  #expect(isFair)
  expectEqual(rates, [0.8, 0.8])
}

@Test func aStreamAndAComputationShareOnlyTheMemoryTheyBothUse() {
  // Link 1, memory 10. The stream asks 1 of each; the computation 20 of the memory and nothing
  // else. The link lets the stream have 1 of the memory, less than half of it: x1 = 1, and the
  // computation takes the other 9: x2 = 9 / 20.
  let (rates, isFair) = bottleneckFair([1, 10], [[1, 1], [0, 20]])
  #expect(isFair)
  expectEqual(rates, [1, 0.45])
}

@Test func equalDemandsMakeBottleneckFairnessMaxMin() {
  let (rates, isFair) = bottleneckFair(
    [1, 10, 1], [[1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
  #expect(isFair)
  expectEqual(rates, [0.5, 0.5, 9.5, 0.5])
}

@Test func everyRandomProblemGetsFeasibleRatesAndEveryTaskABottleneck() {
  var state: UInt64 = 42
  func random() -> Double {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Double(state >> 11) * 0x1p-53
  }
  for _ in 0..<2_000 {
    let resources = 1 + Int(random() * 6)
    let tasks = 1 + Int(random() * 10)
    let capacities = (0..<resources).map { _ in 0.1 + 10 * random() }
    let demands = (0..<tasks).map { _ in
      var row = (0..<resources).map { _ in random() < 0.5 ? 0.01 + 5 * random() : 0 }
      if row.allSatisfy({ $0 == 0 }) { row[Int(random() * Double(resources))] = 1 }
      return row
    }
    let (rates, isFair) = bottleneckFair(capacities, demands)
    #expect(isFair, "capacities \(capacities), demands \(demands), rates \(rates)")
  }
}
