import Foundation
import Placement
import Statistics
import StrictYAML
import Testing

@Test func contiguousPlacesExpertsInARow() throws {
  let placement = try ExpertPlacement.contiguous(layers: 2, experts: 8, groups: 4)
  #expect(placement.hosts == Array(repeating: [[0], [0], [1], [1], [2], [2], [3], [3]], count: 2))
  #expect(placement.fullestGroup.copies == 4)
  #expect(!placement.hasReplicas)
}

@Test func roundRobinDealsExpertsInTurn() throws {
  let placement = try ExpertPlacement.roundRobin(layers: 1, experts: 8, groups: 4)
  #expect(placement.hosts == [[[0], [1], [2], [3], [0], [1], [2], [3]]])
}

@Test func sixtyFourRedundantExpertsGiveEachOf320DevicesOneCopy() throws {
  let both = [
    try ExpertPlacement.contiguous(layers: 1, experts: 256, groups: 320, redundant: 64),
    try ExpertPlacement.roundRobin(layers: 1, experts: 256, groups: 320, redundant: 64),
  ]
  for placement in both {
    #expect((0..<320).allSatisfy { placement.copies(layer: 0, group: $0) == 1 })
    #expect(placement.hosts[0].allSatisfy { (1...2).contains($0.count) })
  }
}

@Test func redundantCopiesOfAnExpertLieOnDifferentGroups() throws {
  let placement = try ExpertPlacement.roundRobin(layers: 1, experts: 8, groups: 8, redundant: 8)
  #expect(placement.hosts[0].allSatisfy { Set($0).count == 2 })
  #expect((0..<8).allSatisfy { placement.copies(layer: 0, group: $0) == 2 })
}

@Test func impossiblePlacementsAreRefusedWithASentence() {
  func sentence(experts: Int, groups: Int, redundant: Int) -> String? {
    do {
      _ = try ExpertPlacement.contiguous(
        layers: 1, experts: experts, groups: groups, redundant: redundant)
      return nil
    } catch { return error.sentence }
  }
  #expect(
    sentence(experts: 8, groups: 16, redundant: 0)
      == "8 experts in a layer leave some of 16 expert groups without any; slice experts "
      + "(parallelism.experts.tensor), add redundant ones, or give a placement file")
  #expect(
    sentence(experts: 8, groups: 2, redundant: 9)
      == "9 redundant experts in a layer; 0 to 8 are possible here")
  #expect(
    sentence(experts: 8, groups: 8, redundant: 8)
      == "16 copies in a row on 8 expert groups put expert 0 twice on group 0; take another "
      + "number of them, another kind of placement, or a file")
}

private func temporaryFile(_ text: String) throws -> String {
  let file = FileManager.default.temporaryDirectory
    .appendingPathComponent("placement-\(UUID().uuidString).yaml")
  try Data(text.utf8).write(to: file)
  return file.path
}

private func problems(_ text: String) throws -> [String] {
  let file = try temporaryFile(text)
  defer { try? FileManager.default.removeItem(atPath: file) }
  do {
    _ = try PlacementFile(
      contentsOf: file, model: "m", layers: 2, experts: 2, groups: 2, nodes: 1)
    return []
  } catch {
    return error.list.map { "\($0.location.line):\($0.location.column): \($0.sentence)" }
  }
}

@Test func aPlacementFileReadsBackAsItWasWritten() throws {
  let hosts = [[[0], [1]], [[0, 1], [1]]]
  let file = PlacementFile(
    model: "m", placement: ExpertPlacement(groups: 2, hosts: hosts), nodes: 1,
    replicaChoice: .nearest)
  let path = try temporaryFile(file.yaml)
  defer { try? FileManager.default.removeItem(atPath: path) }
  let read = try PlacementFile(contentsOf: path, model: "m", layers: 2, experts: 2, groups: 2)
  #expect(read.placement == file.placement && read.replicaChoice == .nearest && read.nodes == 1)
  #expect(
    try problems(
      "placement: 1\nmodel: m\ngroups: 2\nreplica-choice: even\nlayers:\n  - [0, 1]\n  - [1, 1]\n")
      == ["4:17: 'replica-choice' has no effect: no expert has copies to choose among"])
}

@Test func groupsOfSharedExpertsHoldNoRoutedOnes() throws {
  let file = PlacementFile(
    model: "m",
    placement: ExpertPlacement(groups: 2, hosts: [[[1], [1]], [[1], [1]]], sharedGroups: 1))
  let path = try temporaryFile(file.yaml)
  defer { try? FileManager.default.removeItem(atPath: path) }
  let read = try PlacementFile(contentsOf: path, model: "m", layers: 2, experts: 2, groups: 2)
  #expect(read.placement == file.placement)
  #expect(
    try problems(
      "placement: 1\nmodel: m\ngroups: 2\nshared-groups: 1\nlayers:\n  - [0, 1]\n  - [1, 1]\n")
      == ["6:6: 'group of expert 0' is 0; it must be from 1 to 1"])
}

@Test func aPlacementForOtherNodesIsRefused() throws {
  #expect(
    try problems("placement: 1\nmodel: m\ngroups: 2\nnodes: 2\nlayers:\n  - [0, 1]\n  - [0, 1]\n")
      == ["4:1: the placement is for 2 nodes; the scenario has 1"])
}

@Test func aPlacementForAnotherModelOrClusterIsRefused() throws {
  let found = try problems("placement: 1\nmodel: x\ngroups: 4\nlayers:\n  - [0, 1, 1]\n")
  #expect(
    found == [
      "2:1: the placement is for 'x'; the scenario's model is 'm'",
      "3:1: the placement is for 4 expert groups; the scenario has 2",
    ])
  // What it says of layers is told where it is for this model and cluster.
  #expect(
    try problems("placement: 1\nmodel: m\ngroups: 2\nlayers:\n  - [0, 1, 1]\n") == [
      "4:1: the placement has 1 layers; the model has 2 MoE layers",
      "5:5: a layer has 3 experts; the model has 2",
    ])
}

@Test func anExpertNowhereTwiceOrOnNoGroupIsRefused() throws {
  let found = try problems(
    "placement: 1\nmodel: m\ngroups: 2\nlayers:\n  - [[], [0, 0]]\n  - [2, 1]\n")
  #expect(
    found == [
      "5:6: expert 0 is nowhere", "5:10: expert 1 is twice on one group",
      "6:6: 'group of expert 0' is 2; it must be from 0 to 1",
    ])
}

@Test func groupsTradeNamesSoThatFewCopiesMove() {
  // Groups 0 and 1 have traded all but expert 3; groups 2 and 3 of the other node have not.
  let current = ExpertPlacement(
    groups: 4, hosts: [[[0], [0], [1], [1], [2], [2], [3], [3, 0]]])
  let found = ExpertPlacement(
    groups: 4, hosts: [[[1], [1], [0], [1], [2], [2], [3], [0, 3]]])
  let renamed = found.renamed(like: current, groupsPerNode: 2)
  // Expert 7's copy of the first node is beside experts 2 and 0 as it was found to be; the others of its
  // group stay, and the order of copies where nothing moves.
  #expect(renamed.hosts == [[[0], [0], [1], [0], [2], [2], [3], [1, 3]]])
  func moved(_ placement: ExpertPlacement) -> Int {
    PlacementMigration(from: current, to: placement, groupsPerNode: 2).copies
  }
  #expect(moved(found) == 3 && moved(renamed) == 2)
  #expect(current.renamed(like: current, groupsPerNode: 2) == current)
  // Nodes keep their names: all that is in the other node has to move.
  let away = ExpertPlacement(groups: 2, hosts: [[[1], [0]]])
  let home = ExpertPlacement(groups: 2, hosts: [[[0], [1]]])
  #expect(away.renamed(like: home, groupsPerNode: 1) == away)
  #expect(away.renamed(like: home, groupsPerNode: 2) == home)
}

@Test func tradedNamesCostNothingAndMoveLess() throws {
  // Loads that change by up to 5 % have EPLB pack everything anew.
  var random = RandomStream(seed: 1, name: "changing loads")
  let base = (0..<10 * 64).map { _ in 1 + random.uniform() }
  func problem() throws -> PlacementProblem {
    try PlacementProblem(
      layers: 10, experts: 64, groups: 8,
      work: base.map { $0 * (0.95 + 0.1 * random.uniform()) })
  }
  let current = ExpertPlacement.eplb(try problem())
  let next = try problem()
  let found = ExpertPlacement.eplb(next)
  let renamed = found.renamed(like: current, groupsPerNode: 8)
  #expect(
    PlacementCost(of: renamed, in: next).layerWork == PlacementCost(of: found, in: next).layerWork)
  func moved(_ placement: ExpertPlacement) -> Int {
    PlacementMigration(from: current, to: placement, groupsPerNode: 8).copies
  }
  #expect(moved(renamed) < moved(found) * 9 / 10)
}

@Test func onlyProblemsWithNumbersAreSolvedAndBounded() throws {
  func sentences(_ change: (inout PlacementProblem) -> Void) throws -> Set<String> {
    var problem = try PlacementProblem(
      layers: 2, experts: 4, groups: 2, work: [Double](repeating: 1, count: 8))
    problem.transitions = [Double](repeating: 1, count: 16)
    change(&problem)
    var sentences: Set<String> = []
    let effort = PlacementMethod.Effort(seed: 1, trials: 0)
    for method in PlacementMethod.allCases {
      do throws(PlacementProblemError) {
        _ = try method.place(problem, effort)
        sentences.insert("placed by \(method)")
      } catch { sentences.insert(error.sentence) }
    }
    do throws(PlacementProblemError) {
      _ = try PlacementBound(of: problem)
      sentences.insert("bounded")
    } catch { sentences.insert(error.sentence) }
    return sentences
  }
  #expect(
    try sentences { $0.transitions[3] = .nan }
      == ["transitions has an entry that is negative or no number"])
  #expect(
    try sentences { $0.secondsInNode = -1 }
      == ["seconds for a token has an entry that is negative or no number"])
  #expect(
    try sentences { $0.pinned = [.init(layer: 0, expert: 0, group: 2)] }
      == ["there is no expert 0 in layer 0, or no group 2"])
  #expect(
    try sentences {
      $0.sets = ExpertSets(topK: 1, starts: [0, 1, 2], members: [0, 1], tokens: [1, -1])
    } == ["the tokens of expert sets has an entry that is negative or no number"])
}
