import Testing

@testable import Scenario

@Suite("Pinned experts")
struct PinnedExpertTests {
  let folder: ScenarioFolder

  init() throws { folder = try ScenarioFolder() }

  private func search(_ options: String) -> String { "{kind: search, trials: 100, \(options)}" }

  @Test("are where they must be, and not where they must not")
  func kept() throws {
    // One expert of a layer on each of eight devices.
    let pinned = try folder.load(
      replacing: [
        "contiguous": search(
          "pinned: [{layer: 1, expert: 3, device: 6}, {layer: 2, expert: 0, device: 7}], "
            + "forbidden: [{layer: 0, expert: 4, device: 4}]")
      ])
    let hosts = pinned.deployment.placement.hosts
    #expect(hosts[1][3] == [6] && hosts[2][0] == [7] && hosts[0][4] != [4])
    #expect(
      pinned.policies.first { $0.slot == "placement" }?.choice
        == "search of 100 trials, 2 experts pinned, 1 expert kept from a device")
  }

  @Test("may be sliced: any of their devices stands for all")
  func sliced() throws {
    let sliced = try folder.load(
      replacing: [
        "experts: {expert: 8}": "experts: {expert: 4, tensor: 2}",
        "contiguous": search("pinned: [{layer: 0, expert: 7, device: 2}]"),
      ])
    #expect(sliced.deployment.placement.hosts[0][7] == [1])
  }

  @Test("are not on devices of shared experts, which others are counted after")
  func shared() throws {
    try folder.write(
      "tiny.yaml",
      ScenarioFolder.model.replacing(
        "top-k: 2,", with: "top-k: 2, shared: {count: 1, intermediate: 128},"))
    func changes(_ device: Int) -> [String: String] {
      [
        "contiguous": search("shared-ranks: 4, pinned: [{layer: 0, expert: 7, device: \(device)}]")
      ]
    }
    #expect(try folder.load(replacing: changes(4)).deployment.placement.hosts[0][7] == [4])
    #expect(
      try folder.problems(replacing: changes(3)) == [
        "scenario.yaml:12:98: 'device' is 3; it must be from 4 to 7"
      ])
  }

  @Test("are refused at their place where they cannot be")
  func mistakes() throws {
    try folder.expectPlacement(
      search("pinned: [{layer: 3, expert: 0, device: 0}]"), at: "3, expert",
      "'layer' is 3; it must be from 0 to 2")
    try folder.expectPlacement(
      search("forbidden: [{layer: 0, expert: 8, device: 0}]"), at: "8, device",
      "'expert' is 8; it must be from 0 to 7")
    try folder.expectPlacement(
      search("pinned: [{layer: 0, expert: 0, device: 8}]"), at: "8}]",
      "'device' is 8; it must be from 0 to 7")
    try folder.expectPlacement(
      search("pinned: [{layer: 0, expert: 0}]"), at: "{layer", "'device' is missing")
    try folder.expectPlacement(
      search("pinned: {layer: 0}"), at: "{layer", "'pinned' is a sequence, not a mapping")
    try folder.expectPlacement(
      search("pinned: []"), at: "[]", "'pinned' is empty and has no effect; leave it out")
    let place = "{layer: 0, expert: 1, device: 2}"
    try folder.expectPlacement(
      search("pinned: [\(place), \(place)]"), at: place,
      "expert 1 of layer 0 is pinned there, and it is pinned there before")
    try folder.expectPlacement(
      search("pinned: [\(place)], forbidden: [\(place)]"), at: place,
      "expert 1 of layer 0 is forbidden there, and it is pinned there before")
    try folder.expectPlacement(
      search("pinned: [\(place)], every: 2 iterations"), at: "pinned",
      "'pinned' cannot be kept with 'every': experts begin in a row, wherever that is")
    try folder.expectPlacement(
      "{kind: eplb, forbidden: [\(place)]}", at: "forbidden",
      "'forbidden' has no effect with kind 'eplb'; it is for kind 'search'")
    // A device has room for one expert of a layer.
    try folder.expectPlacement(
      search("pinned: [\(place), {layer: 0, expert: 3, device: 2}]"), at: place,
      "experts 1 and 3 of layer 0 cannot all be placed: pinned and forbidden places leave them group 2 with "
        + "1 slot")
    // And an expert none where it is forbidden on all.
    let forbidden = (0..<8).map { "{layer: 2, expert: 5, device: \($0)}" }
    try folder.expectPlacement(
      search("forbidden: [\(forbidden.joined(separator: ", "))]"), at: forbidden[0],
      "expert 5 of layer 2 cannot be placed: pinned and forbidden places leave it no group")
  }
}
