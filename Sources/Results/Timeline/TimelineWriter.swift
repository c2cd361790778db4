import Engine

/// Writes spans as a Perfetto trace: a stream of `TracePacket`s, field numbers as in Perfetto's
/// `protos/perfetto/trace` (TracePacket, TrackDescriptor, TrackEvent, InternedData).
///
/// Perfetto counts whole nanoseconds: start and end are both rounded down, so slices that do not
/// overlap in picoseconds do not overlap here, and a task of less than 1 ns may show as nothing.
struct TimelineWriter {
  private let result: RunResult
  private let file: OutputFile
  private var packet = ProtobufMessage()
  private var event = ProtobufMessage()
  private var frame = ProtobufMessage()
  /// Names are written once, when first used: names of stage and layer, then of bounds.
  private var isNamed: [Bool]
  private var isFirst = true

  private static let root: UInt64 = 1
  private static let iterations: UInt64 = 2
  private static let begin: UInt64 = 1
  private static let end: UInt64 = 2

  init(_ result: RunResult, to file: OutputFile) {
    self.result = result
    self.file = file
    let description = result.description
    isNamed = [Bool](
      repeating: false, count: (description.layerCount + 1) * description.stages.count)
  }

  mutating func write() throws(ResultsError) {
    let lanes = TimelineLanes(result)
    try writeTracks(lanes)
    for iteration in result.iterations {
      try writeEdge(Self.begin, at: iteration.start.picoseconds, on: Self.iterations) {
        $0.add(23, "iteration \(iteration.index)")
      }
      try writeEdge(Self.end, at: iteration.end.picoseconds, on: Self.iterations) { _ in }
    }
    for position in lanes.order {
      let span = result.spans[position]
      let track = Self.track(
        stream: lanes.stream(of: span.label), lane: Int(lanes.lanes[position]))
      try writeSlice(span, on: track)
    }
  }

  // MARK: - Tracks

  private static func track(stream: Int, lane: Int) -> UInt64 {
    UInt64(stream + 1) << 24 | UInt64(lane + 1)
  }

  /// A tree: the run, under it its iterations, the exchanges, and every device with its streams.
  private mutating func writeTracks(_ lanes: TimelineLanes) throws(ResultsError) {
    let devices = result.description.deviceCount
    try writeTrack(Self.root, result.description.name, under: 0, rank: 0)
    try writeTrack(Self.iterations, "iterations", under: Self.root, rank: 0)
    for lane in 0..<lanes.laneCounts[2 * devices] {
      try writeTrack(
        Self.track(stream: 2 * devices, lane: lane), Self.name("exchanges", lane),
        under: Self.root, rank: 1 + lane)
    }
    for device in 0..<devices {
      let (kernels, copies) = (lanes.laneCounts[2 * device], lanes.laneCounts[2 * device + 1])
      guard kernels + copies > 0 else { continue }
      let group = UInt64(device + 1) << 48
      try writeTrack(group, "device \(device)", under: Self.root, rank: 1_000_000 + device)
      for lane in 0..<kernels {
        try writeTrack(
          Self.track(stream: 2 * device, lane: lane), Self.name("compute", lane), under: group,
          rank: lane)
      }
      for lane in 0..<copies {
        try writeTrack(
          Self.track(stream: 2 * device + 1, lane: lane), Self.name("communication", lane),
          under: group, rank: 1_000 + lane)
      }
    }
  }

  private static func name(_ stream: String, _ lane: Int) -> String {
    lane == 0 ? stream : "\(stream) \(lane + 1)"
  }

  private mutating func writeTrack(
    _ track: UInt64, _ name: String, under parent: UInt64, rank: Int
  ) throws(ResultsError) {
    var descriptor = ProtobufMessage()
    descriptor.add(1, track)
    descriptor.add(2, name)
    if parent != 0 { descriptor.add(5, parent) }
    descriptor.add(11, 3)  // children in the order of their ranks
    descriptor.add(12, UInt64(rank))
    packet.add(60, descriptor)
    try writePacket()
  }

  // MARK: - Slices

  private mutating func writeSlice(_ span: TaskSpan, on track: UInt64) throws(ResultsError) {
    let stages = result.description.stages
    let name = (Int(span.label.layer) + 1) * stages.count + Int(span.label.stage)
    if !isNamed[name] {
      isNamed[name] = true
      let stage = stages[Int(span.label.stage)].name
      var entry = ProtobufMessage()
      entry.add(1, UInt64(name + 1))
      entry.add(2, span.label.layer < 0 ? stage : "\(stage), layer \(span.label.layer)")
      var interned = ProtobufMessage()
      interned.add(2, entry)
      packet.add(12, interned)
    }
    let bound = result.description.bounds[Int(span.label.bound)]
    try writeEdge(Self.begin, at: span.start.picoseconds, on: track) {
      $0.add(10, UInt64(name + 1))
      $0.add(22, bound)
    }
    try writeEdge(Self.end, at: span.end.picoseconds, on: track) { _ in }
  }

  private mutating func writeEdge(
    _ type: UInt64, at picoseconds: Int64, on track: UInt64,
    _ details: (inout ProtobufMessage) -> Void
  ) throws(ResultsError) {
    event.removeAll()
    event.add(9, type)
    event.add(11, track)
    details(&event)
    packet.add(8, UInt64(max(0, picoseconds) / 1_000))
    packet.add(11, event)
    try writePacket()
  }

  /// Names that packets refer to stay valid from the first packet on: flag 1 there, 2 afterwards.
  private mutating func writePacket() throws(ResultsError) {
    packet.add(10, 1)
    packet.add(13, isFirst ? 1 : 2)
    isFirst = false
    frame.removeAll()
    frame.add(1, packet)
    try file.write { $0.append(contentsOf: frame.bytes) }
    packet.removeAll()
  }
}
