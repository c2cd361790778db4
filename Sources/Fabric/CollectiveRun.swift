import Engine
import Hardware
import Units

/// One collective on an otherwise idle network.
///
///     let run = try CollectiveRun(
///       .init(operation: .allReduce, bytes: Bytes(64e6), ranks: 16), on: resources, fabric)
///     print(run.time)
public struct CollectiveRun: Sendable {
  /// What is asked.
  public struct Question: Sendable {
    public var operation: CollectiveKind
    /// The operation's default where nil.
    public var algorithm: CollectiveAlgorithm?
    /// Nil with a matrix.
    public var bytes: Bytes?
    public var matrix: TrafficMatrix?
    /// The first so many devices; all where nil.
    public var ranks: Int?
    public var options: CollectiveOptions
    public var `protocol`: CollectiveProtocol

    public init(
      operation: CollectiveKind, algorithm: CollectiveAlgorithm? = nil, bytes: Bytes? = nil,
      matrix: TrafficMatrix? = nil, ranks: Int? = nil,
      options: CollectiveOptions = CollectiveOptions(),
      protocol: CollectiveProtocol = CollectiveProtocol()
    ) {
      self.operation = operation
      self.algorithm = algorithm
      self.bytes = bytes
      self.matrix = matrix
      self.ranks = ranks
      self.options = options
      self.protocol = `protocol`
    }
  }

  /// What a link had to do.
  public struct LinkUse: Hashable, Sendable {
    public var link: Int
    /// Of the messages; what the library's protocol adds is in the times.
    public var bytes: Bytes
    /// Of what the link could have carried in the collective's time, 0 to 1.
    public var utilisation: Double
    /// The time in which it had a flow.
    public var busy: Seconds
    /// The sum over flows of their time on the link, less what the link takes for their bytes:
    /// flow-seconds of queueing, here or further on.
    public var waited: Seconds
  }

  public let algorithm: CollectiveAlgorithm
  public let ranks: Int
  public let fidelity: FabricPlan.Fidelity
  public let time: SimTime
  /// Launch and protocol of the first call, part of ``time``.
  public let startUp: SimTime
  /// The time of the busiest link for its bytes: no schedule of these messages is faster.
  public let leastTime: Seconds
  public let messages: Int
  /// Links that carried something, busiest first.
  public let links: [LinkUse]
  /// `[source][target]`: bytes sent over the network.
  public let traffic: TrafficMatrix

  /// What a schedule may take of memory, its tasks included.
  public static let mostBytes = 4e9

  /// - Throws: ``FabricError`` or ``CollectiveError``.
  public init(
    _ question: Question, on resources: ClusterResources, _ fabric: FabricPlan
  ) throws {
    // A fitted start-up holds the latency of the scale-up links.
    let resources = question.protocol.isFitted ? resources.withoutScaleUpLatency() : resources
    let network = resources.network
    let layout = try network.layout(ofFirst: question.ranks ?? network.deviceCount)
    ranks = layout.rankCount
    algorithm = question.algorithm ?? question.operation.defaultAlgorithm(layout)
    fidelity = fabric.fidelity
    try question.check(layout)
    let schedule = try MessageSchedule(
      operation: question.operation, algorithm: algorithm, bytes: question.bytes,
      matrix: question.matrix, layout: layout, options: question.options)
    let state = try network.state(after: fabric.changes, at: .zero)
    let routes = try RouteTable(
      RouteFinder(network, spread: fabric.spread, detour: fabric.detour, factors: state.factors),
      ranks: ranks)
    var carrier = CollectiveCarrier(
      schedule, layout, resources, routes, question.protocol,
      perPhase: question.operation == .allToAll && algorithm.isMadeOfCalls, factors: state.factors,
      mostFactors: try network.mostFactors(after: fabric.changes))
    try carrier.checkStartUps()
    let isOneExchange = question.operation == .allToAll && algorithm == .flat
    switch fidelity {
    case .ports: try carrier.runPhases(fabric.changes)
    case .flows
    where isOneExchange && (question.options.chunks ?? 1) == 1
      && fabric.changes.allSatisfy { $0.time == .zero }:
      try carrier.runTogether()
    case .flows: try carrier.runTasks(fabric.changes)
    }
    time = carrier.time
    startUp = carrier.startUp
    messages = schedule.steps.count { $0.kind == .message }
    leastTime = carrier.leastTime
    links = carrier.linkUses()
    traffic = schedule.traffic(ranks: ranks)
  }
}

extension CollectiveRun.Question {
  /// Refuses what cannot be held in memory, before anything is built.
  ///
  /// - Throws: ``FabricError/tooManyMessages(steps:bytes:limit:)`` or ``CollectiveError``.
  public func check(_ layout: RankLayout) throws {
    let size = try MessageSchedule.sizeBound(
      operation: operation, algorithm: algorithm, bytes: bytes, layout: layout, options: options)
    // A task with its demands takes about as much again as three steps.
    let bytes = size.memory.value * 4
    guard bytes <= CollectiveRun.mostBytes else {
      throw FabricError.tooManyMessages(
        steps: Double(size.steps), bytes: bytes, limit: CollectiveRun.mostBytes)
    }
  }
}

extension Network {
  /// Which of the first devices share a machine; those that are in none are each by themselves.
  ///
  /// - Throws: ``FabricError/ranks(_:devices:)``.
  public func layout(ofFirst ranks: Int) throws(FabricError) -> RankLayout {
    try RankLayout(ofFirst: ranks, nodes: vertices[..<deviceCount].map(\.node))
  }
}

extension MessageSchedule {
  /// What each rank sent each other over the network, whatever it was for.
  func traffic(ranks: Int) -> TrafficMatrix {
    var bytes = [Double](repeating: 0, count: ranks * ranks)
    for step in steps where step.kind == .message && step.source >= 0 && step.target >= 0 {
      bytes[Int(step.source) * ranks + Int(step.target)] += step.bytes
    }
    return TrafficMatrix(ranks: ranks, bytes: bytes)
  }
}
