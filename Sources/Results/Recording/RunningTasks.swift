import Engine

/// The tasks that run now: for each device its kernels and its copies, and the exchanges of all
/// devices, each list in the order of release.
///
/// Lists are links through one pool of slots, so that nothing is allocated once the pool has reached
/// its size. Few tasks run on one device at a time: finding one walks its list.
struct RunningTasks {
  private struct Slot {
    var task: Int32
    var next: Int32
    var label: TaskLabel
  }

  private static let none: Int32 = -1
  private var slots: [Slot] = []
  private var freeSlot = none
  private var heads: [Int32]
  private var tails: [Int32]
  private(set) var count = 0

  /// - Parameter listCount: Lists are numbered from 0.
  init(listCount: Int) {
    heads = [Int32](repeating: Self.none, count: listCount)
    tails = heads
    slots.reserveCapacity(4 * listCount)
  }

  /// The label of the task of a list that was released first. O(1).
  func first(in list: Int) -> TaskLabel? {
    let head = heads[list]
    return head == Self.none ? nil : slots[Int(head)].label
  }

  /// O(1).
  mutating func append(_ task: TaskID, _ label: TaskLabel, to list: Int) {
    let slot = takeSlot(Slot(task: task.index, next: Self.none, label: label))
    if heads[list] == Self.none {
      heads[list] = slot
    } else {
      slots[Int(tails[list])].next = slot
    }
    tails[list] = slot
    count += 1
  }

  /// False where the list does not hold the task. O(tasks that run in the list).
  mutating func remove(_ task: TaskID, from list: Int) -> Bool {
    var previous = Self.none
    var slot = heads[list]
    while slot != Self.none, slots[Int(slot)].task != task.index {
      previous = slot
      slot = slots[Int(slot)].next
    }
    guard slot != Self.none else { return false }
    let next = slots[Int(slot)].next
    if previous == Self.none { heads[list] = next } else { slots[Int(previous)].next = next }
    if tails[list] == slot { tails[list] = previous }
    slots[Int(slot)].next = freeSlot
    freeSlot = slot
    count -= 1
    return true
  }

  private mutating func takeSlot(_ content: Slot) -> Int32 {
    guard freeSlot != Self.none else {
      slots.append(content)
      return Int32(slots.count - 1)
    }
    let slot = freeSlot
    freeSlot = slots[Int(slot)].next
    slots[Int(slot)] = content
    return slot
  }
}
