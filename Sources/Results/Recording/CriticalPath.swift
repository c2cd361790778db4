import Engine
import Units

/// Follows what every iteration's end waited for back to its beginning, and adds up that chain's time by
/// stage and by what bounds it: the time that a faster resource shortens.
///
/// The chain goes from the task that ended last to the last of those that held it up (a task it waited
/// for, or whoever had its turn), and so on; each begins when the one before it is done, so that the
/// chain takes the whole iteration. A task's latency is bound by latency; the rest of its time is
/// divided as its label says (``TaskLabel/work``). Where other chains are as long, or nearly, more of one
/// resource shortens the iteration by less.
struct CriticalPath {
  private struct Step {
    var label: TaskLabel
    /// The task that was done last before this one was released; -1 where none was.
    var releasedBy: Int32
    var latency: SimTime
    var span = SimTime.zero
  }

  private static let none: Int32 = -1

  private let boundCount: Int
  private let latencyBound: Int?
  private var steps: [Step] = []
  private var lastDone = none
  /// Tasks that were released since the iteration began.
  private var released = 0
  /// Seconds, `[stage][bound]`.
  private var seconds: [Double]

  init(stageCount: Int, boundCount: Int, latencyBound: Int?) {
    self.boundCount = boundCount
    self.latencyBound = latencyBound
    seconds = [Double](repeating: 0, count: stageCount * boundCount)
  }

  /// An iteration begins. O(1).
  mutating func begin() {
    lastDone = Self.none
    released = 0
  }

  /// Amortised O(1).
  mutating func release(_ task: TaskID, _ label: TaskLabel, latency: SimTime) {
    released += 1
    let step = Step(label: label, releasedBy: lastDone, latency: latency)
    if task.position < steps.count {
      steps[task.position] = step
    } else {
      let filler = Step(label: label, releasedBy: Self.none, latency: .zero)
      while steps.count < task.position { steps.append(filler) }
      steps.append(step)
    }
  }

  /// O(1).
  mutating func finish(_ task: TaskID, from start: SimTime, to end: SimTime) {
    guard task.position < steps.count else { return }
    steps[task.position].span = end - start
    lastDone = task.index
  }

  /// O(tasks of the chain). Ends whatever was told: no chain is longer than the tasks that were released.
  mutating func endIteration() {
    var task = lastDone
    for _ in 0..<released where task != Self.none {
      let step = steps[Int(task)]
      add(step)
      task = step.releasedBy
    }
    begin()
  }

  private mutating func add(_ step: Step) {
    let row = Int(step.label.stage) * boundCount
    let latency = min(step.latency, step.span).seconds
    let work = step.span.seconds - latency
    let share = step.label.work.firstShare
    seconds[row + (latencyBound ?? Int(step.label.bound))] += latency
    seconds[row + Int(step.label.work.first)] += work * Double(share) / 255
    seconds[row + Int(step.label.work.second)] += work * Double(255 - share) / 255
  }

  /// The pairs that took any time, by stage, then bound.
  var records: [CriticalRecord] {
    seconds.indices.filter { seconds[$0] > 0 }.map { index in
      let (stage, bound) = index.quotientAndRemainder(dividingBy: boundCount)
      return CriticalRecord(stage: stage, bound: bound, time: Seconds(seconds[index]))
    }
  }
}
