import Statistics
import Testing

@testable import Placement

@Test func fiveEqualExpertsOnFourGroupsMakeTwoMeet() {
  let bound = LoadBound(work: [1, 1, 1, 1, 1, 0, 0, 0], groups: 4, slots: 2)
  #expect(bound.mean == 1.25)
  #expect(bound.slowest == 2)
}

@Test func theHeaviestExpertHasTheLightestCompany() {
  #expect(LoadBound(work: [10, 1, 2, 3], groups: 2, slots: 2).slowest == 11)
  // With a slot to spare it is alone.
  #expect(LoadBound(work: [10, 1, 2], groups: 2, slots: 2).slowest == 10)
}

@Test func groupsThatHoldMoreShareTheLightestCopies() {
  // Three of four groups hold two copies: of 6, 6, 4, 4, 4 and 4 at best.
  let bound = LoadBound(work: [6, 6, 6, 4, 4, 4, 4], groups: 4, slots: 2)
  #expect(bound.mean == 8.5)
  #expect(bound.slowest == 28.0 / 3)
}

@Test func windowsAreBoundedOneByOne() {
  // Each window has one busy expert; on average all are alike.
  let bound = LoadBound(
    windows: [[4, 0], [0, 4]], weights: [0.5, 0.5], groups: 2, slots: 1)
  #expect(bound.mean == 2)
  #expect(bound.slowest == 4)
}

@Test(arguments: [(6, 3, 2), (6, 2, 3), (5, 2, 3), (5, 3, 2), (7, 3, 3)])
func noPlacementIsFasterThanTheLoadBound(experts: Int, groups: Int, slots: Int) {
  let states = allLayerPlacements(experts: experts, groups: groups, slots: slots)
  for seed in 0..<5 {
    var random = RandomStream(seed: UInt64(seed), name: "load bound")
    let windows = (0..<2).map { _ in skewedNumbers(experts, &random) }
    let bound = LoadBound(windows: windows, weights: [0.3, 0.7], groups: groups, slots: slots)
    let best = states.map { state in
      zip(windows, [0.3, 0.7]).reduce(0) { sum, window in
        var loads = [Double](repeating: 0, count: groups)
        for (expert, group) in state.enumerated() { loads[group] += window.0[expert] }
        return sum + window.1 * (loads.max() ?? 0)
      }
    }.min()
    #expect(bound.slowest <= (best ?? 0) + 1e-12)
    #expect(bound.slowest >= bound.mean)
  }
}
