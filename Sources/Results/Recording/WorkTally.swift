import Engine
import Units

/// Adds up tasks, their time and their energy, by stage and by what bounds them.
struct WorkTally {
  private struct Cell {
    var tasks = 0
    var seconds = 0.0
    var joules = 0.0
  }

  private let boundCount: Int
  /// `[stage][bound]`.
  private var cells: [Cell]

  init(stageCount: Int, boundCount: Int) {
    self.boundCount = boundCount
    cells = [Cell](repeating: Cell(), count: stageCount * boundCount)
  }

  mutating func add(_ label: TaskLabel, start: SimTime, end: SimTime, energy: Joules) {
    let cell = Int(label.stage) * boundCount + Int(label.bound)
    cells[cell].tasks += 1
    cells[cell].seconds += (end - start).seconds
    cells[cell].joules += energy.value
  }

  private func cells(stage: Int) -> ArraySlice<Cell> {
    cells[stage * boundCount..<(stage + 1) * boundCount]
  }

  func tasks(stage: Int) -> Int { cells(stage: stage).reduce(0) { $0 + $1.tasks } }

  func energy(stage: Int) -> Joules {
    Joules(cells(stage: stage).reduce(0.0) { $0 + $1.joules })
  }

  /// The pairs that occurred, by stage, then bound.
  func bounds() -> [BoundRecord] {
    cells.indices.filter { cells[$0].tasks > 0 }.map { index in
      let (stage, bound) = index.quotientAndRemainder(dividingBy: boundCount)
      return BoundRecord(
        stage: stage, bound: bound, tasks: cells[index].tasks,
        taskTime: Seconds(cells[index].seconds))
    }
  }
}
