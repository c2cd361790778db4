import Hardware
import Models
import Roofline
import Serving
import Units

/// MoE-Lens' closed forms for one device of a scenario and its part of the host, were the weights and
/// the KV cache in host memory.
///
/// Everything comes from the scenario. Where the node has a companion with a memory of its own, weights would
/// be streamed from that, over its link, and else from the device's part of the host's memory over its host
/// link; either link as measured where it was. The room for the cache is what the scenario gives it, or what
/// the weights leave of that memory; T_GPU is what the kernels' costs say of the device.
public struct StreamingPrediction: Sendable {
  public let lens: MoELens
  /// Whether the scenario streams its weights.
  public let isStreamed: Bool
  /// Tokens of a pass in which GPU and link take as long: MoE-Lens' n_real.
  public let saturation: Tokens
  /// What the memory that weights stream from can do, or the device's part of that.
  public let hostBandwidth: Bandwidth
  /// And what it holds.
  public let hostMemory: Bytes
  /// Of an element of the cache.
  public let cacheElementBytes: Double
  /// The most of all requests that a device has where they are dealt out evenly; nil where there is always
  /// another one.
  public let requests: Int?
  /// Whether a window would keep some layers' cache smaller than it is counted here.
  public let ignoresWindows: Bool

  /// Nil where no requests begin and end, and where the host cannot hold the weights.
  init?(_ scenario: Scenario) {
    let deployment = scenario.deployment
    guard let lengths = scenario.workload.requests else { return nil }
    // The closed forms are of attention over a cache in host memory.
    isStreamed = deployment.execution.streamed != nil
    guard !isStreamed || deployment.execution.attention == .companion else { return nil }
    let (cluster, model, precisions) = (
      deployment.cluster, deployment.model, deployment.precisions
    )
    cacheElementBytes = precisions.kvCache.bytes
    let devices = cluster.deviceCount
    requests = lengths.count.map { ($0 + devices - 1) / devices }
    let longest = Double(lengths.prompt + lengths.output)
    ignoresWindows = (0..<model.layers).contains { model.window(layer: $0) < longest }
    let weights = deployment.streamedModelBytes
    let link: Bandwidth
    (hostMemory, hostBandwidth, link) = Self.host(of: cluster)
    guard hostMemory > weights, link > .zero else { return nil }
    let gpu = StreamingGPU(
      cluster.device, model, precisions, prompt: lengths.prompt, output: lengths.output)
    let (tokens, rate) = gpu.saturation(pass: weights / link)
    saturation = tokens
    let machine = LeastWork(deployment, scenario.workload).machine
    let precision = precisions.activations.multiplied(by: precisions.weights)
    lens = MoELens(
      model, precisions, prompt: Double(lengths.prompt), output: Double(lengths.output),
      host: MoELens.Host(
        link: link, memory: hostBandwidth, cache: deployment.hostCache ?? hostMemory - weights,
        gpu: rate,
        arithmetic: machine.peakRate(for: precision) / Double(machine.devices)))
  }

  /// What weights would stream from, what that does, and what they would stream over.
  private static func host(
    of cluster: Cluster
  ) -> (memory: Bytes, bandwidth: Bandwidth, link: Bandwidth) {
    let node = cluster.node
    if let companion = node.companion, let port = companion.port {
      let memory = companion.processor.memory
      return (memory.capacity, memory.bandwidth, port.effectiveBandwidth)
    }
    let share = 1 / Double(cluster.devicesPerNode)
    return (
      node.host.memoryCapacity * share, node.host.memoryBandwidth * share,
      node.hostLink.effectiveBandwidth
    )
  }

  /// Why nothing is said of requests that begin and end; nil where something is, or where there are none.
  static func reasonForNone(_ scenario: Scenario) -> String? {
    guard scenario.workload.requests != nil, scenario.deployment.execution.streamed == nil else {
      return nil
    }
    let (memory, _, _) = host(of: scenario.deployment.cluster)
    let weights = scenario.deployment.streamedModelBytes
    guard memory <= weights else { return nil }
    return
      "without MoE-Lens' forms: \(weights) of weights are more than the \(memory) of host memory "
      + "that a device has for itself"
  }
}

extension ScenarioPrediction {
  /// What streaming the weights from host memory would give; nil where it cannot be said.
  public var streamed: StreamingPrediction? { StreamingPrediction(scenario) }
}
