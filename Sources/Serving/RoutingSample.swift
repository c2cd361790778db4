import Models
import Placement
import Traces

/// What some of a workload's tokens choose, which stands for what all choose: enough to say what to
/// expect of a run before there is one.
///
///     let sample = try RoutingSample(deployment, workload)
///     sample.probabilities[position][expert]      // that a token chooses the expert
public struct RoutingSample: Sendable {
  /// How many tokens were looked at.
  public let tokens: Int
  /// By place among the layers with experts, then by expert: the share of tokens that choose it.
  public private(set) var probabilities: [[Double]]
  /// By place among those layers: copies of a token that leave its device for others of the node.
  public private(set) var copiesWithinNode: [Double]
  /// Copies that leave its node; once for each other node where the algorithm knows how.
  public private(set) var copiesBetweenNodes: [Double]

  /// So many selections are looked at; they take about a millisecond.
  static let selections = 400_000
  static let mostTokens = 8192

  /// Looks at tokens of the workload's phase, evenly spread over the trace. O(selections looked at).
  ///
  /// - Throws: ``ServingError`` where the trace does not fit the deployment.
  public init(_ deployment: Deployment, _ workload: Workload) throws(ServingError) {
    let model = deployment.model
    let trace: RoutingTrace
    do {
      trace =
        workload.routing == .asRecorded
        ? workload.trace
        : try Self.trace(drawing: .uniform, for: model, phase: workload.phase)
    } catch { throw .trace(error) }
    let chosen = Self.tokens(of: trace, in: workload.phase)
    let ranks = deployment.cluster.deviceCount
    let batch = ReplayBatch(
      ranks: (0..<ranks).map { rank in
        stride(from: rank, to: chosen.count, by: ranks).map { chosen[$0] }
      })
    var traffic = LayerTraffic(deployment)
    var counts = RoutingCounts(
      slots: try Simulation.slots(deployment), keepsMatrix: traffic.needsMatrix,
      copiesForEachExpert: deployment.protocols.copiesForEachExpert)
    var nodeCounts = try Simulation.nodeSlots(deployment).map { RoutingCounts(slots: $0) }
    do {
      try counts.replay(batch, of: trace)
      try nodeCounts?.replay(batch, of: trace)
    } catch { throw .trace(error) }
    try traffic.count(counts)

    let experts = model.experts
    // What is known is not estimated: experts without a token in a few tokens would have none ever.
    let isUniform = workload.routing == .uniform || trace.isDrawn(by: .uniform)
    let whole = Double(max(1, chosen.count))
    tokens = chosen.count
    probabilities = (0..<deployment.placement.layers).map { layer in
      guard !isUniform else {
        return [Double](
          repeating: Double(experts.topK) / Double(experts.count), count: experts.count)
      }
      let row = counts.expertTokens[layer * experts.count..<(layer + 1) * experts.count]
      return row.map { Double($0) / whole }
    }
    let isSpared = deployment.exchange.algorithm == .tensorCoordinated
    copiesWithinNode = probabilities.indices.map { layer in
      guard !isSpared else { return 0 }
      return Double(traffic.innerOut[layer * ranks..<(layer + 1) * ranks].reduce(0, +)) / whole
    }
    copiesBetweenNodes = probabilities.indices.map { layer in
      guard let nodeCounts else {
        return Double(traffic.outerOut[layer * ranks..<(layer + 1) * ranks].reduce(0, +)) / whole
      }
      let layers = nodeCounts.slots.layers
      return (0..<ranks).reduce(0.0) { $0 + Double(nodeCounts.sent[$1 * layers + layer]) } / whole
    }
  }

  /// Some sequences of a law's tokens, the same whatever the seed of runs: as many as say what to expect.
  public static func trace(
    drawing law: SelectionLaw, for model: ModelArchitecture, phase: Phase
  ) throws(TraceError) -> RoutingTrace {
    let each = max(1, model.expertLayers.count * model.experts.topK)
    let sequences = law == .uniform ? 1024 : min(mostTokens, max(1024, selections / each))
    return try RoutingTrace(
      drawing: law, for: model, phase: phase, sequences: sequences, tokensEach: 1,
      measurement: Measurement(warmup: 0, iterations: 1), seed: 1)
  }

  /// What a sample depends on: equal keys, equal samples.
  public struct Key: Hashable, Sendable {
    private var trace: String
    private var phase: Phase
    private var routing: RoutingPolicy
    private var hosts: [[[Int]]]
    private var sharedGroups: Int
    private var replicaChoice: ReplicaChoice
    private var model: ModelArchitecture
    private var devices: [Int]
    private var exchange: Deployment.Exchange
    private var copiesForEachExpert: Bool

    public init(_ deployment: Deployment, _ workload: Workload) {
      trace = workload.trace.file
      phase = workload.phase
      routing = workload.routing
      hosts = deployment.placement.hosts
      sharedGroups = deployment.placement.sharedGroups
      replicaChoice = deployment.replicaChoice
      model = deployment.model
      let cluster = deployment.cluster
      devices = [
        cluster.nodeCount, cluster.devicesPerNode, deployment.parallelism.experts.tensor,
        deployment.parallelism.attention.tensor,
      ]
      exchange = deployment.exchange
      copiesForEachExpert = deployment.protocols.copiesForEachExpert
    }
  }

  private static func tokens(of trace: RoutingTrace, in phase: Phase) -> [Int] {
    let ranges = trace.sequences.map { sequence in
      let decode = sequence.firstToken + sequence.prefillTokens
      return phase == .prefill
        ? sequence.firstToken..<decode : decode..<decode + sequence.decodeTokens
    }
    let all = ranges.reduce(0) { $0 + $1.count }
    let most = min(mostTokens, max(64, selections / max(1, trace.shape.selectionsPerToken)))
    let step = max(1, (all + most - 1) / most)
    var chosen: [Int] = []
    var next = 0
    var before = 0
    for range in ranges {
      while next < before + range.count {
        chosen.append(range.lowerBound + next - before)
        next += step
      }
      before += range.count
    }
    return chosen
  }
}
