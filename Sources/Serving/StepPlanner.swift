import Engine
import Fabric
import Hardware
import Models
import Traces
import Units

/// Turns one iteration into a task graph.
///
/// Each layer, on every device: attention on its group's tokens, the gate on its own share of them;
/// then one exchange of all devices (dispatch), each device's experts, the exchange back (combine)
/// and the weighted sum. Shared experts run before the dispatch, or beside it where the deployment
/// overlaps them. Layers
/// without experts have a dense network in their place. Where attention is sliced over t devices, its
/// partial sums are reduced and scattered after it, so that each device goes on with 1/t of the
/// tokens, and gathered before the next attention.
///
/// Kernels of one stage on one device run one after the other and are one task. It claims the whole
/// device (cores) for the sum of the times that its kernels take alone, and, besides, what it needs of
/// arithmetic units and memory, so that both are accounted for and what runs beside it is slowed.
struct StepPlanner {
  let deployment: Deployment
  let resources: ClusterResources
  let costs: StageCosts
  private let dispatchBytes: Bytes
  private let combineBytes: Bytes
  private var traffic: ExchangeTraffic
  /// Of weights that a device reads from others.
  var weightReads: ExchangeTraffic
  private(set) var routes: RouteTable?
  /// The last task of each device, and the last exchange: what its next task waits for.
  var last: [TaskID?]
  var lastExchange: TaskID?
  private var nodeCounts: RoutingCounts?
  private var blocks: BlockWork?
  private let rankLayout: RankLayout

  init(
    _ deployment: Deployment, _ workload: Workload, _ resources: ClusterResources,
    _ routes: RouteTable?, factors: [Double]
  ) {
    self.deployment = deployment
    self.resources = resources
    costs = StageCosts(deployment, workload)
    let hidden = Double(deployment.model.hidden)
    dispatchBytes = Bytes(hidden * deployment.exchange.dispatch.bytes)
    combineBytes = Bytes(hidden * deployment.exchange.combine.bytes)
    rankLayout = deployment.rankLayout
    traffic = ExchangeTraffic(
      resources, routes, fidelity: deployment.fabric.fidelity, factors: factors)
    weightReads = ExchangeTraffic(resources, routes, factors: factors)
    self.routes = routes
    last = [TaskID?](repeating: nil, count: deployment.cluster.deviceCount)
  }

  /// Lets new traffic take other ways, on links of which `factors` are left.
  mutating func follow(_ routes: RouteTable?, factors: [Double]) {
    traffic = ExchangeTraffic(
      resources, routes, fidelity: deployment.fabric.fidelity, factors: factors)
    weightReads = ExchangeTraffic(resources, routes, factors: factors)
    self.routes = routes
  }

  var devices: Range<Int> { deployment.cluster.deviceIndices }

  /// The graph of an iteration with these counts. Replaces what was in `graph`.
  ///
  /// - Parameter blocks: Where experts are computed block by block; nil where they are computed where
  ///   they live.
  mutating func plan(
    _ counts: RoutingCounts, nodeCounts: RoutingCounts?, _ layerTraffic: LayerTraffic,
    blocks: BlockWork? = nil, into graph: inout TaskGraph
  ) throws(ServingError) {
    graph.removeAll()
    self.blocks = blocks
    // Nothing is shared with who deals the next iteration's.
    defer { self.blocks = nil }
    self.nodeCounts = nodeCounts
    lastExchange = nil
    for device in devices { last[device] = nil }
    append(.embedding, layer: -1, costs.embedding, to: &graph)
    var position = 0
    for layer in 0..<deployment.model.layers {
      append(.attention, layer: layer, costs.attention[layer], to: &graph)
      if deployment.model.hasExperts(layer: layer) {
        appendTensorExchange(layer: layer, passes: 1, to: &graph)
        try appendExperts(layer: layer, position: position, counts, layerTraffic, to: &graph)
        appendTensorExchange(layer: layer, passes: 1, to: &graph)
        position += 1
      } else {
        appendTensorExchange(layer: layer, passes: 2, to: &graph)
        append(.denseFeedForward, layer: layer, costs.denseFeedForward, to: &graph)
        appendTensorExchange(layer: layer, passes: 2, to: &graph)
      }
    }
    append(.head, layer: -1, costs.head, to: &graph)
  }

  private mutating func appendExperts(
    layer: Int, position: Int, _ counts: RoutingCounts, _ layerTraffic: LayerTraffic,
    to graph: inout TaskGraph
  ) throws(ServingError) {
    append(.gate, layer: layer, costs.gate, to: &graph)
    let overlaps = deployment.exchange.overlap == .sharedExperts
    if !overlaps { append(.sharedExperts, layer: layer, costs.sharedExperts, to: &graph) }
    var matrix: TrafficMatrix?
    if !deployment.portsSuffice {
      matrix = layerTraffic.matrix(
        layer: position, perCopy: dispatchBytes, counts, nodeCounts: nodeCounts)
    } else {
      traffic.protocolShares = collective(of: .dispatch).shares
      traffic.messageBytes = deployment.protocols.tokenwise == nil ? nil : dispatchBytes
      layerTraffic.fill(
        &traffic, layer: position, perCopy: dispatchBytes, isReturn: false, counts)
    }
    let dispatch = try appendRouted(.dispatch, layer: layer, matrix, to: &graph)
    if overlaps { append(.sharedExperts, layer: layer, costs.sharedExperts, to: &graph) }
    if let blocks {
      appendBlocks(layer: layer, position: position, blocks, after: dispatch, to: &graph)
    } else {
      appendRoutedExperts(layer: layer, position: position, counts, after: dispatch, to: &graph)
    }
    if let dispatched = matrix {
      matrix = dispatched.returned(scale: combineBytes / dispatchBytes)
    } else {
      traffic.protocolShares = collective(of: .combine).shares
      traffic.messageBytes = deployment.protocols.tokenwise == nil ? nil : combineBytes
      layerTraffic.fill(&traffic, layer: position, perCopy: combineBytes, isReturn: true, counts)
    }
    finishExchange(try appendRouted(.combine, layer: layer, matrix, to: &graph))
    append(.weightedSum, layer: layer, costs.weightedSum, to: &graph)
  }

  /// Appends one task a device, after what the device did last.
  private mutating func append(
    _ stage: Stage, layer: Int, _ cost: StageCosts.Cost, to graph: inout TaskGraph
  ) {
    for device in devices {
      let sequence = cost[device]
      guard sequence.kernels > 0 else { continue }
      appendTask(stage, layer: layer, device: device, sequence, to: &graph)
    }
  }

  mutating func appendTask(
    _ stage: Stage, layer: Int, device: Int, _ sequence: KernelSequence,
    after exchange: TaskID? = nil, to graph: inout TaskGraph
  ) {
    let label = TaskLabel(
      stage: stage.rawValue, bound: TaskBound(sequence.bound).rawValue, layer: layer,
      device: device)
    let task = graph.addTask(label, latency: sequence.launchLatency, energy: sequence.energy)
    let own = resources.devices[device]
    graph.demand(sequence.busy, of: own.cores)
    graph.demand(sequence.peakTensorTime, of: own.tensor)
    graph.demand(sequence.bytes, of: own.memory)
    if let previous = last[device] { graph.add(task, after: previous) }
    if let exchange { graph.add(task, after: exchange) }
    last[device] = task
  }

  private mutating func appendRoutedExperts(
    layer: Int, position: Int, _ counts: RoutingCounts, after dispatch: TaskID?,
    to graph: inout TaskGraph
  ) {
    let slots = counts.slots
    let slices = deployment.parallelism.experts.tensor
    for group in 0..<deployment.placement.groups {
      let own = costs.slots(layer: position, group: group)
      var load = GroupedLoad()
      for slot in own {
        load.add(Int(counts.slotTokens[position * slots.slotsPerLayer + Int(slot)]))
      }
      let sequence = costs.routedExperts(load, of: own.count)
      for device in group * slices..<(group + 1) * slices {
        if sequence.kernels > 0 {
          appendTask(
            .experts, layer: layer, device: device, sequence, after: dispatch, to: &graph)
        }
      }
    }
    lastExchange = dispatch
  }

  private func collective(of stage: Stage) -> CollectiveProtocol {
    switch stage {
    case .dispatch: deployment.protocols.dispatch
    case .combine: deployment.protocols.combine
    default: deployment.protocols.tensorExchange
    }
  }

  /// Appends a dispatch or a combine, by the deployment's algorithm; without a matrix, what is in
  /// `traffic`. Between the phases of an algorithm everybody waits for everybody.
  private mutating func appendRouted(
    _ stage: Stage, layer: Int, _ matrix: TrafficMatrix?, to graph: inout TaskGraph
  ) throws(ServingError) -> TaskID? {
    guard let matrix else { return appendExchange(stage, layer: layer, to: &graph) }
    let exchange = deployment.exchange
    let copyBytes = stage == .dispatch ? dispatchBytes : combineBytes
    traffic.messageBytes = deployment.protocols.tokenwise == nil ? nil : copyBytes
    traffic.protocolShares = collective(of: stage).shares
    if exchange.algorithm == .flat && exchange.options.chunks == nil {
      traffic.removeAll()
      for source in devices {
        for target in devices { traffic.add(matrix[source, target], from: source, to: target) }
      }
      return appendExchange(stage, layer: layer, to: &graph)
    }
    let schedule: MessageSchedule
    do throws(CollectiveError) {
      schedule = try MessageSchedule(
        operation: .allToAll, algorithm: exchange.algorithm, matrix: matrix, layout: rankLayout,
        options: exchange.options)
    } catch { throw .collective(error) }
    return try appendPhases(of: schedule, stage, layer: layer, to: &graph)
  }

  private mutating func appendPhases(
    of schedule: MessageSchedule, _ stage: Stage, layer: Int, to graph: inout TaskGraph
  ) throws(ServingError) -> TaskID? {
    let phases = SchedulePhases(schedule)
    let isMadeOfCalls = deployment.exchange.algorithm.isMadeOfCalls
    // A library that sends token by token starts up by what is in the phase.
    let startUps =
      deployment.protocols.tokenwise == nil
      ? collective(of: stage).startUps(of: schedule, phases, rankLayout, perPhase: isMadeOfCalls)
      : nil
    var last: TaskID?
    for phase in 0..<phases.count {
      traffic.removeAll()
      for index in phases[phase] {
        do throws(FabricError) { try traffic.add(schedule.steps[index]) } catch {
          throw .fabric(error)
        }
      }
      let task = appendExchange(
        stage, layer: layer, after: last,
        startUp: startUps?[phase] ?? (phase == 0 || isMadeOfCalls ? nil : .zero), to: &graph)
      last = task ?? last
    }
    return last
  }

  /// How many devices do an exchange together, on how many nodes: all, or those of an attention
  /// group.
  private func groupSize(of stage: Stage) -> (ranks: Int, nodes: Int) {
    let cluster = deployment.cluster
    guard stage == .tensorExchange else { return (cluster.deviceCount, cluster.nodeCount) }
    let width = deployment.parallelism.attention.tensor
    let spans = stride(from: 0, to: cluster.deviceCount, by: width).map {
      cluster.node(of: $0 + width - 1) - cluster.node(of: $0) + 1
    }
    return (width, spans.max() ?? 1)
  }

  /// Appends the exchange in `traffic`, which begins when every device is ready; nil where nothing
  /// leaves any device.
  ///
  /// - Parameter given: The start-up; what the library's cost says of the traffic where nil.
  private mutating func appendExchange(
    _ stage: Stage, layer: Int, after phase: TaskID? = nil, startUp given: SimTime? = nil,
    to graph: inout TaskGraph
  ) -> TaskID? {
    guard !traffic.isEmpty else { return nil }
    let collective = collective(of: stage)
    let group = groupSize(of: stage)
    let peers = max(1, group.ranks - 1)
    var load = CollectiveLoad(
      wireBytes: traffic.mostSent, messageBytes: traffic.mostSent / Double(peers),
      ranks: peers + 1, nodes: group.nodes)
    if stage != .tensorExchange, let tokenwise = deployment.protocols.tokenwise {
      load.networkBytes = traffic.mostSentOutside
      load.messageBytes = stage == .dispatch ? dispatchBytes : combineBytes
      load.copiedBytes = traffic.mostSent
      load.stagedBytes = traffic.mostSentOutside
      load.expertsPerRank = tokenwise.expertsPerRank
      load.multiprocessors = tokenwise.multiprocessors
    }
    let startUp = given ?? collective.startUp(of: load)
    let occupancy = stage == .tensorExchange ? 0 : deployment.protocols.occupancy
    let bound = TaskBound(traffic.bound(latency: startUp + traffic.wayLatency))
    let label = TaskLabel(
      stage: stage.rawValue, bound: bound.rawValue, layer: layer,
      device: Int(TaskLabel.everyDevice))
    let exchange = traffic.appendTask(
      label, startUp: startUp, atLeast: collective.handlingTime(of: load), occupancy: occupancy,
      to: &graph)
    if let phase {
      graph.add(exchange, after: phase)
      return exchange
    }
    for device in devices {
      if let previous = last[device] { graph.add(exchange, after: previous) }
    }
    if let lastExchange { graph.add(exchange, after: lastExchange) }
    return exchange
  }

  /// From here on every device waits for `exchange`.
  private mutating func finishExchange(_ exchange: TaskID?) {
    guard let exchange else { return }
    for device in devices { last[device] = exchange }
    lastExchange = nil
  }

  /// Reduces and scatters (or gathers) the tokens of each attention group among its devices: each
  /// sends every other its share of the tokens, `passes` times.
  private mutating func appendTensorExchange(
    layer: Int, passes: Int, to graph: inout TaskGraph
  ) {
    let width = deployment.parallelism.attention.tensor
    guard width > 1 else { return }
    traffic.removeAll()
    traffic.protocolShares = collective(of: .tensorExchange).shares
    traffic.messageBytes = nil
    for device in devices {
      let first = device / width * width
      let bytes = costs.tensorExchangeBytes[device % width] * Double(passes)
      for other in first..<first + width { traffic.add(bytes, from: device, to: other) }
    }
    finishExchange(appendExchange(.tensorExchange, layer: layer, to: &graph))
  }
}
