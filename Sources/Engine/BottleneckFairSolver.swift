/// Bottleneck-max-fair rates for tasks that demand several resources in unequal amounts (Bonald and
/// Roberts, "Multi-resource fairness: objectives, algorithms and performance", SIGMETRICS 2015).
///
/// The rates found are feasible, and every task i has a bottleneck: a resource j that is full and of
/// which nobody takes more,
///
///     sum over k of a_kj x_k = C_j    and    a_ij x_i >= a_kj x_k  for every task k.
///
/// With f_j the largest amount that anybody takes of a full resource j, and infinite for the others,
/// this says x_i = min over j of f_j / a_ij. The solver guesses each task's bottleneck, solves the
/// linear system that makes those resources full, and moves each task to the resource that limits
/// it most, until no task moves. Such an allocation always exists; where the guesses run in a
/// circle, damped filling of one resource after another finishes the work.
struct BottleneckFairSolver {
  /// f_j: the largest amount per second that any task gets of resource j.
  private var level: [Double] = []
  private var bottleneck: [Int] = []
  private var position: [Int] = []
  private var active: [Int] = []
  private var matrix: [Double] = []
  private var total: [Double] = []
  private var most: [Double] = []
  private var filling: [(limit: Double, amount: Double)] = []

  /// - Returns: Whether the conditions above hold to a relative 1e-9. Where they do not, the rates
  ///   are still feasible.
  mutating func solve(_ problem: SharingProblem, into rates: inout [Double]) -> Bool {
    reset(&rates, problem.taskCount, 0)
    start(problem)
    for _ in 0..<(8 + 2 * problem.resourceCount) {
      guard solveLevels(problem) else { break }
      takeRates(problem, into: &rates)
      raiseLevelsOfOverfull(problem, rates)
      if !moveTasks(problem) {
        if isFair(problem, rates) { return true }
        break
      }
    }
    fillInTurn(problem, into: &rates)
    makeFeasible(problem, &rates)
    return isFair(problem, rates)
  }

  /// The first guess: the resource that would serve the task worst if everybody got equal amounts.
  private mutating func start(_ problem: SharingProblem) {
    reset(&level, problem.resourceCount, 0)
    reset(&position, problem.resourceCount, 0)
    reset(&bottleneck, problem.taskCount, -1)
    for task in 0..<problem.taskCount {
      for entry in problem.row(task) { position[problem.column[entry]] += 1 }
    }
    for resource in 0..<problem.resourceCount {
      level[resource] = problem.capacity[resource] / Double(max(1, position[resource]))
    }
    _ = moveTasks(problem)
  }

  /// Sends each task to the resource with the smallest f_j / a_ij; says whether any task moved.
  private mutating func moveTasks(_ problem: SharingProblem) -> Bool {
    var moved = false
    for task in 0..<problem.taskCount {
      var best = bottleneck[task]
      // A task stays where it is unless another resource limits it plainly more.
      var least = best < 0 ? .infinity : rateAllowed(by: best, task, problem) * (1 - 1e-12)
      for entry in problem.row(task) {
        let rate = level[problem.column[entry]] / problem.amount[entry]
        if rate < least {
          least = rate
          best = problem.column[entry]
        }
      }
      if best != bottleneck[task] {
        bottleneck[task] = best
        moved = true
      }
    }
    return moved
  }

  private func rateAllowed(by resource: Int, _ task: Int, _ problem: SharingProblem) -> Double {
    for entry in problem.row(task) where problem.column[entry] == resource {
      return level[resource] / problem.amount[entry]
    }
    return .infinity
  }

  /// Solves for the levels of the resources that are somebody's bottleneck so that each is full:
  /// sum over tasks i of a_ij f_b(i) / a_ib(i) = C_j. False where the system is singular or a level
  /// comes out not positive.
  private mutating func solveLevels(_ problem: SharingProblem) -> Bool {
    reset(&position, problem.resourceCount, -1)
    active.removeAll(keepingCapacity: true)
    for task in 0..<problem.taskCount where position[bottleneck[task]] < 0 {
      position[bottleneck[task]] = active.count
      active.append(bottleneck[task])
    }
    let n = active.count
    reset(&matrix, n * (n + 1), 0)
    for (row, resource) in active.enumerated() {
      matrix[row * (n + 1) + n] = problem.capacity[resource]
    }
    for task in 0..<problem.taskCount {
      let column = position[bottleneck[task]]
      let perLevel = rateAllowedPerLevel(task, problem)
      for entry in problem.row(task) where position[problem.column[entry]] >= 0 {
        matrix[position[problem.column[entry]] * (n + 1) + column] +=
          problem.amount[entry] * perLevel
      }
    }
    guard eliminate(n) else { return false }
    for resource in 0..<problem.resourceCount { level[resource] = .infinity }
    for (row, resource) in active.enumerated() {
      let value = matrix[row * (n + 1) + n]
      guard value > 0, value.isFinite else { return false }
      level[resource] = value
    }
    return true
  }

  /// 1 / a_ib for the task's bottleneck b.
  private func rateAllowedPerLevel(_ task: Int, _ problem: SharingProblem) -> Double {
    for entry in problem.row(task) where problem.column[entry] == bottleneck[task] {
      return 1 / problem.amount[entry]
    }
    return 0
  }

  /// Gauss-Jordan elimination with row pivoting on the n x (n + 1) matrix.
  private mutating func eliminate(_ n: Int) -> Bool {
    let width = n + 1
    for column in 0..<n {
      var pivot = column
      for row in column..<n
      where abs(matrix[row * width + column]) > abs(matrix[pivot * width + column]) {
        pivot = row
      }
      let value = matrix[pivot * width + column]
      guard abs(value) > 1e-14 else { return false }
      for k in 0..<width {
        matrix.swapAt(pivot * width + k, column * width + k)
        matrix[column * width + k] /= value
      }
      for row in 0..<n where row != column {
        let factor = matrix[row * width + column]
        guard factor != 0 else { continue }
        for k in column..<width { matrix[row * width + k] -= factor * matrix[column * width + k] }
      }
    }
    return true
  }

  /// x_i = f_b / a_ib for the guessed bottleneck b.
  private func takeRates(_ problem: SharingProblem, into rates: inout [Double]) {
    for task in 0..<problem.taskCount {
      rates[task] = level[bottleneck[task]] * rateAllowedPerLevel(task, problem)
    }
  }

  /// A resource that is nobody's bottleneck but overfull gets the level that fits it.
  private mutating func raiseLevelsOfOverfull(_ problem: SharingProblem, _ rates: [Double]) {
    for resource in 0..<problem.resourceCount where position[resource] < 0 {
      level[resource] = fill(resource, problem) { task, amount in rates[task] * amount }
    }
  }

  /// The level f of a resource for which the sum of min(f, wanted) is its capacity; infinite where
  /// everybody gets what is wanted.
  private mutating func fill(
    _ resource: Int, _ problem: SharingProblem, wanted: (Int, Double) -> Double
  ) -> Double {
    filling.removeAll(keepingCapacity: true)
    var total = 0.0
    for task in 0..<problem.taskCount {
      for entry in problem.row(task) where problem.column[entry] == resource {
        let want = wanted(task, problem.amount[entry])
        filling.append((want, problem.amount[entry]))
        total += want
      }
    }
    let capacity = problem.capacity[resource]
    guard total > capacity * (1 + 1e-12) else { return .infinity }
    filling.sort { $0.limit < $1.limit }
    var left = capacity
    for (index, item) in filling.enumerated() {
      let equal = left / Double(filling.count - index)
      if item.limit >= equal { return equal }
      left -= item.limit
    }
    return .infinity
  }

  /// Fills one resource after another, given the levels of the others, moving each level half way
  /// (in its logarithm) after the first rounds, until nothing moves.
  private mutating func fillInTurn(_ problem: SharingProblem, into rates: inout [Double]) {
    for resource in 0..<problem.resourceCount { level[resource] = problem.capacity[resource] }
    for round in 0..<4_000 {
      var change = 0.0
      for resource in 0..<problem.resourceCount {
        for task in 0..<problem.taskCount {
          rates[task] = rate(of: task, problem, except: resource)
        }
        let filled = fill(resource, problem) { task, amount in amount * rates[task] }
        let target = min(problem.capacity[resource], filled)
        let moved = round < 50 ? target : (target * level[resource]).squareRoot()
        change = max(change, abs(moved - level[resource]) / level[resource])
        level[resource] = moved
      }
      if change < 1e-14 { break }
    }
    for task in 0..<problem.taskCount { rates[task] = rate(of: task, problem, except: -1) }
  }

  /// What the levels of all resources but one allow a task; where it uses no other, what it could do
  /// alone.
  private func rate(of task: Int, _ problem: SharingProblem, except skipped: Int) -> Double {
    var least = Double.infinity
    var alone = Double.infinity
    for entry in problem.row(task) {
      let resource = problem.column[entry]
      alone = min(alone, problem.capacity[resource] / problem.amount[entry])
      if resource != skipped { least = min(least, level[resource] / problem.amount[entry]) }
    }
    return least == .infinity ? alone : least
  }

  /// Scales every rate down by the worst overload, if there is one.
  private mutating func makeFeasible(_ problem: SharingProblem, _ rates: inout [Double]) {
    addUp(problem, rates)
    var worst = 1.0
    for resource in 0..<problem.resourceCount {
      worst = max(worst, total[resource] / problem.capacity[resource])
    }
    if worst > 1 { for task in rates.indices { rates[task] /= worst } }
  }

  /// What everybody takes of each resource, together and at most.
  private mutating func addUp(_ problem: SharingProblem, _ rates: [Double]) {
    reset(&total, problem.resourceCount, 0)
    reset(&most, problem.resourceCount, 0)
    for task in 0..<problem.taskCount {
      for entry in problem.row(task) {
        let resource = problem.column[entry]
        let taken = problem.amount[entry] * rates[task]
        total[resource] += taken
        most[resource] = max(most[resource], taken)
      }
    }
  }

  /// Whether the rates are feasible and every task has a bottleneck, to a relative 1e-9.
  private mutating func isFair(_ problem: SharingProblem, _ rates: [Double]) -> Bool {
    addUp(problem, rates)
    for resource in 0..<problem.resourceCount
    where total[resource] > problem.capacity[resource] * (1 + 1e-9) {
      return false
    }
    return (0..<problem.taskCount).allSatisfy { task in
      problem.row(task).contains { entry in
        let resource = problem.column[entry]
        return total[resource] >= problem.capacity[resource] * (1 - 1e-9)
          && problem.amount[entry] * rates[task] >= most[resource] * (1 - 1e-9)
      }
    }
  }
}
