import Engine
import Fabric
import Foundation
import Hardware
import Models
import Placement
import Serving
import Traces
import Units

/// One decode step of DeepSeek-V3 on 40 nodes of 8 H100: 61 layers, 256 experts and 64 redundant
/// ones, top-8, 30,720 sequences; every layer's attention, gate, dispatch, experts and combine on
/// every device, from the trace's selections to the last task.
///
/// Wall time of an iteration on one thread, drawing and counting its tokens included. The trace is
/// synthesised from the repository's recorded one.
func stepBenchmark(quick: Bool) throws -> [BenchmarkRow] {
  let trace = try synthesizedTrace()
  let model = try ModelCatalogue.load().named("deepseek-v3").architecture
  let cluster = try Cluster(HardwareCatalogue.load().node(named: "dgx-h100"), count: 40)
  let deployment = try Deployment(
    model: model, cluster: cluster,
    precisions: Precisions(weights: .fp8, activations: .fp8, kvCache: .bf16),
    parallelism: Parallelism(attention: (320, 1), experts: (320, 1)),
    placement: .contiguous(
      layers: model.expertLayers.count, experts: 256, groups: 320, redundant: 64),
    exchange: .init(dispatch: .fp8, combine: .bf16))
  var simulation = try Simulation(
    deployment,
    Workload(trace: trace, phase: .decode, batch: 96, context: 4096, routing: .asRecorded),
    Serving.Measurement(warmup: 2, iterations: quick ? 5 : 20), seed: 1)
  var watch = IterationWatch()
  try simulation.run(observer: &watch)
  let simulated = simulation.measuredTime.seconds / Double(watch.iterations)
  return [
    BenchmarkRow(
      "step: DeepSeek-V3 decode on 320 devices", watch.milliseconds, unit: "ms",
      note: "\(watch.tasks) tasks; \(fixed(simulated * 1e3, decimals: 1)) ms simulated")
  ]
}

/// 30,720 sequences of 24 tokens in DeepSeek-V3's shape.
private func synthesizedTrace() throws -> RoutingTrace {
  let recorded = try RoutingTrace(opening: "traces/switchyard-docs-moe.routing")
  let file = NSTemporaryDirectory() + "switchyard-step-\(UUID().uuidString).routing"
  defer { try? FileManager.default.removeItem(atPath: file) }
  let shape = try RoutingShape(
    model: "deepseek-v3", layerIDs: Array(3..<61), experts: 256, topK: 8)
  try synthesizeTrace(
    SynthesisRequest(
      shape: shape, sequences: 30_720, prefillTokens: 0, decodeTokens: 24, seed: 1, threads: 2),
    from: recorded, to: file)
  return try RoutingTrace(opening: file)
}

/// Notes the wall time between the ends of iterations.
private struct IterationWatch: IterationObserver {
  /// One fewer than iterations: the first has no end before it.
  var milliseconds: [Double] = []
  var iterations = 0
  var tasks = 0
  private var lastEnd: ContinuousClock.Instant?

  mutating func iterationBegins(_ iteration: Int, at time: SimTime) { tasks = 0 }

  mutating func taskFinished(
    _ task: TaskID, _ label: TaskLabel, from start: SimTime, to end: SimTime, energy: Joules
  ) {
    tasks += 1
  }

  mutating func iterationEnded(at time: SimTime, tokens: Int, load: IterationLoad) {
    let now = ContinuousClock().now
    iterations += 1
    if let lastEnd { milliseconds.append((now - lastEnd) / .milliseconds(1)) }
    lastEnd = now
  }
}
