#if canImport(Glibc)
  import Glibc
#endif

/// A block of memory for plain values that belongs to one owner and is indexed without a check in
/// release builds; debug builds, and so the tests, check every access.
///
/// What lies in a slot before it is first written is undefined.
struct Slab<Element: BitwiseCopyable>: ~Copyable {
  private var base: UnsafeMutablePointer<Element>
  private(set) var capacity: Int

  /// O(1).
  init(capacity: Int) {
    base = Self.allocate(capacity)
    self.capacity = capacity
  }

  /// O(count).
  init(repeating element: Element, count: Int) {
    self.init(capacity: count)
    fill(0..<count, with: element)
  }

  /// O(elements).
  init(_ elements: [Element]) {
    self.init(capacity: elements.count)
    for (index, element) in elements.enumerated() { self[index] = element }
  }

  var indices: Range<Int> { 0..<capacity }

  deinit { UnsafeMutableRawPointer(base).deallocate() }

  subscript(index: Int) -> Element {
    get {
      assert(index >= 0 && index < capacity)
      return base[index]
    }
    nonmutating _modify {
      assert(index >= 0 && index < capacity)
      yield &base[index]
    }
  }

  /// Makes room for at least `needed` elements, at least doubling, and keeps the first `used`.
  /// O(used); amortised over pushes, O(1).
  mutating func grow(toHold needed: Int, keeping used: Int) {
    guard needed > capacity else { return }
    let larger = max(needed, 2 * capacity)
    let copy = Self.allocate(larger)
    copy.update(from: base, count: used)
    UnsafeMutableRawPointer(base).deallocate()
    base = copy
    capacity = larger
  }

  /// Moves `count` elements within the slab; source and destination may overlap. O(count).
  func move(from source: Int, to destination: Int, count: Int) {
    assert(min(source, destination) >= 0 && max(source, destination) + count <= capacity)
    (base + destination).update(from: base + source, count: count)
  }

  func fill(_ range: Range<Int>, with element: Element) {
    assert(range.lowerBound >= 0 && range.upperBound <= capacity)
    (base + range.lowerBound).update(repeating: element, count: range.count)
  }

  /// Cache-line alignment, so that values of 32 bytes never straddle a line; blocks of several
  /// megabytes on huge pages where the system has them, because a random access to a million
  /// events otherwise misses the translation buffer too.
  private static func allocate(_ capacity: Int) -> UnsafeMutablePointer<Element> {
    let hugePage = 2 << 20
    let bytes = capacity * MemoryLayout<Element>.stride
    let isLarge = bytes >= 2 * hugePage
    let memory = UnsafeMutableRawPointer.allocate(
      byteCount: bytes, alignment: isLarge ? hugePage : 64)
    #if canImport(Glibc)
      if isLarge { madvise(memory, bytes, MADV_HUGEPAGE) }
    #endif
    return memory.bindMemory(to: Element.self, capacity: capacity)
  }
}
