/// Links by the level at which they are full, as it was when somebody last looked; levels only rise.
struct LevelHeap: ~Copyable {
  struct Entry: BitwiseCopyable {
    var level: Double
    var item: Int
  }

  private let entries: Slab<Entry>
  private var count = 0

  init(capacity: Int) { entries = Slab(capacity: capacity) }

  var lowest: Entry? { count > 0 ? entries[0] : nil }

  /// The lowest level of all others.
  var second: Double {
    if count > 2 { return min(entries[1].level, entries[2].level) }
    return count == 2 ? entries[1].level : .infinity
  }

  mutating func removeAll() { count = 0 }

  /// Adds an item at the end, unless its level is infinite; ``arrange()`` makes a heap of them all.
  mutating func append(_ level: Double, _ item: Int) {
    guard level < .infinity else { return }
    entries[count] = Entry(level: level, item: item)
    count += 1
  }

  /// O(items).
  func arrange() {
    guard count > 1 else { return }
    for position in (0..<count / 2).reversed() { sink(position) }
  }

  /// O(log items).
  mutating func insert(_ level: Double, _ item: Int) {
    guard level < .infinity else { return }
    let entry = Entry(level: level, item: item)
    var position = count
    count += 1
    while position > 0, isBefore(entry, entries[(position - 1) / 2]) {
      entries[position] = entries[(position - 1) / 2]
      position = (position - 1) / 2
    }
    entries[position] = entry
  }

  func raiseLowest(to level: Double) {
    entries[0].level = level
    sink(0)
  }

  mutating func removeLowest() {
    count -= 1
    entries[0] = entries[count]
    sink(0)
  }

  private func sink(_ start: Int) {
    var position = start
    let entry = entries[position]
    while true {
      var child = 2 * position + 1
      guard child < count else { break }
      if child + 1 < count, isBefore(entries[child + 1], entries[child]) { child += 1 }
      guard isBefore(entries[child], entry) else { break }
      entries[position] = entries[child]
      position = child
    }
    if count > 0 { entries[position] = entry }
  }

  /// Ties go by number, so that the order depends on the network alone.
  private func isBefore(_ a: Entry, _ b: Entry) -> Bool {
    a.level < b.level || (a.level == b.level && a.item < b.item)
  }
}
