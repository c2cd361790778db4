/// For each cell of flows with one rate, which of them are with it and when they are done, counted in
/// bytes that the cell has served to each: a heap a cell, all in one block.
struct CellMembers: ~Copyable {
  private let first: Slab<Int32>
  private let count: Slab<Int32>
  private let heap: Slab<Int32>
  private let target: Slab<Double>
  /// Where in the heap's block a flow lies, or -1.
  private let place: Slab<Int32>

  /// All flows, each done when it has been served its size.
  init(_ flows: SimultaneousFlows, _ cells: borrowing FlowCells) {
    first = Slab(repeating: 0, count: cells.cellCount + 1)
    count = Slab(repeating: 0, count: cells.cellCount)
    heap = Slab(repeating: 0, count: flows.flowCount)
    target = Slab(flows.sizes)
    place = Slab(repeating: -1, count: flows.flowCount)
    for cell in 0..<cells.cellCount { first[cell + 1] = first[cell] + cells.cellSize[cell] }
    for flow in 0..<flows.flowCount { append(flow, to: Int(cells.cellOf[flow])) }
    for cell in 0..<cells.cellCount {
      for position in (0..<Int(count[cell]) / 2).reversed() { sink(position, cell) }
    }
  }

  func contains(_ flow: Int) -> Bool { place[flow] >= 0 }
  func doneAt(_ flow: Int) -> Double { target[flow] }

  /// The least that the cell has to have served before one of its flows is done; nil without flows.
  func next(of cell: Int) -> Double? {
    count[cell] > 0 ? target[Int(heap[Int(first[cell])])] : nil
  }

  func takeNext(of cell: Int) -> Int32 {
    let flow = heap[Int(first[cell])]
    remove(Int(flow), of: cell)
    return flow
  }

  func add(_ flow: Int, doneAt served: Double, to cell: Int) {
    target[flow] = served
    append(flow, to: cell)
    rise(Int(count[cell]) - 1, cell)
  }

  /// O(log members).
  func remove(_ flow: Int, of cell: Int) {
    let position = Int(place[flow] - first[cell])
    count[cell] -= 1
    let last = Int(count[cell])
    place[flow] = -1
    guard position < last else { return }
    put(heap[Int(first[cell]) + last], at: position, cell)
    sink(position, cell)
    rise(position, cell)
  }

  private func append(_ flow: Int, to cell: Int) {
    put(Int32(flow), at: Int(count[cell]), cell)
    count[cell] += 1
  }

  private func put(_ flow: Int32, at position: Int, _ cell: Int) {
    let slot = Int(first[cell]) + position
    heap[slot] = flow
    place[Int(flow)] = Int32(slot)
  }

  private func flow(at position: Int, _ cell: Int) -> Int32 { heap[Int(first[cell]) + position] }

  /// Ties go by number.
  private func isBefore(_ a: Int32, _ b: Int32) -> Bool {
    let first = target[Int(a)]
    let second = target[Int(b)]
    return first < second || (first == second && a < b)
  }

  private func sink(_ start: Int, _ cell: Int) {
    var position = start
    let moving = flow(at: position, cell)
    let end = Int(count[cell])
    while 2 * position + 1 < end {
      var child = 2 * position + 1
      if child + 1 < end, isBefore(flow(at: child + 1, cell), flow(at: child, cell)) { child += 1 }
      guard isBefore(flow(at: child, cell), moving) else { break }
      put(flow(at: child, cell), at: position, cell)
      position = child
    }
    put(moving, at: position, cell)
  }

  private func rise(_ start: Int, _ cell: Int) {
    var position = start
    let moving = flow(at: position, cell)
    while position > 0, isBefore(moving, flow(at: (position - 1) / 2, cell)) {
      put(flow(at: (position - 1) / 2, cell), at: position, cell)
      position = (position - 1) / 2
    }
    put(moving, at: position, cell)
  }
}
