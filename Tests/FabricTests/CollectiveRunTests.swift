import Engine
import Hardware
import Testing
import Units

@testable import Fabric

// What a collective's run says, whichever way it was carried.

private let b = 100e9

/// Networks of eight devices, with latencies.
private func networks() throws -> [(name: String, network: Network)] {
  let tree = FatTree(cardsPerLeaf: 2, spines: 2, oversubscription: 2)
  return [
    ("star", .star(8, Bandwidth(b), latency: SimTime(nanoseconds: 300))),
    ("mesh", try .grid([4, 2], wraps: false, Bandwidth(b), latency: SimTime(nanoseconds: 70))),
    ("ring", try .grid([8], wraps: true, Bandwidth(b))),
    ("two machines", try Network(NetworkPlan(machines: machines("dgx-h100", 2, devices: 4)))),
    ("PCIe", try Network(NetworkPlan(machines: machines("8x-a40", 1)))),
    ("planes", try Network(NetworkPlan(machines: machines("cloudmatrix-node", 2, devices: 4)))),
    (
      "fat tree",
      try Network(
        NetworkPlan(machines: machines("dgx-a100", 2, devices: 4), topology: .fatTree(tree)))
    ),
  ]
}

/// Up to a megabyte for each pair, nothing for a third of them.
private func randomMessages(_ seed: UInt64) -> CollectiveRun.Question {
  var numbers = SeededNumbers(seed: seed)
  return messages(8) { _, _ in max(0, Double(numbers.below(1_500_000)) - 500_000) }
}

@Test func uniformFlowsOnNetworksThatDoNotBlockTakeWhatPortsTake() throws {
  for name in ["dgx-v100", "dgx-h100", "8x-mi300x"] {
    for count in [1, 2, 3] {
      let network = try Network(NetworkPlan(machines: machines(name, count)))
      let question = exchange(1e6, ranks: network.deviceCount)
      let ports = try run(question, on: network, .ports)
      let flows = try run(question, on: network, .flows)
      #expect(isAbout(flows.time, ports.time.seconds), "\(count) x \(name)")
    }
  }
}

@Test func flowsAreNeverFasterThanPorts() throws {
  var slower = 0
  for (name, network) in try networks() {
    for seed in UInt64(0)..<8 {
      for spread in [Spread.ordered, .ecmp, .spray] {
        let ports = try run(randomMessages(seed), on: network, .ports, spread: spread)
        let flows = try run(randomMessages(seed), on: network, .flows, spread: spread)
        #expect(
          flows.time.picoseconds >= ports.time.picoseconds - 2, "\(name), seed \(seed), \(spread)")
        if flows.time.seconds > 1.001 * ports.time.seconds { slower += 1 }
      }
    }
  }
  #expect(slower > 0)
}

@Test func flowsThatWaitElsewhereLeaveTheBusiestLinkIdle() throws {
  // Devices 0 and 5 each send 3 MB to 4 and 0.9 MB to 1, 2 and 3. The way into 4 has the most bytes, 6
  // MB: that is the ports' time. As flows, four share each way out, a quarter each, until the short
  // ones are done: 3.6 MB of time in which 4 gets only 1.8 MB. The other 4.2 MB follow at full speed.
  let question = messages(6) { source, target in
    guard source == 0 || source == 5, target != 0, target != 5 else { return 0 }
    return target == 4 ? 3e6 : 0.9e6
  }
  let network = Network.star(6, Bandwidth(b))
  #expect(isAbout(try run(question, on: network, .ports).time, 6e6 / b))
  #expect(isAbout(try run(question, on: network, .flows).time, 7.8e6 / b))
  #expect(isAbout(try tasks(question, on: network, spread: .ordered).time, 7.8e6 / b))
}

/// The same messages as one task each in the engine.
private func tasks(
  _ question: CollectiveRun.Question, on network: Network, spread: Spread
) throws -> CollectiveCarrier {
  let layout = try network.layout(ofFirst: network.deviceCount)
  let schedule = try MessageSchedule(
    operation: question.operation, algorithm: question.algorithm, bytes: question.bytes,
    matrix: question.matrix, layout: layout, options: question.options)
  var carrier = try CollectiveCarrier(
    schedule, layout, resources(network), RouteTable(RouteFinder(network, spread: spread)),
    question.protocol, perPhase: false, factors: [Double](repeating: 1, count: network.links.count),
    mostFactors: [Double](repeating: 1, count: network.links.count))
  try carrier.runTasks([])
  return carrier
}

@Test func flowsAsTasksOfTheEngineTakeTheSameTime() throws {
  for (name, network) in try networks() {
    for seed in UInt64(0)..<4 {
      let together = try run(randomMessages(seed), on: network, .flows, spread: .ecmp)
      let apart = try tasks(randomMessages(seed), on: network, spread: .ecmp)
      // Messages on longer ways begin later in the engine; together they count as the longest.
      let routes = try RouteTable(RouteFinder(network, spread: .ecmp))
      var latencies: [SimTime] = []
      for source in 0..<8 {
        for target in 0..<8 where source != target {
          latencies.append(routes.latency(from: source, to: target))
        }
      }
      let slack = (latencies.max() ?? .zero) - (latencies.min() ?? .zero)
      let difference = abs(together.time.picoseconds - apart.time.picoseconds)
      #expect(difference <= slack.picoseconds + 100, "\(name), seed \(seed)")
      let uses = Dictionary(uniqueKeysWithValues: together.links.map { ($0.link, $0) })
      for use in apart.linkUses() {
        #expect(uses[use.link].map { isAbout($0.bytes.value, use.bytes.value) } == true)
        if slack == .zero, let other = uses[use.link] {
          #expect(isAbout(other.busy.value, use.busy.value, relative: 1e-6))
        }
      }
    }
  }
}

@Test func linksCarryEachMessageOnceAHop() throws {
  for (name, network) in try networks() {
    for (seed, fidelity) in [(UInt64(1), FabricPlan.Fidelity.ports), (2, .flows)] {
      let done = try run(randomMessages(seed), on: network, fidelity)
      var finder = RouteFinder(network)
      var expected = [Double](repeating: 0, count: network.links.count)
      for target in 0..<8 {
        for source in 0..<8 where source != target {
          for hop in try finder.route(from: source, to: target).hops {
            expected[hop.link] += hop.share * done.traffic[source, target].value
          }
        }
      }
      #expect(done.links.count == expected.count { $0 > 0 }, "\(name)")
      #expect(done.links.allSatisfy { isAbout($0.bytes.value, expected[$0.link]) }, "\(name)")
    }
  }
}

@Test func noCollectiveBeatsItsBusiestLinkAndNoLinkIsMoreThanFull() throws {
  let isSwitched = Set(["two machines", "planes", "fat tree"])
  for (name, network) in try networks() {
    for operation in CollectiveKind.allCases {
      for algorithm in operation.algorithms {
        // Switches that add up need one node with a switch.
        let needsSwitch = algorithm == .inSwitch || algorithm == .hierarchicalInSwitch
        guard !needsSwitch || (algorithm != .inSwitch && isSwitched.contains(name)) else {
          continue
        }
        for fidelity in FabricPlan.Fidelity.allCases {
          let options = CollectiveOptions(
            tensorWidth: algorithm == .tensorCoordinated ? 1 : nil)
          let done = try run(
            .init(operation: operation, algorithm: algorithm, bytes: Bytes(3e6), options: options),
            on: network, fidelity)
          let place: Comment = "\(name), \(operation), \(algorithm), \(fidelity)"
          #expect(done.time > .zero, place)
          #expect(SimTime(roundingUp: done.leastTime) <= done.time, place)
          #expect(done.links.allSatisfy { $0.utilisation <= 1 + 1e-12 }, place)
          #expect(done.links.allSatisfy { $0.utilisation > 0 && $0.waited.value >= 0 }, place)
          let sorted = done.links.map(\.utilisation)
          #expect(sorted == sorted.sorted(by: >), place)
          #expect(done.links.allSatisfy { $0.busy.value <= done.time.seconds * (1 + 1e-9) }, place)
        }
      }
    }
  }
}

@Test func bytesAddTheTimeOfTheirTransferAndNothingElse() throws {
  for (name, network) in try networks() {
    for fidelity in FabricPlan.Fidelity.allCases {
      let times = try [1e6, 2e6, 4e6].map {
        try run(exchange($0, ranks: 8), on: network, fidelity).time.picoseconds
      }
      #expect(times[1] > times[0], "\(name)")
      #expect(abs(times[2] - times[1] - 2 * (times[1] - times[0])) <= 4, "\(name)")
    }
  }
}

@Test func oneRankAloneTakesNoTime() throws {
  let network = Network.star(4, Bandwidth(b), latency: SimTime(microseconds: 1))
  for operation in CollectiveKind.allCases {
    for fidelity in FabricPlan.Fidelity.allCases {
      let done = try run(
        .init(operation: operation, bytes: Bytes(1e6), ranks: 1), on: network, fidelity)
      #expect(done.time == .zero)
      #expect(done.messages == 0 && done.links.isEmpty)
      #expect(done.leastTime == .zero)
    }
  }
}

@Test func someRanksUseOnlyTheirOwnLinks() throws {
  let network = Network.star(8, Bandwidth(b))
  let done = try run(
    .init(operation: .allToAll, bytes: Bytes(3e6), ranks: 3), on: network)
  #expect(done.ranks == 3 && done.messages == 6)
  #expect(isAbout(done.time, 2e6 / b))
  #expect(done.links.count == 6)
}

@Test func manySmallMessagesAreBoundByTheRateAtWhichAPortBeginsThem() throws {
  // Seven messages of a byte out of each device at a million messages a second: 7 us, whatever the
  // bytes take. Large messages take what their bytes take.
  var network = Network()
  for _ in 0..<8 { _ = network.addDevice(node: nil) }
  let center = network.addVertex("center", .switch)
  for device in 0..<8 {
    network.addLink(.card, from: device, to: center, Bandwidth(b), messageRate: 1e6)
    network.addLink(.card, from: center, to: device, Bandwidth(b), messageRate: 2e6)
  }
  for (bytes, expected) in [(1.0, 7e-6), (1e6, 7e6 / b)] {
    for fidelity in FabricPlan.Fidelity.allCases {
      let done = try run(exchange(bytes, ranks: 8), on: network, fidelity)
      #expect(isAbout(done.time, expected, picoseconds: 10), "\(fidelity)")
    }
    let apart = try tasks(exchange(bytes, ranks: 8), on: network, spread: .ordered)
    #expect(isAbout(apart.time, expected, picoseconds: 10))
  }
}

@Test func aStartUpComesBeforeEverythingElse() throws {
  let startUp = SimTime(microseconds: 9)
  for fidelity in FabricPlan.Fidelity.allCases {
    var question = exchange(1e6, ranks: 4)
    let network = Network.clique(4, Bandwidth(b), latency: SimTime(microseconds: 1))
    question.protocol = CollectiveProtocol(startUp: .constant(startUp))
    let done = try run(question, on: network, fidelity)
    #expect(done.startUp == startUp)
    #expect(isAbout(done.time, 9e-6 + 1e-6 + 1e6 / b))
  }
}

@Test func aProtocolsShareIsTakenOfItsLinks() throws {
  for fidelity in FabricPlan.Fidelity.allCases {
    var question = exchange(1e6, ranks: 4)
    question.protocol.shares = ProtocolShares(scaleUp: 0.8)
    let done = try run(question, on: .star(4, Bandwidth(b)), fidelity)
    #expect(isAbout(done.time, 3e6 / (0.8 * b)))
    #expect(done.links.allSatisfy { isAbout($0.bytes.value, 3e6) && isAbout($0.utilisation, 1) })
  }
}

// MARK: - Exchanges of a run of serving

@Test func anExchangeOverPortsPutsTheSameOnLinksAsOneOverRoutes() throws {
  for (name, count, devices) in [("dgx-v100", 2, 8), ("dgx-h100", 3, 5), ("gb200-nvl72", 1, 9)] {
    let cluster = try Cluster(node(name), count: count, devicesPerNode: devices)
    let network = try Network(NetworkPlan(cluster))
    let resources = ClusterResources(cluster, network)
    var ports = ExchangeTraffic(resources)
    var routes = ExchangeTraffic(resources, try RouteTable(RouteFinder(network)))
    var numbers = SeededNumbers(seed: 11)
    for source in 0..<cluster.deviceCount {
      for target in 0..<cluster.deviceCount {
        let bytes = Bytes(Double(numbers.below(1 << 20)))
        ports.add(bytes, from: source, to: target)
        routes.add(bytes, from: source, to: target)
      }
    }
    #expect(zip(ports.loads, routes.loads).allSatisfy { isAbout($0, $1) }, "\(name)")
    #expect(ports.wayLatency == routes.wayLatency)
    #expect(ports.bytesSent == routes.bytesSent)
  }
}
