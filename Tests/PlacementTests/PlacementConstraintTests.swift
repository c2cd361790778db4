import Statistics
import Testing

@testable import Placement

@Test func pinnedAndForbiddenPlacesAreKept() throws {
  var problem = try randomProblem(
    seed: 6, layers: 3, experts: 6, groups: 3, redundant: 3, windows: 2)
  problem.pinned = [
    .init(layer: 0, expert: 4, group: 2), .init(layer: 2, expert: 0, group: 1),
  ]
  problem.forbidden = (0..<3).map { .init(layer: $0, expert: 5, group: 0) }
  let found = try PlacementSearch(trials: 3000).run(problem).placement
  #expect(found.hosts[0][4].contains(2) && found.hosts[2][0].contains(1))
  #expect(found.hosts.allSatisfy { !$0[5].contains(0) })
  #expect(found.hosts.allSatisfy { $0.allSatisfy { Set($0).count == $0.count } })
  problem.pinned.append(.init(layer: 1, expert: 5, group: 0))
  var sentence: String?
  do throws(PlacementProblemError) {
    _ = try PlacementSearch(trials: 0).run(problem)
  } catch { sentence = error.sentence }
  #expect(
    sentence
      == "expert 5 of layer 1 cannot be placed: pinned and forbidden places leave it no group"
      + " (group 0)")
}

/// What a method says where it refuses; nil where it does not.
private func refusal(
  _ method: PlacementMethod, _ problem: PlacementProblem, from start: ExpertPlacement? = nil
) -> String? {
  do throws(PlacementProblemError) {
    _ = try method.place(problem, from: start, PlacementMethod.Effort(seed: 1, trials: 500))
    return nil
  } catch { return error.sentence }
}

@Test func whatBreaksAPinIsRefusedWhoeverPlacedIt() throws {
  var problem = try randomProblem(seed: 6, layers: 2, experts: 4, groups: 2)
  let row = try ExpertPlacement.contiguous(layers: 2, experts: 4, groups: 2)
  problem.pinned = [.init(layer: 1, expert: 0, group: 1)]
  let pin = "expert 0 of layer 1 is not on group 1, where it is pinned"
  #expect(!problem.admits(row))
  #expect(
    refusal(.search, problem, from: row)
      == "the search cannot start where experts live now: \(pin)")
  for method in [PlacementMethod.contiguous, .roundRobin] {
    #expect(
      refusal(method, problem)
        == "\(method.rawValue) does not place experts as they must be: \(pin); use search")
  }
  #expect(refusal(.search, problem) == nil && refusal(.exact, problem) == nil)
  problem.pinned = []
  for (method, found) in [
    (PlacementMethod.eplb, ExpertPlacement.eplb(problem)), (.random, .random(problem, seed: 1)),
  ] {
    let group = found.hosts[0][3][0]
    var other = problem
    other.forbidden = [.init(layer: 0, expert: 3, group: group)]
    #expect(
      refusal(method, other)
        == "\(method.rawValue) does not place experts as they must be: expert 3 of layer 0 is on "
        + "group \(group), where it is forbidden; use search")
    #expect(refusal(method, problem) == nil)
  }
}

@Test func anExpertHasACopyForEachPin() throws {
  // By load the redundant copy is the first expert's.
  var problem = try PlacementProblem(
    layers: 1, experts: 4, groups: 2, slotsPerGroup: 3, redundant: 1, work: [10, 1, 1, 1])
  problem.pinned = [
    .init(layer: 0, expert: 3, group: 0), .init(layer: 0, expert: 3, group: 1),
    .init(layer: 0, expert: 3, group: 1),
  ]
  let found = try PlacementSearch(trials: 300).run(problem).placement
  #expect(found.hosts[0].map(\.count) == [1, 1, 1, 2] && problem.admits(found))
  problem.pinned += [.init(layer: 0, expert: 2, group: 0), .init(layer: 0, expert: 2, group: 1)]
  #expect(refusal(.search, problem) == "pinned places need 6 copies in layer 0, which has 5")
  // And no more copies than groups that it may be on.
  problem.pinned = []
  problem.forbidden = [.init(layer: 0, expert: 0, group: 1)]
  let apart = try PlacementSearch(trials: 300).run(problem).placement
  #expect(apart.hosts[0].map(\.count) == [1, 2, 1, 1] && problem.admits(apart))
}

/// Forbids an expert everywhere but on some groups.
private func keep(
  _ expert: Int, on groups: Set<Int>, layer: Int = 0, _ problem: inout PlacementProblem
) {
  for group in 0..<problem.groups where !groups.contains(group) {
    problem.forbidden.append(.init(layer: layer, expert: expert, group: group))
  }
}

@Test func whatLeavesNoWayIsNamedWhoeverPlaces() throws {
  var problem = try randomProblem(seed: 2, layers: 2, experts: 6, groups: 3)
  // Three experts for the two slots of group 1, as the third sees when the two others have made way.
  for expert in [0, 3, 5] { keep(expert, on: [1], layer: 1, &problem) }
  let sentence =
    "experts 0, 3 and 5 of layer 1 cannot all be placed: pinned and forbidden places leave them group 1 "
    + "with 2 slots"
  for method in [PlacementMethod.search, .exact, .eplb] {
    #expect(refusal(method, problem) == sentence)
  }
  problem.forbidden = []
  // Four experts in pairs of groups, of which each two fit and all four do not.
  for (expert, groups) in [(1, [0, 1]), (2, [0, 1]), (3, [0, 1]), (4, [0, 1]), (5, [0, 1])] {
    keep(expert, on: Set(groups), &problem)
  }
  #expect(
    refusal(.search, problem)
      == "experts 1, 2, 3, 4 and 5 of layer 0 cannot all be placed: pinned and forbidden places leave them "
      + "groups 0 and 1 with 2 slots each")
}

@Test func wayIsFoundWhereverThereIsOne() throws {
  // Random places that one placement keeps, so that there is a way; greedy packing ends nowhere in some.
  var random = RandomStream(seed: 3, name: "ways")
  var deadEnds = 0
  for seed in 0..<40 as Range<UInt64> {
    var problem = try randomProblem(
      seed: seed, layers: 1, experts: 8, groups: 6, groupsPerNode: 2, redundant: 4)
    problem.spreadsCopiesOverNodes = seed % 2 == 0
    let counts = ExpertPlacement.eplb(problem).hosts[0].map(\.count)
    guard let kept = LayerRoom(problem, layer: 0, copies: counts).hosts else {
      Issue.record("no way without places")
      continue
    }
    for expert in 0..<8 {
      for group in 0..<6 where !kept[expert].contains(group) && random.below(10) < 7 {
        problem.forbidden.append(.init(layer: 0, expert: expert, group: group))
      }
    }
    let tables = SearchTables(problem, counts: [counts])
    let loads = (0..<tables.items).map { tables.meanWork(ofItem: $0) }
    if tables.greedyLayer(0, loads) == nil { deadEnds += 1 }
    let start = try #require(tables.packedStart())
    #expect(problem.admits(SearchState(tables, groupOfItem: start).placement))
  }
  #expect(deadEnds > 0)
}

@Test func copiesSpreadOverNodesHoweverTokensChoose() throws {
  // EPLB puts both copies of the first expert in node 0, and no placement costs less.
  var problem = try PlacementProblem(
    layers: 1, experts: 3, groups: 4, groupsPerNode: 2, redundant: 1, work: [4, 2, 2])
  problem.replicaChoice = .leastLoaded
  let balanced = ExpertPlacement.eplb(problem)
  #expect(balanced.hosts[0][0] == [0, 1] && problem.admits(balanced))
  problem.spreadsCopiesOverNodes = true
  #expect(!problem.admits(balanced))
  let found = try PlacementSearch(trials: 300).run(problem)
  #expect(found.cost.total == PlacementCost(of: balanced, in: problem).total)
  #expect(found.placement.hosts[0][0].map { $0 / 2 } == [0, 1])
  #expect(
    refusal(.eplb, problem)
      == "eplb does not place experts as they must be: expert 0 of layer 0 has too many of its copies "
      + "in node 0: they are to be spread over nodes; use search")
}

@Test func copiesSpreadOverNodesWhereAsked() throws {
  var problem = try randomProblem(
    seed: 8, layers: 2, experts: 6, groups: 4, groupsPerNode: 2, redundant: 2)
  problem.spreadsCopiesOverNodes = true
  let found = try PlacementSearch(trials: 3000).run(problem).placement
  for hosts in found.hosts.flatMap({ $0 }) where hosts.count > 1 {
    #expect(hosts.count { $0 < 2 } <= (hosts.count + 1) / 2)
    #expect(hosts.count { $0 >= 2 } <= (hosts.count + 1) / 2)
  }
}
