@testable import Engine

/// Max-min fairness by the plainest progressive filling: every round looks at every resource and
/// every task that still rises. The oracle for ``MaxMinSolver``.
struct PlainMaxMin {
  /// The x / w at which a task meets its own cap.
  private var ownLevel: [Double] = []
  private var used: [Double] = []
  /// How fast resource j fills while x / w rises: the sum (shared) or the largest (not shared) of
  /// a_ij w_i over the tasks that still rise.
  private var pressure: [Double] = []
  private var rising: [Int] = []
  private var risingOn: [Int] = []
  private var isFull: [Bool] = []

  mutating func solve(_ problem: SharingProblem, into rates: inout [Double]) {
    prepare(problem)
    rates.removeAll(keepingCapacity: true)
    rates.append(contentsOf: repeatElement(.infinity, count: problem.taskCount))
    while !rising.isEmpty {
      let level = nextLevel(problem)
      // Tasks without a demand or cap are limited by nothing.
      guard level < .infinity else { return }
      fix(problem, at: level, into: &rates)
    }
  }

  private mutating func prepare(_ problem: SharingProblem) {
    reset(&used, problem.resourceCount, 0)
    reset(&pressure, problem.resourceCount, 0)
    reset(&risingOn, problem.resourceCount, 0)
    reset(&isFull, problem.resourceCount, false)
    reset(&ownLevel, problem.taskCount, .infinity)
    rising.removeAll(keepingCapacity: true)
    rising.append(contentsOf: 0..<problem.taskCount)
    for task in 0..<problem.taskCount {
      ownLevel[task] = problem.cap[task] / problem.weight[task]
      for entry in problem.row(task) {
        risingOn[problem.column[entry]] += 1
        press(entry, of: task, problem)
      }
    }
  }

  private mutating func press(_ entry: Int, of task: Int, _ problem: SharingProblem) {
    let resource = problem.column[entry]
    let own = problem.amount[entry] * problem.weight[task]
    pressure[resource] =
      problem.isShared[resource] ? pressure[resource] + own : max(pressure[resource], own)
  }

  private func levelWhenFull(_ resource: Int, _ problem: SharingProblem) -> Double {
    guard risingOn[resource] > 0 else { return .infinity }
    return max(0, problem.capacity[resource] - used[resource]) / pressure[resource]
  }

  /// The level x / w at which the next resource is full or the next task meets its own cap.
  private func nextLevel(_ problem: SharingProblem) -> Double {
    var level = Double.infinity
    for resource in 0..<problem.resourceCount {
      level = min(level, levelWhenFull(resource, problem))
    }
    for task in rising { level = min(level, ownLevel[task]) }
    return level
  }

  /// Fixes every task that cannot rise past `level`. Levels that differ by rounding are one.
  private mutating func fix(_ problem: SharingProblem, at level: Double, into rates: inout [Double])
  {
    let reached = level * (1 + 1e-12)
    for resource in 0..<problem.resourceCount {
      isFull[resource] = levelWhenFull(resource, problem) <= reached
    }
    var kept = 0
    for task in rising {
      let row = problem.row(task)
      let stops = ownLevel[task] <= reached || row.contains { isFull[problem.column[$0]] }
      if !stops {
        rising[kept] = task
        kept += 1
        continue
      }
      rates[task] = level * problem.weight[task]
      for entry in row {
        let resource = problem.column[entry]
        risingOn[resource] -= 1
        guard problem.isShared[resource] else { continue }
        used[resource] += problem.amount[entry] * rates[task]
        pressure[resource] -= problem.amount[entry] * problem.weight[task]
      }
    }
    rising.removeLast(rising.count - kept)
    pressAnewWhereNotShared(problem)
  }

  /// The largest of what is left cannot be had by subtraction.
  private mutating func pressAnewWhereNotShared(_ problem: SharingProblem) {
    guard problem.isShared.contains(false) else { return }
    for resource in 0..<problem.resourceCount where !problem.isShared[resource] {
      pressure[resource] = 0
    }
    for task in rising {
      for entry in problem.row(task) where !problem.isShared[problem.column[entry]] {
        press(entry, of: task, problem)
      }
    }
  }
}
