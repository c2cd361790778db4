import Hardware
import Placement
import Testing
import Traces
import Units

@testable import Serving

@Suite("What a placement costs a deployment")
struct PlacementStudyTests {
  private func study(
    _ nodes: Int = 1, batch: Int = 8, expertTensor: Int = 1
  ) throws -> PlacementStudy {
    let deployment = try deployment(dgxH100(nodes, devices: 4), expertTensor: expertTensor)
    let workload = Workload(
      trace: try skewedTrace(), phase: .decode, batch: batch, context: 64, routing: .asRecorded)
    return try PlacementStudy(deployment, workload)
  }

  private func problem(
    _ study: PlacementStudy, _ traffic: PlacementProblem.Traffic = .home
  ) throws -> PlacementProblem {
    try study.problem(
      of: RoutingProfile(of: study.workload.trace, phase: .decode), redundant: 0,
      traffic: traffic)
  }

  @Test("EPLB keeps together on a node what the router chooses together")
  func routerGroups() throws {
    var model = smallModel()
    for (groups, together) in [(1, false), (4, true), (2, true)] {
      model.experts.routerGroups = groups
      let deployment = try deployment(dgxH100(2, devices: 4), model: model)
      let workload = Workload(
        trace: try skewedTrace(renamed: { $0 * 3 % 8 }), phase: .decode, batch: 64, context: 64,
        routing: .asRecorded)
      let problem = try problem(PlacementStudy(deployment, workload))
      let nodes = ExpertPlacement.eplb(problem).hosts.map { $0.map { $0[0] / 4 } }
      let size = 8 / max(groups, 2)
      let isTogether = nodes.allSatisfy { layer in
        (0..<8).allSatisfy { layer[$0] == layer[$0 / size * size] }
      }
      #expect(isTogether == together, "\(groups) groups")
    }
  }

  @Test("a token that moves takes its bytes over all ports that send at a time")
  func secondsOfTokens() throws {
    let one = try problem(study())
    // 1024 values of two bytes there and back over 4 ports of 450 GB/s, as far as they were measured.
    let port = try dgxH100().node.scaleUp.port.effectiveBandwidth.value
    #expect(abs(one.secondsInNode / (4096 / port / 4) - 1) < 1e-12)
    let two = try problem(study(2))
    let node = try dgxH100().node
    let network = try #require(node.network)
    // A card for each of the eight devices of a whole node, of which four are used.
    let share = network.port.effectiveBandwidth.value * Double(network.cardCount) / 8
    #expect(abs(two.secondsInNode / (4096 / port / 8) - 1) < 1e-12)
    #expect(abs(two.secondsAcrossNodes / (4096 / share / 8) - 1) < 1e-12)
    // Flat exchanges send a copy to each device, to the busiest too: of 8 that may be a token's own 4 are in
    // the other node, by whose cards they come.
    #expect(two.exchange.way == .direct)
    let row = try ExpertPlacement.contiguous(
      layers: two.layers, experts: two.experts, groups: two.groups)
    let returning = PlacementCost(of: row, in: two)
    #expect(returning.groupsPerToken > 1 && share < port)
    let sets = try #require(two.sets)
    var busiest = 0.0
    for layer in 0..<two.layers {
      var visits = [Double](repeating: 0, count: 8)
      for set in sets.starts[layer]..<sets.starts[layer + 1] {
        let members = sets.members[set * sets.topK..<(set + 1) * sets.topK]
        for group in Set(members.map { row.hosts[layer][Int($0)][0] }) {
          visits[group] += sets.tokens[set]
        }
      }
      busiest += visits.max() ?? 0
    }
    #expect(abs(returning.communication / (busiest * 4 * 4096 / share / 8) - 1) < 1e-9)
    // What only moves on does not come back.
    let moved = try problem(study(2), .transition)
    // Both is the one and the other, on flat nodes too.
    let sum = returning.communication + PlacementCost(of: row, in: moved).communication
    let all = PlacementCost(of: row, in: try problem(study(2), .both)).communication
    #expect(returning.communication < 0.99 * sum && abs(all / sum - 1) < 1e-12)
    #expect(abs(moved.secondsAcrossNodes / (2048 / share / 8) - 1) < 1e-12)
    #expect(abs(moved.secondsInNode / (2048 / port / 8) - 1) < 1e-12)
    #expect(two.groupsPerNode == 4)
    // Both: what moves on does so once, what returns goes both ways.
    let (home, both) = (one, try problem(study(), .both))
    let onward = try problem(study(), .transition)
    let placement = try ExpertPlacement.contiguous(
      layers: both.layers, experts: both.experts, groups: both.groups)
    func communication(_ problem: PlacementProblem) -> Double {
      PlacementCost(of: placement, in: problem).communication
    }
    #expect(communication(onward) > 0)
    #expect(
      abs(communication(both) / (communication(home) + communication(onward)) - 1) < 1e-12)
    // To the nearest copy it is not as likely to go anywhere: the two ways are told apart.
    let near = try study(2).problem(
      of: RoutingProfile(of: study(2).workload.trace, phase: .decode), redundant: 8,
      choice: .nearest)
    #expect(near.replicaChoice == .nearest && near.exchange.way == .direct)
    #expect(abs(near.secondsInNode / (4096 / port / 8) - 1) < 1e-12)
    #expect(abs(near.secondsAcrossNodes / (4096 / share / 8) - 1) < 1e-12)
    // Slices of an expert send each token as often as there are more ports.
    let sliced = try problem(study(expertTensor: 2))
    #expect(sliced.groups == 2)
    #expect(abs(sliced.secondsInNode / (4096 / port / 2) - 1) < 1e-12)
  }

  @Test("an expert's seconds are what its rows and its weights add to a run's calls")
  func secondsOfExperts() throws {
    let study = try study()
    let seconds = ExpertSeconds(study.deployment, study.workload.mix, groups: 4, tokens: 32)
    #expect(seconds[0] == 0)
    // Rarely chosen: as often as it is chosen it costs what one row costs.
    #expect(abs(seconds[1e-6] / 1e-6 / seconds[1e-7] * 1e-7 - 1) < 1e-3)
    var last = 0.0
    for rows in [0.01, 0.1, 1, 4, 16, 64, 250] {
      #expect(seconds[rows] >= last)
      last = seconds[rows]
    }
    // Two copies of half the rows read the weights twice, whatever their number.
    #expect(seconds.perCopy(300) > 0)
    #expect(abs(seconds.perCopy(300) / seconds.perCopy(200) - 1) < 1e-12)
    // Where arithmetic binds, rows cost what they add to a call, and an expert next to nothing.
    let many = ExpertSeconds(study.deployment, study.workload.mix, groups: 4, tokens: 40_000)
    let costs = StageCosts(study.deployment, study.workload.mix)
    func call(_ rows: Int) -> Double {
      costs.routedExperts(GroupedLoad(counts: [rows, rows]), of: 3).duration.seconds
    }
    let added = (call(12_000) - call(8_000)) / 2
    #expect(abs((many[12_000] - many[8_000]) / added - 1) < 0.05)
    #expect(many.perCopy(10_000) < 0.05 * many[10_000])
  }

  @Test("a swap moves two experts each way, over the slower of two ways")
  func migration() throws {
    let study = try study(2)
    let old = try ExpertPlacement.contiguous(layers: 3, experts: 8, groups: 8)
    var hosts = old.hosts
    hosts[0].swapAt(0, 1)
    let near = study.migration(from: old, to: ExpertPlacement(groups: 8, hosts: hosts))
    let expert = study.deployment.model.expertBytes(study.deployment.precisions, tensorSlices: 1)
    let port = study.deployment.cluster.node.scaleUp.port.effectiveBandwidth
    #expect(near.copies == 2)
    #expect(near.bytes == expert * 2)
    #expect(abs(near.time.value / (expert / port).value - 1) < 1e-12)
    hosts = old.hosts
    hosts[2].swapAt(0, 7)
    let far = study.migration(from: old, to: ExpertPlacement(groups: 8, hosts: hosts))
    #expect(far.copies == 2)
    // A node's four devices share what leaves it.
    #expect(abs(far.time.value / (expert / 4 / study.bandwidthAcrossNodes).value - 1) < 1e-12)
    #expect(study.migration(from: old, to: old).copies == 0)
  }

  @Test("slices of an expert that lie across nodes leave no nodes to place by")
  func slicesAcrossNodes() throws {
    // Nodes of four devices, slices of eight.
    #expect(throws: ServingError.self) { _ = try study(4, expertTensor: 8) }
    #expect(try study(4, expertTensor: 4).groupsPerNode == 1)
  }

  @Test("part of a trace has its sequences only, over the same selections")
  func partOfTrace() throws {
    let trace = try skewedTrace()
    let part = trace.keeping(sequences: [3, 7])
    #expect(part.sequences.map(\.name) == ["3", "7"])
    #expect(part.decodeTokens == 60)
    #expect(
      part.selections(token: part.sequences[1].firstToken, layer: 2)
        == trace.selections(token: 7 * 50, layer: 2))
  }
}
