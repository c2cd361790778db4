import Engine

/// The tasks that run now: for each device its kernels and its copies, and the exchanges of all
/// devices, each list in the order of release.
///
/// Slot i of one pool is the head of list i, and what runs beside it links to slots behind the heads:
/// most lists hold one task or none, so most calls touch one slot. Nothing is allocated once the
/// pool has reached its size.
struct RunningTasks {
  private struct Slot {
    var task: Int32
    var next: Int32
    var label: TaskLabel
  }

  private static let none: Int32 = -1
  private static let empty = Slot(
    task: none, next: none, label: TaskLabel(stage: 0, device: 0))
  private var slots: [Slot]
  private var freeSlot = none
  private(set) var count = 0

  /// - Parameter listCount: Lists are numbered from 0.
  init(listCount: Int) {
    slots = [Slot](repeating: Self.empty, count: listCount)
    slots.reserveCapacity(2 * listCount)
  }

  /// The label of the task of a list that was released first. O(1).
  func first(in list: Int) -> TaskLabel? {
    let head = slots[list]
    return head.task == Self.none ? nil : head.label
  }

  /// O(tasks that run in the list).
  mutating func append(_ task: TaskID, _ label: TaskLabel, to list: Int) {
    count += 1
    let content = Slot(task: task.index, next: Self.none, label: label)
    guard slots[list].task != Self.none else {
      slots[list] = content
      return
    }
    let slot = takeSlot(content)
    var tail = list
    while slots[tail].next != Self.none { tail = Int(slots[tail].next) }
    slots[tail].next = slot
  }

  /// False where the list does not hold the task. O(tasks that run in the list).
  mutating func remove(_ task: TaskID, from list: Int) -> Bool {
    var previous = list
    var slot = list
    while slots[slot].task != task.index {
      guard slots[slot].next != Self.none else { return false }
      previous = slot
      slot = Int(slots[slot].next)
    }
    count -= 1
    let next = slots[slot].next
    if slot != list {
      slots[previous].next = next
      free(slot)
    } else if next == Self.none {
      slots[list] = Self.empty
    } else {
      slots[list] = slots[Int(next)]
      free(Int(next))
    }
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

  private mutating func free(_ slot: Int) {
    slots[slot].next = freeSlot
    freeSlot = Int32(slot)
  }
}
