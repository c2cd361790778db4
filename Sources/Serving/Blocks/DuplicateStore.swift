/// The experts of other devices that one device keeps a copy of: as many as fit, and of those the ones
/// that were used last.
///
/// An expert is a number of layer and expert; every call is O(1). Reads and writes allocate nothing.
struct DuplicateStore {
  private static let none: Int32 = -1
  let capacity: Int
  private(set) var count = 0
  /// The neighbours in the order of use of each expert that is kept, and whether it is.
  private var older: [Int32]
  private var newer: [Int32]
  private var isKept: [Bool]
  private var newest = none
  private var oldest = none

  /// - Parameters:
  ///   - capacity: Experts that fit.
  ///   - experts: Of all layers.
  init(capacity: Int, experts: Int) {
    self.capacity = capacity
    older = [Int32](repeating: Self.none, count: experts)
    newer = older
    isKept = [Bool](repeating: false, count: experts)
  }

  func contains(_ expert: Int) -> Bool { isKept[expert] }

  /// Notes that a kept expert is used.
  mutating func use(_ expert: Int) {
    guard isKept[expert] else { return }
    unlink(expert)
    link(expert)
  }

  /// Keeps an expert, in place of the one that was used longest ago where there is no room.
  mutating func keep(_ expert: Int) {
    guard capacity > 0 else { return }
    guard !isKept[expert] else { return use(expert) }
    if count == capacity {
      let victim = Int(oldest)
      unlink(victim)
      isKept[victim] = false
      count -= 1
    }
    isKept[expert] = true
    count += 1
    link(expert)
  }

  private mutating func unlink(_ expert: Int) {
    let (before, after) = (older[expert], newer[expert])
    if before == Self.none { oldest = after } else { newer[Int(before)] = after }
    if after == Self.none { newest = before } else { older[Int(after)] = before }
  }

  private mutating func link(_ expert: Int) {
    older[expert] = newest
    newer[expert] = Self.none
    if newest == Self.none { oldest = Int32(expert) } else { newer[Int(newest)] = Int32(expert) }
    newest = Int32(expert)
  }
}
