import Fabric
import Hardware
import Models
import Placement
import Testing
import Traces
import Units

@testable import Serving

/// One prompt of as many tokens again and again, in three layers of 16 experts of which a token takes 4,
/// the more often the smaller their number.
private func repeatedPrompt(tokens: Int, times: Int) throws -> RoutingTrace {
  var state: UInt64 = 7
  func random(_ count: Int) -> Int {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int(state >> 33) % count
  }
  var prompt: [UInt16] = []
  for _ in 0..<tokens * 3 {
    var chosen: [UInt16] = []
    while chosen.count < 4 {
      let expert = UInt16(min(random(16), random(16)))
      if !chosen.contains(expert) { chosen.append(expert) }
    }
    prompt += chosen
  }
  return try RoutingTrace(
    shape: try RoutingShape(model: "small", layerIDs: [1, 2, 3], experts: 16, topK: 4),
    origin: .synthetic, provenance: "made by a test",
    sequences: [
      TraceSequence(
        name: "prompt", firstToken: 0, prefillTokens: tokens * times, decodeTokens: 0)
    ],
    selections: (0..<times).flatMap { _ in prompt })
}

/// How a test's devices exchange tokens.
struct ExchangeCase: CustomTestStringConvertible, Sendable {
  var node = "dgx-h100"
  var nodes = 2
  var devices: Int? = 4
  var algorithm = CollectiveAlgorithm.flat
  var library: CollectiveLibrary? = .nccl
  var slices = 1
  var redundant = 0
  var choice = ReplicaChoice.even

  var testDescription: String {
    "\(nodes) x \(node), \(algorithm.rawValue), \(library?.rawValue ?? "no library"), "
      + "\(slices) slices, \(redundant) copies more by \(choice.rawValue) choice"
  }

  fileprivate func deployment() throws -> Deployment {
    let catalogue = try HardwareCatalogue.load()
    let cluster = try Cluster(
      catalogue.node(named: node), count: nodes, devicesPerNode: devices)
    var model = smallModel(experts: 16)
    model.experts.topK = 4
    let devices = cluster.deviceCount
    let groups = devices / slices
    var protocols = ExchangeProtocols(
      library, multiprocessors: nil, cluster, model, in: catalogue)
    protocols.dispatch.startUp = atOnce(protocols.dispatch)
    protocols.combine.startUp = atOnce(protocols.combine)
    // Neither in order nor with as many to each group: skewed as the trace is.
    let hosts = (0..<3).map { layer in
      (0..<16).map { expert in
        let first = (expert * 5 + layer) % groups
        guard expert < redundant else { return [first] }
        return [first, (first + 3) % groups].sorted()
      }
    }
    return try Deployment(
      model: model, cluster: cluster, precisions: Precisions(.bf16),
      parallelism: Parallelism(attention: (devices, 1), experts: (groups, slices)),
      placement: ExpertPlacement(groups: groups, hosts: hosts), replicaChoice: choice,
      exchange: .init(dispatch: .bf16, combine: .bf16, algorithm: algorithm),
      protocols: protocols)
  }
}

/// A library's start-up without what a call takes before its bytes flow: what devices handle is left.
private func atOnce(_ collective: CollectiveProtocol) -> CollectiveProtocol.StartUp {
  guard case .fitted(let cost) = collective.startUp else { return .constant(.zero) }
  var left = CollectiveCost(launch: .zero)
  (left.copyingBandwidth, left.stagingBandwidth) = (cost.copyingBandwidth, cost.stagingBandwidth)
  return .fitted(left)
}

@Suite("What home traffic is taken to cost")
struct HomePriceTests {
  /// Dispatch and combine of an iteration of so many tokens of each device, all devices' the same.
  private func exchanged(_ deployment: Deployment, _ trace: RoutingTrace) throws -> Double {
    let log = try run(
      deployment, trace: trace, phase: .prefill, batch: 1,
      context: trace.sequences[0].prefillTokens, iterations: 1)
    return log.time(of: .dispatch) + log.time(of: .combine)
  }

  @Test(
    "is what a run's exchanges take",
    arguments: [
      ExchangeCase(nodes: 1, devices: nil), ExchangeCase(), ExchangeCase(nodes: 4, devices: 2),
      ExchangeCase(algorithm: .biLevel), ExchangeCase(algorithm: .twoHop),
      ExchangeCase(nodes: 4, devices: 2, algorithm: .twoHop),
      ExchangeCase(algorithm: .twoHop, library: .deepEPNormal),
      ExchangeCase(nodes: 4, devices: 2, algorithm: .twoHop, library: .deepEPNormal),
      ExchangeCase(nodes: 1, devices: nil, library: .deepEPNormal),
      ExchangeCase(
        nodes: 1, devices: nil, library: .deepEPNormal, redundant: 6, choice: .nearest),
      ExchangeCase(nodes: 1, devices: nil, library: .deepEPLowLatency),
      ExchangeCase(library: .deepEPLowLatency),
      ExchangeCase(library: .deepEPLowLatency, redundant: 6, choice: .nearest),
      ExchangeCase(node: "dgx-v100", devices: nil), ExchangeCase(node: "dgx-v100", devices: 5),
      ExchangeCase(node: "dgx-v100", devices: nil, algorithm: .biLevel),
      ExchangeCase(node: "dgx-v100", devices: nil, redundant: 6, choice: .nearest),
      ExchangeCase(node: "cloudmatrix-node-rdma", devices: 6),
      ExchangeCase(node: "8x-a100-pcie"),
      ExchangeCase(node: "cloudmatrix-node", library: .cannFused),
      ExchangeCase(node: "cloudmatrix-node", library: .cannFused, redundant: 6, choice: .nearest),
      ExchangeCase(node: "cloudmatrix-node-rdma", devices: 6, algorithm: .biLevel),
      ExchangeCase(node: "cloudmatrix-node", algorithm: .biLevel),
      ExchangeCase(node: "cloudmatrix-node", algorithm: .twoHop),
      ExchangeCase(node: "cloudmatrix-node", algorithm: .twoHop, library: .deepEPNormal),
      ExchangeCase(
        node: "cloudmatrix-node", nodes: 4, devices: 2, algorithm: .twoHop,
        library: .deepEPNormal),
      ExchangeCase(
        node: "cloudmatrix-node", devices: 8, algorithm: .twoHop, library: .deepEPNormal, slices: 2),
      ExchangeCase(node: "8x-a100-pcie", algorithm: .twoHop, library: .deepEPNormal),
      ExchangeCase(node: "cloudmatrix-node", nodes: 4, devices: 2, algorithm: .twoHop),
      ExchangeCase(
        node: "cloudmatrix-node", algorithm: .twoHop, redundant: 6, choice: .nearest),
      ExchangeCase(node: "8x-a100-pcie", algorithm: .biLevel),
      ExchangeCase(node: "8x-a100-pcie", algorithm: .twoHop),
      ExchangeCase(node: "8x-a100-pcie", nodes: 4, devices: 2, algorithm: .twoHop),
      ExchangeCase(node: "8x-a100-pcie", algorithm: .biLevel, redundant: 6, choice: .nearest),
      ExchangeCase(slices: 2), ExchangeCase(algorithm: .biLevel, slices: 2),
      ExchangeCase(algorithm: .twoHop, library: .deepEPNormal, slices: 2),
      ExchangeCase(node: "dgx-v100", devices: nil, slices: 2),
      ExchangeCase(slices: 2, redundant: 6, choice: .nearest),
      ExchangeCase(algorithm: .biLevel, slices: 2, redundant: 6, choice: .nearest),
      ExchangeCase(redundant: 6, choice: .nearest),
      ExchangeCase(algorithm: .biLevel, redundant: 6, choice: .nearest),
      ExchangeCase(algorithm: .twoHop, redundant: 6, choice: .nearest),
      ExchangeCase(
        nodes: 4, devices: 2, algorithm: .twoHop, library: .deepEPNormal, redundant: 6,
        choice: .nearest),
    ])
  func runs(_ exchange: ExchangeCase) throws {
    let deployment = try exchange.deployment()
    let (once, twice) = (
      try repeatedPrompt(tokens: 500, times: 1), try repeatedPrompt(tokens: 500, times: 2)
    )
    // What does not grow with the tokens is the ways' latency.
    let seconds = try exchanged(deployment, twice) - exchanged(deployment, once)
    let workload = Workload(
      trace: once, phase: .prefill, batch: 1, context: 500, routing: .asRecorded)
    let problem = try PlacementStudy(deployment, workload).problem(
      of: RoutingProfile(of: once, phase: .prefill, windows: 1), redundant: exchange.redundant)
    let cost = PlacementCost(of: deployment.placement, in: problem)
    #expect(abs(cost.communication / seconds - 1) < 1e-6, "\(cost.communication) of \(seconds)")
  }
}
