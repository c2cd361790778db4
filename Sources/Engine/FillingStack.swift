/// The steps of a progressive filling, each of which stopped a link's flows or cells, in a form that
/// can be undone from the end.
///
/// The flows that were stopped one by one lie in rows here, with what they still have to get and how
/// fast they get it, so that time passes over them in one sweep.
struct FillingStack: ~Copyable {
  struct Step: BitwiseCopyable {
    /// The link that was full, or the number of links plus the cell that met its cap.
    var item: Int
    var firstFlow: Int
    var firstCell: Int
  }

  private var steps = FlatArray<Step>()
  /// Cells in the order in which they were stopped.
  var cells = FlatArray<Int32>()
  private var flow = FlatArray<Int32>()
  private var remaining = FlatArray<Double>()
  private var rate = FlatArray<Double>()
  /// A flow with no more than this left is done.
  private var least = FlatArray<Double>()
  /// What links had given before each change, to be put back exactly.
  private var notes = FlatArray<Double>()

  init() {}

  var stepCount: Int { steps.count }
  var flowCount: Int { flow.count }

  mutating func beginStep(_ item: Int) {
    steps.append(Step(item: item, firstFlow: flow.count, firstCell: cells.count))
  }
  mutating func takeStep() -> Step { steps.removeLast() }

  mutating func note(_ used: Double) { notes.append(used) }
  mutating func takeNote() -> Double { notes.removeLast() }

  mutating func addFlow(_ index: Int, remaining left: Double, rate pace: Double, size: Double) {
    flow.append(Int32(index))
    remaining.append(left)
    rate.append(pace)
    least.append(size * CompletionSolver.slack)
  }

  mutating func takeFlow() -> (flow: Int, remaining: Double) {
    _ = rate.removeLast()
    _ = least.removeLast()
    return (Int(flow.removeLast()), remaining.removeLast())
  }

  /// O(flows), as is the next.
  func timeToNextEnd() -> Double {
    var time = Double.infinity
    for row in flow.indices { time = min(time, max(0, remaining[row]) / rate[row]) }
    return time
  }

  mutating func advance(by step: Double, done: inout FlatArray<Int32>) {
    for row in flow.indices {
      let left = remaining[row] - rate[row] * step
      remaining[row] = left
      if left <= least[row] { done.append(flow[row]) }
    }
  }
}
