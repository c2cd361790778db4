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
  private var problem = SharingProblem()
  private var maxMin = MaxMinSolver()
  private var bottleneckFair = BottleneckFairSolver()

  /// Collects the tasks connected to a changed resource through resources they share.
  ///
  /// Call it until it returns false: each call takes changed resources from `claims` until one has
  /// users that no earlier call of this instant has collected. O(demands of the component).
  mutating func collectComponent(_ claims: inout Claims, _ graph: borrowing TaskGraph) -> Bool {
    beginRoundIfNeeded(graph, resourceCount: claims.resourceCount)
    component.removeAll(keepingCapacity: true)
    componentResources.removeAll(keepingCapacity: true)
    while let resource = claims.takeChange() {
      guard !claims.isIdle(resource), seenResource[resource] != round else { continue }
      reach(resource)
      var next = 0
      while next < componentResources.count {
        var claim = claims.firstClaim(on: componentResources[next])
        while let entry = claim {
          reachTask(Int(claims.owner[entry]), graph)
          claim = claims.claim(after: entry)
        }
        next += 1
      }
      return true
    }
    round += 1
    return false
  }

  private mutating func beginRoundIfNeeded(_ graph: borrowing TaskGraph, resourceCount: Int) {
    guard seenTask.count < graph.taskCount || seenResource.count != resourceCount else { return }
    seenTask.fill(graph.taskCount, with: 0)
    seenResource.fill(resourceCount, with: 0)
    column.fill(resourceCount, with: 0)
    round = 1
  }

  private mutating func reach(_ resource: Int) {
    seenResource[resource] = round
    column[resource] = Int32(componentResources.count)
    componentResources.append(resource)
  }

  private mutating func reachTask(_ task: Int, _ graph: borrowing TaskGraph) {
    guard seenTask[task] != round else { return }
    seenTask[task] = round
    component.append(task)
    for entry in graph.demands(of: task) {
      let resource = Int(graph.demandResource[entry])
      if seenResource[resource] != round { reach(resource) }
    }
  }

  /// Solves the rates of the component collected last; false where no fair ones were found.
  mutating func solve(_ graph: borrowing TaskGraph, _ resources: ResourceTable) -> Bool {
    problem.removeAll()
    for resource in componentResources {
      problem.addResource(capacity: resources.capacities[resource])
    }
    for task in component {
      for entry in graph.demands(of: task) {
        problem.addDemand(
          graph.demandAmount[entry], on: Int(column[Int(graph.demandResource[entry])]))
      }
      problem.endTask()
    }
    if problem.isUniform || component.count == 1 {
      problem.weighByAmount()
      maxMin.solve(problem, into: &rates)
      return true
    }
    return bottleneckFair.solve(problem, into: &rates)
  }
}
