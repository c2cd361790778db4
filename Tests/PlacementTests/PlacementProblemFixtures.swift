import Placement
import Statistics

/// A random problem with skewed work and transitions, the same for the same seed.
func randomProblem(
  seed: UInt64, layers: Int, experts: Int, groups: Int, groupsPerNode: Int? = nil,
  slotsPerGroup: Int? = nil, redundant: Int = 0, windows: Int = 1
) throws -> PlacementProblem {
  var random = RandomStream(seed: seed, name: "random problem")
  let work = (0..<windows * layers * experts).map { _ in
    let draw = random.uniform()
    return 0.1 + draw * draw * 10
  }
  var problem = try PlacementProblem(
    layers: layers, experts: experts, groups: groups, groupsPerNode: groupsPerNode,
    slotsPerGroup: slotsPerGroup, redundant: redundant, work: work,
    windowWeights: (0..<windows).map { Double($0 + 1) })
  problem.transitions = (0..<(layers - 1) * experts * experts).map { _ in
    let draw = random.uniform()
    return draw * draw * draw * 20
  }
  problem.secondsInNode = 0.05
  problem.secondsAcrossNodes = groupsPerNode == nil ? 0.05 : 0.2
  return problem
}

/// Every way to give a layer's experts equally many to each group.
func balancedLayers(experts: Int, groups: Int) -> [[Int32]] {
  var ways: [[Int32]] = []
  func extend(_ row: [Int32], _ room: [Int]) {
    if row.count == experts {
      ways.append(row)
      return
    }
    for group in 0..<groups where room[group] > 0 {
      var rest = room
      rest[group] -= 1
      extend(row + [Int32(group)], rest)
    }
  }
  extend([], [Int](repeating: experts / groups, count: groups))
  return ways
}

/// The least total over all placements without replicas, by trying them.
func leastTotal(_ problem: PlacementProblem) -> Double {
  let ways = balancedLayers(experts: problem.experts, groups: problem.groups)
  var least = Double.infinity
  func extend(_ layers: [Int32], _ left: Int) {
    guard left > 0 else {
      let placement = ExpertPlacement(
        groups: problem.groups, experts: problem.experts, groupOfExpert: layers)
      least = min(least, PlacementCost(of: placement, in: problem).total)
      return
    }
    for way in ways { extend(layers + way, left - 1) }
  }
  extend([], problem.layers)
  return least
}

/// Two layers of eight experts on two nodes of two groups, or on others, of which tokens take three.
func randomHomeProblem(
  seed: UInt64, groups: Int = 4, groupsPerNode: Int = 2, redundant: Int = 0
) throws -> PlacementProblem {
  var random = RandomStream(seed: seed, name: "sets")
  var problem = try randomProblem(
    seed: seed, layers: 2, experts: 8, groups: groups, groupsPerNode: groupsPerNode,
    redundant: redundant)
  var members: [UInt16] = []
  for _ in 0..<40 {
    var set = Set<UInt16>()
    while set.count < 3 { set.insert(UInt16(random.below(8))) }
    members += set.sorted()
  }
  problem.sets = ExpertSets(
    topK: 3, starts: [0, 20, 40], members: members, tokens: (0..<40).map { Double($0 % 5) })
  problem.traffic = .both
  return problem
}
