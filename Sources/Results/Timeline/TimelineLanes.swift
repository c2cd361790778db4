import Engine

/// Gives every span a track on which nothing overlaps it: Perfetto would nest overlapping slices.
///
/// A stream is a device's kernels, a device's copies, or the exchanges of all devices. Most streams
/// need one lane; a span that starts while all lanes of its stream are taken opens another.
struct TimelineLanes {

  /// Positions of spans by start, then in the order in which they ended.
  let order: [Int]
  /// By position of the span.
  private(set) var lanes: [Int32]
  /// Number of lanes of each stream: kernels and copies of device 0, of device 1, ..., exchanges.
  private(set) var laneCounts: [Int]
  private let stages: [StageDescription]
  private let deviceCount: Int

  /// O(spans log spans).
  init(_ result: RunResult) {
    let spans = result.spans
    deviceCount = result.description.deviceCount
    stages = result.description.stages
    order = spans.indices.sorted { (spans[$0].start, $0) < (spans[$1].start, $1) }
    lanes = [Int32](repeating: 0, count: spans.count)
    laneCounts = [Int](repeating: 0, count: 2 * deviceCount + 1)
    var ends = [[Int64]](repeating: [], count: 2 * deviceCount + 1)
    for position in order {
      let span = spans[position]
      let stream = stream(of: span.label)
      let start = span.start.picoseconds
      let lane = ends[stream].firstIndex { $0 <= start } ?? ends[stream].count
      if lane == ends[stream].count { ends[stream].append(0) }
      ends[stream][lane] = span.end.picoseconds
      lanes[position] = Int32(lane)
    }
    laneCounts = ends.map(\.count)
  }

  func stream(of label: TaskLabel) -> Int {
    guard label.device != TaskLabel.everyDevice else { return 2 * deviceCount }
    return 2 * Int(label.device) + (stages[Int(label.stage)].kind == .compute ? 0 : 1)
  }
}
