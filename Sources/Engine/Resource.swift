import Units

/// A named capacity: a memory's bytes per second, one direction of a link, a set of tensor cores.
public struct ResourceID: Hashable, Sendable, BitwiseCopyable {
  let index: Int32

  /// Position in the order of ``ResourceTable/add(_:capacity:isShared:)``.
  public var position: Int { Int(index) }
}

/// The resources of a machine, in the order they were added.
///
///     var resources = ResourceTable()
///     let memory = resources.add("gpu 0 HBM", capacity: Bandwidth(parsing: "3.35 TB/s"))
public struct ResourceTable: Sendable {
  public private(set) var names: [String] = []
  /// What each capacity counts per second: `"B/s"`, `"s/s"`.
  public private(set) var unitSymbols: [String] = []
  /// In base units per second.
  public private(set) var capacities: [Double] = []
  /// Whether the users of a resource divide its capacity among them.
  public private(set) var isShared: [Bool] = []

  public init() {}

  public var count: Int { names.count }

  /// Adds a resource. A capacity of zero is allowed (a failed link): what demands it never finishes,
  /// and the run says so.
  ///
  /// - Parameter isShared: False for a resource of which each user may take all there is, whoever
  ///   else uses it: a core that does not block. It limits a task's rate and makes nobody wait for
  ///   anybody.
  public mutating func add<Unit>(
    _ name: String, capacity: Quantity<PerSecond<Unit>>, isShared: Bool = true
  ) -> ResourceID {
    names.append(name)
    unitSymbols.append(PerSecond<Unit>.symbol)
    capacities.append(max(0, capacity.value))
    self.isShared.append(isShared)
    return ResourceID(index: Int32(names.count - 1))
  }

  /// The same resources with every capacity multiplied by `factor`.
  public func scaled(by factor: Double) -> ResourceTable {
    var scaled = self
    scaled.capacities = capacities.map { $0 * factor }
    return scaled
  }
}
