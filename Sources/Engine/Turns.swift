/// Who has the turn at each resource where tasks go one at a time, and who waits for it: a list for each
/// resource and precedence, threaded through one entry a task. Everything costs O(precedences).
struct Turns: ~Copyable {
  /// The task whose turn it is.
  private var holder = FlatArray<Int32>()
  /// `[resource][precedence]`: the first and the last task that wait.
  private var first = FlatArray<Int32>()
  private var last = FlatArray<Int32>()
  /// The task behind each one, `[task]`.
  private var behind = FlatArray<Int32>()

  private static var none: Int32 { -1 }

  /// O(tasks + resources) where tasks take turns, else O(1).
  mutating func prepare(_ graph: borrowing TaskGraph, resourceCount: Int) {
    guard !graph.turnResource.isEmpty else { return }
    holder.fill(resourceCount, with: Self.none)
    first.fill(resourceCount * TaskGraph.precedences, with: Self.none)
    last.fill(resourceCount * TaskGraph.precedences, with: Self.none)
    behind.fill(graph.turnResource.count, with: Self.none)
  }

  /// Gives the task its turn, or a place behind those that wait.
  ///
  /// - Returns: Whether it may go.
  mutating func take(_ task: Int, at resource: Int, precedence: Int) -> Bool {
    guard holder[resource] != Self.none else {
      holder[resource] = Int32(task)
      return true
    }
    let place = resource * TaskGraph.precedences + precedence
    if first[place] == Self.none {
      first[place] = Int32(task)
    } else {
      behind[Int(last[place])] = Int32(task)
    }
    last[place] = Int32(task)
    return false
  }

  /// Ends the turn of the task that has it.
  ///
  /// - Returns: Whose turn it is then: of those with the least precedence, who waits longest.
  mutating func give(at resource: Int) -> Int? {
    let places = resource * TaskGraph.precedences..<(resource + 1) * TaskGraph.precedences
    guard let place = places.first(where: { first[$0] != Self.none }) else {
      holder[resource] = Self.none
      return nil
    }
    let next = first[place]
    first[place] = behind[Int(next)]
    holder[resource] = next
    return Int(next)
  }
}

extension TaskGraph {
  /// How many precedences there are.
  static var precedences: Int { 4 }

  /// Where a task needs the turn; nil where it needs none.
  func turn(of task: Int) -> (resource: Int, precedence: Int)? {
    guard task < turnResource.count, turnResource[task] >= 0 else { return nil }
    return (Int(turnResource[task]), Int(turnPrecedence[task]))
  }
}
