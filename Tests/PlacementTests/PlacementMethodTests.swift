import Testing

@testable import Placement

@Suite("A method's answer")
struct PlacementMethodTests {
  @Test("Trials are those of all searches, of which it is the best")
  func trials() throws {
    let problem = try randomProblem(seed: 7, layers: 3, experts: 8, groups: 4)
    let outcomes = try [400, 3000].map {
      try PlacementSearch(seed: 2, trials: $0).run(problem)
    }
    let best = outcomes[PlacementSearch.best(of: outcomes)]
    let answer = PlacementAnswer(best, of: outcomes)
    // Each has a pilot of two tenths beside its one chain.
    #expect(answer.trials == 480 + 3600 && answer.searches == 2)
    #expect(answer.placement == best.placement)
    let quick = PlacementAnswer(try PlacementSearch(trials: 0).run(problem))
    #expect(quick.trials == 0 && quick.searches == 0)
    #expect(
      quick.notes == [
        "no trials: this is the best of quick starts, after descent, and of plain placements"
      ])
  }
}
