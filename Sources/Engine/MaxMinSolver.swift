/// Max-min fair rates by progressive filling (Bertsekas and Gallager, Data Networks, 2nd edition,
/// section 6.5.2).
///
/// The rates found are feasible (see ``SharingProblem``), and where every resource is shared no
/// x_i / w_i can be raised without lowering that of a task whose x / w is no larger. All x_i / w_i rise
/// together; whenever a resource is full, or a cap reached, the tasks concerned stay where they are.
/// A resource that is not shared is full, for all its users, when the first of them takes all of it.
///
/// O(demands + rounds x resources that are not full), with at most one round a resource or cap: a
/// task is looked at when it stops rising and not before. Caps add a sort of the tasks that have one.
struct MaxMinSolver {
  private var used: [Double] = []
  /// How fast resource j fills while x / w rises: the sum (shared) or the largest (not shared) of
  /// a_ij w_i over the tasks that still rise.
  private var pressure: [Double] = []
  private var risingOn: [Int32] = []
  /// Resources that some rising task uses.
  private var live: [Int32] = []
  /// The level at which each of them is full, in the same order.
  private var levelOfLive: [Double] = []
  /// Users of resource j are entries `userStart[j]..<userStart[j + 1]`.
  private var userStart: [Int32] = []
  private var user: [Int32] = []
  private var isRising: [Bool] = []
  /// The tasks with a cap, by the x / w at which they meet it; the first `capsMet` have met theirs
  /// or stopped before.
  private var capped: [(level: Double, task: Int32)] = []
  private var capsMet = 0

  mutating func solve(_ problem: SharingProblem, into rates: inout [Double]) {
    prepare(problem)
    // Tasks without a demand or cap are limited by nothing.
    reset(&rates, problem.taskCount, .infinity)
    while true {
      let level = nextLevel(problem)
      guard level < .infinity else { return }
      fix(problem, at: level, into: &rates)
    }
  }

  private mutating func prepare(_ problem: SharingProblem) {
    reset(&used, problem.resourceCount, 0)
    reset(&pressure, problem.resourceCount, 0)
    reset(&risingOn, problem.resourceCount, 0)
    reset(&isRising, problem.taskCount, true)
    capped.removeAll(keepingCapacity: true)
    capsMet = 0
    for task in 0..<problem.taskCount {
      let level = problem.cap[task] / problem.weight[task]
      if level < .infinity { capped.append((level, Int32(task))) }
      for entry in problem.row(task) {
        risingOn[problem.column[entry]] += 1
        press(entry, of: task, problem)
      }
    }
    capped.sort { ($0.level, $0.task) < ($1.level, $1.task) }
    listUsers(problem)
    live.removeAll(keepingCapacity: true)
    for resource in 0..<problem.resourceCount { live.append(Int32(resource)) }
  }

  /// Counting sort of the demands by resource.
  private mutating func listUsers(_ problem: SharingProblem) {
    reset(&userStart, problem.resourceCount + 2, 0)
    reset(&user, problem.column.count, 0)
    for resource in problem.column { userStart[resource + 2] += 1 }
    for resource in 0..<problem.resourceCount { userStart[resource + 2] += userStart[resource + 1] }
    for task in 0..<problem.taskCount {
      for entry in problem.row(task) {
        let slot = userStart[problem.column[entry] + 1]
        user[Int(slot)] = Int32(task)
        userStart[problem.column[entry] + 1] = slot + 1
      }
    }
  }

  private mutating func press(_ entry: Int, of task: Int, _ problem: SharingProblem) {
    let resource = problem.column[entry]
    let own = problem.amount[entry] * problem.weight[task]
    pressure[resource] =
      problem.isShared[resource] ? pressure[resource] + own : max(pressure[resource], own)
  }

  /// The level x / w at which the next resource is full or the next task meets its own cap.
  private mutating func nextLevel(_ problem: SharingProblem) -> Double {
    while capsMet < capped.count, !isRising[Int(capped[capsMet].task)] { capsMet += 1 }
    var level = capsMet < capped.count ? capped[capsMet].level : .infinity
    var kept = 0
    levelOfLive.removeAll(keepingCapacity: true)
    for resource in live where risingOn[Int(resource)] > 0 {
      let left = problem.capacity[Int(resource)] - used[Int(resource)]
      let full = max(0, left) / pressure[Int(resource)]
      live[kept] = resource
      kept += 1
      levelOfLive.append(full)
      level = min(level, full)
    }
    live.removeLast(live.count - kept)
    return level
  }

  /// Fixes every task that cannot rise past `level`. Levels that differ by rounding are one.
  private mutating func fix(_ problem: SharingProblem, at level: Double, into rates: inout [Double])
  {
    let reached = level * (1 + 1e-12)
    while capsMet < capped.count, capped[capsMet].level <= reached {
      stop(Int(capped[capsMet].task), at: level, problem, &rates)
      capsMet += 1
    }
    for (index, resource) in live.enumerated() where levelOfLive[index] <= reached {
      for entry in userStart[Int(resource)]..<userStart[Int(resource) + 1] {
        stop(Int(user[Int(entry)]), at: level, problem, &rates)
      }
    }
    pressAnewWhereNotShared(problem)
  }

  private mutating func stop(
    _ task: Int, at level: Double, _ problem: SharingProblem, _ rates: inout [Double]
  ) {
    guard isRising[task] else { return }
    isRising[task] = false
    let rate = level * problem.weight[task]
    rates[task] = rate
    for entry in problem.row(task) {
      let resource = problem.column[entry]
      risingOn[resource] -= 1
      guard problem.isShared[resource] else { continue }
      used[resource] += problem.amount[entry] * rate
      pressure[resource] -= problem.amount[entry] * problem.weight[task]
    }
  }

  /// The largest of what is left cannot be had by subtraction.
  private mutating func pressAnewWhereNotShared(_ problem: SharingProblem) {
    guard problem.hasUnshared else { return }
    for resource in 0..<problem.resourceCount where !problem.isShared[resource] {
      pressure[resource] = 0
    }
    for task in 0..<problem.taskCount where isRising[task] {
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
