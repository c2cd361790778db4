import Engine
import Hardware
import Testing
import Units

@testable import Fabric

// What cannot be is refused with a sentence.

private let b = Bandwidth(100e9)

private func sentence(_ body: () throws -> Void) -> String {
  do {
    try body()
    return "nothing was wrong"
  } catch let error as FabricError {
    return error.sentence
  } catch let error as CollectiveError {
    return error.sentence
  } catch {
    return "\(error)"
  }
}

private func refusal(
  _ topology: Topology, _ name: String = "dgx-h100", count: Int = 2
) -> String {
  sentence { _ = try Network(NetworkPlan(machines: machines(name, count), topology: topology)) }
}

@Test func devicesWithoutAWayBetweenThemAreNamed() {
  var network = Network()
  for _ in 0..<3 { _ = network.addDevice(node: nil) }
  network.addLink(.pair, from: 0, to: 1, b)
  network.addLink(.pair, from: 1, to: 0, b)
  // Devices do not forward unless somebody says so.
  network.addLink(.pair, from: 1, to: 2, b)
  #expect(
    sentence { _ = try run(exchange(1, ranks: 3), on: network) }
      == "there is no way from device 2 to device 0")
  // The ranks asked for are joined.
  #expect(
    sentence { _ = try run(.init(operation: .allToAll, bytes: 4, ranks: 2), on: network) }
      == "nothing was wrong")
}

@Test func aLinkWithoutBandwidthIsRefusedByName() {
  let entry = LinkList.Entry(
    from: "device 0", to: "left", bandwidth: .zero, latency: .zero, isOneWay: false, length: 1)
  #expect(
    refusal(.linkByLink(LinkList(switches: ["left"], entries: [entry])))
      == "the link device 0 -> left has no bandwidth; give it one, or leave it out")
  let strange = LinkList.Entry(
    from: "device 0", to: "right", bandwidth: b, latency: .zero, isOneWay: false, length: 1)
  #expect(
    refusal(.linkByLink(LinkList(switches: ["left"], entries: [strange])))
      == "the network has no 'right'; it has left")
}

@Test(arguments: FabricPlan.Fidelity.allCases)
func bytesThatWouldTakeForeverEndTheRunAndNotTheProgram(_ fidelity: FabricPlan.Fidelity) {
  // 1e30 bytes at 100 GB/s are 1e19 s; 64 bits of picoseconds are 106 days.
  let network = Network.clique(2, b, latency: SimTime(microseconds: 1))
  let said = sentence { _ = try run(exchange(1e30, ranks: 2), on: network, fidelity) }
  #expect(said != "nothing was wrong")
  // A link that somebody added without bandwidth.
  var empty = Network.clique(2, .zero)
  empty.addLink(.pair, from: 0, to: 1, .zero)
  #expect(
    sentence { _ = try run(exchange(1, ranks: 2), on: empty, fidelity) } != "nothing was wrong")
}

@Test func routesLeadAroundAFailedDevice() throws {
  let mesh = try Network.grid([3, 3], wraps: false, b)
  let state = try mesh.state(
    after: [NetworkChange(at: .zero, .device(4), factor: 0)], at: .zero)
  var finder = RouteFinder(mesh, factors: state.factors)
  let route = try finder.route(from: 3, to: 5)
  #expect(route.hops.count == 4)
  #expect(route.hops.allSatisfy { mesh.links[$0.link].target != 4 })
  #expect(
    sentence { _ = try finder.route(from: 3, to: 4) } == "there is no way from device 3 to device 4"
  )
}

@Test func ranksThatThereAreNotAreRefused() {
  let network = Network.star(4, b)
  for ranks in [0, -1, 5] {
    let said = sentence {
      _ = try run(.init(operation: .allToAll, bytes: 1, ranks: ranks), on: network)
    }
    #expect(
      said == "there are 4 devices, so there cannot be \(ranks) ranks; ask for 1 to 4")
  }
}

@Test func aMatrixOfOtherRanksIsRefused() {
  let said = sentence { _ = try run(messages(5) { _, _ in 1 }, on: .star(4, b)) }
  #expect(said == "the traffic matrix is of 5 ranks, and there are 4")
}

@Test func aMillionRanksAreRefusedWithTheirMemoryBeforeAnythingIsBuilt() {
  let layout = RankLayout(ranks: 1_000_000, perNode: 8)
  let said = sentence {
    try CollectiveRun.Question(operation: .allToAll, bytes: 1).check(layout)
  }
  // 10^6 x (10^6 - 1) messages of 32 bytes, times 4 for their tasks.
  #expect(
    said == "that is 999999000000 messages, which take 128 TB of memory; at most 4 GB are used")
  #expect(
    sentence { try CollectiveRun.Question(operation: .broadcast, bytes: 1).check(layout) }
      == "nothing was wrong")
}

@Test func routesOfTooManyDevicesAreRefusedWithTheirMemory() {
  var network = Network()
  for _ in 0..<20_000 { _ = network.addDevice(node: nil) }
  // 2e4 x 2e4 pairs of 12 bytes, and two hops of 12 each.
  #expect(
    sentence { _ = try RouteTable(RouteFinder(network)) }
      == "the routes between 20000 devices take 14.4 GB of memory; at most 4 GB are used")
}

// MARK: - Topologies

@Test func aGridThatDoesNotFitTheDevicesIsRefused() {
  func grid(_ dimensions: [Int], _ bandwidth: Bandwidth = b) -> String {
    refusal(
      .grid(
        Grid(dimensions: dimensions, wraps: true, bandwidth: bandwidth, latency: .zero)))
  }
  #expect(grid([4, 3]) == "a grid of 4 x 3 has 12 places for 16 devices")
  #expect(grid([]) == "a grid of  has 1 places for 16 devices")
  #expect(grid([-4, -4]) == "a grid of -4 x -4 has 16 places for 16 devices")
  #expect(grid([16, 0]) == "a grid of 16 x 0 has 0 places for 16 devices")
  #expect(grid([Int.max, 2]).hasSuffix("places for 16 devices"))
  #expect(grid([4, 4], .zero).hasSuffix("has no bandwidth; give it one, or leave it out"))
}

@Test func aFatTreeWithoutAWholeTopIsRefused() {
  #expect(
    refusal(.fatTree(FatTree(tiers: [.init(children: 4)])))
      == "the highest tier leaves 4 groups apart; give it more children or add a tier")
  #expect(
    refusal(.fatTree(FatTree(tiers: [.init(children: 4, switches: 2)])))
      == "a leaf is one switch; 'switches' belongs to the tiers above")
  #expect(
    refusal(.fatTree(FatTree(tiers: [])))
      == "a fat tree joins network cards, and these nodes have none")
  for tree in [
    FatTree(cardsPerLeaf: 0, spines: 1), FatTree(cardsPerLeaf: 4, spines: 0),
    FatTree(cardsPerLeaf: 4, spines: 1, oversubscription: 0),
  ] {
    #expect(
      refusal(.fatTree(tree))
        == "the children, switches and oversubscription of a tier are more than 0")
  }
}

@Test func topologiesOfTooManyLinksAreRefusedWithTheirMemory() {
  // 16 cards: one group of 10^4 routers, 10^4 x (10^4 - 1 + 1) links.
  let wide = Dragonfly(cardsPerRouter: 1, routersPerGroup: 10_000, globalLinksPerRouter: 1)
  #expect(
    refusal(.dragonfly(wide))
      == "the topology has 100000000 links between switches, which take 40 GB of memory; "
      + "at most 4 GB are used")
  // 16 leaves x 10^6 spines, both ways.
  #expect(
    refusal(.fatTree(FatTree(cardsPerLeaf: 1, spines: 1_000_000))).hasPrefix(
      "the topology has 32000000 links"))
  #expect(
    refusal(.railOptimised(RailOptimised(spines: 1_000_000))).hasPrefix(
      "the topology has 16000000 links"))
  #expect(
    refusal(.fullMesh(FullMesh()), count: 4000).hasPrefix("the topology has 15996000 links"))
}

@Test func aDragonflyOfMoreGroupsThanLinksIsRefused() {
  let small = Dragonfly(cardsPerRouter: 1, routersPerGroup: 1, globalLinksPerRouter: 1)
  #expect(
    refusal(.dragonfly(small))
      == "16 groups need 15 links each to the others; 1 routers of 1 have 1")
  let none = Dragonfly(cardsPerRouter: 0, routersPerGroup: 1, globalLinksPerRouter: 1)
  #expect(
    refusal(.dragonfly(none))
      == "the cards, routers and global links of a dragonfly are more than 0")
}

@Test func railsThatMeetNowhereAreRefused() {
  #expect(
    refusal(.railOptimised(RailOptimised(nodesPerLeaf: 1)))
      == "leaves of 1 nodes meet nowhere without 'spines'")
  #expect(
    refusal(.railOptimised(RailOptimised(crossRail: .spine))).hasPrefix("rails meet nowhere"))
  #expect(
    refusal(.railOptimised(RailOptimised(nodesPerLeaf: 0, spines: 1)))
      == "the nodes of a leaf and the oversubscription are more than 0")
}

@Test func machinesWithoutNetworkCardsAreNoNodesOfMany() {
  #expect(
    refusal(.nonBlocking, "8x-rtx-3090")
      == "'8x-rtx-3090' has no network, so it cannot be one of 2 nodes")
  #expect(
    refusal(.fullMesh(FullMesh()), "8x-rtx-3090")
      == "a full mesh joins network cards, and these nodes have none")
  #expect(
    refusal(.railOptimised(RailOptimised()), "8x-rtx-3090")
      == "rails join network cards, and these nodes have none")
  #expect(
    refusal(
      .dragonfly(Dragonfly(cardsPerRouter: 1, routersPerGroup: 1, globalLinksPerRouter: 1)),
      "8x-rtx-3090") == "a dragonfly joins network cards, and these nodes have none")
}
