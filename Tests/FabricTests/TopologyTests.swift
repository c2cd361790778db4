import Engine
import Hardware
import Testing
import Units

@testable import Fabric

// What every topology promises, and what each of them does.

private func network(_ machines: [NetworkPlan.Machine], _ topology: Topology) throws -> Network {
  try Network(NetworkPlan(machines: machines, topology: topology))
}

private let threeTiers = FatTree(tiers: [
  .init(children: 4), .init(children: 2, switches: 2, oversubscription: 2),
  .init(children: 4, switches: 4, oversubscription: 2),
])

/// One of each kind, none of them large.
private func samples() throws -> [(name: String, network: Network)] {
  let grid = Grid(
    dimensions: [4, 4], wraps: true, bandwidth: Bandwidth(1e9), latency: .zero)
  var mesh = grid
  mesh.wraps = false
  let lengthwise = Grid(
    dimensions: [2, 2, 4], wraps: true, bandwidth: Bandwidth(1e9), latency: .zero)
  let pair = try machines("dgx-h100", 2)
  let mixed = try machines("dgx-h100", 1) + [manyBehindOneCard()]
  let dragonfly = Dragonfly(cardsPerRouter: 2, routersPerGroup: 2, globalLinksPerRouter: 2)
  return [
    ("one machine", try network(machines("dgx-h100", 1), .nonBlocking)),
    ("two machines", try network(pair, .nonBlocking)),
    ("rails", try network(pair, .railOptimised(RailOptimised()))),
    (
      "rails of two leaves",
      try network(
        machines("dgx-a100", 4), .railOptimised(RailOptimised(nodesPerLeaf: 2, spines: 4)))
    ),
    (
      "rails that meet in spines",
      try network(pair, .railOptimised(RailOptimised(spines: 2, crossRail: .spine)))
    ),
    ("rails of machines that differ", try network(mixed, .railOptimised(RailOptimised()))),
    ("fat tree", try network(pair, .fatTree(FatTree(cardsPerLeaf: 4, spines: 2)))),
    ("three tiers", try network(machines("dgx-v100", 8), .fatTree(threeTiers))),
    ("dragonfly", try network(machines("dgx-v100", 5), .dragonfly(dragonfly))),
    ("torus", try network(machines("dgx-h100", 2), .grid(grid))),
    ("mesh", try network(machines("dgx-h100", 2), .grid(mesh))),
    ("three dimensions", try network(machines("dgx-h100", 2), .grid(lengthwise))),
    ("full mesh", try network(machines("dgx-h100", 3), .fullMesh(FullMesh()))),
    ("planes", try network(machines("cloudmatrix-node", 2), .nonBlocking)),
    ("links for each pair", try network(machines("8x-mi300x", 2), .nonBlocking)),
    ("PCIe", try network(machines("8x-a40", 2), .nonBlocking)),
  ]
}

private func manyBehindOneCard() throws -> NetworkPlan.Machine {
  var machine = try node("dgx-h100")
  machine.network?.cardCount = 1
  return NetworkPlan.Machine(machine)
}

/// Lengths of the shortest ways between devices, by relaxing every link until nothing changes
/// (Bellman and Ford): slow and without buckets.
private func plainDistances(_ network: Network, to target: Int) -> [Int] {
  var distances = [Int](repeating: Int.max, count: network.vertices.count)
  distances[target] = 0
  var isChanged = true
  while isChanged {
    isChanged = false
    for link in network.links where distances[link.target] < Int.max {
      guard link.target == target || network.vertices[link.target].forwards else { continue }
      if distances[link.target] + link.length < distances[link.source] {
        distances[link.source] = distances[link.target] + link.length
        isChanged = true
      }
    }
  }
  return distances
}

@Test func halfToHalfCountsOnlyLinksThatRoutesTake() {
  // Devices of a node also meet at its hosts, by lanes that nothing takes.
  let inside = try? Network(NetworkPlan(machines: machines("gb200-nvl72", 1)))
  let flow = inside.map { MaximumFlow($0, from: 0..<36, to: 36..<72).bandwidth }
  let port = try? node("gb200-nvl72").scaleUp.port.effectiveBandwidth
  #expect(flow != nil && flow?.value == port.map { 36 * $0.value })
}

@Test func aSendSpraysOverSpinesAndUsesOneRelay() throws {
  let shape = RailOptimised(nodesPerLeaf: 2, spines: 4)
  let rails = try network(machines("dgx-h100", 4), .railOptimised(shape))
  var finder = RouteFinder(rails)
  // Another rail of the same leaf: the sender's relay, whole.
  let near = try finder.route(from: 3, to: 13)
  #expect(near.hops.allSatisfy { $0.share == 1 })
  #expect(rails.links[try #require(near.hops.first).link].kind == .scaleUp)
  // Another leaf: a quarter for each spine.
  let far = try finder.route(from: 3, to: 29)
  let shares = far.hops.filter { rails.links[$0.link].kind == .core }.map(\.share)
  #expect(shares == [Double](repeating: 0.25, count: 8))
}

@Test func everyTwoDevicesAreJoinedByShortestWaysWithoutLoops() throws {
  for (name, network) in try samples() {
    var finder = RouteFinder(network, spread: .ordered)
    for target in 0..<network.deviceCount {
      let distances = plainDistances(network, to: target)
      for source in 0..<network.deviceCount where source != target {
        let links = try finder.route(from: source, to: target).hops.map { network.links[$0.link] }
        let isChain =
          links.first?.source == source && links.last?.target == target
          && zip(links, links.dropFirst()).allSatisfy { $0.target == $1.source }
        let visited = Set(links.map(\.source))
        let length = links.reduce(0) { $0 + $1.length }
        guard isChain, visited.count == links.count, length == distances[source] else {
          Issue.record("\(name): \(source) to \(target) over \(links.map(\.name))")
          return
        }
      }
    }
  }
}

@Test func trafficInsideAMachineNeverLeavesIt() throws {
  for (name, network) in try samples() where network.vertices.contains(where: { $0.kind == .host })
  {
    guard !["torus", "mesh", "three dimensions"].contains(name) else { continue }
    var finder = RouteFinder(network, spread: .spray)
    for target in 0..<network.deviceCount {
      for source in 0..<network.deviceCount
      where source != target && network.vertices[source].node == network.vertices[target].node {
        let route = try finder.route(from: source, to: target)
        let outside = route.hops.first {
          network.vertices[network.links[$0.link].target].node != network.vertices[target].node
        }
        if let outside {
          Issue.record("\(name): \(source) to \(target) by \(network.links[outside.link].name)")
          return
        }
      }
    }
  }
}

// MARK: - Rails

private func names(_ network: Network, _ source: Int, _ target: Int) throws -> [String] {
  var finder = RouteFinder(network)
  return try finder.route(from: source, to: target).hops.map { network.links[$0.link].name }
}

@Test func devicesOfOneRailMeetAtItsLeaf() throws {
  let rails = try network(machines("dgx-h100", 2), .railOptimised(RailOptimised()))
  #expect(
    try names(rails, 3, 11) == [
      "device 3 -> node 0 PCIe 3", "node 0 card 3 out", "node 1 card 3 in",
      "node 1 PCIe 3 -> device 11",
    ])
}

@Test func betweenRailsADeviceOfTheSendersNodeRelays() throws {
  let rails = try network(machines("dgx-h100", 2), .railOptimised(RailOptimised()))
  #expect(
    try names(rails, 3, 13) == [
      "device 3 -> node 0 switch", "node 0 switch -> device 5", "device 5 -> node 0 PCIe 5",
      "node 0 card 5 out", "node 1 card 5 in", "node 1 PCIe 5 -> device 13",
    ])
}

@Test func relaysAreUsedAlsoWhereSpinesStandBesideThem() throws {
  let shape = RailOptimised(nodesPerLeaf: 2, spines: 2)
  let rails = try network(machines("dgx-h100", 4), .railOptimised(shape))
  func kinds(_ source: Int, _ target: Int) throws -> Set<Network.LinkKind> {
    var finder = RouteFinder(rails)
    let route = try finder.route(from: source, to: target)
    return Set(route.hops.map { rails.links[$0.link].kind })
  }
  // The same leaves: the same rail takes one leaf, others a relay. Other leaves: spines.
  #expect(try kinds(3, 11) == [.hostLane, .card])
  #expect(try kinds(3, 10) == [.hostLane, .card, .scaleUp])
  #expect(try kinds(3, 19) == [.hostLane, .card, .core])
}

@Test func withoutRelaysRailsMeetInSpines() throws {
  let shape = RailOptimised(spines: 2, crossRail: .spine)
  let rails = try network(machines("dgx-h100", 2), .railOptimised(shape))
  var finder = RouteFinder(rails)
  // Devices 2 and 3 hang on the same socket, and their cards could be reached through it.
  let route = try finder.route(from: 3, to: 10)
  let kinds = route.hops.map { rails.links[$0.link].kind }
  #expect(kinds.count { $0 == .core } == 4)
  #expect(Set(kinds) == [.hostLane, .card, .core])
  #expect(route.hops.allSatisfy { $0.share == (rails.links[$0.link].kind == .core ? 0.5 : 1) })
}

@Test func aMachineWithOneCardBesideOneWithEightIsReachedOverItsOnlyRail() throws {
  // 8 H100 with a card each, and 8 behind one card that hangs on a host.
  let mixed = try network(
    machines("dgx-h100", 1) + [manyBehindOneCard()], .railOptimised(RailOptimised()))
  let there = try names(mixed, 5, 13)
  #expect(there.contains("node 0 card 0 out") && there.contains("node 1 card 0 in"))
  #expect(there.prefix(2) == ["device 5 -> node 0 switch", "node 0 switch -> device 0"])
  let back = try names(mixed, 13, 5)
  #expect(back.contains("node 1 card 0 out") && back.contains("node 0 card 0 in"))
  // The one card carries all 64 messages each way.
  let done = try run(exchange(1e6, ranks: 16), on: mixed)
  let card = try mixed.link(named: "node 1 card 0 in")
  #expect(done.links.first { $0.link == card }.map { isAbout($0.bytes.value, 64e6) } == true)
}

@Test func machinesThatDifferKeepTheirOwnPorts() throws {
  let mixed = try network(machines("dgx-a100", 1) + machines("dgx-h100", 1), .nonBlocking)
  let done = try run(exchange(1e6, ranks: 16), on: mixed)
  func seconds(_ name: String) throws -> Double {
    let link = try mixed.link(named: name)
    let use = try #require(done.links.first { $0.link == link })
    return use.bytes.value / mixed.links[link].bandwidth.value
  }
  let slow = try #require(node("dgx-a100").network).port.effectiveBandwidth
  #expect(isAbout(try seconds("node 0 card 2 out"), 8e6 / slow.value))
  let fast = try #require(node("dgx-h100").network).port.effectiveBandwidth
  #expect(isAbout(try seconds("node 1 card 2 out"), 8e6 / fast.value))
}

// MARK: - Fat trees and dragonflies

/// What the links from some vertices to some others carry together.
private func bandwidth(
  _ network: Network, from source: (String) -> Bool, to target: (String) -> Bool
) -> Double {
  network.links.reduce(0) { sum, link in
    let isBetween =
      source(network.vertices[link.source].name) && target(network.vertices[link.target].name)
    return sum + (isBetween ? link.bandwidth.value : 0)
  }
}

@Test func uplinksCarryWhatComesFromBelowOverTheOversubscription() throws {
  let tree = try network(
    machines("dgx-h100", 4), .fatTree(FatTree(cardsPerLeaf: 8, spines: 4, oversubscription: 2)))
  let card = try #require(node("dgx-h100").network).port.effectiveBandwidth.value
  for leaf in 0..<4 {
    let up = bandwidth(tree, from: { $0 == "leaf \(leaf)" }, to: { $0.hasPrefix("spine") })
    let down = bandwidth(tree, from: { $0.hasPrefix("spine") }, to: { $0 == "leaf \(leaf)" })
    #expect(isAbout(up, 8 * card / 2))
    #expect(isAbout(down, 8 * card / 2))
  }
}

@Test func theRatiosOfThreeTiersMultiply() throws {
  // 8 nodes of 4 cards: 8 leaves of 4, 4 groups of 2 leaves under 2 spines each, 4 cores. 2 x 2.
  let tree = try network(machines("dgx-v100", 8), .fatTree(threeTiers))
  let names = tree.vertices.map(\.name)
  #expect(names.count { $0.hasPrefix("leaf") } == 8)
  #expect(names.count { $0.hasPrefix("spine") } == 8)
  #expect(names.count { $0.hasPrefix("core") } == 4)
  let card = try #require(node("dgx-v100").network).port.effectiveBandwidth.value
  let toSpines = bandwidth(tree, from: { $0.hasPrefix("leaf") }, to: { $0.hasPrefix("spine") })
  #expect(isAbout(toSpines, 32 * card / 2))
  let toCores = bandwidth(tree, from: { $0.hasPrefix("spine") }, to: { $0.hasPrefix("core") })
  #expect(isAbout(toCores, 32 * card / 4))
  // Between groups a way climbs to a core and down again: 4 links between switches, at each branch
  // as many as there are.
  var finder = RouteFinder(tree)
  let hops = try finder.route(from: 0, to: 63).hops
  let core = hops.filter { tree.links[$0.link].kind == .core }
  #expect(core.count == 2 + 8 + 8 + 2)
  #expect(isAbout(core.reduce(0) { $0 + $1.share }, 4))
}

@Test func everyTwoGroupsOfADragonflyShareAGlobalLinkAndNoWayTakesTwo() throws {
  for (groups, machineCount) in [(9, 9), (5, 5), (2, 2)] {
    let shape = Dragonfly(cardsPerRouter: 2, routersPerGroup: 4, globalLinksPerRouter: 2)
    let network = try network(machines("dgx-h100", machineCount), .dragonfly(shape))
    func group(_ vertex: Int) -> Int? {
      let words = network.vertices[vertex].name.split(separator: " ")
      return words.first == "group" ? Int(words[1]) : nil
    }
    var joined: [[Int]: Int] = [:]
    var ends = [Int](repeating: 0, count: network.vertices.count)
    for link in network.links {
      guard let from = group(link.source), let to = group(link.target), from != to else { continue }
      joined[[from, to], default: 0] += 1
      ends[link.source] += 1
    }
    #expect(joined.count == groups * (groups - 1))
    // 8 global links a group, the same number to each other group; a router has no more than its two.
    #expect(joined.values.allSatisfy { $0 == 8 / (groups - 1) })
    #expect((ends.max() ?? 0) <= 2)
    var finder = RouteFinder(network)
    for target in stride(from: 0, to: network.deviceCount, by: 3) {
      for source in 0..<network.deviceCount where source / 8 != target / 8 {
        let across = try finder.route(from: source, to: target).hops.filter {
          let link = network.links[$0.link]
          return group(link.source) != nil && group(link.target) != nil
            && group(link.source) != group(link.target)
        }
        let share = across.reduce(0) { $0 + $1.share }
        #expect(isAbout(share, 1))
      }
    }
  }
}

// MARK: - Grids

@Test func aTorusIsNeverFurtherThanHalfWayRound() throws {
  let torus = try Network.grid([4, 6], wraps: true, Bandwidth(1e9))
  let mesh = try Network.grid([4, 6], wraps: false, Bandwidth(1e9))
  var aroundIt = RouteFinder(torus)
  var acrossIt = RouteFinder(mesh)
  for target in 0..<24 {
    for source in 0..<24 {
      let x = abs(source % 4 - target % 4)
      let y = abs(source / 4 - target / 4)
      #expect(try acrossIt.route(from: source, to: target).hops.count == x + y)
      let round = min(x, 4 - x) + min(y, 6 - y)
      #expect(try aroundIt.route(from: source, to: target).hops.count == round)
    }
  }
  #expect(torus.links.count == 24 * 4)
  // A ring of two has one neighbour, not the same one twice.
  #expect(try Network.grid([2, 2], wraps: true, Bandwidth(1e9)).links.count == 8)
  #expect(try Network.grid([1, 3], wraps: true, Bandwidth(1e9)).links.count == 6)
}

@Test func meshRoutesGoAlongTheFirstDimensionFirst() throws {
  let mesh = try Network.grid([3, 3], wraps: false, Bandwidth(1e9))
  var finder = RouteFinder(mesh)
  let route = try finder.route(from: 0, to: 8)
  #expect(route.hops.map { mesh.links[$0.link].target } == [1, 2, 5, 8])
}

// MARK: - Planes and racks

@Test func uniformTrafficOnTheUnifiedBusIsSpreadEvenlyOverSevenPlanes() throws {
  let planes = try network(machines("cloudmatrix-node", 2), .nonBlocking)
  for die in 0..<32 {
    let out = planes.outgoing[die].filter { planes.links[$0].kind == .scaleUp }
    #expect(out.count == 7)
  }
  // Each of 32 dies has m for each other: 31 m over 7 links of its own, and 16 x 16 m between nodes
  // over the 7 uplinks of each.
  let m = 7e6
  let done = try run(exchange(m, ranks: 32), on: planes)
  let ports = done.links.filter { planes.links[$0.link].kind == .scaleUp }
  #expect(ports.count == 2 * 7 * 32)
  #expect(ports.allSatisfy { isAbout($0.bytes.value, 31 * m / 7) })
  let uplinks = done.links.filter { planes.links[$0.link].kind == .core }
  #expect(uplinks.count == 2 * 7 * 2)
  #expect(uplinks.allSatisfy { isAbout($0.bytes.value, 256 * m / 7) })
  // 16 dies of 28 GB/s on a plane behind 448 GB/s: the uplinks do not block, the ports are full.
  let port = try node("cloudmatrix-node").scaleUp.port.effectiveBandwidth.value
  #expect(isAbout(done.leastTime.value, 31 * m / port))
}

@Test func aPairOfDiesHasThePortsRateInsideANodeAndBetweenNodes() throws {
  let planes = try network(machines("cloudmatrix-node", 2), .nonBlocking)
  let unit = try node("cloudmatrix-node").scaleUp.port
  for (target, latency) in [(1, 0.7e-6), (16, 2.1e-6)] {
    let done = try run(
      .init(
        operation: .send, bytes: Bytes(1e9), options: CollectiveOptions(root: 0, target: target)),
      on: planes)
    #expect(isAbout(done.time, latency + 1e9 / unit.effectiveBandwidth.value, picoseconds: 10))
  }
}

@Test func aRackOfSeventyTwoIsOneSwitchedMachine() throws {
  let cluster = try Cluster(node("gb200-nvl72"), count: 1)
  let rack = try Network(NetworkPlan(cluster))
  let m = 1e6
  let done = try run(exchange(m, ranks: 72), on: rack)
  #expect(Set(done.links.map { rack.links[$0.link].kind }) == [.scaleUp])
  let port = cluster.node.scaleUp.port
  #expect(isAbout(done.time, port.latency.seconds + 71 * m / port.effectiveBandwidth.value))
}

// MARK: - Hosts

@Test func pcieTrafficBetweenSocketsPassesTheirLink() throws {
  // Eight A40 on two sockets: of 56 messages 16 go from one socket to the other.
  let host = try network(machines("8x-a40", 1), .nonBlocking)
  let m = 1e6
  let done = try run(exchange(m, ranks: 8), on: host)
  let socket = done.links.filter { host.links[$0.link].kind == .socket }
  #expect(socket.count == 2)
  #expect(socket.allSatisfy { isAbout($0.bytes.value, 16 * m) })
  let link = try #require(node("8x-a40").host.socketLink).effectiveBandwidth.value
  let lane = try node("8x-a40").hostLink.effectiveBandwidth.value
  #expect(isAbout(done.leastTime.value, max(16 * m / link, 7 * m / lane)))
}

@Test func pcieTrafficStaysInsideEvenWhereEveryDeviceHasACard() throws {
  // Over the cards a message would take four links, over both sockets five.
  var machine = try node("8x-a40")
  machine.network?.cardCount = 8
  let pair = try network([.init(machine), .init(machine)], .nonBlocking)
  let route = try names(pair, 0, 7)
  #expect(route.count == 5 && route.contains("node 0 socket 0 -> node 0 socket 1"))
  #expect(try names(pair, 0, 8).contains("node 0 card 0 out"))
}

@Test func devicesThatShareAPCIeSwitchUseTheScaleUpNetworkBetweenThem() throws {
  // DGX-1: two GPUs and one card to a PCIe switch.
  let machine = try network(machines("dgx-v100", 1), .nonBlocking)
  #expect(
    try names(machine, 0, 1) == ["device 0 -> node 0 switch", "node 0 switch -> device 1"])
}
