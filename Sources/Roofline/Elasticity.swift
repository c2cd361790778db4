import Units

/// Per cent of throughput for one per cent more of a resource.
///
/// More of what devices and companions share is more of every part of it, which alone can be bought: a
/// part gives its share of what the shared capacity gives, besides what it gives by itself.
public struct Elasticity: Hashable, Sendable {
  public var resource: Resource
  /// Of the bound with everything beside everything else: 1 for what binds, 0 for the others.
  public var ofBound: Double
  /// Of the launches one after the other: the share of the time that the resource binds. Throughput is
  /// tokens over a sum of maxima, and d ln(1/T) / d ln(capacity) = (time that it binds) / T.
  public var inTurn: Double

  /// Of every resource that does something, or is a part of what does, in the order of ``Resource``.
  ///
  /// At a kink, where two resources bind alike, a little more of one alone gives nothing, and a
  /// little less of either costs all of it; the answer is the first one's.
  public static func all(of work: IterationWork) -> [Elasticity] {
    let times = work.machine.times(of: work.total)
    var binding = ResourceTimes()
    if let resource = times.binding { binding[resource] = times.bound }
    return Resource.allCases.compactMap { resource in
      let isUsed = Resource.allCases.contains {
        times[$0] > .zero && ($0 == resource || $0.parts.contains(resource))
      }
      guard isUsed else { return nil }
      return Elasticity(
        resource: resource, ofBound: work.machine.gain(of: resource, where: binding),
        inTurn: work.machine.gain(of: resource, where: work.inTurn))
    }
  }
}

extension Machine {
  /// What one per cent more of a resource gives where others bind for so long.
  fileprivate func gain(of resource: Resource, where binding: ResourceTimes) -> Double {
    guard binding.sum > .zero else { return 0 }
    return resource.parts.reduce(0) { sum, part in
      Resource.allCases.reduce(sum) {
        $0 + binding[$1] / binding.sum * share(of: part, in: $1)
      }
    }
  }
}
