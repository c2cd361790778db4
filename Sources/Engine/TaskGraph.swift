import Units

/// A task of one graph: its position in the order of ``TaskGraph/addTask(_:latency:energy:)``.
public struct TaskID: Hashable, Sendable, BitwiseCopyable {
  public let index: Int32

  public init(index: Int) { self.index = Int32(truncatingIfNeeded: index) }

  public var position: Int { Int(index) }
}

/// What observers group tasks by. The engine carries it and never looks at it.
public struct TaskLabel: Hashable, Sendable, BitwiseCopyable {
  /// What kind of work, in the vocabulary of whoever built the graph.
  public var stage: UInt8
  /// What the builder expects to bound the task when it runs alone, in its own vocabulary.
  public var bound: UInt8
  /// The model layer, or -1.
  public var layer: Int16
  /// The device it runs on, or ``everyDevice``.
  public var device: Int32
  /// What bounds the task's work, its latency left out, in the same vocabulary as `bound`.
  public var work: WorkBounds

  /// Two bounds that divide a task's time between them.
  public struct WorkBounds: Hashable, Sendable, BitwiseCopyable {
    public var first: UInt8
    public var second: UInt8
    /// The first one's part, in 255ths; the rest is the second one's.
    public var firstShare: UInt8

    /// One bound for all of it.
    public init(_ bound: UInt8) {
      first = bound
      second = bound
      firstShare = 255
    }

    /// - Parameter share: The first one's part of the time, 0 to 1.
    public init(_ first: UInt8, share: Double, _ second: UInt8) {
      self.first = first
      self.second = second
      firstShare = share.isFinite ? UInt8(min(max(share * 255, 0), 255).rounded()) : 255
    }
  }

  /// The device of a task that all devices take part in.
  public static let everyDevice: Int32 = -1

  public init(stage: UInt8, bound: UInt8 = 0, layer: Int = -1, device: Int) {
    self.stage = stage
    self.bound = bound
    self.layer = Int16(truncatingIfNeeded: layer)
    self.device = Int32(truncatingIfNeeded: device)
    work = WorkBounds(bound)
  }
}

/// One iteration's work: tasks with demands on resources, and which task waits for which.
///
///     var graph = TaskGraph()
///     let gate = graph.addTask(label, latency: SimTime(microseconds: 3))
///     graph.demand(Bytes(2e6), of: memory)            // of the task added last
///     graph.demand(FLOPs(4e9), of: tensorCores)
///     graph.add(experts, after: gate)
///
/// Everything lies in flat arrays; ``removeAll()`` keeps their memory, so a graph that is rebuilt
/// every iteration allocates nothing once it has reached its size.
public struct TaskGraph: ~Copyable {
  var labels = FlatArray<TaskLabel>()
  var latencies = FlatArray<SimTime>()
  var joules = FlatArray<Double>()
  /// Seconds that the task takes at least once it is active.
  var shortest = FlatArray<Double>()
  /// Demands of task i are entries `demandStart[i]..<demandStart[i + 1]`.
  var demandStart = FlatArray<Int32>()
  var demandResource = FlatArray<Int32>()
  var demandAmount = FlatArray<Double>()
  var edgeFrom = FlatArray<Int32>()
  var edgeTo = FlatArray<Int32>()
  /// Up to the last task that takes turns: the resource at which it does, or -1, and its precedence.
  var turnResource = FlatArray<Int32>()
  var turnPrecedence = FlatArray<TurnPrecedence>()

  public init() { demandStart.append(0) }

  public var taskCount: Int { labels.count }
  public var dependencyCount: Int { edgeFrom.count }

  /// Adds a task that has no demands and waits for nothing yet. Amortised O(1).
  ///
  /// - Parameters:
  ///   - latency: Passes before the task claims its share of resources.
  ///   - energy: Spent by the task besides what its devices draw when idle.
  @discardableResult
  public mutating func addTask(
    _ label: TaskLabel, latency: SimTime = .zero, energy: Joules = .zero
  ) -> TaskID {
    let id = TaskID(index: labels.count)
    labels.append(label)
    latencies.append(latency)
    joules.append(energy.value)
    shortest.append(0)
    demandStart.append(Int32(demandResource.count))
    return id
  }

  /// Gives the task that was added last a demand on a resource; zero demands are dropped, and a
  /// second demand on the same resource is a task's own mistake that counts twice. Amortised O(1).
  public mutating func demand<Unit>(_ amount: Quantity<Unit>, of resource: ResourceID) {
    guard amount.value > 0, labels.count > 0 else { return }
    demandResource.append(resource.index)
    demandAmount.append(amount.value)
    demandStart[labels.count] = Int32(demandResource.count)
  }

  /// Lets the task that was added last take no less than `span` once it is active, whatever its
  /// resources would give it: a cap on its rate. A flow that its sender's threads drive at 25 GB/s at
  /// most takes at least `bytes / Bandwidth(25e9)`. The longest span given counts. O(1).
  public mutating func takeAtLeast(_ span: Seconds) {
    guard labels.count > 0, span.value > shortest[labels.count - 1] else { return }
    shortest[labels.count - 1] = span.value
  }

  /// Lets the task that was added last begin only when it has its turn at a resource: of all tasks that
  /// take turns there one is under way at a time, from its latency to its end. Those that take none are
  /// not held up, and share the resource with it. The last turn given counts. Amortised O(1).
  ///
  ///     graph.takeTurn(at: link, precedence: .urgent)  // in a copy engine's queue, before usual ones
  ///
  /// - Parameter precedence: When a turn ends an urgent task goes next, among equals the one that has waited
  ///   longest, of those that wait then and those that waited for whoever ends. Nobody who is under way is
  ///   interrupted, and nobody is waited for who may come at the same moment.
  public mutating func takeTurn(at resource: ResourceID, precedence: TurnPrecedence = .usual) {
    guard labels.count > 0 else { return }
    while turnResource.count < labels.count {
      turnResource.append(-1)
      turnPrecedence.append(.usual)
    }
    turnResource[labels.count - 1] = resource.index
    turnPrecedence[labels.count - 1] = precedence
  }

  /// Makes `task` wait until `other` is done. Amortised O(1).
  public mutating func add(_ task: TaskID, after other: TaskID) {
    edgeFrom.append(other.index)
    edgeTo.append(task.index)
  }

  /// Drops every task and keeps the memory. O(1).
  public mutating func removeAll() {
    labels.removeAll()
    latencies.removeAll()
    joules.removeAll()
    shortest.removeAll()
    demandStart.removeAll()
    demandStart.append(0)
    demandResource.removeAll()
    demandAmount.removeAll()
    edgeFrom.removeAll()
    edgeTo.removeAll()
    turnResource.removeAll()
    turnPrecedence.removeAll()
  }

  public func label(of task: TaskID) -> TaskLabel { labels[task.position] }
  public func energy(of task: TaskID) -> Joules { Joules(joules[task.position]) }

  /// The time the task takes when nothing else runs: latency + max over resources of
  /// demand / capacity, or what it takes at least. This is its roofline. O(demands).
  public func timeAlone(_ task: TaskID, on resources: ResourceTable) -> SimTime {
    var longest = shortest[task.position]
    for entry in Int(demandStart[task.position])..<Int(demandStart[task.position + 1]) {
      let capacity = resources.capacities[Int(demandResource[entry])]
      longest = max(longest, demandAmount[entry] / capacity)
    }
    return latencies[task.position] + SimTime(roundingUp: longest)
  }

  /// What all tasks together demand of each resource, in its base unit. O(demands).
  public func totalDemands(on resources: ResourceTable) -> [Double] {
    var totals = [Double](repeating: 0, count: resources.count)
    for entry in demandResource.indices {
      totals[Int(demandResource[entry])] += demandAmount[entry]
    }
    return totals
  }
}
