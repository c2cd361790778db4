/// The token rows of a group of experts, as tiles see them.
///
///     let load = GroupedLoad(counts: [17, 0, 3])
///     // 20 rows of 2 active experts; 3 tiles of 16 rows, 2 of 32, 64 or 128
///
/// What a grouped multiplication costs depends on how rows are spread: every expert with a row
/// reads its weights, and fills its last tile in part only.
public struct GroupedLoad: Hashable, Sendable {
  /// Rows of all experts: tokens x experts chosen, as far as they are these.
  public var rows: Double
  /// Experts with at least one row.
  public var active: Double
  /// Sum over the experts of their rows over 16, rounded up; and for tiles of 32, 64 and 128 rows.
  public var blocks16: Double
  public var blocks32: Double
  public var blocks64: Double
  public var blocks128: Double

  /// No rows.
  public init() {
    rows = 0
    active = 0
    blocks16 = 0
    blocks32 = 0
    blocks64 = 0
    blocks128 = 0
  }

  /// O(experts), no allocation.
  ///
  /// - Parameter counts: Rows of each expert; what is negative counts as none.
  @inlinable
  public init(counts: some Sequence<Int>) {
    self.init()
    for count in counts { add(count) }
  }

  /// One more expert with so many rows.
  @inlinable
  public mutating func add(_ count: Int) {
    guard count > 0 else { return }
    rows += Double(count)
    active += 1
    blocks16 += Double(1 + (count - 1) / 16)
    blocks32 += Double(1 + (count - 1) / 32)
    blocks64 += Double(1 + (count - 1) / 64)
    blocks128 += Double(1 + (count - 1) / 128)
  }

  /// The mean of loads that were drawn from one distribution.
  public init(mean loads: [GroupedLoad]) {
    self.init()
    guard !loads.isEmpty else { return }
    let share = 1 / Double(loads.count)
    for load in loads {
      rows += load.rows * share
      active += load.active * share
      blocks16 += load.blocks16 * share
      blocks32 += load.blocks32 * share
      blocks64 += load.blocks64 * share
      blocks128 += load.blocks128 * share
    }
  }
}
