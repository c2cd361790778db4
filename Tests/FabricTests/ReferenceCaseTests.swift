import Engine
import Hardware
import Testing
import Units

@testable import Fabric

// Exchanges whose time is known in closed form: m bytes for each pair of n devices, b bytes a second
// on each link, a the latency of a link.

private let m = 1e6
private let b = 100e9
private let a = SimTime(microseconds: 1)

@Test func uniformAllToAllOnTwoNodesGivesInnerAndOuterFlowsTheirShares() throws {
  // 2 x 8, 300 GB/s inside, cards of 25 GB/s. A port is shared by 7 flows inside, 300 / 7 = 42.857
  // GB/s; a card by 8 to the other node, 3.125 GB/s. Of 1 GiB a device, 2^26 bytes go to each:
  // the last are there after 2^26 / 3.125e9 = 21,474.8 us.
  let network = Network.twoLevels(
    nodes: 2, devices: 8, inside: Bandwidth(300e9), between: Bandwidth(25e9))
  let done = try run(
    .init(operation: .allToAll, bytes: Bytes(Double(1 << 30))), on: network, .flows)
  #expect(isAbout(done.time, 0.021_474_836_48))
  #expect(done.links.count == 4 * 16)
  for use in done.links {
    let isInner = network.links[use.link].kind == .scaleUp
    #expect(isAbout(0x1p26 / use.busy.value, isInner ? 300e9 / 7 : 3.125e9))
    #expect(use.bytes == Bytes((isInner ? 7 : 8) * 0x1p26))
  }
}

@Test(arguments: FabricPlan.Fidelity.allCases)
func aLinkForEachPairTakesALatencyAndAMessage(_ fidelity: FabricPlan.Fidelity) throws {
  for n in [2, 3, 8, 16] {
    let done = try run(
      exchange(m, ranks: n), on: .clique(n, Bandwidth(b), latency: a), fidelity)
    #expect(isAbout(done.time, a.seconds + m / b))
  }
}

@Test(arguments: FabricPlan.Fidelity.allCases)
func aStarSendsAllMessagesOfADeviceOverItsPort(_ fidelity: FabricPlan.Fidelity) throws {
  for n in [2, 3, 8, 16] {
    let done = try run(exchange(m, ranks: n), on: .star(n, Bandwidth(b), latency: a), fidelity)
    #expect(isAbout(done.time, 2 * a.seconds + Double(n - 1) * m / b))
  }
}

@Test(arguments: FabricPlan.Fidelity.allCases)
func aRingThatSplitsTiesCarriesAnEighthOfTheSquareOfItsDevices(
  _ fidelity: FabricPlan.Fidelity
) throws {
  // Each way carries distances 1 to n/2 - 1 in full and half of n/2: n^2/8. 32 messages for 16.
  for n in [4, 8, 16] {
    let ring = try Network.grid([n], wraps: true, Bandwidth(b))
    let done = try run(exchange(m, ranks: n), on: ring, fidelity, spread: .spray)
    #expect(isAbout(done.time, Double(n * n) / 8 * m / b, picoseconds: 100))
    #expect(done.links.count == 2 * n)
  }
}

@Test(arguments: FabricPlan.Fidelity.allCases)
func aRingWhereTiesGoOneWayCarriesThirtySixMessagesForSixteen(
  _ fidelity: FabricPlan.Fidelity
) throws {
  // Upwards distances 1 to n/2, of all devices: 1 + ... + 8 = 36. Odd rings have no ties.
  for (n, carried) in [(16, 36.0), (8, 10), (4, 3), (5, 3)] {
    let ring = try Network.grid([n], wraps: true, Bandwidth(b), latency: a)
    let done = try run(exchange(m, ranks: n), on: ring, fidelity, spread: .ordered)
    let way = Double(n / 2) * a.seconds
    #expect(isAbout(done.time, way + carried * m / b, picoseconds: 100))
  }
}

@Test(arguments: FabricPlan.Fidelity.allCases)
func aMeshIsBoundByTheLinksInItsMiddle(_ fidelity: FabricPlan.Fidelity) throws {
  // Bisection: n/2 x n/2 messages over k links, n k / 4 each. Routes along x and then y load the
  // middle links of every row with exactly that: k/2 sources, n/2 targets.
  for k in [2, 4, 6] {
    let n = k * k
    let mesh = try Network.grid([k, k], wraps: false, Bandwidth(b))
    let done = try run(exchange(m, ranks: n), on: mesh, fidelity)
    #expect(isAbout(done.time, Double(n * k) / 4 * m / b, picoseconds: 100))
  }
}

@Test(arguments: FabricPlan.Fidelity.allCases)
func aTorusThatSplitsTiesIsTwiceAsFastAsAMesh(_ fidelity: FabricPlan.Fidelity) throws {
  // 2k links are cut: n k / 8 each. All links are alike, and so every one carries that.
  for k in [4, 6] {
    let n = k * k
    let torus = try Network.grid([k, k], wraps: true, Bandwidth(b))
    let done = try run(exchange(m, ranks: n), on: torus, fidelity, spread: .spray)
    #expect(isAbout(done.time, Double(n * k) / 8 * m / b, picoseconds: 1000))
    #expect(done.links.allSatisfy { isAbout($0.bytes.value, Double(n * k) / 8 * m) })
  }
}

@Test func aTorusWhereTiesGoOneWayIsNoFasterThanItsBisection() throws {
  // Upwards every link of a row carries (1 + ... + k/2) k messages.
  let torus = try Network.grid([4, 4], wraps: true, Bandwidth(b))
  let done = try run(exchange(m, ranks: 16), on: torus)
  #expect(isAbout(done.time, 3 * 4 * m / b, picoseconds: 100))
  #expect(done.leastTime.value >= 16.0 * 4 / 8 * m / b)
}

@Test(arguments: FabricPlan.Fidelity.allCases)
func twoLevelsTakeTheLongerOfInsideAndBetween(_ fidelity: FabricPlan.Fidelity) throws {
  // n devices, g to a node: max((g - 1) m / inside, (n - g) m / between).
  for (nodes, g, inside, between) in [(2, 8, 300e9, 25e9), (4, 4, 300e9, 25e9), (2, 8, 30e9, 90e9)]
  {
    let network = Network.twoLevels(
      nodes: nodes, devices: g, inside: Bandwidth(inside), between: Bandwidth(between))
    let done = try run(exchange(m, ranks: nodes * g), on: network, fidelity)
    let expected = max(Double(g - 1) * m / inside, Double((nodes - 1) * g) * m / between)
    #expect(isAbout(done.time, expected, picoseconds: 20))
  }
}

@Test(arguments: FabricPlan.Fidelity.allCases)
func aRingAllReduceTakesItsStepsOneAfterTheOther(_ fidelity: FabricPlan.Fidelity) throws {
  // 2 (n - 1) (a + S / (n B)).
  for n in [2, 4, 7, 8] {
    let network = Network.clique(n, Bandwidth(b), latency: a)
    let done = try run(
      .init(operation: .allReduce, algorithm: .ring, bytes: Bytes(m)), on: network, fidelity)
    let step = a.seconds + m / Double(n) / b
    #expect(isAbout(done.time, 2 * Double(n - 1) * step, picoseconds: Double(4 * n)))
  }
}

@Test(arguments: FabricPlan.Fidelity.allCases)
func halvingAndDoublingTakesTwoLatenciesForEachDoublingOfTheRanks(
  _ fidelity: FabricPlan.Fidelity
) throws {
  // 2 (a log2 n + S (n - 1) / (n B)).
  for (n, doublings) in [(2, 1.0), (8, 3), (16, 4)] {
    let done = try run(
      .init(operation: .allReduce, algorithm: .halvingDoubling, bytes: Bytes(m)),
      on: .clique(n, Bandwidth(b), latency: a), fidelity)
    let moved = m * Double(n - 1) / Double(n)
    #expect(isAbout(done.time, 2 * (a.seconds * doublings + moved / b), picoseconds: 20))
  }
}

@Test func recursiveDoublingSendsTheWholeBufferInEachStep() throws {
  // log2 n (a + S / B): in step s the rank and the one that differs from it in bit s swap all of it.
  for (n, doublings) in [(2, 1.0), (4, 2), (16, 4)] {
    var schedule = MessageSchedule()
    var last: [MessageSchedule.StepID?] = Array(repeating: nil, count: n)
    for bit in 0..<Int(doublings) {
      var got = last
      for rank in 0..<n {
        let partner = rank ^ (1 << bit)
        let step = schedule.send(Bytes(m), from: rank, to: partner, after: last[rank])
        if let other = last[partner] { schedule.add(step, after: other) }
        got[partner] = step
      }
      last = got
    }
    let network = Network.clique(n, Bandwidth(b), latency: a)
    for isPhased in [true, false] {
      var carrier = try CollectiveCarrier(
        schedule, RankLayout(nodeSizes: [n]), resources(network), RouteTable(RouteFinder(network)),
        CollectiveProtocol(), perPhase: false,
        factors: [Double](repeating: 1, count: network.links.count),
        mostFactors: [Double](repeating: 1, count: network.links.count))
      if isPhased { try carrier.runPhases([]) } else { try carrier.runTasks([]) }
      #expect(isAbout(carrier.time, doublings * (a.seconds + m / b), picoseconds: 10))
    }
  }
}

@Test(arguments: FabricPlan.Fidelity.allCases)
func trafficBetweenPodsOfAFatTreeTakesTheOversubscriptionTimesAsLong(
  _ fidelity: FabricPlan.Fidelity
) throws {
  // Two leaves of eight cards each; every card sends to the one in its place on the other leaf.
  var times: [Double] = []
  for ratio in [1.0, 2, 4] {
    let tree = FatTree(cardsPerLeaf: 8, spines: 4, oversubscription: ratio)
    let network = try Network(
      NetworkPlan(machines: machines("dgx-h100", 2), topology: .fatTree(tree)))
    let done = try run(
      messages(16) { source, target in (source + 8) % 16 == target ? 1e9 : 0 }, on: network,
      fidelity)
    let card = try #require(node("dgx-h100").network).port.effectiveBandwidth
    #expect(isAbout(done.leastTime.value, ratio * 1e9 / card.value))
    times.append(done.time.seconds - (try latency(from: 0, to: 8, network)))
  }
  #expect(isAbout(times[1], 2 * times[0], relative: 1e-6))
  #expect(isAbout(times[2], 4 * times[0], relative: 1e-6))
}

private func latency(from source: Int, to target: Int, _ network: Network) throws -> Double {
  var finder = RouteFinder(network)
  return try finder.route(from: source, to: target).latency(network).seconds
}

// MARK: - Dragonfly

/// Nine groups of four routers with two cards and two global links each (a = 2p = 2h), a group to each
/// machine; every link carries what a card carries.
private func balancedDragonfly() throws -> (network: Network, card: Double) {
  let shape = Dragonfly(cardsPerRouter: 2, routersPerGroup: 4, globalLinksPerRouter: 2)
  let machines = try machines("dgx-h100", 9)
  let network = try Network(NetworkPlan(machines: machines, topology: .dragonfly(shape)))
  let card = try #require(machines[0].node.network).port.effectiveBandwidth.value
  return (network, card)
}

private func isGlobal(_ link: Network.Link) -> Bool { link.kind == .core && link.length > 1 }

@Test func neighbouringGroupsOfADragonflyGetOneGlobalLinkByShortestWays() throws {
  // All a p = 8 cards of a group send to the next group over the one link there is: 1 / (a h) of what
  // they could.
  let (network, card) = try balancedDragonfly()
  let question = messages(72) { source, target in target == (source + 8) % 72 ? m : 0 }
  let done = try run(question, on: network)
  #expect(isAbout(done.leastTime.value, 8 * m / card))
  let global = done.links.filter { isGlobal(network.links[$0.link]) }
  #expect(global.count == 9)
  #expect(global.allSatisfy { isAbout($0.bytes.value, 8 * m) })
}

@Test func detoursGiveNeighbouringGroupsOfADragonflyHalfTheirCards() throws {
  // A way over a switch of one of the g - 2 other groups takes two global links, over one of the two
  // groups concerned one: 2 - 2/g on average, over as many links as there are cards. So the links
  // carry 1 / (2 - 2/g) of what cards could send, one half when g is large. Four draws of all 64 pairs
  // of each two neighbouring groups, 2,304 ways: the standard error of the mean is below 1 %.
  let (network, _) = try balancedDragonfly()
  var loads = [Double](repeating: 0, count: network.links.count)
  for seed in UInt64(0)..<4 {
    var finder = RouteFinder(network, spread: .ecmp, detour: .valiant, seed: seed)
    for source in 0..<72 {
      let next = (source / 8 + 1) % 9
      for target in next * 8..<next * 8 + 8 {
        for hop in try finder.route(from: source, to: target).hops { loads[hop.link] += hop.share }
      }
    }
  }
  let global = loads.indices.filter { isGlobal(network.links[$0]) }
  #expect(global.count == 72)
  let mean = global.reduce(0) { $0 + loads[$1] } / 72
  // 4 draws of 8 ways for each card.
  #expect(isAbout(32 / mean, 1 / (2 - 2.0 / 9), relative: 0.02))
  // Shortest ways put all 64 x 4 ways of two groups on one link; no link has nearly as many now.
  let most = global.map { loads[$0] }.max() ?? 0
  #expect(most < 2 * mean)
}

// MARK: - ASTRA-sim's numbers

// 16 devices, 50 GiB/s, 500 ns, a message of 1 MiB from device 1 to device 4: 2^20 / (50 x 2^30) s is
// 19,531.25 ns. ASTRA-sim's analytical network without congestion adds the latencies of all hops, which
// is what a fluid does with a message alone. Its congestion-aware one lets every link wait for the whole
// chunk (60,093 ns over three hops, 40,062 over a switch, 704,116 for an all-to-all on the ring); a fluid
// has no chunks that wait, and so no test here expects those.

private let piece = 0x1p20
private let message = CollectiveRun.Question(
  operation: .send, bytes: Bytes(piece), options: CollectiveOptions(root: 1, target: 4))

private func time(
  _ network: Network, _ question: CollectiveRun.Question = message
) throws -> Double {
  try run(question, on: network, .flows).time.seconds * 1e9
}

@Test func aMessageAloneTakesASTRAsimsTimeWithoutCongestion() throws {
  let link = Bandwidth(50 * 0x1p30)
  let hop = SimTime(nanoseconds: 500)
  let ring = try time(.grid([16], wraps: true, link, latency: hop))
  let clique = try time(.clique(16, link, latency: hop))
  let star = try time(.star(16, link, latency: hop))
  // ASTRA-sim cuts off what is less than a nanosecond.
  #expect([ring, clique, star].map { $0.rounded(.down) } == [21_031, 20_031, 20_531])
}

@Test func eachOfThreeDimensionsHasItsOwnBandwidthAndLatency() throws {
  // 2 in a ring of 200 GiB/s and 50 ns, 8 fully connected with 100 GiB/s and 500 ns, 4 on a switch with
  // 50 GiB/s and 2 us.
  var network = Network()
  for _ in 0..<64 { _ = network.addDevice(node: nil) }
  for device in 0..<64 {
    network.addLink(
      .pair, from: device, to: device ^ 1, Bandwidth(200 * 0x1p30),
      latency: SimTime(nanoseconds: 50))
    for step in 1..<8 {
      let other = device / 16 * 16 + (device + 2 * step) % 16
      network.addLink(
        .pair, from: device, to: other, Bandwidth(100 * 0x1p30),
        latency: SimTime(nanoseconds: 500))
    }
  }
  for place in 0..<16 {
    let center = network.addVertex("switch \(place)", .switch)
    for row in 0..<4 {
      network.connect(
        .core, row * 16 + place, center, Bandwidth(50 * 0x1p30), latency: SimTime(microseconds: 2))
    }
  }
  network.letDevicesForward()
  let times = try [1, 2, 16].map { target in
    try time(
      network,
      .init(
        operation: .send, bytes: Bytes(piece), options: CollectiveOptions(root: 0, target: target)))
  }
  #expect(times.map { $0.rounded(.down) } == [4_932, 10_265, 23_531])
}

@Test func anAllToAllOnASTRAsimsRingWaitsForBytesAndNotForChunks() throws {
  // 36 messages on every upward link, and the longest way's eight hops: 36 x 19,531.25 + 8 x 500 ns.
  let ring = try Network.grid(
    [16], wraps: true, Bandwidth(50 * 0x1p30), latency: SimTime(nanoseconds: 500))
  #expect(isAbout(try time(ring, exchange(piece, ranks: 16)), 707_125, relative: 1e-8))
}
