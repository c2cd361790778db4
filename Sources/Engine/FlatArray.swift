/// A growable array of plain values in raw memory: no reference counting, no copy on write.
///
/// Swift's `Array` asks on every write whether its storage is shared. In the run loop, which writes
/// a dozen such arrays per event, that question costs more than the work. Bounds stay checked.
struct FlatArray<Element: BitwiseCopyable>: ~Copyable {
  private var slab: Slab<Element>
  private(set) var count = 0

  init() { slab = Slab(capacity: 16) }

  /// O(1).
  subscript(index: Int) -> Element {
    get {
      precondition(UInt(bitPattern: index) < UInt(bitPattern: count))
      return slab[index]
    }
    _modify {
      precondition(UInt(bitPattern: index) < UInt(bitPattern: count))
      yield &slab[index]
    }
  }

  /// Amortised O(1).
  @inline(__always)
  mutating func append(_ element: Element) {
    if count == slab.capacity { slab.grow(toHold: count + 1, keeping: count) }
    slab[count] = element
    count += 1
  }

  @inline(__always)
  mutating func removeLast() -> Element {
    precondition(count > 0)
    count -= 1
    return slab[count]
  }

  /// Keeps the memory. O(1).
  mutating func removeAll() { count = 0 }

  /// Makes the array `newCount` times `element`. O(newCount).
  mutating func fill(_ newCount: Int, with element: Element) {
    slab.grow(toHold: newCount, keeping: 0)
    slab.fill(0..<newCount, with: element)
    count = newCount
  }
}

extension FlatArray {
  var isEmpty: Bool { count == 0 }
  var indices: Range<Int> { 0..<count }
}
