import Statistics
import Testing

@testable import Placement

private let solvers = IntegerSolver.Kind.allCases.compactMap { try? IntegerSolver.installed([$0]) }

private func loads(_ count: Int, below most: Int, seed: UInt64) -> [Double] {
  var random = RandomStream(seed: seed, name: "loads")
  return (0..<count).map { _ in Double(random.below(most)) }
}

/// All ways to put `experts` into `clusters`, names and all, whose sizes are in a range.
private func allClusters(_ experts: Int, _ clusters: Int, _ sizes: ClosedRange<Int>) -> [[Int]] {
  var number = 0
  var found: [[Int]] = []
  var total = 1
  for _ in 0..<experts { total *= clusters }
  while number < total {
    var rest = number
    let choice = (0..<experts).map { _ in
      defer { rest /= clusters }
      return rest % clusters
    }
    if (0..<clusters).allSatisfy({ name in sizes.contains(choice.count { $0 == name }) }) {
      found.append(choice)
    }
    number += 1
  }
  return found
}

// MARK: First program

@Test func clustersOfFourLoadsBalanceByHand() {
  // 5 + 2 and 4 + 3 are 7 each.
  let balance = ClusterBalance(loads: [5, 4, 3, 2], clusters: 2, sizes: 2...2)
  let (clusters, outcome) = balance.solve()
  #expect(clusters == [0, 1, 1, 0])
  #expect(outcome.status == .optimal)
  #expect(outcome.objective == 0)
  // Any sizes: 9 | 3 + 3 + 3 with 9 each; equal ones: 9 + 3 | 3 + 3 is 3 from the mean, twice.
  let uneven = [3.0, 3, 9, 3]
  let free = ClusterBalance(loads: uneven, clusters: 2, sizes: 1...3).solve()
  #expect(free.clusterOfExpert == [0, 0, 1, 0])
  #expect(free.outcome.objective == 0)
  let equal = ClusterBalance(loads: uneven, clusters: 2, sizes: 2...2).solve()
  #expect(equal.outcome.objective == 6)
  #expect(equal.outcome.status == .optimal)
}

@Test func noClusterIsEmptyEvenWhereOneExpertHasAll() {
  let (clusters, outcome) = ClusterBalance(
    loads: [0, 100, 0, 0], clusters: 4, sizes: 1...4
  ).solve()
  #expect(clusters == [0, 1, 2, 3])
  #expect(outcome.objective == 150)
  #expect(outcome.status == .optimal)
}

@Test func theBestClustersAreThoseOfBruteForce() {
  for (clusters, sizes) in [(2, 1...5), (2, 3...3), (3, 1...4), (3, 2...2), (4, 1...2)] {
    let all = allClusters(6, clusters, sizes)
    for seed in 0..<20 as Range<UInt64> {
      // Tokens, and seconds however short.
      let unit = seed < 10 ? 1 : 1.3e-12
      let loads = loads(6, below: seed % 2 == 0 ? 10 : 1000, seed: seed).map { $0 * unit }
      let balance = ClusterBalance(loads: loads, clusters: clusters, sizes: sizes)
      let best = all.map(balance.objective(of:)).min() ?? -1
      let (found, outcome) = balance.solve()
      #expect(outcome.status == .optimal)
      #expect(abs(balance.objective(of: found) - best) < 1e-9 * unit)
      #expect(balance.lowerBound <= best + 1e-9 * unit)
      #expect(outcome.bound <= best + 1e-9 * unit)
      #expect((0..<clusters).allSatisfy { name in sizes.contains(found.count { $0 == name }) })
    }
  }
}

@Test func theUnitOfLoadsDoesNotChangeTheClusters() {
  for seed in 0..<20 as Range<UInt64> {
    let loads = loads(12, below: 1_000_000, seed: seed).map { $0 + 0.31 }
    let balance = ClusterBalance(loads: loads, clusters: 3, sizes: 4...4)
    let (descended, found) = (balance.descended(), balance.solve())
    for exponent in [-60, -40, -30, 30] {
      // Powers of two, so that nothing rounds in another way.
      let unit = Double(sign: .plus, exponent: exponent, significand: 1)
      let scaled = ClusterBalance(
        loads: loads.map { $0 * unit }, clusters: 3, sizes: 4...4)
      let other = scaled.solve()
      #expect(scaled.descended() == descended)
      #expect(other.clusterOfExpert == found.clusterOfExpert)
      #expect(other.outcome.status == .optimal && other.outcome.method == found.outcome.method)
      #expect(other.outcome.objective == found.outcome.objective.map { $0 * unit })
    }
  }
}

@Test func equalMemoryMayBeAllThatCosts() {
  // Groups of 3 experts each must part what 5 tokens would keep together; memory aside nothing moves.
  let problem = ClusterAssignment(
    layers: 2, groups: 2, tokens: [5, 0, 0, 0], sizes: [[1, 2], [1, 2]], secondsInNode: 1,
    secondsAcrossNodes: 1)
  let (groups, outcome) = problem.solve()
  #expect(groups.map(problem.memory(of:)) == [3, 3])
  #expect(outcome.status == .optimal && outcome.objective == 5)
}

@Test func severalHeavyExpertsAreInTheBound() {
  // Mean 10: 20 and 18 apart are 10 + 8 above it with companions of 0, together 28.
  let balance = ClusterBalance(loads: [20, 18, 1, 1, 0, 0, 0, 0], clusters: 4, sizes: 2...2)
  #expect(balance.lowerBound == 36)
  let (_, outcome) = balance.solve(mostSteps: 0)
  #expect(outcome.objective == 36)
  #expect(outcome.status == .optimal)
  #expect(outcome.method == .bound)
}

@Test func clustersWithoutProofSaySoAndKeepTheirBound() {
  let balance = ClusterBalance(
    loads: loads(24, below: 100, seed: 3).map { $0 + 0.31 }, clusters: 4, sizes: 6...6)
  let (found, outcome) = balance.solve(mostSteps: 10)
  #expect(outcome.status == .feasible)
  #expect(outcome.method == .search)
  #expect(outcome.remark == "the partitions are too many to look at, and no MIP solver was given")
  #expect(outcome.bound <= balance.objective(of: found))
  #expect((0..<4).allSatisfy { name in found.count { $0 == name } == 6 })
}

@Test(.enabled(if: !solvers.isEmpty, "no MIP solver is installed"))
func solversBalanceAsEnumerationDoes() {
  for solver in solvers {
    for seed in 0..<4 {
      // Numbers of seconds, far below solvers' tolerances.
      let loads = loads(9, below: 1000, seed: UInt64(seed)).map { $0 * 1.3e-8 + 1e-9 }
      let balance = ClusterBalance(loads: loads, clusters: 3, sizes: 3...3)
      let exact = balance.solve()
      let byProgram = balance.solve(mostSteps: 0, solver: solver, seconds: 20)
      #expect(exact.outcome.status == .optimal)
      #expect(byProgram.outcome.status == .optimal, "\(byProgram.outcome)")
      let (a, b) = (exact.outcome.objective ?? -1, byProgram.outcome.objective ?? -2)
      #expect(abs(a - b) <= 1e-6 * a)
    }
  }
}

@Test(.enabled(if: !solvers.isEmpty, "no MIP solver is installed"))
func thePublishedSumOverLayersIsTheSumOfTheLayers() throws {
  let layers = (0..<2).map {
    ClusterBalance(loads: loads(5, below: 50, seed: 20 + $0), clusters: 2, sizes: 1...4)
  }
  let sum = layers.reduce(0) { $0 + ($1.solve().outcome.objective ?? -1) }
  for solver in solvers {
    let solution = try solver.solve(ClusterBalance.program(layers: layers), seconds: 20)
    #expect(solution.status == .optimal)
    #expect(abs((solution.objective ?? -1) - sum) < 1e-4)
  }
}

// MARK: Second program

private func assignment(
  layers: Int, groups: Int, perNode: Int? = nil, sizes: [[Int]]? = nil, seed: UInt64
) -> ClusterAssignment {
  ClusterAssignment(
    layers: layers, groups: groups, groupsPerNode: perNode,
    tokens: loads((layers - 1) * groups * groups, below: 100, seed: seed), sizes: sizes,
    secondsInNode: 1, secondsAcrossNodes: perNode == nil ? 1 : 3)
}

/// The best objective over all assignments that have equal memory; `nil` where none has.
private func bruteForce(_ problem: ClusterAssignment) -> Double? {
  let orders = permutations(problem.groups)
  var best: Double?
  func extend(_ path: [[Int]], _ seconds: Double) {
    guard path.count < problem.layers else {
      guard Set(problem.memory(of: path)).count == 1 || problem.hasEqualSizes else { return }
      best = min(best ?? .infinity, seconds)
      return
    }
    for order in orders {
      let more = path.last.map { problem.seconds(pair: path.count - 1, from: $0, to: order) } ?? 0
      extend(path + [order], seconds + more)
    }
  }
  extend([], 0)
  return best
}

private func permutations(_ count: Int) -> [[Int]] {
  guard count > 0 else { return [[]] }
  return permutations(count - 1).flatMap { order in
    (0..<count).map { place in
      var order = order
      order.insert(count - 1, at: place)
      return order
    }
  }
}

@Test func largestFlowsStayOnTheirGroup() {
  // 9 and 8 stay; 7 shares a row with 9 and moves.
  let problem = ClusterAssignment(
    layers: 2, groups: 3, tokens: [1, 9, 7, 8, 2, 0, 3, 1, 2], secondsInNode: 2,
    secondsAcrossNodes: 2)
  let (groups, outcome) = problem.solve()
  #expect(groups == [[0, 1, 2], [1, 0, 2]])
  #expect(outcome.objective == 14)
  #expect(outcome.status == .optimal)
  #expect(outcome.method == .matching)
}

@Test func theBestAssignmentsAreThoseOfBruteForce() {
  for seed in 0..<12 as Range<UInt64> {
    for problem in [
      assignment(layers: 3, groups: 3, seed: seed),
      assignment(layers: 3, groups: 4, perNode: 2, seed: seed),
      assignment(layers: 4, groups: 2, perNode: 1, seed: seed),
      assignment(layers: 1, groups: 4, seed: seed),
    ] {
      let best = bruteForce(problem) ?? -1
      let (groups, outcome) = problem.solve()
      #expect(outcome.status == .optimal)
      #expect(outcome.objective == best)
      #expect(groups.map(problem.objective(of:)) == best)
      #expect(problem.lowerBound <= best)
    }
  }
}

@Test func withClustersOfDifferentSizesEveryGroupHasEquallyManyExperts() {
  let sizes = [[1, 2, 3], [3, 2, 1], [2, 1, 3], [2, 3, 1]]
  for seed in 0..<8 as Range<UInt64> {
    for perNode in [nil, 1] {
      let problem = assignment(layers: 4, groups: 3, perNode: perNode, sizes: sizes, seed: seed)
      let (groups, outcome) = problem.solve()
      #expect(outcome.status == .optimal)
      #expect(groups.map(problem.memory(of:)) == [8, 8, 8])
      #expect(outcome.objective == bruteForce(problem))
    }
  }
}

@Test func memoryThatCannotBeEqualIsSaid() {
  let never = assignment(layers: 2, groups: 2, sizes: [[1, 3], [2, 2]], seed: 1).solve()
  #expect(never.groupOfCluster == nil)
  #expect(never.outcome.status == .infeasible)
  #expect(
    never.outcome.remark
      == "no assignment of these clusters has equally many experts on every group")
  let odd = assignment(layers: 1, groups: 2, sizes: [[1, 2]], seed: 1).solve()
  #expect(odd.outcome.remark == "3 experts in 1 layers do not divide among 2 expert groups")
}

@Test func mixtralsSizeWithFreeClustersIsSolvedInFewSteps() {
  var random = RandomStream(seed: 5, name: "sizes")
  let shapes = [[2, 2, 2, 2], [1, 2, 2, 3], [3, 1, 2, 2], [1, 1, 3, 3], [4, 1, 1, 2]]
  let sizes = (0..<32).map { _ in shapes[random.below(shapes.count)] }
  let problem = assignment(layers: 32, groups: 4, sizes: sizes, seed: 6)
  let (groups, outcome) = problem.solve(mostSteps: 2_000)
  #expect(outcome.status == .optimal)
  #expect(groups.map(problem.memory(of:)) == [64, 64, 64, 64])
  #expect(problem.lowerBound <= outcome.objective ?? -1)
  let stopped = problem.solve(mostSteps: 5)
  #expect(stopped.groupOfCluster == nil)
  #expect(stopped.outcome.status == .timeLimit)
  #expect(stopped.outcome.bound <= (outcome.objective ?? -1) * (1 + 1e-9))
}

@Test func beyondExactSizesABoundIsKept() {
  let problem = assignment(layers: 3, groups: 16, perNode: 8, seed: 9)
  let (groups, outcome) = problem.solve()
  #expect(outcome.status == .feasible)
  #expect(outcome.objective == groups.map(problem.objective(of:)))
  #expect(outcome.bound <= outcome.objective ?? -1)
  #expect(outcome.remark == "3 layers of 16 clusters are too many to search exactly")
}

@Test(.enabled(if: !solvers.isEmpty, "no MIP solver is installed"))
func solversAssignAsExactMethodsDo() throws {
  let sizes = [[1, 2, 3], [3, 2, 1], [2, 2, 2]]
  for solver in solvers {
    for problem in [
      assignment(layers: 3, groups: 3, seed: 1),
      assignment(layers: 2, groups: 4, perNode: 2, seed: 2),
      assignment(layers: 3, groups: 3, perNode: 1, sizes: sizes, seed: 3),
    ] {
      let program = problem.program()
      let solution = try solver.solve(program, seconds: 30)
      #expect(solution.status == .optimal)
      let best = problem.solve().outcome.objective ?? -1
      #expect(abs((solution.objective ?? -1) * program.unit - best) < 1e-4)
    }
  }
}
