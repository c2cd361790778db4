import Engine
import Hardware
import Testing
import Units

@testable import Fabric

private func tree(spines: Int) throws -> Network {
  let tree = FatTree(cardsPerLeaf: 8, spines: spines)
  return try Network(NetworkPlan(machines: machines("dgx-h100", 2), topology: .fatTree(tree)))
}

private func spines(_ network: Network, _ route: Route) -> [String] {
  route.hops.map { network.vertices[network.links[$0.link].target].name }
    .filter { $0.hasPrefix("spine") }
}

@Test func ecmpTakesOneWayThatDependsOnNothingButItsEndsAndTheSeed() throws {
  let network = try tree(spines: 8)
  var finder = RouteFinder(network, spread: .ecmp)
  var chosen: [Route] = []
  for target in 8..<16 {
    for source in 0..<8 { chosen.append(try finder.route(from: source, to: target)) }
  }
  #expect(chosen.allSatisfy { $0.hops.allSatisfy { $0.share == 1 } })
  #expect(chosen.allSatisfy { spines(network, $0).count == 1 })
  // In another order, with other routes between and other bytes.
  var again = RouteFinder(network, spread: .ecmp)
  for target in (8..<16).reversed() {
    for source in (0..<8).reversed() {
      _ = try again.route(from: target, to: source)
      let route = try again.route(from: source, to: target)
      #expect(route == chosen[(target - 8) * 8 + source])
    }
  }
  var other = RouteFinder(network, spread: .ecmp, seed: 1)
  var same = 0
  for (index, route) in chosen.enumerated() {
    if try other.route(from: index % 8, to: 8 + index / 8) == route { same += 1 }
  }
  // One in eight by chance.
  #expect(same < 24)
}

@Test func ecmpUsesEveryWayAboutAsOften() throws {
  let network = try tree(spines: 4)
  var counts: [String: Int] = [:]
  for seed in UInt64(0)..<16 {
    var finder = RouteFinder(network, spread: .ecmp, seed: seed)
    for target in 8..<16 {
      for source in 0..<8 {
        counts[spines(network, try finder.route(from: source, to: target))[0], default: 0] += 1
      }
    }
  }
  // 1,024 draws among four: 256 each, the standard deviation is 14.
  #expect(counts.count == 4)
  #expect(counts.values.allSatisfy { abs($0 - 256) < 70 })
}

@Test func sprayedSharesAddUpToOneAtEveryCut() throws {
  let torus = try Network.grid([4, 6], wraps: true, Bandwidth(1e9))
  for network in [try tree(spines: 3), torus] {
    var finder = RouteFinder(network, spread: .spray)
    for target in 0..<network.deviceCount {
      for source in 0..<network.deviceCount where source != target {
        let hops = try finder.route(from: source, to: target).hops
        // What reaches a vertex leaves it, but for the two ends: then every cut carries one flow.
        var balance = [Double](repeating: 0, count: network.vertices.count)
        for hop in hops {
          balance[network.links[hop.link].source] += hop.share
          balance[network.links[hop.link].target] -= hop.share
        }
        balance[source] -= 1
        balance[target] += 1
        let worst = balance.map { abs($0) }.max() ?? 0
        let isPositive = hops.allSatisfy { $0.share > 0 && $0.share <= 1 }
        guard worst < 1e-12, isPositive, Set(hops.map(\.link)).count == hops.count else {
          Issue.record("\(source) to \(target): \(hops)")
          return
        }
      }
    }
  }
}

@Test func adaptiveSpreadingGivesEqualLinksEqualLoads() throws {
  // 64 flows of one byte from leaf to leaf over four spines: 16 each way on each link.
  let network = try tree(spines: 4)
  var finder = RouteFinder(network, spread: .adaptive)
  var loads: [Int: Double] = [:]
  for target in 8..<16 {
    for source in 0..<8 {
      for hop in try finder.route(from: source, to: target).hops {
        loads[hop.link, default: 0] += hop.share
      }
    }
  }
  let core = loads.filter { network.links[$0.key].kind == .core }
  #expect(core.count == 8)
  #expect(core.values.allSatisfy { $0 == 16 })
}

@Test func adaptiveSpreadingWeighsFlowsAndBandwidths() throws {
  // Two ways, one of three times the bandwidth: of four equal flows it gets three.
  var network = Network()
  _ = network.addDevice(node: nil)
  _ = network.addDevice(node: nil)
  let ways = [1e9, 3e9].map { bandwidth in
    let middle = network.addVertex("way of \(bandwidth)", .switch)
    network.addLink(.core, from: 0, to: middle, Bandwidth(bandwidth))
    network.addLink(.core, from: middle, to: 1, Bandwidth(bandwidth))
    return middle
  }
  var finder = RouteFinder(network, spread: .adaptive)
  var middles: [Int] = []
  for _ in 0..<4 {
    let route = try finder.route(from: 0, to: 1)
    middles.append(network.links[route.hops[0].link].target)
  }
  #expect(middles.count { $0 == ways[1] } == 3)
  // Where the faster way has a ninth left, the slower one gets three of four.
  var slowed = RouteFinder(network, spread: .adaptive, factors: [1, 1, 1.0 / 9, 1.0 / 9])
  let firsts = try (0..<4).map { _ in
    network.links[try slowed.route(from: 0, to: 1).hops[0].link].target
  }
  #expect(firsts.count { $0 == ways[0] } == 3)
  // A link without bandwidth is a way like another for who looks for one.
  network.addLink(.core, from: 1, to: 0, .zero)
  var back = RouteFinder(network, spread: .adaptive)
  #expect(try back.route(from: 1, to: 0).hops.count == 1)
}

@Test(arguments: Spread.allCases)
func theSameRunTwiceIsTheSame(_ spread: Spread) throws {
  let network = try tree(spines: 4)
  for fidelity in FabricPlan.Fidelity.allCases {
    let question = exchange(1e6, ranks: 16)
    let first = try run(question, on: network, fidelity, spread: spread)
    let second = try run(question, on: network, fidelity, spread: spread)
    #expect(first.time == second.time)
    #expect(first.links == second.links)
  }
}

@Test func sprayingIsNoSlowerThanHashing() throws {
  // Equal parts on equal links are the best there is; one way for each pair is uneven.
  let network = try tree(spines: 4)
  let question = exchange(1e6, ranks: 16)
  let sprayed = try run(question, on: network, spread: .spray)
  let hashed = try run(question, on: network, spread: .ecmp)
  #expect(sprayed.time < hashed.time)
}

@Test(arguments: Spread.allCases)
func detoursPassTheSwitchTheyAreLedThrough(_ spread: Spread) throws {
  // Whatever was asked before, a pair's way over its switch is the same, and both legs are whole.
  let shape = Dragonfly(cardsPerRouter: 2, routersPerGroup: 4, globalLinksPerRouter: 2)
  let network = try Network(
    NetworkPlan(machines: machines("dgx-h100", 5), topology: .dragonfly(shape)))
  var finder = RouteFinder(network, spread: spread, detour: .valiant)
  for (source, target) in [(0, 39), (17, 3), (8, 16), (5, 4)] {
    let route = try finder.route(from: source, to: target)
    var balance = [Double](repeating: 0, count: network.vertices.count)
    for hop in route.hops {
      balance[network.links[hop.link].source] += hop.share
      balance[network.links[hop.link].target] -= hop.share
    }
    balance[source] -= 1
    balance[target] += 1
    #expect(balance.allSatisfy { abs($0) < 1e-12 })
    if spread != .adaptive {
      var fresh = RouteFinder(network, spread: spread, detour: .valiant)
      #expect(try fresh.route(from: source, to: target) == route)
    }
    let isInside = source / 8 == target / 8
    let passed = Set(route.hops.map { network.links[$0.link].target })
    #expect(isInside == passed.isDisjoint(with: network.detours))
  }
}
