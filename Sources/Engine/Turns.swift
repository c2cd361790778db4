/// Which of the tasks that wait for a turn at a resource goes next.
public enum TurnPrecedence: UInt8, CaseIterable, Sendable, BitwiseCopyable {
  /// Goes before all usual ones, because more waits for it than it holds up: the vector that a kernel cannot
  /// begin without, before the next piece of many gigabytes.
  case urgent = 0
  /// Goes when nothing urgent waits: in the order of coming, so that nobody is passed by his equals.
  case usual = 1
}

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
  private static var precedences: Int { TurnPrecedence.allCases.count }

  /// O(tasks + resources) where tasks take turns, else O(1).
  mutating func prepare(_ graph: borrowing TaskGraph, resourceCount: Int) {
    guard !graph.turnResource.isEmpty else { return }
    holder.fill(resourceCount, with: Self.none)
    first.fill(resourceCount * Self.precedences, with: Self.none)
    last.fill(resourceCount * Self.precedences, with: Self.none)
    behind.fill(graph.turnResource.count, with: Self.none)
  }

  /// Gives the task its turn, or a place behind those that wait.
  ///
  /// - Returns: Whether it may go.
  mutating func take(_ task: Int, at resource: Int, precedence: TurnPrecedence) -> Bool {
    guard holder[resource] != Self.none else {
      holder[resource] = Int32(task)
      return true
    }
    let place = resource * Self.precedences + Int(precedence.rawValue)
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
  /// - Returns: Whose turn it is then: of those with the highest precedence, who waits longest.
  mutating func give(at resource: Int) -> Int? {
    let places = resource * Self.precedences..<(resource + 1) * Self.precedences
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
  /// Where a task needs the turn; nil where it needs none.
  func turn(of task: Int) -> (resource: Int, precedence: TurnPrecedence)? {
    guard task < turnResource.count, turnResource[task] >= 0 else { return nil }
    return (Int(turnResource[task]), turnPrecedence[task])
  }
}
