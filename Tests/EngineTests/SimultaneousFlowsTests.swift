import Testing
import Units

@testable import Engine

private func close(_ a: Double, _ b: Double) -> Bool { a == b || abs(a - b) <= 1e-9 * abs(b) }

// MARK: By hand

@Test func twoFlowsOnOneLinkTakeHalfEachUntilTheShorterIsDone() {
  // 1 GB/s, 1 MB and 3 MB: 2 ms, then 2 MB alone in 2 ms more.
  var flows = SimultaneousFlows()
  let link = flows.addLink(capacity: Bandwidth(1e9))
  let idle = flows.addLink(capacity: Bandwidth(1e9))
  for megabytes in [3.0, 1] {
    flows.addFlow(Bytes(megabytes * 1e6))
    flows.cross(link)
  }
  let done = flows.completions()
  #expect(zip(done.ends, [4e-3, 2e-3]).allSatisfy(close))
  #expect(done.instants == 2)
  #expect(close(done.makespan.value, 4e-3))
  #expect(close(flows.longestLinkTime.value, 4e-3))
  #expect(zip(done.linkBusySeconds, [4e-3, 0]).allSatisfy(close))
  #expect(zip(done.linkFlowSeconds, [6e-3, 0]).allSatisfy(close))
  #expect(idle == 1)
}

@Test func whatNeedsNoTimeIsDoneAtOnceAndWhatHasNoCapacityNever() {
  var flows = SimultaneousFlows()
  let link = flows.addLink(capacity: Bandwidth(1e9))
  let dead = flows.addLink(capacity: Bandwidth(-3.0))
  flows.addFlow(Bytes(0.0))  // of no size
  flows.cross(link)
  flows.addFlow(Bytes(5.0))  // over nothing
  flows.addFlow(Bytes(1e6))
  flows.cross(link)
  flows.cross(link, amount: 0)
  flows.addFlow(Bytes(1e6))
  flows.cross(dead)
  flows.cross(link)
  flows.addFlow(Bytes(1e6), cap: Bandwidth(0.5e9))  // over nothing but its cap
  flows.addFlow(Bytes(1e6), cap: Bandwidth(0.0))
  let done = flows.completions()
  #expect(done.ends == [0, 0, 1e-3, .infinity, 2e-3, .infinity])
  #expect(SimultaneousFlows().completions().makespan == Seconds(0))
}

@Test func aClassOfEqualFlowsIsOneRowWithAnAmount() {
  // 2 nodes x 8 devices, ports 300, cards 25 GB/s, 1 GiB a device to all others: a card's 8 flows
  // take 8 / 16 GiB / 25 GB/s = 21,474.8 us (facts/network.md, reference case 4).
  let size = Bytes(1_073_741_824.0 / 16)
  var flows = SimultaneousFlows()
  let port = flows.addLink(capacity: Bandwidth(300e9))
  let card = flows.addLink(capacity: Bandwidth(25e9))
  flows.addFlow(size)
  flows.cross(port, amount: 7)
  flows.addFlow(size)
  flows.cross(card, amount: 8)
  let done = flows.completions()
  #expect(abs(done.ends[1] - 21_474.8e-6) < 0.1e-6)
  #expect(close(done.ends[0], 7 * size.value / 300e9))
}

// MARK: Against the engine and against plain filling

/// Random flows over a random network.
private struct RandomNetwork {
  var flows = SimultaneousFlows()
  private var random: Xorshift
  private let hasCaps: Bool
  private let hasAmounts: Bool
  private let hasTies: Bool

  init(seed: UInt64) {
    random = Xorshift(seed: seed)
    hasCaps = seed % 3 == 0
    hasAmounts = seed % 4 == 0
    hasTies = seed % 5 == 0
    if seed % 2 == 0 { addLeaves() } else { addAnything() }
  }

  /// Every pair of some ranks, over leaves and a spine: there are trunks.
  private mutating func addLeaves() {
    let leaves = 2 + Int(random.below(3))
    let perLeaf = 3 + Int(random.below(4))
    let ranks = leaves * perLeaf
    for link in 0..<2 * (ranks + leaves) {
      let trunk = 0.2 + 2 * random.unit() * Double(perLeaf)
      let capacity = hasTies ? Double(link < 2 * ranks ? 4 : 2 * perLeaf) : trunk
      _ = flows.addLink(capacity: Bandwidth(link < 2 * ranks && !hasTies ? 2 : capacity))
    }
    for source in 0..<ranks {
      for target in 0..<ranks where target != source && random.below(8) > 0 {
        addFlow()
        cross(source)
        cross(ranks + target)
        guard source / perLeaf != target / perLeaf else { continue }
        flows.cross(2 * ranks + source / perLeaf)
        flows.cross(2 * ranks + leaves + target / perLeaf)
      }
    }
  }

  private mutating func addAnything() {
    let links = 1 + Int(random.below(25))
    for _ in 0..<links {
      _ = flows.addLink(
        capacity: Bandwidth(hasTies ? Double(1 + random.below(3)) : 0.1 + random.unit()))
    }
    for _ in 0..<1 + Int(random.below(250)) {
      addFlow()
      for link in 0..<links where random.below(Int64(links)) < 2 { cross(link) }
    }
  }

  private mutating func addFlow() {
    let size = hasTies ? Double(1 + random.below(3)) : 0.01 + random.unit()
    let cap = hasCaps && random.below(3) == 0 ? [0.05, 0.3][Int(random.below(2))] : .infinity
    flows.addFlow(Bytes(size), cap: Bandwidth(cap))
  }

  private mutating func cross(_ link: Int) {
    flows.cross(link, amount: hasAmounts ? Double(1 + random.below(5)) : 1)
  }
}

/// The ends by solving everything anew at each.
private func plainEnds(of flows: SimultaneousFlows) -> [Double] {
  var left = flows.sizes
  var ends = [Double](repeating: .infinity, count: flows.flowCount)
  var now = 0.0
  var solver = PlainMaxMin()
  var rates: [Double] = []
  while true {
    let active = ends.indices.filter { ends[$0] == .infinity }
    if active.isEmpty { return ends }
    var problem = SharingProblem()
    for capacity in flows.capacities { problem.addResource(capacity: capacity) }
    for flow in active {
      for entry in flows.row(flow) {
        problem.addDemand(flows.amounts[entry], on: Int(flows.links[entry]))
      }
      problem.endTask(cap: flows.caps[flow])
    }
    solver.solve(problem, into: &rates)
    let step = active.indices.map { left[active[$0]] / rates[$0] }.min() ?? .infinity
    now += step
    for (index, flow) in active.enumerated() {
      left[flow] = rates[index] == .infinity ? 0 : left[flow] - rates[index] * step
      if left[flow] <= 1e-12 * flows.sizes[flow] { ends[flow] = now }
    }
  }
}

@Test func endsAreThoseOfSolvingEverythingAnewAtEachOfThem() {
  var largest = 0
  for seed in 1...30 as ClosedRange<UInt64> {
    let flows = RandomNetwork(seed: seed).flows
    let expected = plainEnds(of: flows)
    let done = flows.completions()
    #expect(zip(done.ends, expected).allSatisfy(close), "seed \(seed)")
    #expect(done.makespan.value >= flows.longestLinkTime.value * (1 - 1e-9), "seed \(seed)")
    largest = max(largest, done.instants)
  }
  #expect(largest > 150)
}

/// Notes when every task was done.
private struct Ends: Observer {
  var seconds: [Double]
  mutating func taskFinished(
    _ task: TaskID, _ label: TaskLabel, from start: SimTime, to end: SimTime, energy: Joules
  ) {
    seconds[task.position] = end.seconds
  }
}

@Test func endsAndTotalsAreThoseOfTheEngineOnTheSameGraph() throws {
  for seed in 1...24 as ClosedRange<UInt64> where seed % 4 != 0 {
    // Seconds of simulated time, so that the engine's picoseconds are less than 1e-9 of them.
    let flows = RandomNetwork(seed: 1000 + seed).flows
    var resources = ResourceTable()
    let links = flows.capacities.enumerated().map {
      resources.add("link \($0.offset)", capacity: Bandwidth($0.element))
    }
    var graph = TaskGraph()
    for flow in 0..<flows.flowCount {
      graph.addTask(TaskLabel(stage: 0, device: 0))
      for entry in flows.row(flow) {
        graph.demand(
          Bytes(flows.amounts[entry] * flows.sizes[flow]), of: links[Int(flows.links[entry])])
      }
      graph.takeAtLeast(Seconds(flows.sizes[flow] / flows.caps[flow]))
    }
    var engine = Engine<FourAryHeap>(resources: resources)
    var ends = Ends(seconds: [Double](repeating: 0, count: flows.flowCount))
    try engine.run(graph, observer: &ends)
    let done = flows.completions()
    #expect(zip(done.ends, ends.seconds).allSatisfy(close), "seed \(seed)")
    #expect(zip(done.linkBusySeconds, engine.busySeconds).allSatisfy(close), "seed \(seed)")
    #expect(zip(done.linkFlowSeconds, engine.claimSeconds).allSatisfy(close), "seed \(seed)")
  }
}

// MARK: Collapsing

/// All pairs over leaves of four ranks each, uplinks half of the ports' sum.
private func allToAll(leaves: Int, size: (Int, Int) -> Double) -> SimultaneousFlows {
  var flows = SimultaneousFlows()
  let ranks = 4 * leaves
  for link in 0..<2 * (ranks + leaves) {
    _ = flows.addLink(capacity: Bandwidth(link < 2 * ranks ? 1 : 2))
  }
  for source in 0..<ranks {
    for target in 0..<ranks where target != source {
      flows.addFlow(Bytes(size(source, target)))
      flows.cross(source)
      flows.cross(ranks + target)
      guard source / 4 != target / 4 else { continue }
      flows.cross(2 * ranks + source / 4)
      flows.cross(2 * ranks + leaves + target / 4)
    }
  }
  return flows
}

@Test func aUniformExchangeIsTwoInstantsAndTwoClasses() {
  let leaves = 6
  let all = allToAll(leaves: leaves) { _, _ in 1 }.completions()
  #expect(all.instants == 2)
  var classes = SimultaneousFlows()
  let port = classes.addLink(capacity: Bandwidth(1))
  let uplink = classes.addLink(capacity: Bandwidth(2))
  classes.addFlow(Bytes(1))
  classes.cross(port, amount: 3)
  classes.addFlow(Bytes(1))
  classes.cross(port, amount: Double(4 * leaves - 4))
  classes.cross(uplink, amount: Double(4 * (4 * leaves - 4)))
  let collapsed = classes.completions()
  // Within a leaf: the port's 1 less the 20 flows that leave it at 2 / 80 each, by 3 flows: 6 s.
  #expect(close(collapsed.ends[0], 6))
  #expect(close(all.ends[0], 6))
  // Across leaves: 80 flows of 1 on an uplink of 2.
  #expect(close(collapsed.ends[1], 40))
  #expect(close(all.makespan.value, 40))
  #expect(close(all.linkFlowSeconds[0], collapsed.linkFlowSeconds[port]))
  #expect(close(all.linkFlowSeconds[48], collapsed.linkFlowSeconds[uplink]))
}

@Test func theSameFlowsHaveTheSameEndsToTheLastBit() {
  let flows = RandomNetwork(seed: 6).flows
  #expect(flows.completions().ends == flows.completions().ends)
}

@Test func scalingSizesScalesEnds() {
  var random = Xorshift(seed: 3)
  let sizes = (0..<400).map { _ in 1 + random.unit() }
  let one = allToAll(leaves: 5) { sizes[20 * $0 + $1] }.completions()
  let eight = allToAll(leaves: 5) { 8 * sizes[20 * $0 + $1] }.completions()
  #expect(zip(eight.ends, one.ends).allSatisfy { $0 == 8 * $1 })
  #expect(one.instants == 380)
}
