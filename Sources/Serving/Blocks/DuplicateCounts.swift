/// How often weights that a device needed and did not hold were among the duplicates that it keeps.
///
/// One expert of one device in one layer of an iteration counts once, however many blocks it has there.
public struct DuplicateCounts: Hashable, Sendable {
  /// Experts that devices had blocks of and did not hold.
  public private(set) var needed = 0
  /// Those of them that a duplicate was kept of; the others' weights were read from their holders.
  public private(set) var found = 0

  mutating func add(_ work: BlockWork) {
    needed += work.hits + work.misses
    found += work.hits
  }
}
