import Scenario
import Testing

@Suite("Options that change nothing")
struct EffectlessOptionTests {
  let folder: ScenarioFolder

  init() throws { folder = try ScenarioFolder() }

  private static let twoNodes = ["nodes: 1 x dgx-h100": "nodes: 2 x dgx-h100, devices-per-node: 4"]
  private static let oneEach = ["nodes: 1 x dgx-h100": "nodes: 8 x dgx-h100, devices-per-node: 1"]

  private func expect(
    _ policies: String, on nodes: [String: String] = [:], _ sentences: String...,
    at place: SourceLocation = #_sourceLocation
  ) throws {
    let changes = nodes.merging(["placement: contiguous": policies]) { $1 }
    let found = try folder.problems(replacing: changes)
    #expect(found == sentences, sourceLocation: place)
  }

  @Test("kinds of communication that tell nodes apart need several nodes of several devices")
  func kinds() throws {
    for kind in ["hierarchical", "bi-level", "two-hop"] {
      try expect(
        "communication: \(kind)",
        "scenario.yaml:12:18: '\(kind)' has no effect: there is one node, so it is the flat exchange; "
          + "write 'flat'")
      try expect(
        "communication: {dispatch: fp8, kind: \(kind)}", on: Self.oneEach,
        "scenario.yaml:12:40: '\(kind)' has no effect: nodes have one device each, so it is the flat "
          + "exchange; write 'flat'")
      try expect("communication: \(kind)", on: Self.twoNodes)
    }
    // All that a node sends goes through its first device, however many nodes there are.
    try expect("communication: leader")
    try expect(
      "communication: leader", on: Self.oneEach,
      "scenario.yaml:12:18: 'leader' has no effect: nodes have one device each, so it is the flat "
        + "exchange; write 'flat'")
    try expect(
      "communication: {kind: tensor-coordinated, tensor-width: 1}",
      "scenario.yaml:12:25: 'tensor-coordinated' has no effect: 'tensor-width' is 1, so it is the flat "
        + "exchange; write 'flat'")
    try expect("communication: {kind: tensor-coordinated, tensor-width: 2}")
  }

  @Test("placements and ways to send of one device, which holds all and sends nothing")
  func oneDevice() throws {
    let one = [
      "nodes: 1 x dgx-h100": "nodes: 1 x dgx-h100, devices-per-node: 1", "{data: 8}": "{data: 1}",
      "{expert: 8}": "{expert: 1}",
    ]
    try expect(
      "placement: round-robin", on: one,
      "scenario.yaml:12:14: the placement has no effect: there is one expert group, which holds all "
        + "experts")
    try expect(
      "placement: {kind: search, trials: 100}", on: one,
      "scenario.yaml:12:14: the placement has no effect: there is one expert group, which holds all "
        + "experts")
    try expect("placement: contiguous", on: one)
    try expect("communication: flat", on: one)
    try expect(
      "communication: {kind: flat, dispatch: fp8, library: none}", on: one,
      "scenario.yaml:12:41: 'dispatch' has no effect: there is one device, which sends nothing",
      "scenario.yaml:12:55: 'library' has no effect: there is one device, which sends nothing")
  }

  @Test("parts of an exchange that is as long as its busiest port")
  func chunks() throws {
    try expect(
      "communication: {kind: flat, chunks: 4}",
      "scenario.yaml:12:39: 'chunks' has no effect on this flat exchange: it takes the time of its "
        + "busiest port, whole or in parts")
    try expect("communication: {kind: leader, chunks: 1}")
    try expect("communication: {kind: leader, chunks: 4}")
    try expect(
      "communication: {kind: two-hop, library: deepep-normal, chunks: 4}", on: Self.twoNodes,
      "scenario.yaml:12:66: 'chunks' has no effect on this exchange: its library forwards tokens one "
        + "by one")
    // Sent over routes, one part behind the other.
    #expect(
      try folder.problems(
        replacing: [
          "placement: contiguous": "communication: {kind: flat, chunks: 4}",
          "seed: 7": "seed: 7\nfabric: {fidelity: flows}",
        ]) == [])
  }

  @Test("multiprocessors that no kernel misses and no library uses")
  func multiprocessors() throws {
    func sentence(_ column: Int, _ library: String) -> String {
      "scenario.yaml:12:\(column): 'multiprocessors' has no effect: no kernel runs beside an exchange "
        + "without 'overlap' or 'microbatches', and what '\(library)' takes does not depend on them"
    }
    try expect("communication: {kind: flat, multiprocessors: 20}", sentence(48, "nccl"))
    try expect(
      "communication: {kind: flat, library: deepep-low-latency, multiprocessors: 20}",
      sentence(77, "deepep-low-latency"))
    try expect("communication: {kind: flat, library: deepep-normal, multiprocessors: 20}")
    try expect(
      "communication: {kind: flat, multiprocessors: 20}\n"
        + "  batching: {kind: static, microbatches: 2}")
  }

  @Test("multiprocessors and streams share a device's compute units")
  func streams() throws {
    func policies(_ attention: Int, _ experts: Int) -> String {
      "communication: {kind: flat, multiprocessors: 20}\n  batching: {kind: static, "
        + "microbatches: 2, streams: {attention: \(attention), experts: \(experts)}}"
    }
    try expect(policies(72, 40))
    try expect(
      policies(72, 41),
      "scenario.yaml:13:54: streams of 72 and 41 compute units and 20 multiprocessors for exchanges are "
        + "133; 'h100-sxm' has 132")
    try expect(
      "batching: {kind: static, microbatches: 2, streams: {attention: 92, experts: 41}}",
      "scenario.yaml:12:54: streams of 92 and 41 compute units; 'h100-sxm' has 132")
  }

  @Test("memory spaces for every expert, and candidates for every device")
  func everyOne() throws {
    func onDuplex(_ spaces: Int, groups: Int) throws -> [String] {
      try folder.problems(
        replacing: [
          "1 x dgx-h100": "1 x duplex",
          "experts: {expert: 8}": "experts: {expert: \(groups), tensor: \(8 / groups)}",
          "placement: contiguous": "execution: {kind: split, spaces: \(spaces)}",
        ])
    }
    #expect(try onDuplex(4, groups: 1) == [])
    // Eight experts in two groups are four in each.
    #expect(
      try onDuplex(4, groups: 2) == [
        "scenario.yaml:12:36: 'spaces' is 4, and a device has at most 4 experts of a layer, each in a "
          + "space of its own: leave it out"
      ])
    func blocks(_ candidates: Int) -> String {
      "execution: {kind: blocks, tokens: 5, choice: allocator, candidates: \(candidates)}"
    }
    try expect(blocks(7))
    try expect(
      blocks(8),
      "scenario.yaml:12:71: 'candidates' is 8, and there are 8 devices: leave it out")
  }
}
