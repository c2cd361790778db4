import Hardware
import Models
import Serving
import Testing
import Traces
import Units

/// Runs on devices whose kernels were measured. The numbers are those that the laws' searches begin
/// with: plausible, and the same whatever the catalogue ships.
private func measured(_ cluster: Cluster, _ families: [KernelFamily]) throws -> Cluster {
  var node = cluster.node
  node.device.kernels = families.map { family in
    KernelCalibration(
      name: family.rawValue, device: node.device.name, family: family, kernel: "a bfloat16",
      values: family.terms.map(\.start),
      fit: .init(
        date: "2026-11-21", rows: 1, median: 0, ninetieth: 0, worst: 0, heldOut: 0,
        heldOutMedian: 0, heldOutNinetieth: 0), citation: "a test")
  }
  return try Cluster(node, count: cluster.nodeCount, devicesPerNode: cluster.devicesPerNode)
}

/// 2,048 sequences of one prompt and one generated token, every expert with some. Each sequence
/// takes a pair of experts: as many for each pair, or 257 for three and the rest for one.
private func pairedTrace(isSkewed: Bool) throws -> RoutingTrace {
  let sequences = (0..<2048).map {
    TraceSequence(name: "\($0)", firstToken: $0 * 2, prefillTokens: 1, decodeTokens: 1)
  }
  var selections: [UInt16] = []
  for sequence in 0..<2048 {
    let pair = isSkewed ? min(sequence / 257, 3) : sequence / 512
    for _ in 0..<2 * 3 { selections += [UInt16(2 * pair), UInt16(2 * pair + 1)] }
  }
  return try RoutingTrace(
    shape: try RoutingShape(model: "small", layerIDs: [1, 2, 3], experts: 8, topK: 2),
    origin: .synthetic, provenance: "made by a test", sequences: sequences, selections: selections)
}

@Test func unevenExpertsOfTheSameSizeCostMoreWhereKernelsWereMeasured() throws {
  let cluster = try dgxH100(devices: 1)
  let traces = try [false, true].map { try pairedTrace(isSkewed: $0) }
  func times(_ families: [KernelFamily]) throws -> [Double] {
    let deployment = try deployment(measured(cluster, families))
    return try traces.map {
      let log = try run(deployment, trace: $0, batch: 2048, context: 64, iterations: 1)
      #expect(log.loads[0].tokens.reduce(0, +) == 3 * 4096)
      return log.time(of: .experts)
    }
  }
  // A roofline knows the rows and the experts with any, which are the same.
  let rooflines = try times([])
  #expect(rooflines[0] == rooflines[1])
  let laws = try times([.experts])
  #expect(laws[1] > laws[0] * 1.02)
}

@Test func measuredExpertsGatherAndAddUpTheirRowsThemselves() throws {
  func log(_ devices: Int, _ families: [KernelFamily]) throws -> RunLog {
    try run(deployment(measured(dgxH100(devices: devices), families)))
  }
  // On one device all of a token's rows are in one call, on several they are not.
  #expect(try log(1, [.experts]).time(of: .weightedSum) == 0)
  #expect(try log(1, []).time(of: .weightedSum) > 0)
  #expect(try log(2, [.experts]).time(of: .weightedSum) > 0)
  #expect(try log(2, [.experts]).time(of: .gate) < log(2, []).time(of: .gate))
}

@Test func measuredKernelsGiveTheSameTimesAgainAndWithAnyNumberOfThreads() throws {
  let cluster = try measured(dgxH100(2), KernelFamily.allCases)
  let trace = try skewedTrace(experts: 16)
  let deployment = try deployment(cluster, model: smallModel(experts: 16))
  let first = try run(deployment, trace: trace, threads: 1)
  #expect(try run(deployment, trace: trace, threads: 1).tasks == first.tasks)
  #expect(try run(deployment, trace: trace, threads: 4).tasks == first.tasks)
}

@Test func noMeasuredRunIsFasterThanItsBusiestResourceAllows() throws {
  for (phase, context) in [(Phase.decode, 2048), (.prefill, 256)] {
    var simulation = try Simulation(
      deployment(measured(dgxH100(), KernelFamily.allCases)),
      Workload(
        trace: skewedTrace(), phase: phase, batch: 16, context: context, routing: .asRecorded),
      Measurement(warmup: 0, iterations: 2), seed: 1)
    var log = RunLog()
    try simulation.run(observer: &log)
    let elapsed = simulation.measuredTime.seconds
    for (resource, served) in simulation.amountsServed.enumerated() {
      #expect(served <= simulation.resources.table.capacities[resource] * elapsed * (1 + 1e-9))
    }
  }
}
