/// Clusters of different sizes: a shortest path through all assignments of each layer that also
/// counts the experts on every group, since equal memory ties all layers together.
extension ClusterAssignment {
  /// The best assignment with equal memory. Partial ones are taken up in the order of what they cost
  /// so far and the least that the layers to come can cost, memory aside; of equal ones the longest.
  ///
  /// Up to `mostSteps` partial assignments are taken up, each with groups! ways to go on; O(pairs x
  /// (groups!)^2 x groups^2) before that.
  func alongAssignments(
    mostSteps: Int
  ) -> (groupOfCluster: [[Int]]?, outcome: ProgramOutcome) {
    let experts = sizes[0].reduce(0, +)
    let target = experts * layers / groups
    guard target * groups == experts * layers else {
      let outcome = ProgramOutcome(
        status: .infeasible, method: .bound, objective: nil, bound: .infinity,
        remark: "\(experts) experts in \(layers) layers do not divide among \(groups) expert groups"
      )
      return (nil, outcome)
    }
    guard target < 1 << 12 else {
      let outcome = ProgramOutcome(
        status: .timeLimit, method: .dynamicProgram, objective: nil, bound: lowerBound,
        remark: "\(layers) layers of \(experts) experts are too many to count on every group")
      return (nil, outcome)
    }
    var search = MemorySearch(self, target: target)
    return search.run(mostSteps: mostSteps)
  }
}

private struct MemorySearch {
  /// An assignment of the layers up to one: what matters of it for those to come.
  struct State: Hashable {
    var layer: Int
    /// Of the last layer, a position in `assignments`.
    var assignment: Int
    /// Experts on each group, 12 bits each.
    var memory: UInt64
  }

  struct Step {
    var state: State
    /// Where in `steps` the layer before is.
    var before: Int
    var seconds: Double
  }

  let problem: ClusterAssignment
  let target: Int
  /// `[assignment][cluster]` groups.
  let assignments: [[Int]]
  /// `[pair][this assignment][next assignment]` seconds.
  let seconds: [Double]
  /// `[layer][assignment]`: the least seconds of the pairs after a layer, memory aside.
  let toCome: [Double]
  /// `[layer]`: experts that the layers after one can put on a group.
  let fewest: [Int]
  let most: [Int]
  /// Seconds that count as none, so that sums in another order are equal.
  let rounding: Double
  var steps: [Step] = []
  var known: [State: Double] = [:]
  var queue = StepQueue()

  init(_ problem: ClusterAssignment, target: Int) {
    self.problem = problem
    self.target = target
    let assignments = ClusterAssignment.permutations(problem.groups)
    let (layers, count) = (problem.layers, assignments.count)
    var seconds: [Double] = []
    seconds.reserveCapacity((layers - 1) * count * count)
    for pair in 0..<layers - 1 {
      for this in assignments {
        for next in assignments {
          seconds.append(problem.seconds(pair: pair, from: this, to: next))
        }
      }
    }
    var toCome = [Double](repeating: 0, count: layers * count)
    for pair in stride(from: layers - 2, through: 0, by: -1) {
      for this in 0..<count {
        let row = (pair * count + this) * count
        toCome[pair * count + this] =
          (0..<count).lazy.map { seconds[row + $0] + toCome[(pair + 1) * count + $0] }.min() ?? 0
      }
    }
    var fewest = [Int](repeating: 0, count: layers)
    var most = fewest
    for layer in stride(from: layers - 2, through: 0, by: -1) {
      fewest[layer] = fewest[layer + 1] + (problem.sizes[layer + 1].min() ?? 0)
      most[layer] = most[layer + 1] + (problem.sizes[layer + 1].max() ?? 0)
    }
    self.assignments = assignments
    self.seconds = seconds
    self.toCome = toCome
    self.fewest = fewest
    self.most = most
    rounding = max((seconds.max() ?? 0) * 1e-12, .leastNormalMagnitude)
  }

  mutating func run(
    mostSteps: Int
  ) -> (groupOfCluster: [[Int]]?, outcome: ProgramOutcome) {
    // Without nodes the groups have no names before the first layer is on them.
    let isUniform =
      problem.nodes == 1 || problem.secondsInNode == problem.secondsAcrossNodes
    for assignment in 0..<(isUniform ? 1 : assignments.count) {
      reach(layer: 0, assignment: assignment, memory: 0, seconds: 0, before: -1)
    }
    var taken = 0
    while let (position, least) = queue.popFirst() {
      let step = steps[position]
      guard known[step.state] == step.seconds else { continue }
      if step.state.layer == problem.layers - 1 {
        let groupOfCluster = path(to: position)
        let objective = problem.objective(of: groupOfCluster)
        return (
          groupOfCluster,
          ProgramOutcome(
            status: .optimal, method: .dynamicProgram, objective: objective, bound: objective)
        )
      }
      guard taken < mostSteps else {
        return (
          nil,
          ProgramOutcome(
            status: .timeLimit, method: .dynamicProgram, objective: nil,
            bound: Double(least) * rounding,
            remark: "\(mostSteps) partial assignments were not enough to find one with equal memory"
          )
        )
      }
      taken += 1
      let row = (step.state.layer * assignments.count + step.state.assignment) * assignments.count
      for next in assignments.indices {
        reach(
          layer: step.state.layer + 1, assignment: next, memory: step.state.memory,
          seconds: step.seconds + seconds[row + next], before: position)
      }
    }
    return (
      nil,
      ProgramOutcome(
        status: .infeasible, method: .dynamicProgram, objective: nil, bound: .infinity,
        remark: "no assignment of these clusters has equally many experts on every group")
    )
  }

  /// Notes a partial assignment unless it is known as cheaply, or memory cannot become equal.
  private mutating func reach(
    layer: Int, assignment: Int, memory before: UInt64, seconds: Double, before position: Int
  ) {
    var memory = before
    for (cluster, group) in assignments[assignment].enumerated() {
      memory += UInt64(problem.sizes[layer][cluster]) << UInt64(12 * group)
    }
    for group in 0..<problem.groups {
      let missing = target - Int(memory >> UInt64(12 * group) & 0xfff)
      guard missing >= fewest[layer], missing <= most[layer] else { return }
    }
    let state = State(layer: layer, assignment: assignment, memory: memory)
    if let earlier = known[state], earlier <= seconds { return }
    known[state] = seconds
    let least = seconds + toCome[layer * assignments.count + assignment]
    steps.append(Step(state: state, before: position, seconds: seconds))
    queue.insert(
      StepQueue.Entry(
        least: Int64(least / rounding), layersLeft: problem.layers - layer,
        step: steps.count - 1))
  }

  private func path(to position: Int) -> [[Int]] {
    var path: [[Int]] = []
    var position = position
    while position >= 0 {
      path.append(assignments[steps[position].state.assignment])
      position = steps[position].before
    }
    return path.reversed()
  }
}

/// Partial assignments, the most promising first: a binary heap.
private struct StepQueue {
  struct Entry: Comparable {
    /// The least that the whole can cost, in units of rounding.
    var least: Int64
    var layersLeft: Int
    var step: Int

    static func < (a: Entry, b: Entry) -> Bool {
      (a.least, a.layersLeft, a.step) < (b.least, b.layersLeft, b.step)
    }
  }

  private var entries: [Entry] = []

  /// O(log count).
  mutating func insert(_ entry: Entry) {
    entries.append(entry)
    var place = entries.count - 1
    while place > 0, entries[place] < entries[(place - 1) / 2] {
      entries.swapAt(place, (place - 1) / 2)
      place = (place - 1) / 2
    }
  }

  /// O(log count).
  mutating func popFirst() -> (step: Int, least: Int64)? {
    guard let first = entries.first, let last = entries.popLast() else { return nil }
    if !entries.isEmpty {
      entries[0] = last
      var place = 0
      while true {
        var least = place
        for child in [2 * place + 1, 2 * place + 2]
        where child < entries.count && entries[child] < entries[least] {
          least = child
        }
        if least == place { break }
        entries.swapAt(place, least)
        place = least
      }
    }
    return (first.step, first.least)
  }
}
