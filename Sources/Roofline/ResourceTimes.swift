import Units

/// Time by kind of resource: how long some work keeps it busy, or how long it binds.
public struct ResourceTimes: Hashable, Sendable {
  private var seconds = SIMD16<Double>.zero

  public init() {}

  public internal(set) subscript(resource: Resource) -> Seconds {
    get { Seconds(seconds[resource.rawValue]) }
    set { seconds[resource.rawValue] = newValue.value }
  }

  mutating func add(_ other: ResourceTimes, times count: Double = 1) {
    seconds += other.seconds * count
  }

  /// No schedule is faster: the longest of all.
  public var bound: Seconds { Seconds(seconds.max()) }

  /// Of all together.
  public var sum: Seconds { Seconds(seconds.sum()) }

  /// The resource that is busy longest; of equal ones the first. Nil where there is no work.
  public var binding: Resource? {
    guard bound > .zero else { return nil }
    return Resource.allCases.first { self[$0] == bound }
  }

  /// The share of the bound that each resource is busy, most first; without those that are idle.
  public var shares: [(resource: Resource, share: Double)] {
    Resource.allCases.filter { self[$0] > .zero }
      .map { ($0, self[$0] / bound) }
      .enumerated().sorted { ($1.element.1, $0.offset) < ($0.element.1, $1.offset) }
      .map(\.element)
  }
}
