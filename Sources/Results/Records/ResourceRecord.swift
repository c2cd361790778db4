import Units

/// What one resource did while iterations were measured.
public struct ResourceRecord: Hashable, Sendable {
  /// Index into ``RunDescription/resources``.
  public var resource: Int
  /// In the unit of the capacity, without "per second".
  public var served: Double
  /// Served over what the capacity could have: 0 to 1. Where the capacity changed in time, over its
  /// integral.
  public var utilisation: Double
  /// The time in which it had at least one user. No shorter than utilisation times the time that
  /// passed.
  public var busy: Seconds
  /// The time that its users spent on it, added up over users, beyond what their amounts take of it
  /// at its capacity: they waited for each other, or for other resources that were slower.
  public var waited: Seconds

  /// - Parameter elapsed: The time in which it was used.
  init(_ resource: Int, _ use: ResourceUse, elapsed: SimTime) {
    self.resource = resource
    served = use.served
    utilisation = use.offered > 0 ? use.served / use.offered : 0
    busy = use.busy
    // Amounts take served / capacity; where the capacity changed, served / its mean over the time.
    waited = max(.zero, use.claimed - Seconds(elapsed) * utilisation)
  }
}
