import Units

/// Runs task graphs on resources that it shares fairly in time.
///
///     var engine = Engine<FourAryHeap>(resources: resources)
///     try engine.run(graph, observer: &recorder)      // from engine.now to the end of the last task
///
/// A task is released when all tasks it waits for are done, becomes active after its latency, and is
/// done when every demand is served. While tasks are active each has a rate, and the sharing is
/// bottleneck-max-fair (``BottleneckFairSolver``); for tasks that ask equal amounts of everything
/// they ask for, that is max-min (``MaxMinSolver``). Rates are solved anew only for the connected
/// component of tasks and resources that a change touches, once an instant; a task that has its
/// resources to itself costs O(its demands).
///
/// Time never goes back, and the same graphs give the same times on every run: events are ordered by
/// (time, priority class, sequence), and every sum is taken in the order of the graph.
public struct Engine<Queue: EventQueue & ~Copyable>: ~Copyable {
  public let resources: ResourceTable
  /// Where the last run ended, and the next one begins.
  public private(set) var now = SimTime.zero
  private var queue = Queue()
  private var tasks = TaskStates()
  private var claims: Claims
  private var sharing = Sharing()
  /// Demand served since ``resetTotals()``, in the resource's base unit.
  private var served: [Double]
  private var totalsSince = SimTime.zero

  public init(resources: ResourceTable) {
    self.resources = resources
    served = [Double](repeating: 0, count: resources.count)
    claims = Claims(resourceCount: resources.count)
  }

  /// Runs the graph to its end.
  ///
  /// - Returns: The time at which its last task was done; ``now`` for an empty graph.
  /// - Throws: ``EngineError`` where the graph cannot finish.
  @discardableResult
  public mutating func run<O: Observer>(
    _ graph: borrowing TaskGraph, observer: inout O
  ) throws(EngineError) -> SimTime {
    tasks.prepare(graph)
    claims.prepare(graph)
    queue.removeAll(keepingCapacity: true)
    var unfinished = graph.taskCount
    for task in 0..<graph.taskCount where tasks.waitsFor[task] == 0 {
      try release(task, graph, &observer)
    }
    while let event = queue.pop() {
      let task = Int(event.payload & 0xffff_ffff)
      if event.priority == .activation {
        now = event.time
        try activate(task, graph)
      } else if UInt32(event.payload >> 32) == tasks.generation[task] {
        now = event.time
        try finish(task, graph, &observer)
        unfinished -= 1
      }
      // Else it is an end that was scheduled before the task's rate changed: void, and no time
      // passes. It may still be the last event of its instant.
      if claims.hasChanges, queue.next?.time != now { try share(graph) }
    }
    guard unfinished == 0 else { throw stuck(graph) }
    try checkLaws()
    return now
  }

  private mutating func release<O: Observer>(
    _ task: Int, _ graph: borrowing TaskGraph, _ observer: inout O
  ) throws(EngineError) {
    tasks.releasedAt[task] = now
    observer.taskReleased(TaskID(index: task), graph.labels[task], at: now)
    let time = try end(of: graph.latencies[task], task, graph)
    queue.push(time, .activation, payload: UInt64(task))
  }

  /// The time at which a span that begins now ends.
  private borrowing func end(
    of span: SimTime, _ task: Int, _ graph: borrowing TaskGraph
  ) throws(EngineError) -> SimTime {
    let (sum, overflows) = now.picoseconds.addingReportingOverflow(span.picoseconds)
    guard !overflows, sum < SimTime.never.picoseconds else {
      throw .beyondTime(task: graph.labels[task])
    }
    return SimTime(picoseconds: sum)
  }

  /// The task claims its share of what it demands.
  private mutating func activate(_ task: Int, _ graph: borrowing TaskGraph) throws(EngineError) {
    var longest = 0.0
    var isAlone = true
    for entry in graph.demands(of: task) {
      let resource = Int(graph.demandResource[entry])
      let capacity = resources.capacities[resource]
      guard capacity > 0 else {
        throw .noCapacity(task: graph.labels[task], resource: resources.names[resource])
      }
      longest = max(longest, graph.demandAmount[entry] / capacity)
      if !claims.isIdle(resource) { isAlone = false }
      claims.link(entry, to: resource)
    }
    tasks.remaining[task] = 1
    tasks.updatedAt[task] = now
    if isAlone {
      tasks.rate[task] = 1 / longest
      try scheduleEnd(of: task, after: SimTime(roundingUp: longest), graph)
    } else {
      tasks.rate[task] = 0
      for entry in graph.demands(of: task) { claims.noteChange(Int(graph.demandResource[entry])) }
    }
  }

  private mutating func scheduleEnd(
    of task: Int, after span: SimTime, _ graph: borrowing TaskGraph
  ) throws(EngineError) {
    tasks.generation[task] &+= 1
    let payload = UInt64(tasks.generation[task]) << 32 | UInt64(task)
    queue.push(try end(of: span, task, graph), .completion, payload: payload)
  }

  /// The task gives its shares back and releases those that waited only for it.
  private mutating func finish<O: Observer>(
    _ task: Int, _ graph: borrowing TaskGraph, _ observer: inout O
  ) throws(EngineError) {
    tasks.generation[task] &+= 1
    for entry in graph.demands(of: task) {
      let resource = Int(graph.demandResource[entry])
      served[resource] += graph.demandAmount[entry]
      claims.unlink(entry, from: resource)
      if !claims.isIdle(resource) { claims.noteChange(resource) }
    }
    observer.taskFinished(
      TaskID(index: task), graph.labels[task], from: tasks.releasedAt[task], to: now,
      energy: Joules(graph.joules[task]))
    for index in tasks.successors(of: task) {
      let successor = Int(tasks.successor[index])
      tasks.waitsFor[successor] -= 1
      if tasks.waitsFor[successor] == 0 { try release(successor, graph, &observer) }
    }
  }

  /// Solves the rates of every component that changed at this instant.
  private mutating func share(_ graph: borrowing TaskGraph) throws(EngineError) {
    while sharing.collectComponent(&claims, graph) {
      guard sharing.solve(graph, resources) else {
        throw .unfairSharing(tasks: sharing.component.prefix(5).map { graph.labels[$0] })
      }
      for (index, task) in sharing.component.enumerated() {
        let rate = sharing.rates[index]
        guard rate != tasks.rate[task] else { continue }
        let elapsed = (now - tasks.updatedAt[task]).seconds
        let left = max(0, tasks.remaining[task] - tasks.rate[task] * elapsed)
        tasks.remaining[task] = left
        tasks.rate[task] = rate
        tasks.updatedAt[task] = now
        try scheduleEnd(of: task, after: SimTime(roundingUp: left / rate), graph)
      }
    }
  }

  private borrowing func stuck(_ graph: borrowing TaskGraph) -> EngineError {
    var waiting = 0
    var examples: [TaskLabel] = []
    for task in 0..<graph.taskCount where tasks.waitsFor[task] > 0 {
      waiting += 1
      if examples.count < 5 { examples.append(graph.labels[task]) }
    }
    return .neverReleased(waiting: waiting, examples: examples)
  }
}

extension Engine where Queue: ~Copyable {
  /// What a resource has served since ``resetTotals()``, as a share of what it could have: 0 to 1.
  public func utilisation(of resource: ResourceID) -> Double {
    let elapsed = (now - totalsSince).seconds
    guard elapsed > 0, resources.capacities[resource.position] > 0 else { return 0 }
    return served[resource.position] / (resources.capacities[resource.position] * elapsed)
  }

  /// What a resource has served since ``resetTotals()``, in its base unit.
  public func amountServed(by resource: ResourceID) -> Double { served[resource.position] }

  /// The same for every resource, in the order of the table.
  public var amountsServed: [Double] { served }

  /// Starts the totals anew, after a warm-up.
  public mutating func resetTotals() {
    reset(&served, resources.count, 0)
    totalsSince = now
  }

  /// No resource serves more than its capacity times the time that passed.
  private func checkLaws() throws(EngineError) {
    let elapsed = (now - totalsSince).seconds
    for resource in 0..<resources.count {
      let most = resources.capacities[resource] * elapsed
      guard served[resource] <= most * (1 + 1e-9) + 1e-300 else {
        throw .lawBroken(
          "'\(resources.names[resource])' served \(served[resource]) of at most \(most)")
      }
    }
  }
}
