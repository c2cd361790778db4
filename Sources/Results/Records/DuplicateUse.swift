/// How often weights that a device needed and did not hold were among the copies that it keeps of
/// others' experts.
///
/// One expert of one device in one layer of an iteration counts once, however many tokens it has there.
public struct DuplicateUse: Hashable, Sendable {
  public var needed: Int
  public var found: Int

  public init(needed: Int, found: Int) {
    self.needed = needed
    self.found = found
  }

  /// Nil where none were needed.
  public var foundShare: Double? { needed > 0 ? Double(found) / Double(needed) : nil }
}
