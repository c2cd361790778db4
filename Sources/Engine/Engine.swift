import Units

/// Runs task graphs on resources that it shares fairly in time.
///
///     var engine = Engine<FourAryHeap>(resources: resources)
///     try engine.run(graph, observer: &recorder)      // from engine.now to the end of the last task
///
/// A task is released when all tasks it waits for are done and it has its turn, where it takes turns
/// (``TaskGraph/takeTurn(at:precedence:)``), becomes active after its latency, and is done when every
/// demand is served. While tasks are active each has a rate, and the sharing is
/// bottleneck-max-fair (``BottleneckFairSolver``); for tasks that ask equal amounts of everything
/// they ask for, that is max-min (``MaxMinSolver``). Rates are solved anew only for the connected
/// component of tasks and resources that a change touches, once an instant; a task that has its
/// resources to itself costs O(its demands). Resources that are not shared connect nobody.
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
  private var turns = Turns()
  private var sharing = Sharing()
  private var capacitySchedule = CapacitySchedule()
  /// What each resource gives per second now, in its base unit; starts as the table says.
  public private(set) var capacities: [Double]
  /// Resources whose capacity became zero at this instant while somebody used them.
  private var lostCapacities: [Int] = []
  private var totals: ResourceTotals

  public init(resources: ResourceTable) {
    self.resources = resources
    capacities = resources.capacities
    totals = ResourceTotals(resourceCount: resources.count)
    claims = Claims(resources)
  }

  /// Gives resources other capacities at given times, whatever runs then.
  ///
  /// Changes that a run does not reach wait for the next one, and prolong none; one for a time that
  /// is past happens when the next run begins. Who uses the resource at that moment gets another
  /// rate from then on; where the capacity becomes zero, the run ends with an error. Changes of one
  /// instant happen in the order in which they were scheduled, before anything else of that instant.
  /// O(changes x log changes).
  public mutating func schedule(_ changes: [CapacityChange]) {
    capacitySchedule.add(changes)
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
    turns.prepare(graph, resourceCount: resources.count)
    sharing.prepare(graph, resourceCount: resources.count)
    queue.removeAll(keepingCapacity: true)
    lostCapacities.removeAll()
    var unfinished = graph.taskCount
    changeCapacities(graph)
    for task in 0..<graph.taskCount where tasks[task].waitsFor == 0 {
      try admit(task, graph, &observer)
    }
    while unfinished > 0, let event = queue.pop() {
      let task = Int(event.payload & 0xffff_ffff)
      if event.priority == .capacityChange {
        now = event.time
        changeCapacities(graph)
      } else if event.priority == .activation {
        now = event.time
        try activate(task, graph)
      } else if UInt32(event.payload >> 32) == tasks[task].generation {
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

  /// The task waits for no other task; it may have to wait for its turn.
  private mutating func admit<O: Observer>(
    _ task: Int, _ graph: borrowing TaskGraph, _ observer: inout O
  ) throws(EngineError) {
    if let turn = graph.turn(of: task),
      !turns.take(task, at: turn.resource, precedence: turn.precedence)
    {
      return
    }
    try release(task, graph, &observer)
  }

  private mutating func release<O: Observer>(
    _ task: Int, _ graph: borrowing TaskGraph, _ observer: inout O
  ) throws(EngineError) {
    tasks[task].releasedAt = now
    let latency = graph.latencies[task]
    observer.taskReleased(TaskID(index: task), graph.labels[task], at: now, latency: latency)
    let time = try end(of: latency, task, graph)
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

  /// Takes the changes that are due, and makes an event of the one after them.
  private mutating func changeCapacities(_ graph: borrowing TaskGraph) {
    while let change = capacitySchedule.take(dueBy: now) {
      let resource = change.resource.position
      totals.endCapacity(capacities[resource], of: resource, at: now)
      capacities[resource] = change.capacity > 0 ? change.capacity : 0
      if claims.isIdle(resource) { continue }
      claims.noteChange(resource)
      if capacities[resource] == 0 { lostCapacities.append(resource) }
    }
    if let next = capacitySchedule.nextTime { queue.push(next, .capacityChange, payload: 0) }
  }

  /// The task claims its share of what it demands.
  private mutating func activate(_ task: Int, _ graph: borrowing TaskGraph) throws(EngineError) {
    var longest = graph.shortest[task]
    var isAlone = true
    for entry in graph.demands(of: task) {
      let resource = Int(graph.demandResource[entry])
      let capacity = capacities[resource]
      guard capacity > 0 else {
        throw .noCapacity(task: graph.labels[task], resource: resources.names[resource])
      }
      longest = max(longest, graph.demandAmount[entry] / capacity)
      if claims.isIdle(resource) {
        totals.beginUse(of: resource, at: now)
      } else if claims.isShared(resource) {
        isAlone = false
      }
      claims.link(entry, to: resource)
    }
    tasks[task].activeAt = now
    tasks[task].updatedAt = now
    if isAlone {
      try setRate(1 / longest, of: task, untilDone: longest, graph)
      scheduleEnd(of: task)
    } else {
      tasks[task].rate = 0
      for entry in graph.demands(of: task) {
        let resource = Int(graph.demandResource[entry])
        if claims.isShared(resource) { claims.noteChange(resource) }
      }
    }
  }

  private mutating func setRate(
    _ rate: Double, of task: Int, untilDone seconds: Double, _ graph: borrowing TaskGraph
  ) throws(EngineError) {
    tasks[task].rate = rate
    tasks[task].generation &+= 1
    tasks[task].endsAt = try end(of: SimTime(roundingUp: seconds), task, graph)
  }

  private mutating func scheduleEnd(of task: Int) {
    let generation = tasks[task].generation
    tasks[task].scheduledGeneration = generation
    queue.push(
      tasks[task].endsAt, .completion, payload: UInt64(generation) << 32 | UInt64(task))
  }

  /// The task gives its shares back and releases those that waited only for it.
  private mutating func finish<O: Observer>(
    _ task: Int, _ graph: borrowing TaskGraph, _ observer: inout O
  ) throws(EngineError) {
    tasks[task].generation &+= 1
    let span = now - tasks[task].activeAt
    for entry in graph.demands(of: task) {
      let resource = Int(graph.demandResource[entry])
      totals.add(graph.demandAmount[entry], after: span, to: resource)
      claims.unlink(entry, from: resource)
      if claims.isIdle(resource) {
        totals.endUse(of: resource, at: now)
      } else if claims.isShared(resource) {
        claims.noteChange(resource)
      }
    }
    observer.taskFinished(
      TaskID(index: task), graph.labels[task], from: tasks[task].releasedAt, to: now,
      energy: Joules(graph.joules[task]))
    for index in tasks.successors(of: task) {
      let successor = Int(tasks.successor[index])
      tasks[successor].waitsFor -= 1
      if tasks[successor].waitsFor == 0 { try admit(successor, graph, &observer) }
    }
    // Those that this one held up wait for their turn now, too, and may go before others.
    if let turn = graph.turn(of: task), let next = turns.give(at: turn.resource) {
      try release(next, graph, &observer)
    }
  }

  /// Solves the rates of every component that changed at this instant.
  ///
  /// Of a component's ends only the earliest are made events. The others cannot be missed: whatever
  /// is connected with the task that ends first gets new rates when it ends, and until then the
  /// component only changes together with all its rates.
  private mutating func share(_ graph: borrowing TaskGraph) throws(EngineError) {
    try checkLostCapacities(graph)
    while sharing.collectComponent(&claims, graph) {
      guard sharing.solve(graph, claims, capacities: capacities) else {
        throw .unfairSharing(tasks: sharing.component.prefix(5).map { graph.labels[$0] })
      }
      var earliest = SimTime.never
      for (index, task) in sharing.component.enumerated() {
        let rate = sharing.rates[index]
        if rate != tasks[task].rate {
          let elapsed = (now - tasks[task].updatedAt).seconds
          let left = max(0, tasks[task].remaining - tasks[task].rate * elapsed)
          tasks[task].remaining = left
          tasks[task].updatedAt = now
          try setRate(rate, of: task, untilDone: left / rate, graph)
        }
        earliest = min(earliest, tasks[task].endsAt)
      }
      for task in sharing.component where tasks[task].endsAt == earliest {
        if tasks[task].scheduledGeneration != tasks[task].generation { scheduleEnd(of: task) }
      }
    }
  }

  /// Ends the run where a capacity became zero that somebody still needs when this instant is over.
  private mutating func checkLostCapacities(_ graph: borrowing TaskGraph) throws(EngineError) {
    while let resource = lostCapacities.popLast() {
      guard capacities[resource] == 0, var claim = claims.firstClaim(on: resource) else { continue }
      var task = claims.owner[claim]
      while let next = claims.claim(after: claim) {
        claim = next
        task = min(task, claims.owner[claim])
      }
      throw .noCapacity(task: graph.labels[Int(task)], resource: resources.names[resource])
    }
  }

  private borrowing func stuck(_ graph: borrowing TaskGraph) -> EngineError {
    var waiting = 0
    var examples: [TaskLabel] = []
    for task in 0..<graph.taskCount where tasks[task].waitsFor > 0 {
      waiting += 1
      if examples.count < 5 { examples.append(graph.labels[task]) }
    }
    return .neverReleased(waiting: waiting, examples: examples)
  }
}

extension Engine where Queue: ~Copyable {
  /// What a resource has served since ``resetTotals()``, as a share of what it could have: 0 to 1.
  /// One that is not shared gives all it has to each of its users, and may exceed 1.
  public func utilisation(of resource: ResourceID) -> Double {
    let most = amountOffered(by: resource.position)
    return most > 0 ? totals.amountServed(by: resource.position) / most : 0
  }

  /// What a resource has served since ``resetTotals()``, in its base unit.
  public func amountServed(by resource: ResourceID) -> Double {
    totals.amountServed(by: resource.position)
  }

  /// The same for every resource, in the order of the table. O(resources), as are the others below.
  public var amountsServed: [Double] { totals.amountsServed }

  /// What each resource could have served since ``resetTotals()``: the integral of its capacity over
  /// time, in its base unit.
  public var amountsOffered: [Double] { capacities.indices.map { amountOffered(by: $0) } }

  /// Seconds since ``resetTotals()`` in which each resource had a user. Complete between runs.
  public var busySeconds: [Double] { totals.busySeconds }

  /// The seconds that tasks held a claim on each resource since ``resetTotals()``, summed over tasks:
  /// busy seconds times the mean number of users. A task that has it to itself claims it for
  /// served / capacity; what is above that was spent waiting for others, or on the task's other
  /// resources. Complete between runs.
  public var claimSeconds: [Double] { totals.claimSeconds }

  /// Starts the totals anew, after a warm-up.
  public mutating func resetTotals() { totals.reset(at: now) }

  private func amountOffered(by resource: Int) -> Double {
    totals.amountOffered(by: resource, at: now, capacity: capacities[resource])
  }

  /// No resource that is shared serves more than its capacity times the time that passed.
  private func checkLaws() throws(EngineError) {
    for resource in 0..<resources.count where claims.isShared(resource) {
      let most = amountOffered(by: resource)
      let served = totals.amountServed(by: resource)
      guard served <= most * (1 + 1e-9) + 1e-300 else {
        throw .lawBroken(
          "'\(resources.names[resource])' served \(served) of at most \(most)")
      }
    }
  }
}
