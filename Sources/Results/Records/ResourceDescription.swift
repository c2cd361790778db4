/// A capacity of the simulated machine, as results name it.
public struct ResourceDescription: Hashable, Sendable {
  public var name: String
  /// What resources are grouped by in summaries: "HBM", "tensor cores", "NIC out".
  public var kind: String
  /// What the capacity counts per second: `"B/s"`, `"FLOP/s"`.
  public var unit: String
  /// In base units per second.
  public var capacity: Double
  /// The device it belongs to, or nil for one that several share.
  public var device: Int?

  public init(name: String, kind: String, unit: String, capacity: Double, device: Int? = nil) {
    self.name = name
    self.kind = kind
    self.unit = unit
    self.capacity = capacity
    self.device = device
  }
}
