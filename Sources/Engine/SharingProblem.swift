/// Who wants how much of what, at one instant: the problem that fair sharing solves.
///
/// Task i progresses at rate x_i and takes a_ij x_i of resource j per second. With capacities C_j, an
/// allocation is feasible if
///
///     sum over i of a_ij x_i <= C_j      for every resource j that is shared
///     a_ij x_i <= C_j                    for every resource j that is not shared
///     x_i <= cap_i
///
/// Demands lie in rows, one row a task, flat: entries `rowStart[i]..<rowStart[i + 1]` of `column`
/// and `amount`. Solvers read a problem and write rates; both keep their memory between calls.
struct SharingProblem {
  /// C_j, positive.
  private(set) var capacity: [Double] = []
  /// Whether the users of resource j share it, or are each limited by all of it (a non-blocking
  /// core; SimGrid's FATPIPE).
  private(set) var isShared: [Bool] = []
  private(set) var rowStart: [Int] = [0]
  private(set) var column: [Int] = []
  /// a_ij, positive.
  private(set) var amount: [Double] = []
  /// What a task's rate is measured by when rates are compared, positive.
  private(set) var weight: [Double] = []
  private(set) var cap: [Double] = []
  private(set) var hasCaps = false
  private(set) var hasUnshared = false

  var taskCount: Int { weight.count }
  var resourceCount: Int { capacity.count }

  mutating func removeAll() {
    capacity.removeAll(keepingCapacity: true)
    isShared.removeAll(keepingCapacity: true)
    rowStart.removeAll(keepingCapacity: true)
    rowStart.append(0)
    column.removeAll(keepingCapacity: true)
    amount.removeAll(keepingCapacity: true)
    weight.removeAll(keepingCapacity: true)
    cap.removeAll(keepingCapacity: true)
    hasCaps = false
    hasUnshared = false
  }

  mutating func addResource(capacity limit: Double, isShared shared: Bool = true) {
    capacity.append(limit)
    isShared.append(shared)
    if !shared { hasUnshared = true }
  }

  /// Adds a demand to the task that the next ``endTask(weight:cap:)`` closes.
  mutating func addDemand(_ demand: Double, on resource: Int) {
    column.append(resource)
    amount.append(demand)
  }

  /// Adds a demand on a resource that nobody else uses.
  mutating func addDemand(_ demand: Double, onNewResourceWithCapacity limit: Double) {
    addDemand(demand, on: resourceCount)
    addResource(capacity: limit)
  }

  mutating func endTask(weight taskWeight: Double = 1, cap limit: Double = .infinity) {
    rowStart.append(column.count)
    weight.append(taskWeight)
    cap.append(limit)
    if limit < .infinity { hasCaps = true }
  }

  func row(_ task: Int) -> Range<Int> { rowStart[task]..<rowStart[task + 1] }

  /// Whether each task asks the same amount of everything it asks for, as a flow does of the links
  /// on its route. Then bottleneck-max-fair and max-min over a_i x_i are the same thing.
  var isUniform: Bool {
    for task in 0..<taskCount {
      let row = row(task)
      for entry in row where amount[entry] != amount[row.lowerBound] { return false }
    }
    return true
  }

  /// Gives each task the weight 1 / a_i, so that rates are compared as amounts per second.
  mutating func weighByAmount() {
    for task in 0..<taskCount where !row(task).isEmpty {
      weight[task] = 1 / amount[rowStart[task]]
    }
  }
}
