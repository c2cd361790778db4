/// Which active demands lie on which resource: a doubly linked list per resource, threaded through
/// flat arrays with one entry a demand of the graph. Claiming and giving back cost O(1).
struct Claims: ~Copyable {
  private var head = FlatArray<Int32>()
  private var after = FlatArray<Int32>()
  private var before = FlatArray<Int32>()
  /// The task that a demand belongs to.
  private(set) var owner = FlatArray<Int32>()
  /// Resources whose users changed since rates were last solved; may name one twice.
  private var changed = FlatArray<Int32>()
  private var shared = FlatArray<Bool>()

  private static var none: Int32 { -1 }

  init(_ resources: ResourceTable) {
    head.fill(resources.count, with: Self.none)
    for isShared in resources.isShared { shared.append(isShared) }
  }

  /// O(demands).
  mutating func prepare(_ graph: borrowing TaskGraph) {
    let demands = graph.demandResource.count
    head.fill(head.count, with: Self.none)
    after.fill(demands, with: Self.none)
    before.fill(demands, with: Self.none)
    owner.fill(demands, with: 0)
    changed.removeAll()
    for task in 0..<graph.taskCount {
      for entry in graph.demands(of: task) { owner[entry] = Int32(task) }
    }
  }

  var resourceCount: Int { head.count }
  func isIdle(_ resource: Int) -> Bool { head[resource] == Self.none }
  func isShared(_ resource: Int) -> Bool { shared[resource] }

  mutating func link(_ entry: Int, to resource: Int) {
    let first = head[resource]
    after[entry] = first
    before[entry] = Self.none
    if first != Self.none { before[Int(first)] = Int32(entry) }
    head[resource] = Int32(entry)
  }

  mutating func unlink(_ entry: Int, from resource: Int) {
    let next = after[entry]
    let previous = before[entry]
    if previous == Self.none { head[resource] = next } else { after[Int(previous)] = next }
    if next != Self.none { before[Int(next)] = previous }
  }

  /// The first active demand on a resource, and the one after a given one; nil at the end.
  func firstClaim(on resource: Int) -> Int? {
    head[resource] == Self.none ? nil : Int(head[resource])
  }
  func claim(after entry: Int) -> Int? { after[entry] == Self.none ? nil : Int(after[entry]) }

  var hasChanges: Bool { !changed.isEmpty }
  mutating func noteChange(_ resource: Int) { changed.append(Int32(resource)) }
  mutating func takeChange() -> Int? { changed.isEmpty ? nil : Int(changed.removeLast()) }
}

extension TaskGraph {
  func demands(of task: Int) -> Range<Int> { Int(demandStart[task])..<Int(demandStart[task + 1]) }
}
