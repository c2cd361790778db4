import Statistics
import Testing
import Traces

@testable import Placement

/// The definition of home traffic to nearest copies: each home's token by itself, with sets, and the ports
/// that its copies pass; where a token is sent to a node once, by way of the group in its own one's place.
private func plainHomeSeconds(
  _ placement: ExpertPlacement, _ problem: PlacementProblem, _ sets: ExpertSets, layer: Int
) -> Double {
  var (sent, received, sentAcross, receivedAcross) = ([0: 0.0], [0: 0.0], [0: 0.0], [0: 0.0])
  let isOnce = problem.exchange.way.sendsOnceToNode
  for set in sets.starts[layer]..<sets.starts[layer + 1] {
    for home in 0..<problem.groups {
      let tokens = sets.tokens[set] / Double(problem.groups)
      let homeNode = problem.node(ofGroup: home)
      var groups: Set<Int> = []
      for member in sets.members[set * sets.topK..<(set + 1) * sets.topK] {
        let hosts = placement.hosts[layer][Int(member)]
        let near = hosts.filter { problem.node(ofGroup: $0) == homeNode }
        groups.insert(
          hosts.contains(home)
            ? home : near.isEmpty ? hosts[home % hosts.count] : near[home % near.count])
      }
      func cross(to group: Int) {
        sentAcross[home, default: 0] += tokens
        receivedAcross[group, default: 0] += tokens
      }
      for node in Set(groups.map(problem.node(ofGroup:))) {
        let own = groups.filter { problem.node(ofGroup: $0) == node }
        let relay = node * problem.groupsPerNode + home % problem.groupsPerNode
        if node != homeNode, isOnce { cross(to: relay) }
        for group in own where node != homeNode && !isOnce { cross(to: group) }
        for group in own where (node == homeNode || isOnce) && group != relay {
          sent[relay, default: 0] += tokens
          received[group, default: 0] += tokens
        }
      }
    }
  }
  func most(_ one: [Int: Double], _ other: [Int: Double], _ seconds: Double) -> Double {
    // Seconds for a token are divided among all groups.
    max(one.values.max() ?? 0, other.values.max() ?? 0) * seconds * Double(problem.groups)
  }
  let inside = most(sent, received, problem.secondsInNode)
  let across = most(sentAcross, receivedAcross, problem.secondsAcrossNodes)
  return problem.exchange.way == .hopByHop ? inside + across : max(inside, across)
}

/// Copies of each expert on random groups, no group with more than its slots.
private func randomPlacement(
  _ problem: PlacementProblem, _ counts: [Int], _ random: inout RandomStream
) -> ExpertPlacement? {
  var hosts: [[[Int]]] = []
  for _ in 0..<problem.layers {
    var room = [Int](repeating: problem.slotsPerGroup, count: problem.groups)
    var layer: [[Int]] = []
    for count in counts {
      var own: [Int] = []
      for _ in 0..<count {
        let free = room.indices.filter { room[$0] > 0 && !own.contains($0) }
        guard !free.isEmpty else { return nil }
        let group = free[random.below(free.count)]
        room[group] -= 1
        own.append(group)
      }
      layer.append(own)
    }
    hosts.append(layer)
  }
  return ExpertPlacement(groups: problem.groups, hosts: hosts)
}

@Suite("Tokens that take the nearest copy")
struct NearestCopyTests {
  private func problem(
    _ seed: UInt64, groups: Int = 6, groupsPerNode: Int = 3, redundant: Int = 4,
    way: TokenExchange.Way = .hopByHop
  ) throws -> PlacementProblem {
    var problem = try boundProblem(
      seed: seed, layers: 2, experts: 8, groups: groups, groupsPerNode: groupsPerNode,
      redundant: redundant, windows: 2, traffic: .home)
    problem.replicaChoice = .nearest
    problem.exchange.way = way
    problem.workPerCopy = problem.work.map { $0 * 0.2 }
    return problem
  }

  @Test(
    "home traffic is that of each home's token by itself",
    arguments: [TokenExchange.Way.direct, .hopByHop, .streamed])
  func definition(way: TokenExchange.Way) throws {
    var random = RandomStream(seed: 3, name: "nearest")
    for seed in 0..<8 {
      let problem = try problem(UInt64(seed), way: way)
      let counts = [3, 1, 2, 1, 1, 2, 1, 1]
      guard let placement = randomPlacement(problem, counts, &random) else { continue }
      let sets = try #require(problem.sets)
      let cost = PlacementCost(of: placement, in: problem)
      for layer in 0..<2 {
        let plain = plainHomeSeconds(placement, problem, sets, layer: layer)
        #expect(abs(cost.homeSeconds[layer] - plain) < 1e-12 * max(1, plain))
      }
      #expect(abs(cost.inNodeSeconds + cost.acrossNodesSeconds - cost.communication) < 1e-12)
    }
  }

  @Test("what it costs is what replay counts, where every rank has every token", arguments: [2, 3])
  func replayed(perNode: Int) throws {
    var random = RandomStream(seed: 21, name: "replayed")
    let (layers, experts, topK, groups) = (2, 8, 3, 6)
    var selections: [UInt16] = []
    for _ in 0..<60 * layers {
      var chosen: [UInt16] = []
      while chosen.count < topK {
        let draw = random.uniform()
        let expert = UInt16(draw * draw * Double(experts))
        if !chosen.contains(expert) { chosen.append(expert) }
      }
      selections += chosen
    }
    let trace = try RoutingTrace(
      shape: try RoutingShape(model: "small", layerIDs: [0, 1], experts: experts, topK: topK),
      origin: .synthetic, provenance: "made by a test",
      sequences: [TraceSequence(name: "all", firstToken: 0, prefillTokens: 0, decodeTokens: 60)],
      selections: selections)
    var problem = try RoutingProfile(of: trace, windows: 1).problem(
      groups: groups, groupsPerNode: perNode, redundant: 4, iterationTokens: 60
    ) { _, _, tokens in tokens }
    (problem.traffic, problem.replicaChoice, problem.exchange.way) = (.home, .nearest, .direct)
    (problem.secondsInNode, problem.secondsAcrossNodes) = (1, 1000)
    let found = randomPlacement(problem, [3, 1, 2, 1, 1, 2, 1, 1], &random)
    let placement = try #require(found)
    let homes = Array(0..<groups)
    var counts = RoutingCounts(
      slots: try ExpertSlots(
        devices: groups, devicesPerNode: perNode, homeDevice: homes, hosts: placement.hosts,
        replicas: .nearest(
          hosts: placement.hosts, homeDevice: homes, devicesPerNode: perNode, devices: groups)))
    try counts.replay(
      ReplayBatch(ranks: homes.map { _ in Array(0..<trace.tokens) }), of: trace)
    let cost = PlacementCost(of: placement, in: problem)
    for layer in 0..<layers {
      // Every rank has all 60 tokens, a sixth of which are one's own in an iteration.
      func busiest(_ copies: (Int) -> Int) -> Double {
        Double(homes.map(copies).max() ?? 0) / Double(groups)
      }
      let rank = { (home: Int) in home * layers + layer }
      let device = { (group: Int) in layer * groups + group }
      let within = max(
        busiest { Int(counts.sentWithinNode[rank($0)]) },
        busiest { Int(counts.receivedWithinNode[device($0)]) })
      let across = max(
        busiest { Int(counts.sent[rank($0)]) - Int(counts.sentWithinNode[rank($0)]) },
        busiest { Int(counts.received[device($0)]) - Int(counts.receivedWithinNode[device($0)]) })
      #expect(within > 0 && across > 0)
      let expected =
        Double(groups) * max(within * problem.secondsInNode, across * problem.secondsAcrossNodes)
      #expect(abs(cost.homeSeconds[layer] - expected) < 1e-9 * expected)
      var loads = [Double](repeating: 0, count: groups)
      let slots = counts.slots
      for slot in 0..<slots.slotCount[layer] {
        let cell = layer * slots.slotsPerLayer + slot
        loads[Int(slots.deviceOfSlot[cell])] += Double(counts.slotTokens[cell]) / Double(groups)
      }
      let slowest = loads.max() ?? 0
      #expect(abs(cost.layerWork[layer] - slowest) < 1e-9 * slowest)
    }
  }

  @Test("copies everywhere leave nothing to send, and all work where it began")
  func everywhere() throws {
    let problem = try problem(1, groups: 2, groupsPerNode: 1, redundant: 8)
    let all = ExpertPlacement(
      groups: 2, hosts: Array(repeating: Array(repeating: [0, 1], count: 8), count: 2))
    let cost = PlacementCost(of: all, in: problem)
    #expect(cost.communication == 0 && abs(cost.groupsPerToken - 1) < 1e-12)
    #expect(cost.imbalance.allSatisfy { abs($0 - 1) < 1e-12 })
    // Whatever the choice, a token needs what its copies cost.
    var even = problem
    even.replicaChoice = .even
    #expect(PlacementCost(of: all, in: even).communication > 0)
  }

  @Test(
    "without copies the choice changes nothing",
    arguments: [TokenExchange.Way.direct, .hopByHop, .streamed])
  func withoutCopies(way: TokenExchange.Way) throws {
    let problem = try problem(5, redundant: 0, way: way)
    var even = problem
    even.replicaChoice = .even
    var random = RandomStream(seed: 8, name: "single")
    let found = randomPlacement(problem, Array(repeating: 1, count: 8), &random)
    let placement = try #require(found)
    let cost = PlacementCost(of: placement, in: problem)
    #expect(cost == PlacementCost(of: placement, in: even))
    // Each home's token by itself says the same, and so does what a search makes of it.
    let sets = try #require(problem.sets)
    let plain = (0..<2).map { plainHomeSeconds(placement, problem, sets, layer: $0) }
    #expect(zip(cost.homeSeconds, plain).allSatisfy { abs($0 - $1) < 1e-12 * $1 })
    let tables = SearchTables(problem, counts: placement.hosts.map { $0.map(\.count) })
    let groupOfItem = try #require(tables.groupOfItem(placement))
    let searched = SearchState(tables, groupOfItem: groupOfItem).cost
    let total = cost.work + plain.reduce(0, +)
    #expect(abs(searched - total) < 1e-6 * total)
  }

  @Test("no placement costs less than the bound", arguments: [(6, 3), (6, 2), (4, 4), (3, 1)])
  func bound(groups: Int, groupsPerNode: Int) throws {
    var random = RandomStream(seed: 11, name: "nearest bound")
    var closest = Double.infinity
    for seed in 0..<6 {
      for exchange in tokenExchanges {
        let redundant = groups == 3 ? 7 : 4
        var problem = try problem(
          UInt64(seed), groups: groups, groupsPerNode: groupsPerNode, redundant: redundant)
        problem.exchange = exchange
        let counts = redundant == 7 ? [3, 2, 2, 1, 1, 2, 2, 2] : [3, 1, 2, 1, 1, 2, 1, 1]
        let bound = try PlacementBound(of: problem, copies: [counts, counts])
        #expect(bound.isOfChosenCopies && bound.covers == .everything)
        for _ in 0..<100 {
          guard let placement = randomPlacement(problem, counts, &random) else { continue }
          let cost = PlacementCost(of: placement, in: problem)
          #expect(problem.admits(placement))
          #expect(cost.total >= bound.total * (1 - 1e-6))
          for layer in 0..<2 {
            #expect(cost.layerWork[layer] >= bound.layerWork[layer] * (1 - 1e-9))
            #expect(cost.homeSeconds[layer] >= bound.communicationSeconds[layer] * (1 - 1e-6))
          }
          closest = min(closest, cost.total / bound.total)
        }
      }
    }
    // Not so low that it says nothing: it takes all ports for even, and six kinds of tokens are not.
    #expect(closest < 2)
  }

  @Test(
    "a search is better than where copies balance",
    arguments: [TokenExchange.Way.direct, .hopByHop, .streamed])
  func search(way: TokenExchange.Way) throws {
    var ratios = 0.0
    for seed in 0..<4 {
      // Nine times as dear as in the node, like cards beside a scale-up network.
      var problem = try problem(UInt64(seed), way: way)
      problem.secondsAcrossNodes = 9 * problem.secondsInNode
      let found = try PlacementSearch(seed: 1, trials: 1000).run(problem)
      let balanced = PlacementCost(of: .eplb(problem), in: problem)
      #expect(found.cost.total < balanced.total)
      #expect(found.cost == PlacementCost(of: found.placement, in: problem))
      ratios += found.cost.total / balanced.total
    }
    // In the mean by a twelfth where nodes get a token once, without the descent by nearest copies half as
    // much; by an eighth where each group does.
    #expect(ratios / 4 < (way == .direct ? 7.0 / 8 : 11.0 / 12))
  }

  @Test("where nothing is known of a choice, the bound is the mean work and says so")
  func unknown() throws {
    var problem = try problem(2)
    problem.replicaChoice = .leastLoaded
    let counts = [[3, 1, 2, 1, 1, 2, 1, 1], [3, 1, 2, 1, 1, 2, 1, 1]]
    let bound = try PlacementBound(of: problem, copies: counts)
    #expect(bound.covers == .meanWork && !bound.isOfChosenCopies && bound.communication == 0)
    problem.replicaChoice = .nearest
    problem.traffic = .transition
    #expect(try PlacementBound(of: problem, copies: counts).covers == .meanWork)
    problem.replicaChoice = .even
    #expect(try PlacementBound(of: problem, copies: counts).covers == .everything)
  }
}

/// With one group a node it is all the same whether a token is sent once to each node.
@Test func nearestCopiesCostWhatTheBusierDirectionTakes() throws {
  // Both experts of four tokens each live elsewhere for group 0, which sends twice what any gets.
  var problem = try PlacementProblem(
    layers: 1, experts: 2, groups: 4, groupsPerNode: 1, slotsPerGroup: 2, redundant: 3,
    work: [0, 0])
  problem.traffic = .home
  problem.replicaChoice = .nearest
  problem.sets = ExpertSets(topK: 1, starts: [0, 2], members: [0, 1], tokens: [4, 4])
  (problem.secondsInNode, problem.secondsAcrossNodes) = (1, 1)
  let placement = ExpertPlacement(groups: 4, hosts: [[[1, 2, 3], [2, 3]]])
  for way in TokenExchange.Way.allCases {
    problem.exchange.way = way
    #expect(PlacementCost(of: placement, in: problem).total == 8)
  }
}

@Test func whatPortsAndTheirGroupsHandleAddsUp() throws {
  var problem = try boundProblem(seed: 1, layers: 1, experts: 4, groups: 4, groupsPerNode: 2)
  problem.exchange.way = .streamed
  var ports = HomePorts(problem)
  ports.add(3, from: 0, to: 1)
  ports.add(2, from: 0, toNode: 1)
  ports.add(ports)
  #expect(ports.load.made == 6 && ports.load.worked == 6 && ports.load.staged == 4)
  #expect(ports.load.own == 6 && ports.load.across == 4)
}

@Test func devicesHandleCopiesOnlyWhereTheWayHasThatPart() throws {
  var problem = try boundProblem(seed: 1, layers: 1, experts: 4, groups: 4, groupsPerNode: 2)
  for way in TokenExchange.Way.allCases {
    problem.exchange = TokenExchange(way)
    #expect(!HomePrice(problem).handles)
    problem.exchange.combineHandling = .init(copied: 0.1, staged: 0.1)
    #expect(HomePrice(problem).handles == (way == .direct || way == .streamed))
  }
}
