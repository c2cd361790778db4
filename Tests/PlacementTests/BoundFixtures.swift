import Statistics

@testable import Placement

/// Every way to put experts on groups with so many slots each, the groups of each expert.
func allLayerPlacements(experts: Int, groups: Int, slots: Int) -> [[Int]] {
  var found: [[Int]] = [[]]
  for _ in 0..<experts {
    found = found.flatMap { state in
      (0..<groups).filter { group in state.count { $0 == group } < slots }.map { state + [$0] }
    }
  }
  return found
}

/// Exchanges of every kind, whose dispatches take a smaller part of what they take in nodes than of what they
/// take between them.
let tokenExchanges: [TokenExchange] = {
  var exchanges = TokenExchange.Way.allCases.map { TokenExchange($0) }
  var copies = TokenExchange(.direct)
  copies.copiesForEachExpert = true
  exchanges.append(copies)
  var shared = TokenExchange(.direct)
  shared.groupsPerWayOut = 2
  exchanges.append(shared)
  for way in TokenExchange.Way.allCases {
    var planes = TokenExchange(way)
    (planes.groupsPerWayOut, planes.leavesByPort) = (3, true)
    exchanges.append(planes)
    planes.devicesPerGroup = 2
    exchanges.append(planes)
  }
  for way in [TokenExchange.Way.direct, .streamed] {
    var sliced = TokenExchange(way)
    sliced.devicesPerGroup = 2
    exchanges.append(sliced)
  }
  for way in [TokenExchange.Way.direct, .streamed] {
    var handled = TokenExchange(way)
    handled.dispatchHandling = .init(copied: 0.02, staged: 0.01)
    handled.combineHandling = .init(copied: 0.01, staged: 0.03)
    exchanges.append(handled)
  }
  for index in exchanges.indices {
    exchanges[index].dispatchShare = (inNode: 0.3, acrossNodes: 0.45)
  }
  return exchanges
}()

/// Numbers from 0 to 1 of which a few are much larger than most.
func skewedNumbers(_ count: Int, _ random: inout RandomStream) -> [Double] {
  (0..<count).map { _ in
    let number = random.uniform()
    return number * number * number
  }
}

/// A random problem with the kinds of traffic, windows and nodes asked for.
func boundProblem(
  seed: UInt64, layers: Int = 3, experts: Int, groups: Int, groupsPerNode: Int, slots: Int? = nil,
  redundant: Int = 0, windows: Int = 1, traffic: PlacementProblem.Traffic = .transition,
  objective: PlacementProblem.Objective = .sum
) throws -> PlacementProblem {
  var random = RandomStream(seed: seed, name: "bound problem")
  var problem = try PlacementProblem(
    layers: layers, experts: experts, groups: groups, groupsPerNode: groupsPerNode,
    slotsPerGroup: slots, redundant: redundant,
    work: skewedNumbers(windows * layers * experts, &random))
  problem.transitions = skewedNumbers((layers - 1) * experts * experts, &random)
  let topK = min(3, experts)
  let sets = 6
  var members: [UInt16] = []
  for _ in 0..<layers * sets {
    var chosen: [UInt16] = []
    while chosen.count < topK {
      let expert = UInt16(random.below(experts))
      if !chosen.contains(expert) { chosen.append(expert) }
    }
    members += chosen.sorted()
  }
  problem.sets = ExpertSets(
    topK: topK, starts: (0...layers).map { $0 * sets }, members: members,
    tokens: skewedNumbers(layers * sets, &random))
  problem.secondsInNode = 0.05 + 0.2 * random.uniform()
  problem.secondsAcrossNodes = problem.secondsInNode * (1 + 4 * random.uniform())
  problem.traffic = traffic
  problem.objective = objective
  return problem
}
