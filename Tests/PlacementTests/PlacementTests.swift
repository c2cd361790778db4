import Foundation
import Placement
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
    _ = try PlacementFile(contentsOf: file, model: "m", layers: 2, experts: 2, groups: 2)
    return []
  } catch {
    return error.list.map { "\($0.location.line):\($0.location.column): \($0.sentence)" }
  }
}

@Test func aPlacementFileReadsBackAsItWasWritten() throws {
  let hosts = [[[0], [1]], [[0, 1], [1]]]
  let file = PlacementFile(model: "m", placement: ExpertPlacement(groups: 2, hosts: hosts))
  let path = try temporaryFile(file.yaml)
  defer { try? FileManager.default.removeItem(atPath: path) }
  let read = try PlacementFile(contentsOf: path, model: "m", layers: 2, experts: 2, groups: 2)
  #expect(read.placement == file.placement)
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
