import Engine
import Fabric
import Foundation
import Hardware
import Placement
import Traces
import Units

/// The dispatch of one layer on 320 ranks (40 nodes of 8 H100), 96 tokens each, in port form and in
/// flow form, on a fabric that does not block and on leaves and a spine that carries half: what it
/// costs to simulate, and by how much the flows take longer than their busiest link.
///
/// Replays the repository's trace and, where they are at hand, the real ones beside it
/// (`SWITCHYARD_SHARED`, or `../shared`). Experts are spread evenly, as many copies of each as make
/// one slot a device; a copy of a token is 7,168 bytes.
func exchangeBenchmark(quick: Bool) throws -> [BenchmarkRow] {
  let node = try HardwareCatalogue.load().node(named: "dgx-h100")
  let cluster = try Cluster(node, count: 40)
  let spine = FatTree(cardsPerLeaf: 64, spines: 1, oversubscription: 2)
  var rows: [BenchmarkRow] = []
  for (name, path) in tracePaths() {
    let exchange = try RecordedExchange(
      RoutingTrace(reading: path), ranks: cluster.deviceCount, tokensPerRank: 96)
    for (fabric, topology) in [("non-blocking", Topology.nonBlocking), ("2:1", .fatTree(spine))] {
      let network = try Network(NetworkPlan(cluster, topology: topology))
      let resources = ClusterResources(cluster, network)
      let routes = try RouteTable(RouteFinder(network))
      let layers = quick ? [0] : exchange.sampleLayers
      var wall: [FabricPlan.Fidelity: [Double]] = [:]
      var ratios: [Double] = []
      for layer in layers {
        var times: [FabricPlan.Fidelity: SimTime] = [:]
        for fidelity in FabricPlan.Fidelity.allCases {
          var traffic = ExchangeTraffic(resources, routes, fidelity: fidelity)
          let start = ContinuousClock().now
          exchange.fill(&traffic, layer: layer)
          var graph = TaskGraph()
          let task = traffic.appendTask(
            TaskLabel(stage: 0, device: Int(TaskLabel.everyDevice)), to: &graph)
          let elapsed = ContinuousClock().now - start
          times[fidelity] = graph.timeAlone(task, on: resources.table) - traffic.wayLatency
          wall[fidelity, default: []].append(elapsed / .milliseconds(1))
        }
        if let ports = times[.ports], let flows = times[.flows] {
          ratios.append(flows.seconds / ports.seconds)
        }
      }
      let (least, most) = (ratios.min() ?? 0, ratios.max() ?? 0)
      rows.append(
        BenchmarkRow(
          "exchange: \(name), \(fabric), ports", wall[.ports] ?? [], unit: "ms"))
      rows.append(
        BenchmarkRow(
          "exchange: \(name), \(fabric), flows", wall[.flows] ?? [], unit: "ms",
          note:
            "takes \(fixed(least, decimals: 4)) to \(fixed(most, decimals: 4)) of the ports' time"))
    }
  }
  return rows
}

private func tracePaths() -> [(name: String, path: String)] {
  let shared = ProcessInfo.processInfo.environment["SWITCHYARD_SHARED"] ?? "../shared"
  let routing = shared + "/data/routing/"
  let candidates = [
    ("shipped trace", "traces/switchyard-docs-moe.routing"),
    ("DeepSeek-V2-Lite", routing + "deepseek-v2-lite-moe-beyond/deepseek_v2_lite_puffin_prefill"),
    ("gpt-oss-20b", routing + "gpt-oss-20b/gpt_oss_20b_decode_mmlu"),
  ].map { ($0.0, $0.1.hasSuffix(".routing") ? $0.1 : $0.1 + ".experts.bin.xz") }
  return candidates.filter { FileManager.default.fileExists(atPath: $0.1) }
}

/// Copies of tokens between ranks, counted from a trace.
private struct RecordedExchange {
  private let counts: RoutingCounts
  private let ranks: Int

  var sampleLayers: [Int] {
    let layers = counts.slots.layers
    return [0, layers / 2, layers - 1]
  }

  init(_ trace: RoutingTrace, ranks: Int, tokensPerRank: Int) throws {
    let experts = trace.shape.experts
    let placement = try ExpertPlacement.contiguous(
      layers: trace.shape.layers, experts: experts, groups: ranks,
      redundant: max(0, ranks - experts))
    let slots = try ExpertSlots(
      devices: ranks, devicesPerNode: 8, homeDevice: Array(0..<ranks), hosts: placement.hosts)
    var counts = RoutingCounts(slots: slots)
    let batch = ReplayBatch(
      ranks: (0..<ranks).map { rank in
        (0..<tokensPerRank).map { (rank * tokensPerRank + $0) % trace.tokens }
      })
    try counts.replay(batch, of: trace)
    self.counts = counts
    self.ranks = ranks
  }

  func fill(_ traffic: inout ExchangeTraffic, layer: Int) {
    let layers = counts.slots.layers
    for source in 0..<ranks {
      for target in 0..<ranks {
        let copies = counts.copies[(source * layers + layer) * ranks + target]
        traffic.add(Bytes(Double(copies) * 7168), from: source, to: target)
      }
    }
  }
}
