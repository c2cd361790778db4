import Testing

@testable import Scenario

@Suite("Limits on where experts live")
struct ExpertLimitTests {
  let folder: ScenarioFolder

  init() throws { folder = try ScenarioFolder() }

  /// Two nodes of four devices, a layer's 8 experts and some copies on them.
  private func twoNodes(_ placement: String) -> [String: String] {
    [
      "nodes: 1 x dgx-h100": "nodes: 2 x dgx-h100, devices-per-node: 4",
      "contiguous": "{trials: 200, redundant: 8, \(placement)}",
    ]
  }

  @Test("copies are in different nodes where that is asked for")
  func spread() throws {
    func hosts(_ options: String) throws -> [[Int]] {
      try folder.load(replacing: twoNodes("kind: search, \(options)")).deployment.placement.hosts
        .flatMap { $0 }.filter { $0.count > 1 }
    }
    /// An expert's copies, in the nodes of devices 0 to 3 and 4 to 7, differ by one at most.
    func isSpread(_ copies: [Int]) -> Bool {
      abs(copies.count { $0 < 4 } - copies.count { $0 >= 4 }) <= 1
    }
    let spread = try hosts("replica-spread: nodes")
    #expect(!spread.isEmpty && spread.allSatisfy(isSpread))
    let nearest = try hosts("replica-spread: nodes, replica-choice: nearest")
    #expect(!nearest.isEmpty && nearest.allSatisfy(isSpread))
    let policies = try folder.load(replacing: twoNodes("kind: search, replica-spread: nodes"))
      .policies
    #expect(
      policies.first { $0.slot == "placement" }?.choice
        == "search of 200 trials, 8 redundant experts in each layer, apart over nodes")
  }

  @Test("pinned copies are kept apart over nodes as well")
  func pinned() throws {
    func hosts(_ options: String) throws -> [Int] {
      try folder.load(
        replacing: twoNodes(
          "kind: search, \(options)pinned: [{layer: 1, expert: 5, device: 0}, "
            + "{layer: 1, expert: 5, device: 2}]")
      ).deployment.placement.hosts[1][5]
    }
    // No token takes it, so that it has no more copies than it must.
    #expect(try hosts("") == [0, 2])
    let spread = try hosts("replica-spread: nodes, ")
    #expect(spread.contains(0) && spread.contains(2) && spread.count { $0 >= 4 } == 1)
  }

  @Test("some devices hold more experts than others where they may")
  func most() throws {
    let changes = { (most: String) in
      [
        "expert: 8}": "expert: 4, tensor: 2}", "contiguous": "{kind: search, trials: 200\(most)}",
      ]
    }
    /// Experts of a layer on the fullest group of four.
    func fullest(_ most: String) throws -> Int {
      try folder.load(replacing: changes(most)).deployment.placement.mostCopiesOfLayer
    }
    // Tokens take experts 0 and 1, which live with none of the six others where these may be elsewhere.
    #expect(try fullest("") == 2)
    #expect(try fullest(", most-experts-per-device: 3") == 3)
    let placement = try folder.load(replacing: changes(", most-experts-per-device: 3"))
    #expect(
      placement.policies.first { $0.slot == "placement" }?.choice
        == "search of 200 trials, at most 3 on a device")
  }

  @Test("what has no effect, or leaves no room, is refused at its place")
  func mistakes() throws {
    try folder.expectPlacement(
      "{kind: search, replica-spread: nodes}", at: "nodes",
      "'replica-spread' has no effect: no expert has copies to keep apart; say how many with 'redundant'"
    )
    try folder.expectPlacement(
      "{kind: search, redundant: 8, replica-spread: nodes}", at: "nodes",
      "'replica-spread: nodes' has no effect: there is one node")
    try folder.expectPlacement(
      "{kind: eplb, redundant: 8, replica-spread: nodes}", at: "replica-spread",
      "'replica-spread' has no effect with kind 'eplb'; it is for kind 'search'")
    try folder.expectPlacement(
      "{kind: search, redundant: 8, replica-spread: nodes, every: 2 iterations}",
      at: "replica-spread",
      "'replica-spread' cannot be kept with 'every': experts begin in a row, wherever that is")
    try folder.expectPlacement(
      "{kind: search, most-experts-per-device: 9}", at: "9",
      "'most-experts-per-device' is 9; 8 copies of 8 experts on 8 expert groups need 1 to 8")
    try folder.expectPlacement(
      "{kind: search, redundant: 9, most-experts-per-device: 2}", at: "2}",
      "'most-experts-per-device' is 2; 17 copies of 8 experts on 8 expert groups need 3 to 8")
    try folder.expectPlacement(
      "{kind: eplb, every: 2 iterations, most-experts-per-device: 2}", at: "most",
      "'most-experts-per-device' cannot be had with 'every': memory is set aside for the same number on "
        + "every device")
    try folder.expectPlacement(
      "{kind: round-robin, most-experts-per-device: 2}", at: "most",
      "'most-experts-per-device' has no effect with kind 'round-robin'; it is for kind 'eplb', 'random' or "
        + "'search'")
  }
}
