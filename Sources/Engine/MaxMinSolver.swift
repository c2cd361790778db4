/// Max-min fair rates by progressive filling (Bertsekas and Gallager, Data Networks, 2nd edition,
/// section 6.5.2).
///
/// The rates found are feasible (see ``SharingProblem``), and where every resource is shared no
/// x_i / w_i can be raised without lowering that of a task whose x / w is no larger. All x_i / w_i rise
/// together; whenever a resource is full, or a cap reached, the tasks concerned stay where they are.
/// A resource that is not shared is full, for all its users, when the first of them takes all of it.
/// O(rounds x (resources + demands)), with at most one round a resource or cap.
struct MaxMinSolver {
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

/// Makes `array` hold `count` times `value` without giving up its memory.
func reset<T>(_ array: inout [T], _ count: Int, _ value: T) {
  array.removeAll(keepingCapacity: true)
  array.append(contentsOf: repeatElement(value, count: count))
}
