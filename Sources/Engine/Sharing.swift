/// Finds the tasks that a change touches and gives them fair rates.
struct Sharing: ~Copyable {
  /// The tasks of the component found last, in the order they were reached.
  private(set) var component: [Int] = []
  /// Share of itself that each task of the component does per second.
  private(set) var rates: [Double] = []
  private var componentResources: [Int] = []
  private var seenTask = FlatArray<UInt32>()
  private var seenResource = FlatArray<UInt32>()
  private var column = FlatArray<Int32>()
  private var round: UInt32 = 0
  /// The first claim on a changed resource that is not shared whose task is still to be collected.
  private var userLeft: Int?
  private var problem = SharingProblem()
  private var maxMin = MaxMinSolver()
  private var bottleneckFair = BottleneckFairSolver()

  /// Forgets what an earlier graph left. O(tasks + resources).
  mutating func prepare(_ graph: borrowing TaskGraph, resourceCount: Int) {
    seenTask.fill(graph.taskCount, with: 0)
    seenResource.fill(resourceCount, with: 0)
    column.fill(resourceCount, with: 0)
    userLeft = nil
    round = 1
  }

  /// Collects the tasks connected to a changed resource through resources they share.
  ///
  /// Call it until it returns false: each call takes changed resources from `claims` until one has
  /// users that no earlier call of this instant has collected. A changed resource that is not shared
  /// connects nobody: its users are collected one call after another. O(demands of the component).
  mutating func collectComponent(_ claims: inout Claims, _ graph: borrowing TaskGraph) -> Bool {
    component.removeAll(keepingCapacity: true)
    componentResources.removeAll(keepingCapacity: true)
    while true {
      if let claim = userLeft {
        userLeft = claims.claim(after: claim)
        reachTask(Int(claims.owner[claim]), claims, graph)
      } else if let resource = claims.takeChange() {
        if !claims.isShared(resource) {
          userLeft = claims.firstClaim(on: resource)
        } else if !claims.isIdle(resource), seenResource[resource] != round {
          reach(resource)
        }
      } else {
        round += 1
        return false
      }
      if spread(claims, graph) { return true }
    }
  }

  /// Follows what was reached to everything connected with it; says whether that is any task.
  private mutating func spread(_ claims: borrowing Claims, _ graph: borrowing TaskGraph) -> Bool {
    var next = 0
    while next < componentResources.count {
      var claim = claims.firstClaim(on: componentResources[next])
      while let entry = claim {
        reachTask(Int(claims.owner[entry]), claims, graph)
        claim = claims.claim(after: entry)
      }
      next += 1
    }
    return !component.isEmpty
  }

  private mutating func reach(_ resource: Int) {
    seenResource[resource] = round
    column[resource] = Int32(componentResources.count)
    componentResources.append(resource)
  }

  private mutating func reachTask(
    _ task: Int, _ claims: borrowing Claims, _ graph: borrowing TaskGraph
  ) {
    guard seenTask[task] != round else { return }
    seenTask[task] = round
    component.append(task)
    for entry in graph.demands(of: task) {
      let resource = Int(graph.demandResource[entry])
      if claims.isShared(resource), seenResource[resource] != round { reach(resource) }
    }
  }

  /// Solves the rates of the component collected last; false where no fair ones were found.
  mutating func solve(
    _ graph: borrowing TaskGraph, _ claims: borrowing Claims, capacities: [Double]
  ) -> Bool {
    pose(graph, claims, capacities, capsAsResources: false)
    if problem.isUniform || component.count == 1 {
      problem.weighByAmount()
      maxMin.solve(problem, into: &rates)
      return true
    }
    if problem.hasCaps { pose(graph, claims, capacities, capsAsResources: true) }
    return bottleneckFair.solve(problem, into: &rates)
  }

  /// Writes the component as a problem of its shared resources.
  ///
  /// - Parameter capsAsResources: Whether a task that cannot take all that its resources have gets a
  ///   resource to itself, of which it demands 1 and which has its cap: the same limit, for a solver
  ///   that knows no caps.
  private mutating func pose(
    _ graph: borrowing TaskGraph, _ claims: borrowing Claims, _ capacities: [Double],
    capsAsResources: Bool
  ) {
    problem.removeAll()
    for resource in componentResources { problem.addResource(capacity: capacities[resource]) }
    for task in component {
      var cap = 1 / graph.shortest[task]
      var most = Double.infinity
      for entry in graph.demands(of: task) {
        let resource = Int(graph.demandResource[entry])
        let amount = graph.demandAmount[entry]
        if claims.isShared(resource) {
          problem.addDemand(amount, on: Int(column[resource]))
          most = min(most, capacities[resource] / amount)
        } else {
          cap = min(cap, capacities[resource] / amount)
        }
      }
      if capsAsResources {
        if cap < most { problem.addDemand(1, onNewResourceWithCapacity: cap) }
        problem.endTask()
      } else {
        problem.endTask(cap: cap)
      }
    }
  }
}
