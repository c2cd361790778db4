import Placement
import Testing

/// The least total over all ways to place one layer.
private func leastTotal(
  _ problem: PlacementProblem, moving layer: Int, of start: ExpertPlacement
) -> Double {
  var least = Double.infinity
  for way in balancedLayers(experts: problem.experts, groups: problem.groups) {
    var hosts = start.hosts
    hosts[layer] = way.map { [Int($0)] }
    let placement = ExpertPlacement(groups: problem.groups, hosts: hosts)
    least = min(least, PlacementCost(of: placement, in: problem).total)
  }
  return least
}

@Test func aLayerAloneIsPlacedBetweenItsBoundAndTheBestOfAll() throws {
  for seed in 0..<4 as Range<UInt64> {
    let problem = try randomProblem(
      seed: seed, layers: 3, experts: 6, groups: 3, groupsPerNode: seed < 2 ? 1 : nil, windows: 2)
    let start = ExpertPlacement.random(problem, seed: seed)
    let layer = Int(seed) % 3
    let found = try LayerReoptimization(of: layer, in: start, problem)
    let least = leastTotal(problem, moving: layer, of: start)
    #expect(found.bound <= least && found.bound > 0.7 * least)
    #expect(found.cost.total >= least * (1 - 1e-12) && found.cost.total < least * 1.01)
    for other in 0..<3 where other != layer {
      #expect(found.placement.hosts[other] == start.hosts[other])
    }
  }
}

@Test func aLayerAloneIsRefusedWhereItsTrafficIsNotASum() throws {
  var problem = try randomProblem(seed: 1, layers: 2, experts: 4, groups: 2)
  problem.objective = .bottleneck
  let start = ExpertPlacement.random(problem, seed: 1)
  var sentence: String?
  do throws(PlacementProblemError) {
    _ = try LayerReoptimization(of: 0, in: start, problem)
  } catch { sentence = error.sentence }
  #expect(
    sentence
      == "a layer alone is placed for the sum of transition traffic and even copies only")
}
