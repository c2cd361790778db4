import Models
import Placement
import Serving

/// What a scenario would run, in numbers, for `switchyard check`.
///
///     print(ScenarioSummary(try Scenario.load(path: path)).table)
///
/// ``table`` is for people; the encoded form has the same facts, with units in the names.
public struct ScenarioSummary: Encodable, Hashable, Sendable {
  public let scenario: String
  public let file: String
  public let model: Model
  public let cluster: Cluster
  public let precision: Precision
  public let parallelism: Parallelism
  public let placement: Placement
  public let memory: Memory
  /// Nil where the devices have none.
  public let companion: Companion?
  public let trace: Trace
  public let workload: Workload
  public let policies: [Policy]
  public let measure: Measure
  public let seed: UInt64
  public let remarks: [String]

  public struct Model: Encodable, Hashable, Sendable {
    public let name: String
    public let parameters: Int
    public let activeParameters: Int
    public let layers: Int
    public let expertLayers: Int
    public let experts: Int
    public let topK: Int
    public let sharedExperts: Int
  }

  public struct Cluster: Encodable, Hashable, Sendable {
    public let nodes: Int
    public let node: String
    public let devices: Int
    public let devicesPerNode: Int
    /// Devices that a node has, used or not.
    public let nodeDevices: Int
    public let device: String
    public let deviceFullName: String
  }

  public struct Precision: Encodable, Hashable, Sendable {
    public let weights: String
    public let activations: String
    public let kvCache: String
    public let dispatch: String
    public let combine: String
  }

  public struct Parallelism: Encodable, Hashable, Sendable {
    public let attentionData: Int
    public let attentionTensor: Int
    public let expertsExpert: Int
    public let expertsTensor: Int
  }

  public struct Placement: Encodable, Hashable, Sendable {
    /// Expert groups: devices, unless experts are sliced.
    public let groups: Int
    /// Of all layers together.
    public let copies: Int
    /// Copies of all layers on the group with the most, and on the one with the fewest.
    public let mostCopiesOnGroup: Int
    public let fewestCopiesOnGroup: Int
  }

  /// Of the fullest device.
  public struct Memory: Encodable, Hashable, Sendable {
    public let device: Int
    public let parts: [Part]
    public let totalBytes: Double
    public let capacityBytes: Double

    public struct Part: Encodable, Hashable, Sendable {
      public let name: String
      public let arithmetic: String
      public let bytes: Double
    }
  }

  /// The processor beside each device, and the memory of the one beside the device with most experts.
  public struct Companion: Encodable, Hashable, Sendable {
    public let name: String
    public let fullName: String
    public let device: Int
    /// Whether it works on the device's memory, which is counted there; else it has its own.
    public let usesDeviceMemory: Bool
    /// Whether a policy gives it work, or keeps experts with it.
    public let isUsed: Bool
    public let expertCopies: Int
    public let expertBytes: Double
    /// Of weights besides experts', and of room for keys and values.
    public let otherWeightBytes: Double
    public let cacheBytes: Double
    public let totalBytes: Double
    public let capacityBytes: Double
  }

  public struct Trace: Encodable, Hashable, Sendable {
    public let file: String
    public let model: String
    /// `recorded` or `synthetic`.
    public let origin: String
    public let provenance: String
    public let sequences: Int
    public let tokens: Int
    public let prefillTokens: Int
    public let decodeTokens: Int
  }

  public struct Workload: Encodable, Hashable, Sendable {
    public let phase: String
    /// Sequences of each attention group.
    public let batch: Int
    public let sequences: Int
    public let contextTokens: Int
    /// Where requests begin and end; nil elsewhere.
    public let promptTokens: Int?
    /// How many of these there are; nil where there is always another one.
    public let requests: Int?
    public let tokensPerIteration: Int
    /// Sequences of the trace with tokens of the phase.
    public let tracedSequences: Int
    public let drawsWithReplacement: Bool
  }

  public struct Policy: Encodable, Hashable, Sendable {
    public let slot: String
    public let choice: String
    public let isDefault: Bool
  }

  public struct Measure: Encodable, Hashable, Sendable {
    public let warmupIterations: Int
    public let iterations: Int
  }
}

extension ScenarioSummary {
  public init(_ scenario: Scenario) {
    let deployment = scenario.deployment
    self.scenario = scenario.name
    file = scenario.path
    model = Model(deployment.model)
    cluster = Cluster(deployment)
    precision = Precision(
      weights: deployment.precisions.weights.rawValue,
      activations: deployment.precisions.activations.rawValue,
      kvCache: deployment.precisions.kvCache.rawValue,
      dispatch: deployment.exchange.dispatch.rawValue,
      combine: deployment.exchange.combine.rawValue)
    let (attention, experts) = (deployment.parallelism.attention, deployment.parallelism.experts)
    parallelism = Parallelism(
      attentionData: attention.data, attentionTensor: attention.tensor,
      expertsExpert: experts.expert, expertsTensor: experts.tensor)
    placement = Placement(deployment.placement)
    memory = Memory(scenario.memory)
    companion = deployment.companionMemory.map(Companion.init)
    trace = Trace(scenario)
    workload = Workload(
      phase: scenario.workload.phase.rawValue, batch: scenario.workload.batch,
      sequences: scenario.sequences, contextTokens: scenario.workload.context,
      promptTokens: scenario.workload.requests?.prompt,
      requests: scenario.workload.requests?.count,
      tokensPerIteration: scenario.tokensPerIteration, tracedSequences: scenario.tracedSequences,
      drawsWithReplacement: scenario.drawsWithReplacement)
    policies = scenario.policies.map {
      Policy(slot: $0.slot, choice: $0.choice, isDefault: $0.isDefault)
    }
    measure = Measure(
      warmupIterations: scenario.measurement.warmup, iterations: scenario.measurement.iterations)
    seed = scenario.seed
    remarks = scenario.remarks
  }
}

extension ScenarioSummary.Model {
  fileprivate init(_ model: ModelArchitecture) {
    let parameters = model.parameters
    self.init(
      name: model.name, parameters: parameters.total, activeParameters: parameters.active,
      layers: model.layers, expertLayers: model.expertLayers.count, experts: model.experts.count,
      topK: model.experts.topK, sharedExperts: model.experts.shared)
  }
}

extension ScenarioSummary.Cluster {
  fileprivate init(_ deployment: Deployment) {
    let cluster = deployment.cluster
    self.init(
      nodes: cluster.nodeCount, node: cluster.node.name, devices: cluster.deviceCount,
      devicesPerNode: cluster.devicesPerNode, nodeDevices: cluster.node.deviceCount,
      device: cluster.device.name, deviceFullName: cluster.device.fullName)
  }
}

extension ScenarioSummary.Placement {
  fileprivate init(_ placement: ExpertPlacement) {
    var copies = [Int](repeating: 0, count: placement.groups)
    for group in placement.hosts.joined().joined() { copies[group] += 1 }
    self.init(
      groups: placement.groups, copies: copies.reduce(0, +), mostCopiesOnGroup: copies.max() ?? 0,
      fewestCopiesOnGroup: copies.min() ?? 0)
  }
}

extension ScenarioSummary.Memory {
  fileprivate init(_ budget: MemoryBudget) {
    self.init(
      device: budget.device,
      parts: budget.parts.map {
        Part(name: $0.name, arithmetic: $0.arithmetic, bytes: $0.bytes.value)
      },
      totalBytes: budget.total.value, capacityBytes: budget.capacity.value)
  }
}

extension ScenarioSummary.Companion {
  fileprivate init(_ memory: CompanionMemory) {
    self.init(
      name: memory.name, fullName: memory.fullName, device: memory.device,
      usesDeviceMemory: memory.isDevices, isUsed: memory.isUsed, expertCopies: memory.copies,
      expertBytes: memory.expertBytes.value, otherWeightBytes: memory.otherWeights.value,
      cacheBytes: memory.cache.value, totalBytes: memory.total.value,
      capacityBytes: memory.capacity.value)
  }
}

extension ScenarioSummary.Trace {
  fileprivate init(_ scenario: Scenario) {
    let trace = scenario.workload.trace
    self.init(
      file: trace.file, model: trace.shape.model, origin: trace.origin.word,
      provenance: trace.provenance, sequences: trace.sequences.count, tokens: trace.tokens,
      prefillTokens: trace.prefillTokens, decodeTokens: trace.decodeTokens)
  }
}
