import Engine
import Hardware
import Models
import Placement
import Serving
import Traces
import Units

/// A small model: 4 layers, the first dense, 8 experts of which a token takes 2, one shared.
func smallModel(experts: Int = 8) -> ModelArchitecture {
  var layers = ModelArchitecture.Experts(
    count: experts, topK: 2, intermediate: 512, layers: .after(1, of: 4))
  layers.shared = 1
  layers.sharedIntermediate = 512
  return ModelArchitecture(
    name: "small", layers: 4, hidden: 1024,
    attention: .grouped(GroupedAttention(heads: 16, keyValueHeads: 4, headDimension: 64)),
    vocabulary: 8192, feedForward: .init(matrices: 3, intermediate: 4096), experts: layers)
}

/// 40 sequences of 20 prompt and 30 generated tokens; expert e is chosen the more often the smaller
/// it is. `renamed` gives the number that expert e goes by.
func skewedTrace(
  experts: Int = 8, renamed: (Int) -> Int = { $0 }
) throws -> RoutingTrace {
  var state: UInt64 = 99
  func random(_ count: Int) -> Int {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int(state >> 33) % count
  }
  var selections: [UInt16] = []
  let sequences = (0..<40).map {
    TraceSequence(name: "\($0)", firstToken: $0 * 50, prefillTokens: 20, decodeTokens: 30)
  }
  for _ in 0..<40 * 50 * 3 {
    let first = min(random(experts), random(experts))
    var second = min(random(experts), random(experts))
    if second == first { second = (first + 1) % experts }
    selections += [UInt16(renamed(first)), UInt16(renamed(second))]
  }
  return try RoutingTrace(
    shape: try RoutingShape(model: "small", layerIDs: [1, 2, 3], experts: experts, topK: 2),
    origin: .synthetic, provenance: "made by a test", sequences: sequences, selections: selections)
}

func dgxH100(_ nodes: Int = 1, devices: Int? = nil) throws -> Cluster {
  try Cluster(
    HardwareCatalogue.load().node(named: "dgx-h100"), count: nodes, devicesPerNode: devices)
}

func deployment(
  _ cluster: Cluster, model: ModelArchitecture = smallModel(), placement: ExpertPlacement? = nil,
  attentionTensor: Int = 1, expertTensor: Int = 1
) throws -> Deployment {
  let devices = cluster.deviceCount
  let groups = devices / expertTensor
  return try Deployment(
    model: model, cluster: cluster, precisions: Precisions(.bf16),
    parallelism: Parallelism(
      attention: (devices / attentionTensor, attentionTensor), experts: (groups, expertTensor)),
    placement: try placement
      ?? .contiguous(
        layers: model.expertLayers.count, experts: model.experts.count, groups: groups),
    exchange: .init(dispatch: .bf16, combine: .bf16))
}

/// Keeps what an observer is told.
struct RunLog: IterationObserver {
  struct Ended: Equatable {
    var label: TaskLabel
    var start: SimTime
    var end: SimTime
  }
  var tasks: [Ended] = []
  var starts: [SimTime] = []
  var ends: [SimTime] = []
  var loads: [IterationLoad] = []
  var tokens: [Int] = []

  mutating func taskFinished(
    _ task: TaskID, _ label: TaskLabel, from start: SimTime, to end: SimTime, energy: Joules
  ) {
    tasks.append(Ended(label: label, start: start, end: end))
  }
  mutating func iterationBegins(_ iteration: Int, at time: SimTime) { starts.append(time) }
  mutating func iterationEnded(at time: SimTime, tokens: Int, load: IterationLoad) {
    ends.append(time)
    loads.append(load)
    self.tokens.append(tokens)
  }

  func time(of stage: Stage) -> Double {
    tasks.filter { $0.label.stage == stage.rawValue }
      .reduce(0) { $0 + ($1.end - $1.start).seconds }
  }
}

func run(
  _ deployment: Deployment, trace: RoutingTrace? = nil, phase: Phase = .decode, batch: Int = 16,
  context: Int = 512, routing: RoutingPolicy = .asRecorded, iterations: Int = 3, threads: Int = 1,
  batching: Batching = Batching(), speculation: Speculation? = nil
) throws -> RunLog {
  var simulation = try Simulation(
    deployment,
    Workload(
      trace: try trace ?? skewedTrace(), phase: phase, batch: batch, context: context,
      routing: routing, batching: batching, speculation: speculation),
    Measurement(warmup: 1, iterations: iterations), seed: 7, threads: threads)
  var log = RunLog()
  try simulation.run(observer: &log)
  return log
}
