import Testing
import Units

@testable import Engine

/// Notes when every task was released and done.
private struct Log: Observer {
  var start: [Int: SimTime] = [:]
  var end: [Int: SimTime] = [:]
  var order: [Int] = []
  mutating func taskFinished(
    _ task: TaskID, _ label: TaskLabel, from start: SimTime, to end: SimTime, energy: Joules
  ) {
    self.start[task.position] = start
    self.end[task.position] = end
    order.append(task.position)
  }
}

private let anyLabel = TaskLabel(stage: 0, device: 0)

private func run(
  _ graph: borrowing TaskGraph, on resources: ResourceTable
) throws -> Log {
  var engine = Engine<FourAryHeap>(resources: resources)
  var log = Log()
  try engine.run(graph, observer: &log)
  return log
}

@Test func aLoneKernelTakesItsRooflineToThePicosecond() throws {
  // 3 us + max(8e9 FLOP / 989e12 FLOP/s = 8.08897876 us, 100 MB / 3.35 TB/s = 29.85074627 us),
  // rounded up to a picosecond: 3_000_000 + 29_850_747 ps.
  var resources = ResourceTable()
  let tensor = resources.add("tensor", capacity: ComputeRate(989e12))
  let memory = resources.add("memory", capacity: Bandwidth(3.35e12))
  var graph = TaskGraph()
  graph.addTask(anyLabel, latency: SimTime(microseconds: 3))
  graph.demand(FLOPs(8e9), of: tensor)
  graph.demand(Bytes(100e6), of: memory)
  let log = try run(graph, on: resources)
  #expect(log.end[0] == SimTime(picoseconds: 32_850_747))
  let alone = graph.timeAlone(TaskID(index: 0), on: resources)
  #expect(alone == log.end[0])
}

@Test func twoFlowsOnOneLinkTakeHalfEachAndTheLongerThenAllOfIt() throws {
  // 1 GB/s; 1 MB and 3 MB. Both at 0.5 GB/s until the short one ends at 2 ms with 2 MB left of the
  // long one, which takes 2 ms more.
  var resources = ResourceTable()
  let link = resources.add("link", capacity: Bandwidth(1e9))
  var graph = TaskGraph()
  for megabytes in [1.0, 3.0] {
    graph.addTask(anyLabel)
    graph.demand(Bytes(megabytes * 1e6), of: link)
  }
  let log = try run(graph, on: resources)
  #expect(log.end[0] == SimTime(microseconds: 2000))
  #expect(log.end[1] == SimTime(microseconds: 4000))
}

@Test func aLateTaskSlowsOnlyWhatItSharesWith() throws {
  // Link A: 2 MB from 0 and 1 MB from 1 ms, at 1 GB/s: alone 1 ms, shared 2 ms, so both end at
  // 3 ms. Link B: 2 MB alone, 2 ms.
  var resources = ResourceTable()
  let a = resources.add("a", capacity: Bandwidth(1e9))
  let b = resources.add("b", capacity: Bandwidth(1e9))
  var graph = TaskGraph()
  graph.addTask(anyLabel)
  graph.demand(Bytes(2e6), of: a)
  graph.addTask(anyLabel, latency: SimTime(microseconds: 1000))
  graph.demand(Bytes(1e6), of: a)
  graph.addTask(anyLabel)
  graph.demand(Bytes(2e6), of: b)
  let log = try run(graph, on: resources)
  #expect(log.end[0] == SimTime(microseconds: 3000))
  #expect(log.end[1] == SimTime(microseconds: 3000))
  #expect(log.end[2] == SimTime(microseconds: 2000))
}

@Test func tasksThatWaitForEachOtherEndTheRunWithTheirNames() throws {
  var graph = TaskGraph()
  let first = graph.addTask(TaskLabel(stage: 1, layer: 3, device: 0))
  let second = graph.addTask(TaskLabel(stage: 2, layer: 3, device: 1))
  graph.add(first, after: second)
  graph.add(second, after: first)
  let sentence =
    "the run is stuck: 2 tasks wait for each other or for a task that never ends: "
    + "gate of layer 3 on device 0, experts of layer 3 on device 1"
  do {
    _ = try run(graph, on: ResourceTable())
    Issue.record("the run ended")
  } catch let error as EngineError {
    #expect(error.sentence { ["attention", "gate", "experts"][Int($0)] } == sentence)
  }
}

@Test func aResourceWithoutCapacityEndsTheRunWithItsName() throws {
  var resources = ResourceTable()
  let link = resources.add("link 3", capacity: Bandwidth(0.0))
  var graph = TaskGraph()
  graph.addTask(TaskLabel(stage: 0, layer: 1, device: 2))
  graph.demand(Bytes(1), of: link)
  do {
    _ = try run(graph, on: resources)
    Issue.record("the run ended")
  } catch let error as EngineError {
    #expect(
      error.sentence
        == "the run is stuck: stage 0 of layer 1 on device 2 needs 'link 3', whose capacity is zero"
    )
  }
}

@Test func tasksOfOneInstantFinishInTheOrderOfTheGraph() throws {
  var graph = TaskGraph()
  for _ in 0..<50 { graph.addTask(anyLabel, latency: SimTime(microseconds: 1)) }
  let log = try run(graph, on: ResourceTable())
  #expect(log.order == Array(0..<50))
}

@Test func aVoidEndDoesNotPutOffSharing() throws {
  // A and B serve 1 a second. On B: D (0.5) and E (1) share from 0, so D ends at 1 s with 0.5 of E
  // left, which has B to itself from then on: E ends at 1.5 s. On A: X (0.9, from 0.1 s) was to end
  // at 1 s until Y came at 0.5 s; that void end falls on the instant at which D ends.
  var resources = ResourceTable()
  let a = resources.add("a", capacity: Bandwidth(1))
  let b = resources.add("b", capacity: Bandwidth(1))
  var graph = TaskGraph()
  for (amount, resource, milliseconds) in [(0.5, b, 0), (1, b, 0), (0.9, a, 100), (1, a, 500)] {
    graph.addTask(anyLabel, latency: SimTime(microseconds: Int64(milliseconds) * 1000))
    graph.demand(Bytes(amount), of: resource)
  }
  let log = try run(graph, on: resources)
  #expect(log.end[0] == SimTime(roundingUp: 1.0))
  #expect(log.end[1] == SimTime(roundingUp: 1.5))
}

@Test func aTaskThatWouldOutliveSimulatedTimeEndsTheRunWithItsName() throws {
  var resources = ResourceTable()
  let link = resources.add("link", capacity: Bandwidth(1))
  var graph = TaskGraph()
  graph.addTask(TaskLabel(stage: 0, layer: 2, device: 1))
  graph.demand(Bytes(1e12), of: link)
  do {
    _ = try run(graph, on: resources)
    Issue.record("the run ended")
  } catch let error as EngineError {
    #expect(
      error.sentence
        == "stage 0 of layer 2 on device 1 would end more than 106 days into the run; is a "
        + "capacity too small?")
  }
}

// MARK: Laws, on random graphs

/// A graph of layers of tasks with random demands, each waiting for some of the layer before.
private struct RandomScene {
  var state: UInt64
  var resources = ResourceTable()
  var ids: [ResourceID] = []
  var latencies: [SimTime] = []
  var demands: [[(Int, Double)]] = []
  var edges: [(Int, Int)] = []

  init(seed: UInt64) {
    state = seed &* 2_862_933_555_777_941_757 &+ 3_037_000_493
    for i in 0..<6 {
      ids.append(resources.add("r\(i)", capacity: Bandwidth(1e9 * (1 + 9 * random()))))
    }
    for layer in 0..<8 {
      for index in 0..<5 {
        latencies.append(SimTime(nanoseconds: Int64(random() * 100) * 64))
        var row: [(Int, Double)] = []
        for resource in 0..<6 where random() < 0.4 { row.append((resource, 1e3 + 1e6 * random())) }
        demands.append(row)
        for before in 0..<5 where layer > 0 && random() < 0.5 {
          edges.append(((layer - 1) * 5 + before, layer * 5 + index))
        }
      }
    }
  }

  mutating func random() -> Double {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Double(state >> 11) * 0x1p-53
  }

  func graph(latencyDivisor: Int64 = 1) -> TaskGraph {
    var graph = TaskGraph()
    for (task, row) in demands.enumerated() {
      graph.addTask(
        anyLabel, latency: SimTime(picoseconds: latencies[task].picoseconds / latencyDivisor))
      for (resource, amount) in row { graph.demand(Bytes(amount), of: ids[resource]) }
    }
    for (from, to) in edges { graph.add(TaskID(index: to), after: TaskID(index: from)) }
    return graph
  }
}

@Test func noTaskBeatsItsRooflineAndNoIterationItsBusiestResource() throws {
  for seed in 0..<40 {
    let scene = RandomScene(seed: UInt64(seed))
    let graph = scene.graph()
    var engine = Engine<FourAryHeap>(resources: scene.resources)
    var log = Log()
    let end = try engine.run(graph, observer: &log)
    for task in 0..<graph.taskCount {
      guard let start = log.start[task], let finish = log.end[task] else {
        Issue.record("task \(task) never finished")
        continue
      }
      let alone = graph.timeAlone(TaskID(index: task), on: scene.resources)
      // A picosecond of rounding for each change of rate.
      #expect((finish - start).picoseconds >= alone.picoseconds - 100)
    }
    for (resource, demand) in graph.totalDemands(on: scene.resources).enumerated() {
      #expect(end.seconds >= demand / scene.resources.capacities[resource] * (1 - 1e-9))
      #expect(abs(engine.amountServed(by: scene.ids[resource]) - demand) <= 1e-9 * demand)
    }
  }
}

@Test func scalingEveryCapacityByFourAndLatencyByAQuarterScalesEveryTimeByAQuarter() throws {
  for seed in 0..<40 {
    let scene = RandomScene(seed: UInt64(1000 + seed))
    let slow = try run(scene.graph(), on: scene.resources)
    let fast = try run(scene.graph(latencyDivisor: 4), on: scene.resources.scaled(by: 4))
    for (task, end) in slow.end {
      let quarter = fast.end[task].map { $0.picoseconds * 4 } ?? 0
      // Every completion is rounded up to a picosecond, and a chain of 40 tasks adds them up.
      #expect(abs(quarter - end.picoseconds) <= 400)
    }
  }
}

@Test func bothQueuesGiveTheSameTimes() throws {
  for seed in 0..<20 {
    let scene = RandomScene(seed: UInt64(2000 + seed))
    var heap = Engine<FourAryHeap>(resources: scene.resources)
    var ladder = Engine<LadderQueue>(resources: scene.resources)
    var first = Log()
    var second = Log()
    try heap.run(scene.graph(), observer: &first)
    try ladder.run(scene.graph(), observer: &second)
    #expect(first.order == second.order)
    #expect(first.end == second.end)
  }
}

@Test func moreBandwidthOnOneLinkMaySlowAnotherFlow() throws {
  // No law: flow 1 crosses links a and b, flow 2 uses b. With a = 1 flow 1 is held to 1 and flow 2
  // gets 9 of b = 10; with a = 10 both get 5.
  func endOfSecondFlow(a: Double) throws -> SimTime? {
    var resources = ResourceTable()
    let first = resources.add("a", capacity: Bandwidth(a))
    let second = resources.add("b", capacity: Bandwidth(10))
    var graph = TaskGraph()
    graph.addTask(anyLabel)
    graph.demand(Bytes(90), of: first)
    graph.demand(Bytes(90), of: second)
    graph.addTask(anyLabel)
    graph.demand(Bytes(45), of: second)
    return try run(graph, on: resources).end[1]
  }
  #expect(try endOfSecondFlow(a: 1) == SimTime(roundingUp: 5.0))
  #expect(try endOfSecondFlow(a: 10) == SimTime(roundingUp: 9.0))
}

@Test func aGraphThatIsBuiltAnewRunsLikeANewOne() throws {
  let scene = RandomScene(seed: 7)
  var engine = Engine<FourAryHeap>(resources: scene.resources)
  var first = Log()
  let end = try engine.run(scene.graph(), observer: &first)
  var second = Log()
  let secondEnd = try engine.run(scene.graph(), observer: &second)
  #expect(secondEnd - end == end)
  #expect(second.order == first.order)
}
