import Fabric
import Scenario
import StrictYAML
import Testing
import Units

@Suite("The fabric section")
struct FabricSectionTests {
  let folder: ScenarioFolder

  init() throws { folder = try ScenarioFolder() }

  private let twoNodes = [
    "nodes: 1 x dgx-h100": "nodes: 2 x dgx-h100, devices-per-node: 4"
  ]

  private func problems(_ fabric: String, nodes: Int = 2) throws -> [String] {
    var changes = ["seed: 7": "seed: 7\nfabric: \(fabric)"]
    if nodes == 2 { changes.merge(twoNodes) { $1 } }
    return try folder.problems(replacing: changes)
  }

  @Test("every topology is read with its options")
  func topologies() throws {
    let written: [(String, Topology)] = [
      ("non-blocking", .nonBlocking),
      ("rail-optimised", .railOptimised(RailOptimised())),
      (
        "{kind: rail-optimised, spines: 4, oversubscription: 2, cross-rail: spine}",
        .railOptimised(RailOptimised(spines: 4, oversubscription: 2, crossRail: .spine))
      ),
      (
        "{kind: fat-tree, cards-per-leaf: 4, spines: 2, oversubscription: 2}",
        .fatTree(FatTree(cardsPerLeaf: 4, spines: 2, oversubscription: 2))
      ),
      (
        "{kind: fat-tree, tiers: [{children: 4}, {children: 2, switches: 3}]}",
        .fatTree(FatTree(tiers: [.init(children: 4), .init(children: 2, switches: 3)]))
      ),
      (
        "{kind: dragonfly, cards-per-router: 2, routers-per-group: 2, global-links-per-router: 1}",
        .dragonfly(
          Dragonfly(cardsPerRouter: 2, routersPerGroup: 2, globalLinksPerRouter: 1))
      ),
      (
        "{kind: torus, dimensions: [4, 2], bandwidth: 100 GB/s, latency: 1 us}",
        .grid(
          Grid(
            dimensions: [4, 2], wraps: true, bandwidth: Bandwidth(100e9),
            latency: SimTime(microseconds: 1)))
      ),
      ("{kind: full-mesh, bandwidth: 40 GB/s}", .fullMesh(FullMesh(bandwidth: Bandwidth(40e9)))),
    ]
    for (text, topology) in written {
      let scenario = try folder.load(
        replacing: twoNodes.merging(["seed: 7": "seed: 7\nfabric: {topology: \(text)}"]) { $1 })
      #expect(scenario.deployment.fabric.topology == topology, "\(text)")
      #expect(scenario.deployment.network.deviceCount == 8)
    }
  }

  @Test("changes name their part and say what is left of it")
  func changes() throws {
    let scenario = try folder.load(
      replacing: [
        "seed: 7": """
        seed: 7
        fabric:
          fidelity: flows
          changes:
            - {at: 2 ms, link: device 3 -> node 0 switch, factor: 0.5}
            - {at: 0 s, switch: node 0 switch, factor: 0.25}
            - {at: 1 s, device: 5, factor: 0}
        """
      ])
    let fabric = scenario.deployment.fabric
    #expect(fabric.fidelity == .flows && fabric.spread == nil)
    #expect(
      fabric.changes == [
        NetworkChange(
          at: SimTime(microseconds: 2000), .link("device 3 -> node 0 switch"), factor: 0.5),
        NetworkChange(at: .zero, .vertex("node 0 switch"), factor: 0.25),
        NetworkChange(at: SimTime(microseconds: 1_000_000), .device(5), factor: 0),
      ])
  }

  @Test("a slip is told at its place")
  func mistakes() throws {
    #expect(
      try problems("{topology: torus}").contains {
        $0.hasPrefix("scenario.yaml:15:20: 'dimensions' is missing")
      })
    #expect(
      try problems("{topology: {kind: torus, dimensions: [3, 3], bandwidth: 1 GB/s, latency: 0 s}}")
        == ["scenario.yaml:15:20: a grid of 3 x 3 has 9 places for 8 devices"])
    #expect(
      try problems("{topology: {kind: rail-optimised, tiers: [1]}}") == [
        "scenario.yaml:15:43: 'tiers' has no effect with kind 'rail-optimised'; "
          + "it is for kind 'fat-tree'"
      ])
    #expect(
      try problems("{topology: rail-optimised}", nodes: 1)
        == ["scenario.yaml:15:20: 'rail-optimised' has no effect: it joins nodes, and there is one"]
    )
    #expect(
      try problems("{changes: [{at: 1 ms, factor: 0}]}")
        == ["scenario.yaml:15:20: a change concerns one 'link', 'switch' or 'device'"])
    #expect(
      try problems("{changes: [{at: 1 ms, switch: spine 9, factor: 0}]}").contains {
        $0.hasPrefix("scenario.yaml:15:19: the network has no 'spine 9'; it has ")
      })
    let spines = "{topology: {kind: fat-tree, cards-per-leaf: 4, spines: 2}, spread: ecmp}"
    #expect(try problems(spines) == [])
    #expect(
      try problems("{spread: ecmp}").first?.contains("'spread' has no effect here") == true)
    #expect(
      try problems("{topology: {kind: fat-tree, cards-per-leaf: 4, spines: 1}, detour: valiant}")
        .first?.contains("'detour: valiant' has no effect here; it is for dragonflies") == true)
    #expect(
      try problems("{spread: everywhere}") == [
        "scenario.yaml:15:18: 'everywhere' is not a value of 'spread'; "
          + "one of: ordered, ecmp, spray, adaptive"
      ])
  }

  @Test("a file of links, and what is wrong in it")
  func linkFile() throws {
    try folder.write(
      "links.yaml",
      """
      switches: [middle]
      links:
      \((0..<8).map { "  - {from: device \($0), to: middle, bandwidth: 10 GB/s, latency: 1 us}" }
        .joined(separator: "\n"))
      """)
    let fabric = "{topology: {kind: file, path: links.yaml}}"
    #expect(try problems(fabric) == [])
    try folder.write(
      "links.yaml",
      """
      switches: [middle]
      links:
        - {from: device 9, to: middle, bandwidth: 10 GB/s}
        - {from: device 0, to: middle, bandwidth: 0 GB/s}
      """)
    let sentences = try problems(fabric)
    #expect(sentences.count == 2)
    #expect(
      sentences.first == "links.yaml:3:12: 'device 9' is neither one of the switches nor a device "
        + "of the cluster")
    #expect(sentences.last?.hasSuffix("'bandwidth' is '0 GB/s'; it must be more than zero") == true)
  }

  @Test("a library that sends token by token does it in its own way")
  func ways() throws {
    let twoNodes = ["nodes: 1 x dgx-h100": "nodes: 2 x dgx-h100, devices-per-node: 4"]
    func problems(_ text: String, on nodes: [String: String] = twoNodes) throws -> [String] {
      try folder.problems(
        replacing: nodes.merging(["placement: contiguous": "communication: {\(text)}"]) { $1 })
    }
    #expect(try problems("kind: two-hop, library: deepep-normal") == [])
    #expect(try problems("kind: flat, library: deepep-low-latency") == [])
    #expect(
      try problems("kind: flat, library: deepep-normal") == [
        "scenario.yaml:12:40: 'deepep-normal' sends a token once to a node, which hands it on: use kind "
          + "'two-hop'"
      ])
    #expect(
      try problems("kind: two-hop, library: deepep-low-latency") == [
        "scenario.yaml:12:43: 'deepep-low-latency' sends tokens straight to their devices: use kind 'flat'"
      ])
    #expect(
      try problems("kind: flat, model: transition, library: deepep-normal", on: [:]) == [
        "scenario.yaml:12:59: 'deepep-normal' brings tokens back to where they came from; with 'model: "
          + "transition' use 'nccl'"
      ])
  }

  @Test("a library takes multiprocessors where the device has so many")
  func multiprocessors() throws {
    func communication(_ text: String) throws -> [String] {
      try folder.problems(
        replacing: ["placement: contiguous": "communication: {kind: flat, \(text)}"])
    }
    #expect(try communication("library: deepep-normal, multiprocessors: 20") == [])
    #expect(
      try communication("multiprocessors: 132").map {
        $0.hasSuffix(
          "'multiprocessors' is 132; 'h100-sxm' has 132")
      } == [true])
    #expect(
      try communication("tensor-width: 2").map {
        $0.hasSuffix(
          "'tensor-width' has no effect with kind 'flat'; it is for kind 'tensor-coordinated'")
      }
        == [true])
  }

  @Test("a cluster in one line")
  func oneLine() throws {
    let description = try NetworkDescription(
      text: "2 x dgx-h100 + 8x-a40, {kind: fat-tree, cards-per-leaf: 4, spines: 2}, hdr200")
    #expect(description.plan.machines.map(\.node.name) == ["dgx-h100", "dgx-h100", "8x-a40"])
    #expect(description.plan.machines[0].node.network?.port.link.name == "infiniband-hdr")
    #expect(description.fabric.fidelity == .flows)
    let network = try Network(description.plan)
    #expect(network.deviceCount == 24)
    for text in ["", "dgx-h100,", "a, b, c, d"] {
      #expect(throws: Problems.self) { _ = try NetworkDescription(text: text) }
    }
  }
}
