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

  struct Row: BitwiseCopyable {
    var remaining: Double
    var rate: Double
    /// With no more than this left the flow is done.
    var least: Double
    var flow: Int
  }

  private var steps = FlatArray<Step>()
  /// Cells in the order in which they were stopped.
  var cells = FlatArray<Int32>()
  private var rows = FlatArray<Row>()
  /// What links had given before each change, to be put back exactly.
  private var notes = FlatArray<Double>()

  init() {}

  var stepCount: Int { steps.count }
  var flowCount: Int { rows.count }

  mutating func beginStep(_ item: Int) {
    steps.append(Step(item: item, firstFlow: rows.count, firstCell: cells.count))
  }
  mutating func takeStep() -> Step { steps.removeLast() }

  mutating func note(_ used: Double) { notes.append(used) }
  mutating func takeNote() -> Double { notes.removeLast() }

  mutating func addFlow(_ flow: Int, remaining: Double, rate: Double, size: Double) {
    rows.append(
      Row(remaining: remaining, rate: rate, least: size * CompletionSolver.slack, flow: flow))
  }

  mutating func takeFlow() -> (flow: Int, remaining: Double) {
    let row = rows.removeLast()
    return (row.flow, row.remaining)
  }

  /// O(flows), as is the next.
  func timeToNextEnd() -> Double {
    var time = Double.infinity
    for index in rows.indices { time = min(time, max(0, rows[index].remaining) / rows[index].rate) }
    return time
  }

  mutating func advance(by step: Double, done: inout FlatArray<Int32>) {
    for index in rows.indices {
      var row = rows[index]
      row.remaining -= row.rate * step
      rows[index] = row
      if row.remaining <= row.least { done.append(Int32(row.flow)) }
    }
  }
}
