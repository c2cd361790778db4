import Statistics
import Testing

@testable import Placement

/// Random pinned and forbidden places of a layer, the latter where nothing is pinned.
private func addPlaces(
  _ problem: inout PlacementProblem, pinned: Int, forbidden: Int, of all: Int,
  _ random: inout RandomStream
) {
  for expert in 0..<problem.experts {
    for group in 0..<problem.groups {
      let (place, draw) = (
        PlacementProblem.Place(layer: 0, expert: expert, group: group), random.below(all)
      )
      if draw < pinned {
        problem.pinned.append(place)
      } else if draw < pinned + forbidden {
        problem.forbidden.append(place)
      }
    }
  }
}

/// Whether a layer's experts can be placed, by trying all sets of groups of each: the definition.
///
/// - Parameter only: Experts that are placed; others are where they are pinned.
private func canBePlaced(
  _ problem: PlacementProblem, _ copies: [Int], only: Set<Int>
) -> Bool {
  let choices = (0..<problem.experts).map { expert in
    let own = Set(problem.pinnedGroups[0][expert])
    guard only.contains(expert) else { return [own] }
    let banned = Set(problem.forbidden.filter { $0.expert == expert }.map(\.group))
    return (0..<1 << problem.groups).map { bits in
      Set((0..<problem.groups).filter { bits >> $0 & 1 == 1 })
    }.filter { groups in
      let most =
        problem.spreadsCopiesOverNodes
        ? problem.mostInNode(copies: copies[expert]) : problem.groups
      return groups.count == copies[expert] && groups.isSuperset(of: own)
        && groups.isDisjoint(with: banned)
        && (0..<problem.nodes).allSatisfy { node in
          groups.count { problem.node(ofGroup: $0) == node } <= most
        }
    }
  }
  func place(_ expert: Int, _ free: [Int]) -> Bool {
    guard expert < problem.experts else { return true }
    return choices[expert].contains { groups in
      var left = free
      for group in groups { left[group] -= 1 }
      return left.allSatisfy { $0 >= 0 } && place(expert + 1, left)
    }
  }
  return place(0, [Int](repeating: problem.slotsPerGroup, count: problem.groups))
}

@Test func roomIsFoundWhereTryingAllFindsAWayAndOnlyThere() throws {
  var random = RandomStream(seed: 1, name: "room")
  var (ways, none) = (0, 0)
  for round in 0..<400 {
    let copied = random.below(5)
    var problem = try randomProblem(
      seed: UInt64(round), layers: 1, experts: 4, groups: 4, groupsPerNode: 2,
      slotsPerGroup: 2 + random.below(2), redundant: copied)
    problem.spreadsCopiesOverNodes = round % 2 == 0
    addPlaces(&problem, pinned: 1, forbidden: 1 + round % 5, of: 12, &random)
    var copies = problem.pinnedGroups[0].map { problem.fewestCopies(pinned: $0) }
    for _ in 0..<copied { copies[random.below(4)] += 1 }
    let room = LayerRoom(problem, layer: 0, copies: copies)
    let isPlaceable = canBePlaced(problem, copies, only: Set(0..<4))
    #expect((room.blocked == nil) == isPlaceable)
    if let hosts = room.hosts {
      ways += 1
      #expect(hosts.map(\.count) == copies)
      #expect(problem.misplaced(in: ExpertPlacement(groups: 4, hosts: [hosts])) == nil)
      #expect(problem.overfull(in: ExpertPlacement(groups: 4, hosts: [hosts])) == nil)
    } else if let blocked = room.blocked {
      none += 1
      // Those that it names have no way, whatever becomes of the others' copies that are not pinned.
      #expect(!canBePlaced(problem, copies, only: Set(blocked.experts)))
    }
  }
  #expect(ways > 50 && none > 50)
}

/// What the search says where it refuses, else each expert's copies.
private func counts(_ problem: PlacementProblem) -> (counts: [Int]?, refusal: String?) {
  do throws(PlacementProblemError) {
    let found = try PlacementSearch(trials: 100).run(problem).placement
    return (problem.admits(found) ? found.hosts[0].map(\.count) : nil, nil)
  } catch { return (nil, error.sentence) }
}

private func forbid(_ expert: Int, on groups: [Int], _ problem: inout PlacementProblem) {
  problem.forbidden += groups.map { .init(layer: 0, expert: expert, group: $0) }
}

@Test func copiesThatSpreadSkipCountsWithoutRoom() throws {
  // Without node 0, of three, there is room for 1, 2 and 4 copies: a third would be a node's second.
  for (redundant, expected) in [(2, [2, 2, 1, 1]), (3, [4, 1, 1, 1])] {
    var problem = try PlacementProblem(
      layers: 1, experts: 4, groups: 6, groupsPerNode: 2, redundant: redundant,
      work: [100, 3, 2, 1])
    problem.spreadsCopiesOverNodes = true
    forbid(0, on: [0, 1], &problem)
    #expect(counts(problem).counts == expected)
  }
  // By load two such experts get two copies each, and none can have the last.
  var problem = try PlacementProblem(
    layers: 1, experts: 3, groups: 6, groupsPerNode: 2, slotsPerGroup: 2, redundant: 3,
    work: [10, 9, 1])
  problem.spreadsCopiesOverNodes = true
  forbid(0, on: [0, 1], &problem)
  forbid(1, on: [0, 1], &problem)
  forbid(2, on: [1, 2, 3, 4, 5], &problem)
  #expect(counts(problem).counts == [4, 1, 1])
  // Each of the two has 1, 2 or 4 copies and the third one: that comes to 7 and to 9.
  problem = try PlacementProblem(
    layers: 1, experts: 3, groups: 6, groupsPerNode: 2, slotsPerGroup: 2, redundant: 5,
    work: problem.work)
  problem.spreadsCopiesOverNodes = true
  forbid(0, on: [0, 1], &problem)
  forbid(1, on: [0, 1], &problem)
  forbid(2, on: [1, 2, 3, 4, 5], &problem)
  #expect(
    counts(problem).refusal
      == "no room was found for 8 copies of layer 0, apart over nodes beside pinned and forbidden places; "
      + "there is some for 7")
}

@Test func copiesGoWhereOthersLeaveRoom() throws {
  // The two heaviest share two groups of one slot.
  var problem = try PlacementProblem(
    layers: 1, experts: 3, groups: 4, redundant: 1, work: [100, 90, 1])
  forbid(0, on: [2, 3], &problem)
  forbid(1, on: [2, 3], &problem)
  #expect(counts(problem).counts == [1, 1, 2])
  forbid(2, on: [3], &problem)
  #expect(
    counts(problem).refusal
      == "pinned and forbidden places leave no room for more than 3 copies of layer 0, which has 4")
}

@Test func countsAreFoundWhereverSomeHaveRoom() throws {
  var random = RandomStream(seed: 2, name: "counts")
  var (ways, none) = (0, 0)
  for round in 0..<200 {
    let redundant = 1 + random.below(8)
    var problem = try randomProblem(
      seed: UInt64(round), layers: 1, experts: 4, groups: 6, groupsPerNode: 2,
      slotsPerGroup: 2 + random.below(2), redundant: redundant)
    problem.spreadsCopiesOverNodes = round % 4 != 0
    addPlaces(&problem, pinned: round % 2, forbidden: 2 + round % 5, of: 12, &random)
    let least = problem.pinnedGroups[0].map { problem.fewestCopies(pinned: $0) }
    func hasRoom(_ copies: [Int], _ left: Int) -> Bool {
      let expert = copies.count
      guard expert < 4 else {
        return left == 0 && LayerRoom(problem, layer: 0, copies: copies).blocked == nil
      }
      guard left >= least[expert] else { return false }
      return (least[expert]...min(6, left)).contains { hasRoom(copies + [$0], left - $0) }
    }
    let isPlaceable = least.allSatisfy { $0 <= 6 } && hasRoom([], problem.copies)
    let found = try? problem.copyCounts()[0]
    #expect((found != nil) == isPlaceable)
    if let found {
      #expect(LayerRoom(problem, layer: 0, copies: found).blocked == nil)
      #expect(found.reduce(0, +) == problem.copies)
    }
    if isPlaceable { ways += 1 } else { none += 1 }
  }
  #expect(ways > 50 && none > 20)
}
