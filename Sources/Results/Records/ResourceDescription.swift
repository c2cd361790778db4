/// A capacity of the simulated machine, as results name it.
public struct ResourceDescription: Hashable, Sendable {
  public var name: String
  /// What resources are grouped by in summaries: "HBM", "tensor cores", "NIC out".
  public var kind: String
  /// What the capacity counts per second: `"B/s"`, `"FLOP/s"`.
  public var unit: String
  /// In base units per second; where it changes in time, at the beginning.
  public var capacity: Double
  /// The device it belongs to, or nil for one that several share.
  public var device: Int?
  /// Whether it is one direction of a link between devices, hosts, network cards or switches.
  public var isLink: Bool

  public init(
    name: String, kind: String, unit: String, capacity: Double, device: Int? = nil,
    isLink: Bool = false
  ) {
    self.name = name
    self.kind = kind
    self.unit = unit
    self.capacity = capacity
    self.device = device
    self.isLink = isLink
  }
}
