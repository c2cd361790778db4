import Engine
import Units

/// Carries one schedule over a network, in one of three ways.
struct CollectiveCarrier {
  private let schedule: MessageSchedule
  private let resources: ClusterResources
  private let routes: RouteTable
  private let shares: ProtocolShares
  /// Of each link at the beginning.
  private let bandwidths: [Bandwidth]
  /// The most that each link ever has, and its mean over the collective's time.
  private let mostBandwidths: [Bandwidth]
  private var meanBandwidths: [Bandwidth]
  /// By phase.
  private let startUps: [SimTime]
  private let phases: SchedulePhases
  private(set) var time = SimTime.zero
  private var loads: [Double]
  private var busy: [Double]
  private var flowSeconds: [Double]

  init(
    _ schedule: MessageSchedule, _ layout: RankLayout, _ resources: ClusterResources,
    _ routes: RouteTable, _ collective: CollectiveProtocol, perPhase: Bool,
    factors: [Double], mostFactors: [Double]
  ) {
    self.schedule = schedule
    self.routes = routes
    self.resources = resources
    shares = collective.shares
    bandwidths = resources.network.links.indices.map {
      resources.network.links[$0].bandwidth * factors[$0]
    }
    mostBandwidths = resources.network.links.indices.map {
      resources.network.links[$0].bandwidth * mostFactors[$0]
    }
    meanBandwidths = bandwidths
    phases = SchedulePhases(schedule)
    startUps = collective.startUps(of: schedule, phases, layout, perPhase: perPhase)
    loads = [Double](repeating: 0, count: bandwidths.count)
    busy = loads
    flowSeconds = loads
  }

  var startUp: SimTime { startUps.first ?? .zero }

  var leastTime: Seconds {
    Seconds(zip(loads, mostBandwidths).map { $0 > 0 ? $0 / $1.value : 0 }.max() ?? 0)
  }

  /// - Throws: ``FabricError/engine(_:)`` where a start-up alone, or with the way, is beyond time.
  func checkStartUps() throws(FabricError) {
    let most = SimTime(picoseconds: SimTime.never.picoseconds / 2)
    guard startUps.allSatisfy({ $0 < most }) else { throw .engine(.beyondTime(task: Self.label)) }
  }

  // MARK: - Ways of carrying

  /// One exchange a phase, each waiting for the one before.
  mutating func runPhases(_ changes: [NetworkChange]) throws(FabricError) {
    var traffic = ExchangeTraffic(resources, routes, protocolShares: shares)
    var graph = TaskGraph()
    var last: TaskID?
    for phase in 0..<phases.count {
      traffic.removeAll()
      for index in phases[phase] { try traffic.add(schedule.steps[index]) }
      let task = traffic.appendTask(Self.label, startUp: startUps[phase], to: &graph)
      if let last { graph.add(task, after: last) }
      last = task
    }
    try run(graph, try resources.capacityChanges(changes))
    // A phase's demands are served side by side for as long as the longest of them takes.
    flowSeconds = loads.indices.map { loads[$0] > 0 ? loads[$0] / meanBandwidths[$0].value : 0 }
    busy = flowSeconds
  }

  /// One task a step.
  mutating func runTasks(_ changes: [NetworkChange]) throws(FabricError) {
    var graph = TaskGraph()
    try schedule.appendTasks(
      Self.label, startUps: startUps, phases.depths, on: resources, routes, shares, to: &graph)
    try run(graph, try resources.capacityChanges(changes))
  }

  private static var label: TaskLabel {
    TaskLabel(stage: 0, device: Int(TaskLabel.everyDevice))
  }

  private mutating func run(
    _ graph: borrowing TaskGraph, _ changes: [CapacityChange]
  ) throws(FabricError) {
    var engine = Engine<DefaultEventQueue>(resources: resources.table)
    engine.schedule(changes)
    var nobody = NoObserver()
    do throws(EngineError) {
      time = try engine.run(graph, observer: &nobody)
    } catch {
      throw .engine(error)
    }
    let offered = engine.amountsOffered
    for (link, resource) in resources.links.enumerated() {
      if time > .zero {
        meanBandwidths[link] = Bandwidth(offered[resource.position] / time.seconds)
      }
      loads[link] = engine.amountServed(by: resource)
      busy[link] = engine.busySeconds[resource.position]
      flowSeconds[link] = engine.claimSeconds[resource.position]
    }
  }

  /// All messages as flows that begin at the same moment, solved without events. Ways of different
  /// latency count as the longest, and capacities stay what they are at the beginning.
  ///
  /// - Throws: ``FabricError`` where they would never be done, as the engine does.
  mutating func runTogether() throws(FabricError) {
    var flows = SimultaneousFlows()
    for bandwidth in bandwidths { _ = flows.addLink(capacity: bandwidth) }
    var latency = SimTime.zero
    let factors = resources.network.links.map { shares.wireFactor(of: $0.kind) }
    // A port's messages are a link of their own, with a capacity in messages per second.
    let rates = resources.network.links.map { link in
      link.messageRate.map { flows.addLink(capacity: Bandwidth($0)) }
    }
    for step in schedule.steps where step.kind == .message {
      flows.addFlow(Bytes(step.bytes))
      let ends = (Int(step.source), Int(step.target))
      routes.forEachHop(from: ends.0, to: ends.1) { link, share in
        flows.cross(link, amount: share * factors[link])
        loads[link] += step.bytes * share * factors[link]
        if let rate = rates[link], step.bytes > 0 {
          flows.cross(rate, amount: share * step.messages / step.bytes)
        }
      }
      latency = max(latency, routes.latency(from: ends.0, to: ends.1))
    }
    let done = flows.completions()
    if let empty = loads.indices.first(where: { loads[$0] > 0 && bandwidths[$0].value <= 0 }) {
      throw .zeroCapacity(link: resources.network.links[empty].name)
    }
    let begin = startUp + latency
    let transfer = SimTime(roundingUp: done.ends.max() ?? 0)
    guard transfer < .never - begin else { throw .engine(.beyondTime(task: Self.label)) }
    time = begin + transfer
    busy = done.linkBusySeconds
    // Counted in flows; the solver counts what a flow takes of a link, the protocol's part included.
    flowSeconds = factors.indices.map { done.linkFlowSeconds[$0] / factors[$0] }
  }

  // MARK: - Links

  func linkUses() -> [CollectiveRun.LinkUse] {
    var uses: [CollectiveRun.LinkUse] = []
    for (link, load) in loads.enumerated() where load > 0 {
      let alone = load / meanBandwidths[link].value
      let bytes = load / shares.wireFactor(of: resources.network.links[link].kind)
      uses.append(
        CollectiveRun.LinkUse(
          link: link, bytes: Bytes(bytes), utilisation: time > .zero ? alone / time.seconds : 0,
          busy: Seconds(busy[link]), waited: Seconds(max(0, flowSeconds[link] - alone))))
    }
    return uses.sorted { ($1.utilisation, $0.link) < ($0.utilisation, $1.link) }
  }
}

extension ClusterResources {
  /// The same with scale-up links over which bytes arrive at once.
  func withoutScaleUpLatency() -> ClusterResources {
    var copy = self
    copy.network.dropScaleUpLatency()
    return copy
  }
}
