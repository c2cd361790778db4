/// The steps of a schedule by how many others, one after the other, come before them: the schedule in
/// port form, where everybody waits for everybody between one phase and the next.
public struct SchedulePhases: Sendable {
  /// For each step, how many messages and copies lead to it, itself included.
  public let depths: [Int32]
  /// Positions of messages and copies, phase by phase.
  private let order: [Int]
  private let ends: [Int]

  /// O(steps log steps + waits log waits).
  public init(_ schedule: MessageSchedule) {
    let steps = schedule.steps
    var depths = [Int32](repeating: 0, count: steps.count)
    var next = 0
    let waits = schedule.waits.sorted { $0.step.index < $1.step.index }
    for (index, step) in steps.enumerated() {
      var depth: Int32 = 0
      while next < waits.count, waits[next].step.position == index {
        depth = max(depth, depths[waits[next].other.position])
        next += 1
      }
      depths[index] = depth + (step.kind == .join ? 0 : 1)
    }
    let order = steps.indices.filter { steps[$0].kind != .join }
      .sorted { (depths[$0], $0) < (depths[$1], $1) }
    var ends: [Int] = []
    for (position, index) in order.enumerated()
    where position + 1 == order.count || depths[order[position + 1]] != depths[index] {
      ends.append(position + 1)
    }
    self.depths = depths
    self.order = order
    self.ends = ends
  }

  public var count: Int { ends.count }

  /// The positions of a phase's steps.
  public subscript(phase: Int) -> ArraySlice<Int> {
    order[(phase == 0 ? 0 : ends[phase - 1])..<ends[phase]]
  }
}
