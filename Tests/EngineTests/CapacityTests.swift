import Testing
import Units

@testable import Engine

/// Notes when every task was done.
private struct Ends: Observer {
  var at: [Int: SimTime] = [:]
  mutating func taskFinished(
    _ task: TaskID, _ label: TaskLabel, from start: SimTime, to end: SimTime, energy: Joules
  ) {
    at[task.position] = end
  }
}

private let anyLabel = TaskLabel(stage: 0, device: 0)

/// Flows of so many bytes, over all of some resources, after so many milliseconds.
private func flows(_ rows: [(bytes: Double, over: [ResourceID], after: Int)]) -> TaskGraph {
  var graph = TaskGraph()
  for row in rows {
    graph.addTask(anyLabel, latency: milliseconds(row.after))
    for resource in row.over { graph.demand(Bytes(row.bytes), of: resource) }
  }
  return graph
}

private func milliseconds(_ count: Int) -> SimTime { SimTime(microseconds: Int64(count) * 1000) }

// MARK: Capacity changes

@Test func aLoneFlowGoesOnAtHalfTheSpeedWhenItsLinkLosesHalf() throws {
  // 4 MB at 1 GB/s; from 1 ms on, 0.5 GB/s: 3 MB are left and take 6 ms.
  var resources = ResourceTable()
  let link = resources.add("link", capacity: Bandwidth(1e9))
  var engine = Engine<FourAryHeap>(resources: resources)
  engine.schedule([CapacityChange(at: milliseconds(1), resource: link, capacity: 0.5e9)])
  var ends = Ends()
  try engine.run(flows([(4e6, [link], 0)]), observer: &ends)
  #expect(ends.at[0] == milliseconds(7))
  // It could have served 1 MB + 3 MB and did.
  #expect(abs(engine.utilisation(of: link) - 1) < 1e-12)
  #expect(engine.amountsOffered == [4e6])
}

@Test func flowsThatShareAreSharedAnewWhenALinkChangesUpOrDown() throws {
  // Two flows on a link of 1 GB/s, 1 MB each; at 1 ms each has done 0.5 MB. From then on 2 GB/s:
  // 0.5 ms more. A third on another link does not notice.
  var resources = ResourceTable()
  let link = resources.add("link", capacity: Bandwidth(1e9))
  let other = resources.add("other", capacity: Bandwidth(1e9))
  var engine = Engine<FourAryHeap>(resources: resources)
  engine.schedule([
    CapacityChange(at: milliseconds(1), resource: link, capacity: Bandwidth(2e9))
  ])
  var ends = Ends()
  try engine.run(
    flows([(1e6, [link], 0), (1e6, [link], 0), (5e6, [other], 0)]), observer: &ends)
  #expect(ends.at[0] == SimTime(microseconds: 1500))
  #expect(ends.at[1] == SimTime(microseconds: 1500))
  #expect(ends.at[2] == milliseconds(5))
  #expect(engine.capacities == [2e9, 1e9])
}

@Test func changesOfOneInstantHappenInOrderAndTheLastOneHolds() throws {
  var resources = ResourceTable()
  let link = resources.add("link", capacity: Bandwidth(1e9))
  var engine = Engine<FourAryHeap>(resources: resources)
  // Scheduled out of order and in two calls. At 2 ms the capacity is zero for no time at all.
  engine.schedule([
    CapacityChange(at: milliseconds(2), resource: link, capacity: 0),
    CapacityChange(at: milliseconds(1), resource: link, capacity: 2e9),
  ])
  engine.schedule([CapacityChange(at: milliseconds(2), resource: link, capacity: 4e9)])
  var ends = Ends()
  try engine.run(flows([(7e6, [link], 0)]), observer: &ends)
  #expect(ends.at[0] == milliseconds(3))
}

@Test func aChangeThatNoRunReachesProlongsNoneAndWaitsForTheNext() throws {
  var resources = ResourceTable()
  let link = resources.add("link", capacity: Bandwidth(1e9))
  var engine = Engine<FourAryHeap>(resources: resources)
  engine.schedule([
    CapacityChange(at: milliseconds(3), resource: link, capacity: 2e9),
    CapacityChange(at: milliseconds(90), resource: link, capacity: 1),
  ])
  var ends = Ends()
  let graph = flows([(2e6, [link], 0)])
  #expect(try engine.run(graph, observer: &ends) == milliseconds(2))
  // 1 ms at 1 GB/s and 0.5 ms at twice that.
  #expect(try engine.run(graph, observer: &ends) == SimTime(microseconds: 3500))
  #expect(try engine.run(graph, observer: &ends) == SimTime(microseconds: 4500))
  #expect(engine.amountsOffered == [6e6])
}

@Test func aChangeForATimeThatIsPastHappensWhenTheNextRunBegins() throws {
  var resources = ResourceTable()
  let link = resources.add("link", capacity: Bandwidth(1e9))
  var engine = Engine<FourAryHeap>(resources: resources)
  var ends = Ends()
  let graph = flows([(2e6, [link], 0)])
  try engine.run(graph, observer: &ends)
  engine.schedule([CapacityChange(at: milliseconds(1), resource: link, capacity: 2e9)])
  #expect(try engine.run(graph, observer: &ends) == milliseconds(3))
}

@Test func aTaskThatEndsWhenItsLinkFailsHasEnded() throws {
  var resources = ResourceTable()
  let link = resources.add("link", capacity: Bandwidth(1e9))
  var engine = Engine<FourAryHeap>(resources: resources)
  engine.schedule([CapacityChange(at: milliseconds(2), resource: link, capacity: 0)])
  var ends = Ends()
  #expect(
    try engine.run(flows([(2e6, [link], 0), (9, [], 5)]), observer: &ends) == milliseconds(5))
}

private func sentenceOfRun(
  _ graph: borrowing TaskGraph, _ resources: ResourceTable, _ changes: [CapacityChange]
) -> String {
  var engine = Engine<FourAryHeap>(resources: resources)
  engine.schedule(changes)
  var ends = Ends()
  do {
    try engine.run(graph, observer: &ends)
    return "the run ended"
  } catch { return error.sentence }
}

@Test func aLinkThatFailsUnderATaskEndsTheRunWithBothNames() {
  var resources = ResourceTable()
  let link = resources.add("link 3", capacity: Bandwidth(1e9))
  let core = resources.add("core", capacity: Bandwidth(1e9), isShared: false)
  var graph = TaskGraph()
  for device in 0..<2 {
    graph.addTask(TaskLabel(stage: 4, layer: 1, device: device))
    graph.demand(Bytes(4e6), of: link)
    graph.demand(Bytes(4e6), of: core)
  }
  for (resource, name) in [(link, "link 3"), (core, "core")] {
    let change = CapacityChange(at: milliseconds(1), resource: resource, capacity: -5)
    let sentence = sentenceOfRun(graph, resources, [change])
    #expect(
      sentence
        == "the run is stuck: stage 4 of layer 1 on device 0 needs '\(name)', whose capacity is zero"
    )
  }
}

@Test func aTaskThatClaimsAFailedLinkEndsTheRunWithBothNames() {
  var resources = ResourceTable()
  let link = resources.add("link", capacity: Bandwidth(1e9))
  let sentence = sentenceOfRun(
    flows([(1e6, [link], 0), (1e6, [link], 5)]), resources,
    [CapacityChange(at: milliseconds(2), resource: link, capacity: .nan)])
  #expect(
    sentence
      == "the run is stuck: stage 0 on device 0 needs 'link', whose capacity is zero")
}

// MARK: Resources that are not shared, and tasks with a cap

@Test func aCoreThatDoesNotBlockLimitsEachFlowAndNobodyWaits() throws {
  // Each flow may take all of the core's 1 GB/s; ports of 4 GB/s do not limit.
  var resources = ResourceTable()
  let ports = (0..<3).map { resources.add("port \($0)", capacity: Bandwidth(4e9)) }
  let core = resources.add("core", capacity: Bandwidth(1e9), isShared: false)
  var engine = Engine<FourAryHeap>(resources: resources)
  var ends = Ends()
  // Flows 2 and 3 share port 2: 2 GB/s each would do, but the core gives flow 2 only 1.
  try engine.run(
    flows([
      (1e6, [ports[0], core], 0), (2e6, [ports[1], core], 0), (3e6, [ports[2], core], 0),
      (9e6, [ports[2]], 0),
    ]), observer: &ends)
  #expect(ends.at[0] == milliseconds(1))
  #expect(ends.at[1] == milliseconds(2))
  #expect(ends.at[2] == milliseconds(3))
  #expect(ends.at[3] == milliseconds(3))
  #expect(engine.amountServed(by: core) == 6e6)
  #expect(engine.utilisation(of: core) == 2)
}

@Test func aChangeOfACoreThatDoesNotBlockReachesEachOfItsUsers() throws {
  var resources = ResourceTable()
  let ports = (0..<3).map { resources.add("port \($0)", capacity: Bandwidth(4e9)) }
  let core = resources.add("core", capacity: Bandwidth(1e9), isShared: false)
  var engine = Engine<FourAryHeap>(resources: resources)
  engine.schedule([CapacityChange(at: milliseconds(1), resource: core, capacity: 2e9)])
  var ends = Ends()
  // The first ends as the core changes; the second and the two that share a port have 2 GB/s each.
  try engine.run(
    flows([
      (1e6, [core], 0), (3e6, [ports[1], core], 0), (5e6, [ports[2], core], 0),
      (7e6, [ports[2], core], 0),
    ]), observer: &ends)
  #expect(ends.at[0] == milliseconds(1))
  #expect(ends.at[1] == milliseconds(2))
  #expect(ends.at[2] == milliseconds(3))
  #expect(ends.at[3] == milliseconds(4))
}

@Test func aCapHoldsATaskBackAndTheOthersTakeTheRest() throws {
  // A link of 10 GB/s; the first flow is driven at 1 GB/s at most, the others get 4.5 each.
  var resources = ResourceTable()
  let link = resources.add("link", capacity: Bandwidth(10e9))
  var graph = TaskGraph()
  for megabytes in [2.0, 4.5, 9] {
    graph.addTask(anyLabel)
    graph.demand(Bytes(megabytes * 1e6), of: link)
    if megabytes == 2 { graph.takeAtLeast(Bytes(2e6) / Bandwidth(1e9)) }
  }
  var engine = Engine<FourAryHeap>(resources: resources)
  var ends = Ends()
  try engine.run(graph, observer: &ends)
  #expect(ends.at[0] == milliseconds(2))
  #expect(ends.at[1] == milliseconds(1))
  // At 1 ms it has 4.5 MB left and 9 GB/s.
  #expect(ends.at[2] == SimTime(microseconds: 1500))
  let alone = graph.timeAlone(TaskID(index: 0), on: resources)
  #expect(alone == milliseconds(2))
}

@Test func aTaskThatDemandsNothingTakesWhatItTakesAtLeast() throws {
  var graph = TaskGraph()
  graph.takeAtLeast(Seconds(1))  // of no task: no effect
  graph.addTask(anyLabel, latency: milliseconds(1))
  graph.takeAtLeast(Seconds(3e-3))
  graph.takeAtLeast(Seconds(2e-3))
  graph.addTask(anyLabel)
  var engine = Engine<FourAryHeap>(resources: ResourceTable())
  var ends = Ends()
  try engine.run(graph, observer: &ends)
  #expect(ends.at[0] == milliseconds(4))
  #expect(ends.at[1] == .zero)
}

@Test func aCapAmongUnequalDemandsIsABottleneckLikeAnother() throws {
  // Capacities 1 and 1, demands (1, 1/4) and (1/4, 1): 0.8 each, alone. With the first held to 0.4
  // the second takes 1 - 0.1 = 0.9 of the second resource.
  var resources = ResourceTable()
  let a = resources.add("a", capacity: Bandwidth(1))
  let b = resources.add("b", capacity: Bandwidth(1))
  var graph = TaskGraph()
  for (first, second, cap) in [(1, 0.25, 0.4), (0.25, 1, 5)] {
    graph.addTask(anyLabel)
    graph.demand(Bytes(first), of: a)
    graph.demand(Bytes(second), of: b)
    graph.takeAtLeast(Seconds(1 / cap))
  }
  var engine = Engine<FourAryHeap>(resources: resources)
  var ends = Ends()
  try engine.run(graph, observer: &ends)
  #expect(abs((ends.at[1]?.seconds ?? 0) - 1 / 0.9) < 1e-9)
  #expect(ends.at[0] == SimTime(roundingUp: 2.5))
}

// MARK: Totals

@Test func busyAndClaimSecondsCountUsersAndTheTimeTheyWait() throws {
  // 1 GB/s; 1 MB and 3 MB from 0: done at 2 and 4 ms; another 1 MB from 6 to 7 ms.
  var resources = ResourceTable()
  let link = resources.add("link", capacity: Bandwidth(1e9))
  let idle = resources.add("idle", capacity: Bandwidth(1e9))
  var engine = Engine<FourAryHeap>(resources: resources)
  var ends = Ends()
  let graph = flows([(1e6, [link], 0), (3e6, [link], 0), (1e6, [link], 6)])
  try engine.run(graph, observer: &ends)
  #expect(abs(engine.busySeconds[0] - 5e-3) < 1e-15)
  #expect(abs(engine.claimSeconds[0] - 7e-3) < 1e-15)
  #expect(engine.busySeconds[idle.position] == 0)
  #expect(engine.amountsServed == [5e6, 0])
  engine.resetTotals()
  #expect(engine.busySeconds == [0, 0])
  #expect(engine.claimSeconds == [0, 0])
  try engine.run(graph, observer: &ends)
  #expect(abs(engine.busySeconds[0] - 5e-3) < 1e-15)
}

// MARK: Laws

/// Random flows over random links that appear, change, end and split their components; half of them
/// wait for another.
private struct RandomFlows: ~Copyable {
  var resources = ResourceTable()
  var links: [ResourceID] = []
  var graph = TaskGraph()
  var changes: [CapacityChange] = []

  init(seed: UInt64) {
    var random = Xorshift(seed: seed)
    for link in 0..<12 {
      links.append(
        resources.add(
          "link \(link)", capacity: Bandwidth(1e9 * (0.5 + random.unit())),
          isShared: link % 6 != 5))
    }
    for flow in 0..<120 {
      let latency = SimTime(nanoseconds: random.below(40) * 25_000)
      let task = graph.addTask(anyLabel, latency: latency)
      let bytes = 1e4 + 1e6 * random.unit()
      for link in links where random.below(6) == 0 { graph.demand(Bytes(bytes), of: link) }
      if random.below(4) == 0 { graph.takeAtLeast(Bytes(bytes) / Bandwidth(3e8)) }
      if flow > 0, random.below(2) == 0 {
        graph.add(task, after: TaskID(index: Int(random.below(Int64(flow)))))
      }
    }
    for _ in 0..<40 {
      changes.append(
        CapacityChange(
          at: SimTime(nanoseconds: random.below(30) * 400_000),
          resource: links[Int(random.below(12))], capacity: 1e8 + 1.5e9 * random.unit()))
    }
  }
}

@Test func changingCapacitiesAlwaysServeAllAndNeverMoreThanTheyAre() throws {
  // The run checks on its own that nothing serves more than the integral of its capacity.
  for seed in 1...12 as ClosedRange<UInt64> {
    let scene = RandomFlows(seed: seed)
    var heap = Engine<FourAryHeap>(resources: scene.resources)
    var ladder = Engine<LadderQueue>(resources: scene.resources)
    heap.schedule(scene.changes)
    ladder.schedule(scene.changes.shuffled(by: seed))
    var ends = Ends()
    var others = Ends()
    let end = try heap.run(scene.graph, observer: &ends)
    _ = try ladder.run(scene.graph, observer: &others)
    #expect(ends.at.count == 120)
    let served = heap.amountsServed
    let claimed = heap.claimSeconds
    let busy = heap.busySeconds
    for (resource, demand) in scene.graph.totalDemands(on: scene.resources).enumerated() {
      #expect(abs(served[resource] - demand) <= 1e-9 * demand)
      #expect(claimed[resource] >= busy[resource])
      #expect(busy[resource] <= end.seconds * (1 + 1e-12))
    }
    #expect(ends.at.values.max() == end)
  }
}

@Test func theTimesAreThoseOfAPlainSimulationThatSolvesEverythingAtEveryInstant() throws {
  for seed in 1...10 as ClosedRange<UInt64> {
    let scene = RandomFlows(seed: 100 + seed)
    var engine = Engine<FourAryHeap>(resources: scene.resources)
    engine.schedule(scene.changes)
    var ends = Ends()
    try engine.run(scene.graph, observer: &ends)
    let expected = plainEnds(of: scene.graph, on: scene.resources, scene.changes)
    for (task, end) in expected.enumerated() {
      // Each of the engine's ends is rounded up to a picosecond, and chains add that up.
      #expect(abs((ends.at[task]?.seconds ?? 0) - end) <= 1e-9, "task \(task) of \(seed)")
    }
  }
}

extension [CapacityChange] {
  /// Another order, but the same among those of one resource and instant.
  fileprivate func shuffled(by seed: UInt64) -> [CapacityChange] {
    sorted { ($0.resource.position ^ Int(seed % 12)) < ($1.resource.position ^ Int(seed % 12)) }
  }
}

/// Ends of all tasks in seconds, by stepping from one instant to the next in real time and solving
/// the whole problem with the plain solver at each.
private func plainEnds(
  of graph: borrowing TaskGraph, on resources: ResourceTable, _ changes: [CapacityChange]
) -> [Double] {
  let count = graph.taskCount
  var capacities = resources.capacities
  let schedule = changes.enumerated().sorted {
    ($0.element.time, $0.offset) < ($1.element.time, $1.offset)
  }.map(\.element)
  var nextChange = 0
  var now = 0.0
  var ends = [Double](repeating: .infinity, count: count)
  var left = [Double](repeating: 1, count: count)
  func startOf(_ task: Int, _ ends: [Double]) -> Double {
    var ready = 0.0
    for edge in graph.edgeTo.indices where Int(graph.edgeTo[edge]) == task {
      ready = max(ready, ends[Int(graph.edgeFrom[edge])])
    }
    return ready + graph.latencies[task].seconds
  }
  while ends.contains(.infinity) {
    while nextChange < schedule.count, schedule[nextChange].time.seconds <= now {
      capacities[schedule[nextChange].resource.position] = schedule[nextChange].capacity
      nextChange += 1
    }
    let active = (0..<count).filter { ends[$0] == .infinity && startOf($0, ends) <= now }
    var problem = SharingProblem()
    for resource in 0..<resources.count { problem.addResource(capacity: capacities[resource]) }
    for task in active {
      var cap = 1 / graph.shortest[task]
      var weight = 1.0
      for entry in graph.demands(of: task) {
        let resource = Int(graph.demandResource[entry])
        let amount = graph.demandAmount[entry]
        if resources.isShared[resource] {
          problem.addDemand(amount, on: resource)
          weight = 1 / amount
        } else {
          cap = min(cap, capacities[resource] / amount)
        }
      }
      problem.endTask(weight: weight, cap: cap)
    }
    var solver = PlainMaxMin()
    var rates: [Double] = []
    solver.solve(problem, into: &rates)
    var step = nextChange < schedule.count ? schedule[nextChange].time.seconds - now : .infinity
    for (index, task) in active.enumerated() { step = min(step, left[task] / rates[index]) }
    for task in 0..<count where ends[task] == .infinity && startOf(task, ends) > now {
      step = min(step, startOf(task, ends) - now)
    }
    now += step
    for (index, task) in active.enumerated() {
      left[task] = rates[index] == .infinity ? 0 : left[task] - rates[index] * step
      if left[task] <= 1e-12 { ends[task] = now }
    }
  }
  return ends
}
