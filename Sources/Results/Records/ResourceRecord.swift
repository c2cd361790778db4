/// What one resource did while iterations were measured.
public struct ResourceRecord: Hashable, Sendable {
  /// Index into ``RunDescription/resources``.
  public var resource: Int
  /// In the unit of the capacity, without "per second".
  public var served: Double
  /// Served over what the capacity could have: 0 to 1.
  public var utilisation: Double
}
