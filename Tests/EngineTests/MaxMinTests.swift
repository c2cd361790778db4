import Testing

@testable import Engine

/// A random problem; which features it has depends on the seed.
private func randomProblem(seed: UInt64) -> SharingProblem {
  var random = Xorshift(seed: seed)
  var problem = SharingProblem()
  let resources = 1 + Int(random.below(30))
  let tasks = 1 + Int(random.below(200))
  let hasCaps = seed % 2 == 0
  let hasWeights = seed % 3 == 0
  let hasUnshared = seed % 5 == 0
  let hasAmounts = seed % 7 != 0
  // Every fourth problem has whole capacities, and so many ties.
  let hasTies = seed % 4 == 0
  for _ in 0..<resources {
    let capacity = hasTies ? Double(1 + random.below(4)) : 0.1 + 10 * random.unit()
    problem.addResource(
      capacity: capacity, isShared: !hasUnshared || random.below(4) > 0)
  }
  for _ in 0..<tasks {
    for resource in 0..<resources where random.below(Int64(resources)) < 3 {
      problem.addDemand(hasAmounts ? 0.01 + 5 * random.unit() : 1, on: resource)
    }
    problem.endTask(
      weight: hasWeights ? 0.1 + 3 * random.unit() : 1,
      cap: hasCaps && random.below(3) == 0 ? 0.5 * random.unit() : .infinity)
  }
  return problem
}

@Test func ratesAreThoseOfPlainProgressiveFilling() {
  var solver = MaxMinSolver()
  var plain = PlainMaxMin()
  var rates: [Double] = []
  var expected: [Double] = []
  for seed in 1...600 as ClosedRange<UInt64> {
    let problem = randomProblem(seed: seed)
    solver.solve(problem, into: &rates)
    plain.solve(problem, into: &expected)
    let agree = zip(rates, expected).allSatisfy { $0 == $1 || abs($0 - $1) <= 1e-9 * $1 }
    #expect(rates.count == expected.count && agree, "seed \(seed)")
  }
}

@Test func everyTaskHasAFullResourceOnWhichNobodyGetsMoreOrIsAtItsCap() {
  var solver = MaxMinSolver()
  var rates: [Double] = []
  for seed in 1...600 as ClosedRange<UInt64> where seed % 5 != 0 {
    let problem = randomProblem(seed: seed)
    solver.solve(problem, into: &rates)
    var used = [Double](repeating: 0, count: problem.resourceCount)
    var most = used
    for task in 0..<problem.taskCount {
      for entry in problem.row(task) {
        let resource = problem.column[entry]
        used[resource] += problem.amount[entry] * rates[task]
        most[resource] = max(most[resource], rates[task] / problem.weight[task])
      }
    }
    for resource in 0..<problem.resourceCount {
      #expect(used[resource] <= problem.capacity[resource] * (1 + 1e-9), "seed \(seed)")
    }
    for task in 0..<problem.taskCount where !problem.row(task).isEmpty {
      let isCapped = rates[task] >= problem.cap[task] * (1 - 1e-9)
      let hasBottleneck = problem.row(task).contains { entry in
        let resource = problem.column[entry]
        return used[resource] >= problem.capacity[resource] * (1 - 1e-9)
          && rates[task] / problem.weight[task] >= most[resource] * (1 - 1e-9)
      }
      #expect(isCapped || hasBottleneck, "task \(task) of seed \(seed)")
    }
  }
}

@Test func aTaskWithNeitherDemandNorCapIsLimitedByNothing() {
  var problem = SharingProblem()
  problem.addResource(capacity: 10)
  problem.endTask()
  problem.addDemand(1, on: 0)
  problem.endTask()
  problem.endTask(cap: 3)
  var solver = MaxMinSolver()
  var rates: [Double] = []
  solver.solve(problem, into: &rates)
  #expect(rates == [.infinity, 10, 3])
}
