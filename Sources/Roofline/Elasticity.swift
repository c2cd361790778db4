import Units

/// Per cent of throughput for one per cent more of a resource.
public struct Elasticity: Hashable, Sendable {
  public var resource: Resource
  /// Of the bound with everything beside everything else: 1 for what binds, 0 for the others.
  public var ofBound: Double
  /// Of the parts one after the other: the share of the time that the resource binds. Throughput is
  /// tokens over a sum of maxima, and d ln(1/T) / d ln(capacity) = (time that it binds) / T.
  public var inTurn: Double

  /// Of every resource that does something, in the order of ``Resource``.
  ///
  /// At a kink, where two resources bind alike, a little more of one alone gives nothing, and a
  /// little less of either costs all of it; the answer is the first one's.
  public static func all(of work: IterationWork, on machine: Machine) -> [Elasticity] {
    let times = machine.times(of: work.total)
    let shares = work.sharesInTurn(on: machine)
    return Resource.allCases.compactMap { resource in
      guard times[resource] > .zero else { return nil }
      return Elasticity(
        resource: resource, ofBound: times.binding == resource ? 1 : 0,
        inTurn: shares.first { $0.resource == resource }?.share ?? 0)
    }
  }
}
