import Units

/// How one resource was used while iterations were measured, as the engine counts it.
public struct ResourceUse: Hashable, Sendable {
  /// In the unit of the capacity, without "per second".
  public var served: Double
  /// What it could have served: the integral of its capacity over the time, in the same unit.
  public var offered: Double
  /// The time in which it had at least one user.
  public var busy: Seconds
  /// The time that its users spent on it, added up over users.
  public var claimed: Seconds

  public init(served: Double, offered: Double, busy: Seconds, claimed: Seconds) {
    self.served = served
    self.offered = offered
    self.busy = busy
    self.claimed = claimed
  }
}
