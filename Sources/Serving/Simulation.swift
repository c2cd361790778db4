import Engine
import Fabric
import Hardware
import Models
import Placement
import Traces
import Units

/// Told of iterations besides tasks. Measured iterations only; warm-up passes unseen.
public protocol IterationObserver: Observer {
  mutating func iterationBegins(_ iteration: Int, at time: SimTime) throws
  /// - Parameter load: What the iteration asked of each device in each layer.
  mutating func iterationEnded(at time: SimTime, tokens: Int, load: IterationLoad) throws
}

/// What an iteration asked of each device, `[layer][device]` over all layers of the model.
public struct IterationLoad: Sendable {
  /// (token, expert) pairs that a device's experts got; 0 in layers without experts.
  public var tokens: [Int]
  /// Bytes that a device sent in dispatch and combine.
  public var bytesSent: [Int]
  /// What no schedule of the iteration could do without.
  public var needed = NeededLoad()
}

/// A deployment at work: plans iterations from the trace and runs them.
///
///     var simulation = try Simulation(deployment, workload, measurement, seed: 1)
///     try simulation.run(observer: &recorder)
public struct Simulation: ~Copyable {
  public private(set) var deployment: Deployment
  public let workload: Workload
  public let measurement: Measurement
  public let resources: ClusterResources
  /// Whether one recorded sequence may stand for several of the batch at a time.
  public let drawsWithReplacement: Bool
  private let trace: RoutingTrace
  private let threads: Int
  private var source: TokenSource
  /// Nil where all iterations are alike.
  private var requests: RequestBatches?
  /// Of each microbatch.
  private var loads: [RoutedLoad]
  /// Of one token for each sequence, where there are guesses after the first.
  private var guesses: [RoutedLoad] = []
  private var meter: TokenMeter
  /// Of the measured iterations; nil where nobody asks.
  private var pairs: PairCopies?
  /// Of the measured iterations so far; nil where nobody keeps duplicates.
  public private(set) var duplicates: DuplicateCounts?
  /// Nil where experts stay where they are.
  private var placer: OnlinePlacer?
  /// What moves beside the next iteration, decided by those before it.
  private var nextMove: OnlinePlacer.Move?
  /// Where experts live when those under way have come.
  private var coming: ExpertPlacement?
  private var planner: StepPlanner
  private var graph: TaskGraph
  private var engine: Engine<DefaultEventQueue>
  private var measuredSince = SimTime.zero
  private var changesFollowed: Int

  /// - Parameters:
  ///   - threads: How many may count routing at a time; results do not depend on it.
  ///   - keepsPairs: Adds up what every device sends every other, for ``pairBytes``; nothing else
  ///     depends on it.
  /// - Throws: ``ServingError`` where the deployment does not fit its devices, a device cannot compute
  ///   in the precisions asked for, or the trace is another model's or has no tokens of the phase.
  public init(
    _ deployment: Deployment, _ workload: Workload, _ measurement: Measurement, seed: UInt64,
    threads: Int = 1, keepsPairs: Bool = false
  ) throws(ServingError) {
    try workload.check(deployment)
    try Self.checkDevice(deployment, workload)
    let trace = try Self.routedTrace(deployment, workload, seed: seed)
    let slots = try Self.slots(deployment)
    let nodeSlots = try Self.nodeSlots(deployment)
    var replayed = workload
    replayed.trace = trace
    let source = try TokenSource(
      replayed, groups: deployment.parallelism.attention.data, seed: seed)
    let resources = ClusterResources(deployment.cluster, deployment.network)
    let routes = try Self.routes(deployment, at: .zero)
    let factors = try Self.factors(deployment, at: .zero)
    let changes = try Self.capacityChanges(deployment, resources)
    let requests = try Self.requests(replayed, deployment, seed: seed)
    let positions = deployment.model.expertPositions(of: workload.phase)
    let load = RoutedLoad(
      deployment, positions: positions, slots: slots, nodeSlots: nodeSlots,
      routes: routes, keepsMatrix: keepsPairs)
    let planner = StepPlanner(deployment, workload, resources, routes, factors: factors)
    let placer = try Self.placer(deployment, workload, seed: seed)
    var engine = Engine<DefaultEventQueue>(resources: resources.table)
    engine.schedule(changes)
    self.deployment = deployment
    self.workload = workload
    self.measurement = measurement
    self.threads = threads
    self.trace = trace
    self.source = source
    self.requests = requests
    self.resources = resources
    drawsWithReplacement = requests?.drawsWithReplacement ?? source.drawsWithReplacement
    loads = Array(repeating: load, count: workload.batching.microbatches)
    if let speculation = workload.speculation, speculation.tokens > 1 { guesses = loads }
    let sequences = workload.batch * deployment.parallelism.attention.data
    meter = TokenMeter(perIteration: workload.countedTokensPerSequence * Double(sequences))
    pairs = keepsPairs ? PairCopies(deployment, positions: positions) : nil
    if deployment.blocks?.duplicates != nil { duplicates = DuplicateCounts() }
    self.placer = placer
    self.planner = planner
    changesFollowed = deployment.fabric.changes.count { $0.time <= .zero }
    graph = TaskGraph()
    self.engine = engine
  }

  private static func requests(
    _ workload: Workload, _ deployment: Deployment, seed: UInt64
  ) throws(ServingError) -> RequestBatches? {
    guard let lengths = workload.requests else { return nil }
    return try RequestBatches(
      lengths, workload, groups: deployment.parallelism.attention.data,
      cacheTokens: deployment.cacheTokens, seed: seed)
  }

  private static func placer(
    _ deployment: Deployment, _ workload: Workload, seed: UInt64
  ) throws(ServingError) -> OnlinePlacer? {
    guard let policy = workload.onlinePlacement else { return nil }
    return try OnlinePlacer(policy, deployment, workload, seed: seed)
  }

  private static func capacityChanges(
    _ deployment: Deployment, _ resources: ClusterResources
  ) throws(ServingError) -> [CapacityChange] {
    do {
      return try resources.capacityChanges(deployment.fabric.changes)
    } catch { throw .fabric(error) }
  }

  /// The ways between devices at a moment; nil where the network's ports say all.
  private static func routes(
    _ deployment: Deployment, at time: SimTime
  ) throws(ServingError) -> RouteTable? {
    let fabric = deployment.fabric
    // Who reads weights from others needs the ways to them, whatever the ports say.
    guard deployment.blocks != nil || !fabric.portsSuffice(deployment.network) else { return nil }
    do throws(FabricError) {
      let state = try deployment.network.state(after: fabric.changes, at: time)
      if let device = state.failedDevices.first {
        throw FabricError.failedDevice(device)
      }
      return try RouteTable(
        RouteFinder(
          deployment.network, spread: fabric.spread, detour: fabric.detour, factors: state.factors))
    } catch {
      throw time == .zero ? .fabric(error) : .disconnected(error, at: time)
    }
  }

  /// What is left of each link's bandwidth at a moment.
  private static func factors(
    _ deployment: Deployment, at time: SimTime
  ) throws(ServingError) -> [Double] {
    do {
      return try deployment.network.state(after: deployment.fabric.changes, at: time).factors
    } catch { throw .fabric(error) }
  }

  private static func checkDevice(
    _ deployment: Deployment, _ workload: Workload
  ) throws(ServingError) {
    let budget = MemoryBudget(deployment, workload)
    guard budget.fits else { throw .doesNotFit(budget) }
    do {
      try KernelCostModel(deployment.cluster.device).require(deployment.precisions.arithmetic)
    } catch { throw .hardware(error) }
  }

  private static func routedTrace(
    _ deployment: Deployment, _ workload: Workload, seed: UInt64
  ) throws(ServingError) -> RoutingTrace {
    let model = deployment.model
    do {
      try workload.trace.check(
        layers: deployment.placement.layers, experts: model.experts.count,
        topK: model.experts.topK, for: model.name)
      switch workload.routing {
      case .asRecorded: return workload.trace
      case .uniform:
        let tokens = workload.mostTokensPerGroup * deployment.parallelism.attention.data
        return try workload.trace.withUniformSelections(tokens: tokens, seed: seed)
      }
    } catch { throw .trace(error) }
  }

  static func slots(_ deployment: Deployment) throws(ServingError) -> ExpertSlots {
    do {
      return try ExpertSlots(
        devices: deployment.placement.groups,
        devicesPerNode: deployment.parallelism.experts.tensor == 1
          ? deployment.cluster.devicesPerNode : nil,
        homeDevice: deployment.cluster.deviceIndices.map { deployment.expertGroup(of: $0) },
        hosts: deployment.placement.hosts, sharedDevices: deployment.placement.sharedGroups,
        replicas: deployment.replicaTables)
    } catch { throw .trace(error) }
  }

  /// Slots by node in place of device.
  static func nodeSlots(
    _ deployment: Deployment
  ) throws(ServingError) -> ExpertSlots? {
    guard deployment.sendsOnceToNode else { return nil }
    let cluster = deployment.cluster
    let width = deployment.parallelism.experts.tensor
    do {
      return try ExpertSlots(
        devices: cluster.nodeCount, homeDevice: cluster.deviceIndices.map { cluster.node(of: $0) },
        hosts: deployment.placement.hosts.map { layer in
          layer.map { groups in groups.map { cluster.node(of: $0 * width) } }
        }, replicas: deployment.replicaTables)
    } catch { throw .trace(error) }
  }

  /// Runs warm-up and measured iterations, one after the other without a pause.
  ///
  /// - Throws: ``ServingError``, or what the observer throws.
  public mutating func run<O: IterationObserver>(observer: inout O) throws {
    for _ in 0..<measurement.warmup where unfinishedRequests != 0 {
      try plan()
      var nobody = NoObserver()
      try step(&nobody)
    }
    engine.resetTotals()
    measuredSince = engine.now
    for iteration in 0..<measurement.iterations where unfinishedRequests != 0 {
      try plan()
      for load in loads {
        if let moves = load.moves {
          pairs?.add(moves)
        } else {
          try pairs?.add(load.counts, load.traffic)
        }
        if let dealer = load.blocks { duplicates?.add(dealer.work) }
      }
      try observer.iterationBegins(iteration, at: engine.now)
      try step(&observer)
      var load = Self.load(loads, deployment)
      load.needed = NeededLoad(
        loads, guesses: guesses, workload, deployment, mixes: requests?.mixesOfIteration ?? [])
      try observer.iterationEnded(
        at: engine.now, tokens: requests?.outputs ?? meter.next(), load: load)
    }
  }

  /// Draws the next iteration's tokens, counts their routing and builds the graph.
  private mutating func plan() throws(ServingError) {
    try followChanges()
    try adoptPlacement()
    if requests != nil {
      try planRequests()
    } else {
      try planAlike()
    }
    if let move = nextMove {
      planner.appendMigration(move.migration, to: &graph)
      placer?.begin(move)
      coming = move.placement
    }
    // What is on its way is not decided anew.
    nextMove = try placer?.next(loads, from: coming ?? deployment.placement)
  }

  /// Iterations that are all alike.
  private mutating func planAlike() throws(ServingError) {
    for index in loads.indices {
      try loads[index].replay(
        workload.places(ofMicrobatch: index), from: &source, of: trace, threads: threads)
    }
    for index in guesses.indices {
      try guesses[index].replay(firstOf: loads[index], from: source, of: trace, threads: threads)
    }
    try planner.plan(loads, guesses: guesses, into: &graph)
  }

  /// The same of requests that begin and end.
  private mutating func planRequests() throws(ServingError) {
    guard var batches = requests else { return }
    // So that nothing is copied.
    requests = nil
    defer { requests = batches }
    batches.beginIteration()
    for index in loads.indices {
      try loads[index].replay(&batches, microbatch: index, of: trace, threads: threads)
      planner.cost(batches.mixes, of: index)
    }
    try planner.plan(loads, guesses: guesses, into: &graph)
  }

  /// Lets tokens go to where experts have come.
  private mutating func adoptPlacement() throws(ServingError) {
    guard let placement = coming else { return }
    coming = nil
    deployment.placement = placement
    try Self.checkDevice(deployment, workload)
    let routes = try Self.routes(deployment, at: engine.now)
    let load = RoutedLoad(
      deployment, positions: deployment.model.expertPositions(of: workload.phase),
      slots: try Self.slots(deployment), nodeSlots: try Self.nodeSlots(deployment),
      routes: routes, keepsMatrix: pairs != nil)
    loads = Array(repeating: load, count: loads.count)
    guesses = guesses.isEmpty ? [] : loads
    let outside = planner.outsideMeasured
    planner = StepPlanner(
      deployment, workload, resources, routes, factors: try Self.factors(deployment, at: engine.now)
    )
    planner.outsideMeasured = outside
  }

  /// New traffic takes the ways that are there when its iteration begins.
  private mutating func followChanges() throws(ServingError) {
    let passed = deployment.fabric.changes.count { $0.time <= engine.now }
    guard passed != changesFollowed else { return }
    changesFollowed = passed
    let routes = try Self.routes(deployment, at: engine.now)
    planner.follow(routes, factors: try Self.factors(deployment, at: engine.now))
    for index in loads.indices { loads[index].follow(routes) }
  }

  private mutating func step<O: Observer>(_ observer: inout O) throws(ServingError) {
    do {
      try engine.run(graph, observer: &observer)
    } catch { throw .engine(error) }
  }

  // A static function: the compiler takes minutes to check what a borrowing one may read.
  private static func load(_ loads: [RoutedLoad], _ deployment: Deployment) -> IterationLoad {
    let cells = deployment.model.layers * deployment.cluster.deviceCount
    var sum = IterationLoad(
      tokens: [Int](repeating: 0, count: cells), bytesSent: [Int](repeating: 0, count: cells))
    for load in loads { load.add(to: &sum) }
    return sum
  }
}

extension Simulation {
  /// Simulated time of the measured iterations so far.
  public var measuredTime: SimTime { engine.now - measuredSince }

  /// What placing experts anew has moved; nil where they stay where they are.
  public var replacements: ReplacementTally? { placer?.tally }

  /// Of requests that are counted those that have not ended; nil where there is always another one.
  public var unfinishedRequests: Int? {
    workload.requests?.count == nil ? nil : requests?.unfinished
  }

  /// Requests whose keys and values had to give way to others', warm-up among it.
  public var preemptions: Int { requests?.preemptions ?? 0 }

  /// What results must say of exchanges, warm-up among them, whose bytes were not measured.
  public var remarksOnExchanges: [String] { planner.outsideMeasured.remarks }

  /// Changes of the network that the run did not reach.
  public var changesToCome: Int { deployment.fabric.changes.count { $0.time > engine.now } }

  /// What each resource has served in the measured iterations, in its base unit and the order of the
  /// table.
  public var amountsServed: [Double] { engine.amountsServed }

  /// What each could have served in that time: the integral of its capacity.
  public var amountsOffered: [Double] { engine.amountsOffered }

  /// Seconds of that time in which each had a user.
  public var busySeconds: [Double] { engine.busySeconds }

  /// Seconds that tasks held a claim on each in that time, summed over tasks.
  public var claimSeconds: [Double] { engine.claimSeconds }

  /// Bytes that each device sent each other in dispatch and combine of the measured iterations so
  /// far, `[source][target]`; nil where they are not kept.
  public var pairBytes: [Int]? { pairs?.bytes }
}
