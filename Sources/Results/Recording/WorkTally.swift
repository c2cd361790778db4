import Engine
import Units

/// Adds up tasks, their time and their energy, by stage and by what bounds them.
struct WorkTally {
  private let boundCount: Int
  private(set) var energy: [Joules]
  /// Both `[stage][bound]`.
  private var tasks: [Int]
  private var seconds: [Double]

  init(stageCount: Int, boundCount: Int) {
    self.boundCount = boundCount
    energy = [Joules](repeating: .zero, count: stageCount)
    tasks = [Int](repeating: 0, count: stageCount * boundCount)
    seconds = [Double](repeating: 0, count: stageCount * boundCount)
  }

  mutating func add(_ label: TaskLabel, start: SimTime, end: SimTime, energy joules: Joules) {
    let stage = Int(label.stage)
    let cell = stage * boundCount + Int(label.bound)
    tasks[cell] += 1
    seconds[cell] += (end - start).seconds
    energy[stage] = energy[stage] + joules
  }

  func tasks(stage: Int) -> Int {
    tasks[stage * boundCount..<(stage + 1) * boundCount].reduce(0, +)
  }

  /// The pairs that occurred, by stage, then bound.
  func bounds() -> [BoundRecord] {
    tasks.indices.filter { tasks[$0] > 0 }.map { cell in
      let (stage, bound) = cell.quotientAndRemainder(dividingBy: boundCount)
      return BoundRecord(
        stage: stage, bound: bound, tasks: tasks[cell], taskTime: Seconds(seconds[cell]))
    }
  }
}
