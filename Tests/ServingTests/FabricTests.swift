import Engine
import Fabric
import Hardware
import Models
import Placement
import Serving
import Testing
import Traces
import Units

private func deployment(
  _ cluster: Cluster, _ fabric: FabricPlan, algorithm: CollectiveAlgorithm = .flat,
  chunks: Int? = nil, protocols: ExchangeProtocols? = nil
) throws -> Deployment {
  let devices = cluster.deviceCount
  let model = smallModel(experts: 16)
  return try Deployment(
    model: model, cluster: cluster, precisions: Precisions(.bf16),
    parallelism: Parallelism(attention: (devices, 1), experts: (devices, 1)),
    placement: .contiguous(layers: 3, experts: 16, groups: devices),
    exchange: .init(
      dispatch: .bf16, combine: .bf16, algorithm: algorithm,
      options: CollectiveOptions(chunks: chunks)),
    protocols: protocols, fabric: fabric)
}

private func length(of log: RunLog) -> SimTime { log.tasks.map(\.end).max() ?? .zero }

private func run(_ deployment: Deployment, batch: Int = 64) throws -> RunLog {
  try run(deployment, trace: skewedTrace(experts: 16), batch: batch)
}

/// Two nodes of four on one leaf a node and a spine that carries half.
private let spine = Topology.fatTree(
  FatTree(cardsPerLeaf: 4, spines: 1, oversubscription: 2))

@Test func aBlockingCoreIsSlowerThanOneThatDoesNotBlock() throws {
  let cluster = try dgxH100(2, devices: 4)
  let free = try run(deployment(cluster, FabricPlan()), batch: 4096)
  let blocked = try run(deployment(cluster, FabricPlan(topology: spine)), batch: 4096)
  #expect(length(of: blocked) > length(of: free))
}

@Test func portsAndRoutesAgreeWhereTheCoreDoesNotBlock() throws {
  // A change after the end makes the run look up routes; nothing else differs.
  let cluster = try dgxH100(2, devices: 4)
  let late = NetworkChange(
    at: SimTime(microseconds: 100_000_000), .link("node 0 card 0 out"), factor: 0.5)
  let ports = try run(deployment(cluster, FabricPlan()))
  let routes = try run(deployment(cluster, FabricPlan(changes: [late])))
  #expect(ports.tasks == routes.tasks)
}

@Test func flowsTakeAtLeastTheTimeOfTheirBusiestLink() throws {
  let cluster = try dgxH100(2, devices: 4)
  for topology in [Topology.nonBlocking, spine] {
    let ports = try run(deployment(cluster, FabricPlan(topology: topology)), batch: 4096)
    let flows = try run(
      deployment(cluster, FabricPlan(topology: topology, fidelity: .flows)), batch: 4096)
    #expect(length(of: flows) >= length(of: ports))
    #expect(length(of: flows).seconds < 1.2 * length(of: ports).seconds)
  }
}

@Test func everyAlgorithmCarriesALayersTokens() throws {
  let cluster = try dgxH100(2, devices: 4)
  for algorithm in [CollectiveAlgorithm.hierarchical, .leader, .biLevel, .twoHop] {
    for chunks in [nil, 4] {
      let log = try run(
        deployment(
          cluster, FabricPlan(), algorithm: algorithm, chunks: chunks))
      #expect(log.tokens.allSatisfy { $0 == 512 })
      let dispatches = log.tasks.count { $0.label.stage == Stage.dispatch.rawValue }
      // Each of 3 layers in each iteration is more than one phase.
      #expect(dispatches > 3 * log.tokens.count, "\(algorithm)")
    }
  }
}

@Test func oneCopyANodeSavesTheNetworkWhatTokensShare() throws {
  // With 16 experts on two nodes, many tokens have both experts on the other one: flat sends two
  // copies there, two-hop one.
  func carried(_ algorithm: CollectiveAlgorithm) throws -> Double {
    let deployment = try deployment(
      dgxH100(2, devices: 4), FabricPlan(), algorithm: algorithm)
    var simulation = try Simulation(
      deployment,
      Workload(
        trace: skewedTrace(experts: 16), phase: .decode, batch: 512, context: 64,
        routing: .asRecorded), Measurement(warmup: 0, iterations: 1), seed: 1)
    var log = RunLog()
    try simulation.run(observer: &log)
    let served = simulation.amountsServed
    return deployment.network.links.enumerated().reduce(0.0) { sum, entry in
      entry.element.kind == .card
        ? sum + served[simulation.resources.links[entry.offset].position] : sum
    }
  }
  let (flat, twoHop) = (try carried(.flat), try carried(.twoHop))
  #expect(twoHop < 0.8 * flat)
  #expect(twoHop >= 0.5 * flat)
}

@Test func slicedExpertsAreNotCoordinated() throws {
  let cluster = try dgxH100()
  let placement = try ExpertPlacement.contiguous(layers: 3, experts: 8, groups: 4)
  var said = ""
  do throws(ServingError) {
    _ = try Deployment(
      model: smallModel(), cluster: cluster, precisions: Precisions(.bf16),
      parallelism: Parallelism(attention: (8, 1), experts: (4, 2)),
      placement: placement,
      exchange: .init(
        dispatch: .bf16, combine: .bf16, algorithm: .tensorCoordinated,
        options: CollectiveOptions(tensorWidth: 2)))
  } catch { said = error.sentence }
  #expect(said.hasPrefix("tensor-coordinated communication sends a token to one rank of a group"))
}

@Test func deepEPCostsTokenByToken() throws {
  let cluster = try dgxH100()
  let model = smallModel(experts: 16)
  let catalogue = try HardwareCatalogue.load()
  func protocols(_ library: CollectiveLibrary, _ multiprocessors: Int?) -> ExchangeProtocols {
    ExchangeProtocols(
      library, multiprocessors: multiprocessors, cluster, model, in: catalogue)
  }
  // A library that sends a rank's part in one piece has no costs by token.
  #expect(protocols(.nccl, nil).tokenwise == nil)
  let low = try #require(protocols(.deepEPLowLatency, nil).tokenwise)
  #expect(low.expertsPerRank == 2 && low.multiprocessors == 16)
  let normal = try #require(protocols(.deepEPNormal, 4).tokenwise)
  #expect(normal.multiprocessors == 4)
  // Fewer multiprocessors handle the copies more slowly, and runs show it.
  func dispatch(_ multiprocessors: Int) throws -> Double {
    let deployment = try deployment(
      cluster, FabricPlan(), protocols: protocols(.deepEPNormal, multiprocessors))
    return try run(deployment, batch: 8192).time(of: .dispatch)
  }
  #expect(try dispatch(2) > 1.5 * dispatch(20))
  // So do more copies: an expert in eight slices needs each token eight times, and a popular expert's
  // device has more to send back.
  func log(_ slices: Int, routing: RoutingPolicy = .asRecorded) throws -> RunLog {
    let deployment = try Deployment(
      model: model, cluster: cluster, precisions: Precisions(.bf16),
      parallelism: Parallelism(attention: (8, 1), experts: (8 / slices, slices)),
      placement: .contiguous(layers: 3, experts: 16, groups: 8 / slices),
      exchange: .init(dispatch: .bf16, combine: .bf16),
      protocols: protocols(.deepEPNormal, 2))
    return try run(
      deployment, trace: skewedTrace(experts: 16), batch: 8192, routing: routing, iterations: 1)
  }
  let (whole, sliced, even) = (try log(1), try log(8), try log(1, routing: .uniform))
  #expect(sliced.time(of: .dispatch) > 2 * whole.time(of: .dispatch))
  #expect(whole.time(of: .combine) > 1.2 * even.time(of: .combine))
}

/// What was fitted to exchanges is what runs take for them: the law and the simulator count the same
/// copies, those that stay included, and forward them over both hops at once.
@Test(
  arguments: [
    (CollectiveLibrary.deepEPLowLatency, CollectiveAlgorithm.flat, 128),
    (.deepEPNormal, .twoHop, 4096),
  ], [1, 2])
func exchangesTakeWhatWasFittedToThem(
  kind: (library: CollectiveLibrary, algorithm: CollectiveAlgorithm, tokens: Int), nodes: Int
) throws {
  let cluster = try dgxH100(nodes)
  var model = smallModel(experts: 64)
  model.hidden = 4096
  model.experts.topK = 6
  let catalogue = try HardwareCatalogue.load()
  let ranks = cluster.deviceCount
  let deployment = try Deployment(
    model: model, cluster: cluster, precisions: Precisions(.bf16),
    parallelism: Parallelism(attention: (ranks, 1), experts: (ranks, 1)),
    placement: .contiguous(layers: 3, experts: 64, groups: ranks),
    exchange: .init(
      dispatch: .fp8, combine: .bf16, algorithm: nodes == 1 ? .flat : kind.algorithm),
    protocols: ExchangeProtocols(
      kind.library, multiprocessors: nil, cluster, model, in: catalogue))
  let trace = try RoutingTrace(
    drawing: .uniform, for: model, phase: .decode, sequences: 64, tokensEach: 64,
    measurement: Measurement(warmup: 0, iterations: 1), seed: 5)
  let log = try run(
    deployment, trace: trace, batch: kind.tokens, routing: .asRecorded, iterations: 1)
  let exchange = ExpertExchange(
    tokens: Double(kind.tokens), hidden: 4096, topK: 6, experts: 64, ranks: ranks, nodes: nodes)
  let ports = CollectiveCost.Ports(
    scaleUp: cluster.node.scaleUp.port.bandwidth,
    scaleOut: nodes > 1 ? cluster.node.network?.port.bandwidth : nil)
  for (stage, operation) in [(Stage.dispatch, CollectiveOperation.dispatch), (.combine, .combine)] {
    let cost = try #require(
      catalogue.collectiveCost(
        for: operation, kind.library, scaleUp: cluster.node.scaleUp.port.link,
        scaleOut: nodes > 1 ? cluster.node.network?.port.link : nil, ranks: ranks, nodes: nodes)
    ).cost
    let law = cost.time(of: exchange.load(operation, kind.library), on: ports).value
    // Each of three layers, as long as its busiest rank of some random tokens takes.
    let share = log.time(of: stage) / 3 / law
    #expect(share > 0.98 && share < 1.15, "\(stage), \(nodes) nodes: \(share)")
  }
}

@Test func aSlowedLinkSlowsTheRunFromItsMomentOn() throws {
  let cluster = try dgxH100()
  let whole = try run(deployment(cluster, FabricPlan()), batch: 4096)
  let half = SimTime(picoseconds: length(of: whole).picoseconds / 2)
  func slowed(at time: SimTime) throws -> SimTime {
    let change = NetworkChange(at: time, .vertex("node 0 switch"), factor: 0.1)
    return length(
      of: try run(deployment(cluster, FabricPlan(changes: [change])), batch: 4096))
  }
  let (early, late) = (try slowed(at: .zero), try slowed(at: half))
  #expect(early > late && late > length(of: whole))
}

@Test func aSlowedDeviceIsWaitedFor() throws {
  let cluster = try dgxH100()
  let change = NetworkChange(at: .zero, .device(3), factor: 0.5)
  let whole = try run(deployment(cluster, FabricPlan()), batch: 4096)
  let slowed = try run(deployment(cluster, FabricPlan(changes: [change])), batch: 4096)
  #expect(length(of: slowed) > length(of: whole))
}

@Test func newTrafficAvoidsAFailedSpine() throws {
  let cluster = try dgxH100(2, devices: 4)
  let spines = Topology.fatTree(FatTree(cardsPerLeaf: 4, spines: 2))
  let failed = NetworkChange(at: SimTime(microseconds: 1), .vertex("spine 1"), factor: 0)
  let whole = try run(deployment(cluster, FabricPlan(topology: spines)), batch: 4096)
  let left = try run(
    deployment(cluster, FabricPlan(topology: spines, changes: [failed])), batch: 4096)
  #expect(length(of: left) > length(of: whole))
}

@Test func aRunWithoutAWayLeftEndsWithASentence() throws {
  let cluster = try dgxH100(2, devices: 4)
  let failed = NetworkChange(at: SimTime(microseconds: 1), .vertex("core"), factor: 0)
  let deployment = try deployment(cluster, FabricPlan(changes: [failed]))
  var said = ""
  do { _ = try run(deployment) } catch let error as ServingError { said = error.sentence }
  #expect(said.hasPrefix("at ") && said.contains(" there is no way from device "))
}

@Test func aDeviceThatFailsEndsTheRun() throws {
  let failed = NetworkChange(at: SimTime(microseconds: 1), .device(2), factor: 0)
  let deployment = try deployment(dgxH100(), FabricPlan(changes: [failed]))
  var said = ""
  do { _ = try run(deployment) } catch let error as ServingError { said = error.sentence }
  #expect(said.contains("device 2 fails, and its experts and sequences live nowhere else"))
}

@Test func aLibrarysMultiprocessorsSlowWhatRunsBeside() throws {
  var protocols = ExchangeProtocols(startUp: SimTime(microseconds: 10))
  let cluster = try dgxH100()
  func time(_ occupancy: Double) throws -> Double {
    protocols.occupancy = occupancy
    let model = smallModel(experts: 16)
    let deployment = try Deployment(
      model: model, cluster: cluster, precisions: Precisions(.bf16),
      parallelism: Parallelism(attention: (8, 1), experts: (8, 1)),
      placement: .contiguous(layers: 3, experts: 16, groups: 8),
      exchange: .init(dispatch: .bf16, combine: .bf16, overlap: .sharedExperts),
      protocols: protocols)
    return try run(deployment, batch: 4096).time(of: .sharedExperts)
  }
  let (alone, beside) = (try time(0), try time(0.5))
  #expect(beside > alone)
  #expect(beside < 2 * alone)
}
