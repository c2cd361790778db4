import Fabric
import Hardware
import Models
import Placement
import Scenario
import Serving
import Statistics
import Traces
import Units

/// A small deployment with a workload, drawn from everything that can be served.
///
///     var runs = RandomRuns(seed: 1, catalogue: try HardwareCatalogue.load())
///     let run = runs.next()           // nil where the draw cannot be
struct RandomRun {
  var deployment: Deployment
  var workload: Workload
  var measurement: Measurement
  var seed: UInt64
  /// What was drawn, for a failure's message.
  var words: String
}

extension RandomRun {
  /// What must occur for the law to say something of it.
  static let allKinds = [
    "prefill", "requests", "speculation", "microbatches", "streams", "blocks", "companion",
    "shared groups", "several nodes", "sliced attention", "sliced experts", "replicas", "flows",
    "encoder", "uniform", "other than flat", "measured kernels", "transition",
    "sliced transition", "nearest copies", "streamed",
  ]

  /// The same of requests.
  static let requestKinds = [
    "together", "prompts first", "continuous", "budget", "counted", "one token each", "streamed",
    "companion's cache", "preemptions", "microbatches", "several groups", "sliced attention",
    "replicas", "shared groups",
  ]

  var kinds: [String] {
    let (execution, parallelism) = (deployment.execution, deployment.parallelism)
    var isBlocks = false
    if case .blocks = execution.experts { isBlocks = true }
    let found: [(String, Bool)] = [
      ("prefill", workload.phase == .prefill), ("requests", workload.requests != nil),
      ("speculation", workload.speculation != nil),
      ("microbatches", workload.batching.microbatches > 1),
      ("streams", workload.batching.streams != nil), ("blocks", isBlocks),
      ("companion", execution.usesCompanion),
      ("shared groups", deployment.placement.sharedGroups > 0),
      ("several nodes", deployment.cluster.nodeCount > 1),
      ("sliced attention", parallelism.attention.tensor > 1),
      ("sliced experts", parallelism.experts.tensor > 1),
      ("replicas", deployment.placement.hasReplicas),
      ("flows", deployment.fabric.fidelity == .flows),
      ("encoder", deployment.model.encoderLayers > 0), ("uniform", workload.routing == .uniform),
      ("other than flat", deployment.exchange.algorithm != .flat),
      ("transition", deployment.exchange.residence == .transition),
      (
        "sliced transition",
        deployment.exchange.residence == .transition && parallelism.experts.tensor > 1
      ),
      (
        "nearest copies",
        deployment.placement.hasReplicas && deployment.replicaChoice == .nearest
      ),
      ("streamed", execution.streamed != nil),
      ("measured kernels", !deployment.cluster.device.kernels.isEmpty),
      ("together", workload.batching.admission == .together),
      ("prompts first", workload.batching.admission == .promptsFirst),
      ("continuous", workload.batching.admission == .continuous),
      ("budget", workload.batching.budget != nil),
      ("counted", workload.requests?.count != nil),
      ("one token each", workload.requests?.output == 1),
      ("companion's cache", deployment.hostCache != nil),
      ("several groups", parallelism.attention.data > 1),
    ]
    return found.filter(\.1).map(\.0)
  }
}

struct RandomRuns {
  private var random: RandomStream
  private let nodes: [Node]
  /// Whether all runs are of requests whose prompts and outputs are measured from beginning to end, on
  /// many tokens, so that what closed forms predict of them can be held against them.
  private let isWholeRequests: Bool

  /// Of every way in which devices are joined, with and without measured kernels, with companions of
  /// both kinds.
  static let nodeNames = [
    "dgx-h100", "dgx-a100", "8x-a40", "gb200-nvl72", "8x-mi300x", "cloudmatrix-node", "dojo-wafer",
    "duplex", "duplex", "monde", "8x-t4", "a40-xeon-8380",
  ]

  init(seed: UInt64, catalogue: HardwareCatalogue, wholeRequests: Bool = false) throws {
    isWholeRequests = wholeRequests
    random = RandomStream(seed: seed, name: "random runs")
    nodes = try Self.nodeNames.map { try catalogue.node(named: $0) }
  }

  mutating func pick<Choice>(_ choices: [Choice]) -> Choice {
    choices[random.below(choices.count)]
  }

  mutating func chance(_ share: Double) -> Bool { random.uniform() < share }

  /// From a tenth to ten times.
  private mutating func factor() -> Double { pick([0.1, 0.3, 1, 1, 3, 10]) }

  mutating func next() -> RandomRun? {
    let drawn = isWholeRequests && chance(0.75) ? streamingCluster() : cluster()
    let model = model()
    guard let cluster = drawn else { return nil }
    let devices = cluster.deviceCount
    let attention = pick([1, 1, 2, devices])
    let slices = pick([1, 1, 1, 2])
    guard devices % attention == 0, devices % slices == 0 else { return nil }
    let weights = pick([Precision.bf16, .bf16, .fp8, .int4])
    let precisions = Precisions(
      weights: weights, activations: pick([.bf16, .fp8]), kvCache: pick([.bf16, .fp8]))
    let parallelism = Parallelism(
      attention: (devices / attention, attention), experts: (devices / slices, slices))
    let draw = workload(model)
    var execution = execution(cluster)
    let workload =
      isWholeRequests
      ? try? requests(model, precisions, groups: attention, &execution) : draw
    guard let workload else { return nil }
    let (algorithm, overlap, copy, fabric, sharedGroups, isRound, redundant, startUp) = (
      pick([CollectiveAlgorithm.flat, .flat] + CollectiveKind.allToAll.algorithms),
      pick([Deployment.Overlap.none, .none, .sharedExperts]), pick([Precision.bf16, .fp8]),
      fabric(cluster), chance(isWholeRequests ? 0.25 : 0.1) ? 1 : 0, chance(0.5), pick([0, 0, 2]),
      chance(0.5)
    )
    let mayStay =
      algorithm == .flat && attention == slices && sharedGroups == 0
      && execution == .resident
    let stays = chance(0.6) && mayStay
    let choice = redundant > 0 && chance(0.5) ? ReplicaChoice.nearest : .even
    do {
      let groups = parallelism.experts.expert - sharedGroups
      guard groups > 0 else { return nil }
      let layers = model.expertLayers.count
      let placement =
        try isRound
        ? ExpertPlacement.roundRobin(
          layers: layers, experts: model.experts.count, groups: groups, redundant: redundant)
        : .contiguous(
          layers: layers, experts: model.experts.count, groups: groups, redundant: redundant)
      let deployment = try Deployment(
        model: model, cluster: cluster, precisions: precisions, parallelism: parallelism,
        placement: placement.behind(sharedGroups: sharedGroups), replicaChoice: choice,
        exchange: .init(
          dispatch: copy, combine: .bf16, overlap: overlap,
          residence: stays ? .transition : .home, algorithm: algorithm,
          options: CollectiveOptions(
            tensorWidth: algorithm == .tensorCoordinated ? max(2, attention) : nil)),
        protocols: startUp ? ExchangeProtocols(startUp: .zero) : nil, fabric: fabric,
        execution: execution)
      return try run(deployment, workload)
    } catch {
      return nil
    }
  }

  private mutating func run(
    _ deployment: Deployment, _ workload: (RoutingTrace) -> Workload
  ) throws -> RandomRun {
    let law: SelectionLaw = chance(0.5) ? .uniform : .zipf(exponent: 1.2)
    let seed = random.next() % 1000
    let trace = try RoutingTrace(
      drawing: law, for: deployment.model, phase: .decode, sequences: isWholeRequests ? 96 : 24,
      tokensEach: 1, measurement: Measurement(warmup: 0, iterations: isWholeRequests ? 32 : 8),
      seed: seed)
    // The same tokens as prompts.
    var own = workload(trace)
    if own.phase == .prefill {
      own.trace = try RoutingTrace(
        drawing: law, for: deployment.model, phase: .prefill, sequences: 24, tokensEach: 32,
        measurement: Measurement(warmup: 0, iterations: 1), seed: seed)
    }
    try own.check(deployment)
    let cluster = deployment.cluster
    let words =
      "\(cluster.nodeCount) x \(cluster.devicesPerNode) \(cluster.node.name), "
      + "attention \(deployment.parallelism.attention), experts \(deployment.parallelism.experts), "
      + "\(deployment.execution), \(deployment.exchange), \(deployment.fabric.topology.word), "
      + "\(deployment.fabric.fidelity), \(own.phase) \(own.batch) of \(own.context), "
      + "\(own.batching), \(String(describing: own.requests)), \(String(describing: own.speculation)), "
      + "shared groups \(deployment.placement.sharedGroups), \(deployment.model)"
    return RandomRun(
      deployment: deployment, workload: own,
      measurement: isWholeRequests
        ? own.wholeRequests : Measurement(warmup: 1, iterations: 2),
      seed: seed, words: words)
  }

  /// Of the one device whose weights may be in host memory.
  private mutating func streamingCluster() -> Cluster? {
    cluster(of: nodes.filter { $0.companion?.sharesMemory == false && $0.name != "monde" })
      .flatMap { try? Cluster($0.node, count: 1, devicesPerNode: 1) }
  }

  private mutating func cluster() -> Cluster? { cluster(of: nodes) }

  private mutating func cluster(of nodes: [Node]) -> Cluster? {
    var node = pick(nodes)
    // What is known of kernels, or rooflines that may reach their peaks.
    if chance(0.5) { node.device.kernels = [] }
    if chance(0.5) {
      node.device.efficiency = KernelEfficiency(
        tensorFractions: [:], memoryFraction: 1, launchLatency: .zero)
    }
    let (compute, memory, inner, outer) = (factor(), factor(), factor(), factor())
    node.device.peakRates = node.device.peakRates.mapValues { $0 * compute }
    node.device.memory.bandwidth = node.device.memory.bandwidth * memory
    node.scaleUp.port.bandwidth = node.scaleUp.port.bandwidth * inner
    if var network = node.network {
      network.port.bandwidth = network.port.bandwidth * outer
      node.network = network
    }
    if var companion = node.companion {
      let (there, faster) = (factor(), factor())
      companion.processor.memory.bandwidth = companion.processor.memory.bandwidth * there
      companion.processor.peakRates = companion.processor.peakRates.mapValues { $0 * faster }
      node.companion = companion
    }
    var perNode = pick([1, 2, 3, 4])
    if node.scaleUp.kind == .grid {
      node.scaleUp.dimensions = pick([[2, 2], [3, 1]])
      perNode = node.scaleUp.dimensions.reduce(1, *)
      node.deviceCount = perNode
    }
    let canMeet = node.network != nil || node.scaleUp.kind == .planes
    return try? Cluster(
      node, count: canMeet ? pick([1, 1, 2, 3]) : 1, devicesPerNode: perNode)
  }

  private mutating func fabric(_ cluster: Cluster) -> FabricPlan {
    var plan = FabricPlan(fidelity: pick([.ports, .ports, .flows]))
    guard cluster.nodeCount > 1, cluster.node.scaleUp.kind != .planes else { return plan }
    switch random.below(4) {
    case 0: plan.topology = .fatTree(FatTree(cardsPerLeaf: 2, spines: 2, oversubscription: 2))
    case 1: plan.topology = .fullMesh(FullMesh())
    default: break
    }
    if chance(0.1) {
      plan.changes = [NetworkChange(at: .zero, .link("node 0 card 0 out"), factor: 0.5)]
    }
    return plan
  }

  private mutating func execution(_ cluster: Cluster) -> ExpertExecution {
    guard let companion = cluster.node.companion else {
      guard chance(0.15) else { return .resident }
      return ExpertExecution(
        experts: .blocks(
          BlockExecution(
            tokensPerBlock: 4, choice: chance(0.5) ? .everywhere : .allocator(candidates: nil))))
    }
    if !companion.sharesMemory, cluster.deviceCount == 1, chance(0.7) {
      let attention: ExpertExecution.Attention = pick([.device, .companion])
      let copies: StreamedWeights.Copies? = pick([
        nil, .fair, .queued(CopyQueue(chunk: Bytes(4e6), first: .oldest)),
        .queued(CopyQueue(chunk: nil, first: .weights)),
      ])
      return ExpertExecution(
        experts: .streamed(StreamedWeights(copies: attention == .companion ? copies : nil)),
        attention: attention)
    }
    let split = ExpertExecution.Split(choice: pick([.search, .formula(alpha: 1)]))
    let experts: ExpertExecution.Experts = pick([
      .resident, .fetch, .companion, .fastest, .split(split), .split(.init(choice: .search)),
    ])
    return ExpertExecution(
      experts: experts,
      attention: companion.sharesMemory ? pick([.device, .companion, .fastest]) : .device)
  }

  private mutating func model() -> ModelArchitecture {
    let layers = 1 + random.below(3)
    let count = pick([4, 8, 16])
    var experts = ModelArchitecture.Experts(
      count: count, topK: 1 + random.below(min(4, count)), intermediate: pick([64, 256, 1024]),
      layers: layers > 1 && chance(0.3) ? .after(1, of: layers) : .all(of: layers))
    if chance(0.4) {
      experts.shared = 1
      experts.sharedIntermediate = pick([128, 512])
    }
    if chance(0.1) { experts.residualIntermediate = 256 }
    let heads = pick([4, 8])
    let attention: Attention =
      chance(0.3)
      ? .latent(
        LatentAttention(
          heads: heads, queryRank: chance(0.5) ? 128 : nil, keyValueRank: 128, rotaryDimension: 32,
          plainDimension: 64, valueDimension: 64))
      : .grouped(
        GroupedAttention(
          heads: heads, keyValueHeads: pick([1, 2, heads]), headDimension: 64,
          window: chance(0.2) ? 100 : nil,
          windowedLayers: .all(of: layers)))
    var model = ModelArchitecture(
      name: "random", layers: layers, hidden: pick([256, 1024, 2048]), attention: attention,
      vocabulary: pick([1000, 8192]),
      feedForward: .init(matrices: pick([2, 3, 3]), intermediate: 1024), experts: experts)
    if chance(0.1) {
      model.mamba = Mamba(
        innerDimension: 512, stateDimension: 16, convolutionWidth: 4, stepRank: 32)
      model.attentionLayers = .after(1, of: layers)
    }
    if case .grouped = attention, layers > 1, chance(0.1) {
      model.encoderLayers = 1
      model.mamba = nil
    }
    model.predictionLayers = 1
    return model
  }

  private mutating func workload(
    _ model: ModelArchitecture
  ) -> (RoutingTrace) -> Workload {
    let batch = pick([1, 3, 8, 32])
    let isPrefill = chance(0.25)
    let context = isPrefill ? pick([7, 64, 200]) : pick([1, 64, 1000])
    let microbatches = pick([1, 1, 2, 3])
    let streams =
      microbatches > 1 && chance(0.3) ? Batching.Streams(attention: 30, experts: 60) : nil
    let guesses = chance(0.15) ? 1 + random.below(2) : 0
    let (prompt, output, admission) = (
      pick([5, 40]), pick([1, 4]), pick([Batching.Admission.continuous, .promptsFirst])
    )
    let hasRequests = !isPrefill && model.encoderLayers == 0 && chance(0.15)
    let (source, isUniform) = (pick([16, 100]), chance(0.2))
    return { trace in
      var workload = Workload(
        trace: trace, phase: isPrefill ? .prefill : .decode, batch: batch, context: context,
        routing: isUniform ? .uniform : .asRecorded,
        batching: Batching(
          microbatches: hasRequests ? 1 : microbatches, streams: hasRequests ? nil : streams,
          admission: hasRequests ? admission : .static),
        speculation: guesses > 0 && !hasRequests && !isPrefill
          ? Speculation(tokens: guesses, acceptance: 0.7) : nil)
      if hasRequests {
        workload.requests = RequestLengths(prompt: prompt, output: output)
        workload.context = prompt + output
      }
      if model.encoderLayers > 0, !isPrefill { workload.source = source }
      return workload
    }
  }
}
