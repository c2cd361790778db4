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
///
/// Every microbatch is such a chain of tasks. A device takes turns: what lies between two exchanges of
/// the first microbatch, then the same of the second, and so on, as one queue of kernels does that is
/// filled in this order; were the chains only to share the device, they would compute at the same time
/// and wait for their exchanges at the same time. Where the batching splits the device into streams,
/// each has a queue of its own, with what it does in a layer for the first microbatch, then for the
/// second, and its kernels claim their stream's part of the device.
struct StepPlanner {
  let deployment: Deployment
  let resources: ClusterResources
  private let streams: Batching.Streams?
  private let parts: [[PlanStep]]
  /// Nil where the device holds its weights.
  var weightStream: WeightStream?
  var chains: [Chain] = []
  var traffic: ExchangeTraffic
  /// Nil where the network's ports say all, and no device reads weights from another.
  var weightWays: WeightWays?
  /// The last task of each device in each stream, whosever it is.
  private var turns: [[TaskID?]]
  private let rankLayout: RankLayout
  private let mix: IterationMix
  var outsideMeasured = ExchangesOutsideMeasured()
  /// By tokens, where those of a device are another number in every layer.
  private var costsOfTokens: [Int: StageCosts] = [:]

  /// A microbatch on its way.
  struct Chain {
    /// By attention group; one where all groups are alike.
    var costs: [StageCosts]
    /// Of one token for each sequence, where there are guesses after the first.
    let guessCosts: StageCosts?
    var frontier: TaskFrontier
    /// On its way now, with its pairs where these are needed.
    var dispatch: (task: TaskID?, matrix: TrafficMatrix?) = (nil, nil)
  }

  init(
    _ deployment: Deployment, _ workload: Workload, _ resources: ClusterResources,
    _ routes: RouteTable?, factors: [Double]
  ) {
    self.deployment = deployment
    self.resources = resources
    streams = workload.batching.streams
    mix = workload.mix
    let parts = PlanStep.parts(deployment, workload)
    self.parts = parts
    if deployment.execution.streamed != nil {
      weightStream = WeightStream(deployment, parts)
    }
    rankLayout = deployment.rankLayout
    traffic = ExchangeTraffic(
      resources, routes, fidelity: deployment.fabric.fidelity, factors: factors)
    weightWays = routes.map { WeightWays(resources, $0, factors: factors) }
    let devices = deployment.cluster.deviceCount
    turns = KernelStream.allCases.map { _ in [TaskID?](repeating: nil, count: devices) }
    for index in 0..<workload.batching.microbatches {
      let own = workload.microbatch(index)
      let guesses = workload.speculation.map { $0.tokens > 1 } ?? false
      chains.append(
        Chain(
          costs: [StageCosts(deployment, own.mix, streams: streams)],
          guessCosts: guesses
            ? StageCosts(deployment, own.withoutSpeculation.mix, streams: streams) : nil,
          frontier: TaskFrontier(devices: devices)))
    }
  }

  /// Lets new traffic take other ways, on links of which `factors` are left.
  mutating func follow(_ routes: RouteTable?, factors: [Double]) {
    traffic = ExchangeTraffic(
      resources, routes, fidelity: deployment.fabric.fidelity, factors: factors)
    weightWays = routes.map { WeightWays(resources, $0, factors: factors) }
  }

  var devices: Range<Int> { deployment.cluster.deviceIndices }

  /// The graph of an iteration. Replaces what was in `graph`.
  ///
  /// - Parameters:
  ///   - loads: Of each microbatch.
  ///   - guesses: The same of one token for each sequence; empty where there are no guesses after the
  ///     first.
  mutating func plan(
    _ loads: [RoutedLoad], guesses: [RoutedLoad], into graph: inout TaskGraph
  ) throws(ServingError) {
    graph.removeAll()
    for stream in turns.indices {
      for device in devices { turns[stream][device] = nil }
    }
    for chain in chains.indices { chains[chain].frontier.removeAll() }
    for (index, part) in parts.enumerated() {
      beginStreamedPart(index, to: &graph)
      for chain in chains.indices {
        // Held once for all steps: a load is many arrays, and each copy counts references to them.
        let load = loads[chain]
        for step in part {
          if step.pass == .furtherGuess {
            try append(step, of: chain, guesses[chain], to: &graph)
          } else {
            try append(step, of: chain, load, to: &graph)
          }
        }
      }
      weightStream?.endPart()
    }
    endStreamedIteration(&graph)
  }

  /// The layer that results know the copy of a part's weights by.
  func layer(ofPart part: Int) -> Int {
    parts[part].first { $0.labelLayer >= 0 }?.labelLayer ?? -1
  }

  private mutating func append(
    _ step: PlanStep, of chain: Int, _ load: RoutedLoad, to graph: inout TaskGraph
  ) throws(ServingError) {
    switch step.work {
    case .kernels(.attention) where deployment.execution.attention != .device:
      appendAttention(step, of: chain, to: &graph)
    case .kernels(let stage):
      if let moves = load.moves, step.layer >= 0 {
        appendKernels(stage, step, of: chain, moves, to: &graph)
      } else {
        appendKernels(stage, step, of: chain, to: &graph)
      }
    case .attentionInput:
      appendAttentionInput(step, of: chain, to: &graph)
    case .attentionOutput:
      appendAttentionOutput(step, of: chain, to: &graph)
    case .tensorExchange(let passes):
      if let moves = load.moves {
        appendTensorExchange(step, passes: passes, of: chain, moves, to: &graph)
        return
      }
      appendTensorExchange(step, passes: passes, of: chain, to: &graph)
    case .dispatch:
      try appendDispatch(step, of: chain, load, to: &graph)
    case .experts where load.blocks != nil:
      appendBlocks(step, of: chain, load, to: &graph)
    case .experts where deployment.execution.experts.usesCompanion:
      appendSharedOutExperts(step, of: chain, load, to: &graph)
    case .experts:
      appendRoutedExperts(step, of: chain, load, to: &graph)
    case .combine:
      try appendCombine(step, of: chain, load, to: &graph)
    case .contextGather:
      if let moves = load.moves { appendContextGather(step, of: chain, moves, to: &graph) }
    }
  }

  /// Gives each attention group a mix of its own in the iterations to come of a microbatch.
  mutating func cost(_ mixes: [IterationMix], of chain: Int) {
    while chains[chain].costs.count < mixes.count {
      chains[chain].costs.append(chains[chain].costs[0])
    }
    for (group, mix) in mixes.enumerated() { chains[chain].costs[group].update(mix) }
  }

  /// Of so many tokens that are on a device in one layer.
  mutating func costs(ofTokens count: Int, of chain: Int) -> StageCosts {
    if let known = costsOfTokens[count] { return known }
    var costs = chains[chain].costs[0]
    costs.update(mix.ofTokens(count))
    costsOfTokens[count] = costs
    return costs
  }

  /// - Parameter group: The attention group; what is of no group is any group's.
  func costs(_ step: PlanStep, of chain: Int, group: Int = 0) -> StageCosts {
    let own = chains[chain].costs
    let costs = own[group % own.count]
    return step.pass == .furtherGuess ? chains[chain].guessCosts ?? costs : costs
  }

  /// Appends one task a device, after what the device did last.
  private mutating func appendKernels(
    _ stage: Stage, _ step: PlanStep, of chain: Int, to graph: inout TaskGraph
  ) {
    let width = deployment.parallelism.attention.tensor
    let differ = chains[chain].costs.count > 1
    var cost = costs(step, of: chain).kernels(of: stage, step)
    for group in 0..<deployment.parallelism.attention.data {
      if differ { cost = costs(step, of: chain, group: group).kernels(of: stage, step) }
      for device in group * width..<(group + 1) * width {
        let sequence = cost[device]
        guard sequence.kernels > 0 else { continue }
        appendTask(stage, step, device: device, of: chain, sequence, to: &graph)
      }
    }
  }

  mutating func appendTask(
    _ stage: Stage, _ step: PlanStep, device: Int, of chain: Int, _ sequence: KernelSequence,
    elsewhere: Bytes = .zero, after exchange: TaskID? = nil, to graph: inout TaskGraph
  ) {
    let stream = KernelStream(stage, streams)
    let part = streams.map { deployment.cluster.device.share(ofUnits: $0[stream]) }
    let task = graph.add(
      sequence, TaskPlace(stage: stage, layer: step.labelLayer, device: device),
      on: resources.devices[device].processor, part: part, elsewhere: elsewhere)
    if chains.count > 1 {
      if let turn = turns[stream.rawValue][device], turn != chains[chain].frontier[device] {
        graph.add(task, after: turn)
      }
      turns[stream.rawValue][device] = task
    }
    chains[chain].frontier.append(task, of: device, to: &graph)
    if let exchange { graph.add(task, after: exchange) }
    if let copy = weightStream?.takeAwaited() { graph.add(task, after: copy) }
    weightStream?.note(kernel: task, taking: sequence.duration)
  }

  private mutating func appendDispatch(
    _ step: PlanStep, of chain: Int, _ load: RoutedLoad, to graph: inout TaskGraph
  ) throws(ServingError) {
    if let moves = load.moves {
      chains[chain].dispatch = (appendMoves(moves, .dispatch, step, of: chain, to: &graph), nil)
      return
    }
    var matrix: TrafficMatrix?
    let copy = deployment.dispatchedCopy
    if !deployment.portsSuffice {
      matrix = load.traffic.matrix(
        layer: step.position, perCopy: copy, load.counts, nodeCounts: load.nodeCounts)
    } else {
      traffic.protocolShares = collective(of: .dispatch).shares
      traffic.messageBytes = deployment.protocols.tokenwise == nil ? nil : copy
      load.traffic.fill(
        &traffic, layer: step.position, perCopy: copy, isReturn: false, load.counts)
    }
    let handled = load.handled(layer: step.position, isReturn: false)
    let task = try appendRouted(.dispatch, step, of: chain, matrix, handled, to: &graph)
    chains[chain].dispatch = (task, matrix)
  }

  private mutating func appendCombine(
    _ step: PlanStep, of chain: Int, _ load: RoutedLoad, to graph: inout TaskGraph
  ) throws(ServingError) {
    if let moves = load.moves {
      chains[chain].frontier.close(appendMoves(moves, .combine, step, of: chain, to: &graph))
      return
    }
    let copy = deployment.combinedCopy
    let matrix = chains[chain].dispatch.matrix?.returned(scale: copy / deployment.dispatchedCopy)
    if matrix == nil {
      traffic.protocolShares = collective(of: .combine).shares
      traffic.messageBytes = deployment.protocols.tokenwise == nil ? nil : copy
      load.traffic.fill(
        &traffic, layer: step.position, perCopy: copy, isReturn: true, load.counts)
    }
    let handled = load.handled(layer: step.position, isReturn: true)
    let task = try appendRouted(.combine, step, of: chain, matrix, handled, to: &graph)
    chains[chain].frontier.close(task)
  }

  private mutating func appendRoutedExperts(
    _ step: PlanStep, of chain: Int, _ load: RoutedLoad, to graph: inout TaskGraph
  ) {
    let slices = deployment.parallelism.experts.tensor
    let costs = costs(step, of: chain)
    let dispatch = chains[chain].dispatch.task
    for group in 0..<deployment.placement.groups {
      let isShared = group < deployment.placement.sharedGroups
      let own = costs.slots(layer: step.position, group: group)
      let sequence =
        isShared
        ? costs.sharedExpertKernels(
          tokens: load.sharedTokens(layer: step.position, group: group), slices: slices)
        : costs.routedExperts(load.routedRows(layer: step.position, slots: own), of: own.count)
      guard sequence.kernels > 0 else { continue }
      for device in group * slices..<(group + 1) * slices {
        appendTask(
          isShared ? .sharedExperts : .experts, step, device: device, of: chain, sequence,
          after: dispatch, to: &graph)
      }
    }
    chains[chain].frontier.open(dispatch)
  }

  func collective(of stage: Stage) -> CollectiveProtocol {
    switch stage {
    case .dispatch: deployment.protocols.dispatch
    case .combine: deployment.protocols.combine
    case .contextGather: deployment.protocols.contextGather
    default: deployment.protocols.tensorExchange
    }
  }

  /// Appends a dispatch or a combine, by the deployment's algorithm; without a matrix, what is in
  /// `traffic`. Between the phases of an algorithm everybody waits for everybody, unless tokens pass on
  /// one by one.
  private mutating func appendRouted(
    _ stage: Stage, _ step: PlanStep, of chain: Int, _ matrix: TrafficMatrix?,
    _ handled: (copied: Int, staged: Int), to graph: inout TaskGraph
  ) throws(ServingError) -> TaskID? {
    guard let matrix else {
      return appendExchange(stage, step, of: chain, handling: handled, to: &graph)
    }
    let exchange = deployment.exchange
    let copyBytes = stage == .dispatch ? deployment.dispatchedCopy : deployment.combinedCopy
    traffic.messageBytes = deployment.protocols.tokenwise == nil ? nil : copyBytes
    traffic.protocolShares = collective(of: stage).shares
    if exchange.algorithm == .flat && exchange.options.chunks == nil {
      traffic.removeAll()
      traffic.add(matrix)
      return appendExchange(stage, step, of: chain, handling: handled, to: &graph)
    }
    let schedule: MessageSchedule
    do throws(CollectiveError) {
      schedule = try MessageSchedule(
        operation: .allToAll, algorithm: exchange.algorithm, matrix: matrix, layout: rankLayout,
        options: exchange.options)
    } catch { throw .collective(error) }
    guard deployment.streamsHops else {
      return try appendPhases(schedule, stage, step, of: chain, to: &graph)
    }
    traffic.removeAll()
    do throws(FabricError) { for message in schedule.steps { try traffic.add(message) } } catch {
      throw .fabric(error)
    }
    return appendExchange(stage, step, of: chain, handling: handled, to: &graph)
  }

  private mutating func appendPhases(
    _ schedule: MessageSchedule, _ stage: Stage, _ step: PlanStep, of chain: Int,
    to graph: inout TaskGraph
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
        stage, step, of: chain, after: last,
        startUp: startUps?[phase] ?? (phase == 0 || isMadeOfCalls ? nil : .zero), to: &graph)
      last = task ?? last
    }
    return last
  }

  /// How many devices do an exchange together, on how many nodes: all, those of an attention group, or
  /// those with the same slice.
  private func groupSize(of stage: Stage) -> (ranks: Int, nodes: Int) {
    let cluster = deployment.cluster
    if stage == .contextGather {
      let groups = cluster.deviceCount / deployment.parallelism.experts.tensor
      return (groups, min(groups, cluster.nodeCount))
    }
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
  /// - Parameters:
  ///   - given: The start-up; what the library's cost says of the traffic where nil.
  ///   - handled: Copies that the busiest device's multiprocessors handle
  ///     (``RoutedLoad/handled(layer:isReturn:)``); what the busiest sends, and what it sends to other
  ///     nodes, where nil.
  mutating func appendExchange(
    _ stage: Stage, _ step: PlanStep, of chain: Int, after phase: TaskID? = nil,
    startUp given: SimTime? = nil, handling handled: (copied: Int, staged: Int)? = nil,
    to graph: inout TaskGraph
  ) -> TaskID? {
    guard !traffic.isEmpty else { return nil }
    let collective = collective(of: stage)
    let group = groupSize(of: stage)
    let peers = max(1, group.ranks - 1)
    var load = CollectiveLoad(
      wireBytes: traffic.mostSent, messageBytes: traffic.mostSent / Double(peers),
      ranks: peers + 1, nodes: group.nodes)
    let isRouted = stage == .dispatch || stage == .combine
    if isRouted, let tokenwise = deployment.protocols.tokenwise {
      let copy = stage == .dispatch ? deployment.dispatchedCopy : deployment.combinedCopy
      if deployment.cluster.node.scaleUp.kind != .planes {
        load.wireBytes = traffic.mostSentInside
        load.networkBytes = traffic.mostSentOutside
      }
      load.messageBytes = copy
      load.copiedBytes = handled.map { copy * Double($0.copied) } ?? traffic.mostSent
      load.stagedBytes = handled.map { copy * Double($0.staged) } ?? traffic.mostSentOutside
      load.expertsPerRank = tokenwise.expertsPerRank
      load.multiprocessors = tokenwise.multiprocessors
    }
    // A phase that is no call of its own was measured as a part of one.
    if phase == nil || deployment.exchange.algorithm.isMadeOfCalls {
      outsideMeasured.add(load, of: stage, by: collective)
    }
    let startUp = given ?? collective.startUp(of: load)
    let occupancy = isRouted ? deployment.protocols.occupancy : 0
    let handling = collective.handlingTime(of: load)
    let label = TaskPlace(
      stage: stage, layer: step.labelLayer, device: Int(TaskLabel.everyDevice)
    ).label(of: traffic, latency: startUp + traffic.wayLatency, atLeast: handling)
    let exchange = traffic.appendTask(
      label, startUp: startUp, atLeast: handling, occupancy: occupancy, to: &graph)
    if let phase {
      graph.add(exchange, after: phase)
      return exchange
    }
    chains[chain].frontier.precede(exchange, in: &graph)
    return exchange
  }

  /// Appends what devices send each other beside everything else.
  ///
  /// - Parameter fill: Adds bytes from a device to another.
  mutating func appendTransfer(
    _ stage: Stage, to graph: inout TaskGraph,
    fill: (_ add: (Bytes, _ from: Int, _ to: Int) -> Void) -> Void
  ) {
    traffic.removeAll()
    traffic.protocolShares = collective(of: .tensorExchange).shares
    traffic.messageBytes = nil
    fill { bytes, from, to in traffic.add(bytes, from: from, to: to) }
    guard !traffic.isEmpty else { return }
    let label = TaskPlace(stage: stage, layer: -1, device: Int(TaskLabel.everyDevice))
      .label(of: traffic, latency: traffic.wayLatency)
    _ = traffic.appendTask(label, startUp: .zero, atLeast: .zero, occupancy: 0, to: &graph)
  }

  /// Reduces and scatters (or gathers) the tokens of each attention group among its devices: each
  /// sends every other its share of the tokens, `passes` times.
  private mutating func appendTensorExchange(
    _ step: PlanStep, passes: Int, of chain: Int, to graph: inout TaskGraph
  ) {
    let width = deployment.parallelism.attention.tensor
    guard width > 1 else { return }
    traffic.removeAll()
    traffic.protocolShares = collective(of: .tensorExchange).shares
    traffic.messageBytes = nil
    for device in devices {
      let group = deployment.attentionGroup(of: device)
      let shares = costs(step, of: chain, group: group).tensorExchangeBytes
      let first = device / width * width
      let bytes = shares[device % width] * Double(passes)
      for other in first..<first + width { traffic.add(bytes, from: device, to: other) }
    }
    let task = appendExchange(.tensorExchange, step, of: chain, to: &graph)
    chains[chain].frontier.close(task)
  }
}
