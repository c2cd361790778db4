import Placement
import Testing

@Test func eplbPacksHeaviestFirstToTheLightestGroupWithRoom() throws {
  // 9 to group 0, 8 to 1, 5 to 1 (8 < 9), 4 to 0: 13 and 13, both full at two.
  let problem = try PlacementProblem(layers: 1, experts: 4, groups: 2, work: [9, 8, 5, 4])
  #expect(ExpertPlacement.eplb(problem).hosts == [[[0], [1], [1], [0]]])
}

@Test func eplbGivesRedundantCopiesToTheHeaviestOfWhatIsLeft() throws {
  // Of 12, 6, 2, 2: the first extra copy halves 12 to 6; then 12's halves and 6 tie and the first
  // expert gets the next, 4 each. Items 6, 4, 4, 4, 2, 2 in packs of two with copies apart: 6 to 0,
  // 4 to 1, 2, and then, group 0 having room, to 0; 2 to 1 and 2.
  let problem = try PlacementProblem(
    layers: 1, experts: 4, groups: 3, redundant: 2, work: [12, 6, 2, 2])
  let placement = ExpertPlacement.eplb(problem)
  #expect(placement.hosts == [[[0, 1, 2], [0], [1], [2]]])
  #expect(PlacementCost(of: placement, in: problem).layerWork == [10])
}

@Test func hierarchicalEPLBKeepsRouterGroupsInANode() throws {
  // Router groups of two experts weigh 10, 9, 2, 1: 10 and 1 to node 0, 9 and 2 to node 1.
  var problem = try PlacementProblem(
    layers: 1, experts: 8, groups: 4, groupsPerNode: 2, work: [6, 4, 5, 4, 1, 1, 0.75, 0.25])
  problem.routerGroups = 4
  let placement = ExpertPlacement.eplb(problem)
  let nodes = placement.hosts[0].map { $0[0] / 2 }
  #expect(nodes == [0, 0, 1, 1, 1, 1, 0, 0])
  // In node 0: 6 to group 0, 4 to 1, 0.75 to 1, 0.25 to 0.
  #expect(placement.hosts[0][0] == [0] && placement.hosts[0][7] == [0])
}

@Test func hierarchicalEPLBPlacesAllCopies() throws {
  // One group a node has no room for a second copy of the node's own experts: global, then.
  var problem = try PlacementProblem(
    layers: 1, experts: 8, groups: 4, groupsPerNode: 1, redundant: 4,
    work: [8, 7, 6, 5, 4, 3, 2, 1])
  let global = ExpertPlacement.eplb(problem)
  problem.routerGroups = 4
  #expect(ExpertPlacement.eplb(problem) == global)
  #expect(global.hosts[0].reduce(0) { $0 + $1.count } == 12)
}

@Test func copiesOfAnExpertKeepApartUnderEveryBalancing() throws {
  for seed in 0..<20 as Range<UInt64> {
    let problem = try randomProblem(
      seed: seed, layers: 2, experts: 6, groups: 4, groupsPerNode: 2, redundant: 6)
    var grouped = problem
    grouped.routerGroups = 2
    for placement in [
      ExpertPlacement.eplb(problem), .eplb(grouped), .random(problem, seed: seed),
    ] {
      #expect(placement.hosts.allSatisfy { $0.allSatisfy { Set($0).count == $0.count } })
      for layer in 0..<2 {
        #expect((0..<4).allSatisfy { placement.copies(layer: layer, group: $0) == 3 })
      }
    }
  }
}

@Test func randomPlacementsDependOnTheSeedAlone() throws {
  let problem = try randomProblem(seed: 1, layers: 4, experts: 8, groups: 4)
  #expect(ExpertPlacement.random(problem, seed: 5) == .random(problem, seed: 5))
  #expect(ExpertPlacement.random(problem, seed: 5) != .random(problem, seed: 6))
}
