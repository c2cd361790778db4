import Engine
import Units

/// Watches the measured iterations of a run and turns them into a ``RunResult``.
///
///     var recorder = try Recorder(description, spans: .firstIterations(1))
///     for index in 0..<50 {
///       recorder.beginIteration(index, at: engine.now)
///       recorder.recordLoad(tokens: tokens, bytesSent: bytes)       // [layer][device]
///       try engine.run(graph, observer: &recorder)
///       try recorder.endIteration(at: engine.now, tokens: 1024)
///     }
///     let result = try recorder.finish(uses: uses, elapsed: elapsed, idlePower: 800)
///
/// Every device's time is partitioned exactly, in picoseconds. At any instant a device's time goes to
///  1. the kernel of its own that was released first, of those that run; else
///  2. the copy of its own (a communication task with a device) that was released first; else
///  3. the exchange of all devices that was released first; else
///  4. waiting, kept by the layer and the stage whose release ends it, or by the end of the iteration.
/// So communication counts only where no computation hides it, overlapping kernels are clipped
/// against each other, and the parts of every device add up to the iteration's time: a law that
/// every ``endIteration(at:tokens:)`` checks.
///
/// The ``CriticalPath`` of every iteration is recorded beside that.
///
/// A task runs from its release to its end, so its launch latency is part of it. What happens outside
/// an iteration (a warm-up) is not recorded. Once its tables have reached their size, recording
/// allocates nothing, unless spans are kept. An event of one device is O(1), one of all is O(devices).
public struct Recorder: Observer, Sendable {
  public let description: RunDescription
  let spansKept: SpansKept
  private(set) var iterations: [IterationRecord] = []
  private(set) var working: StageTimes
  private(set) var awaiting: StageTimes
  private(set) var work: WorkTally
  private(set) var criticalPath: CriticalPath
  private(set) var loads: LoadTally
  private(set) var spans: [TaskSpan] = []
  private(set) var measured = SimTime.zero
  private var current: (index: Int, start: SimTime)?
  private var keepsSpans = false
  /// Each device's time up to here is accounted for.
  private var clocks: [SimTime]
  private var running: RunningTasks
  private var totals: [Int64]
  /// The first defect seen; callers hear of it at the iteration's end, because observers cannot throw.
  private var fault: ResultsError?
  private let isCompute: [Bool]
  private let boundCount: Int
  private let layerCount: Int
  private let deviceCount: Int

  /// - Throws: ``ResultsError/shape(_:)`` for a description without devices or stages, or with two
  ///   stages or bounds of one name.
  public init(_ description: RunDescription, spans: SpansKept = .none) throws(ResultsError) {
    let devices = description.deviceCount
    guard devices > 0, description.layerCount >= 0 else {
      throw .shape("\(devices) devices, \(description.layerCount) layers")
    }
    guard 1...255 ~= description.stages.count, 1...256 ~= description.bounds.count else {
      throw .shape("\(description.stages.count) stages, \(description.bounds.count) bounds")
    }
    let names = description.stagesAndWaiting.map(\.name)
    guard Set(names).count == names.count, Set(description.bounds).count == description.bounds.count
    else {
      throw .shape("two stages or two bounds of one name, or a stage named 'waiting'")
    }
    self.description = description
    spansKept = spans
    let stages = description.stages.count + 1
    working = StageTimes(
      layerCount: description.layerCount, stageCount: stages, deviceCount: devices)
    awaiting = working
    work = WorkTally(stageCount: description.stages.count, boundCount: description.bounds.count)
    criticalPath = CriticalPath(
      stageCount: description.stages.count, boundCount: description.bounds.count,
      latencyBound: description.latencyBound)
    loads = LoadTally(layerCount: description.layerCount, deviceCount: devices)
    clocks = [SimTime](repeating: .zero, count: devices)
    totals = [Int64](repeating: 0, count: devices)
    running = RunningTasks(listCount: 2 * devices + 1)
    isCompute = description.stages.map { $0.kind == .compute }
    boundCount = description.bounds.count
    layerCount = description.layerCount
    deviceCount = devices
  }
}

// MARK: - Iterations

extension Recorder {
  /// Whether task events are recorded now.
  public var isRecording: Bool { current != nil }

  /// Starts recording; the engine stands at `start`.
  ///
  /// - Parameter index: The iteration's number in the run, larger than the one before.
  public mutating func beginIteration(_ index: Int, at start: SimTime) {
    if current != nil { note(.shape("iteration \(index) begins within another")) }
    if let last = iterations.last, last.index >= index || last.end > start {
      note(.shape("iteration \(index) at \(start) comes after \(last.index), ended at \(last.end)"))
    }
    current = (index, start)
    keepsSpans = spansKept.includes(measuredIteration: iterations.count)
    for device in 0..<deviceCount { clocks[device] = start }
    criticalPath.begin()
  }

  /// Notes what this iteration's routing asks of each device; both arrays are `[layer][device]` over
  /// all model layers, with zeros for dense ones. Call it between the iteration's begin and end.
  ///
  /// - Parameters:
  ///   - tokens: Token copies that each device's experts serve.
  ///   - bytesSent: Bytes that each device sends to others.
  public mutating func recordLoad(tokens: [Int], bytesSent: [Int]) {
    let cells = description.layerCount * description.deviceCount
    guard let current, tokens.count == cells, bytesSent.count == cells else {
      return note(.shape("loads of \(tokens.count) and \(bytesSent.count) cells for \(cells)"))
    }
    loads.add(tokens: tokens, bytesSent: bytesSent, iteration: current.index)
  }

  /// Ends the iteration and checks that each device's parts add up to its time.
  ///
  /// - Parameter tokens: Tokens that the iteration produced (decode) or took in (prefill), over all
  ///   devices.
  public mutating func endIteration(at end: SimTime, tokens: Int) throws(ResultsError) {
    guard let (index, start) = current else { throw .shape("an iteration ends that never began") }
    current = nil
    if running.count > 0 { note(.lawBroken("\(running.count) tasks outlive iteration \(index)")) }
    for device in 0..<deviceCount {
      if clocks[device] > end { note(.lawBroken("iteration \(index) ends before its last task")) }
      awaiting.add(
        end - clocks[device], layer: -1, stage: description.waitingStage, device: device)
    }
    criticalPath.endIteration()
    measured += end - start
    iterations.append(IterationRecord(index: index, start: start, end: end, tokens: tokens))
    if let fault { throw fault }
    try checkPartition()
  }

  private mutating func checkPartition() throws(ResultsError) {
    for device in totals.indices { totals[device] = 0 }
    working.addTotals(to: &totals)
    awaiting.addTotals(to: &totals)
    for device in totals.indices where totals[device] != measured.picoseconds {
      throw .lawBroken(
        "the parts of device \(device) add up to \(totals[device]) ps of \(measured.picoseconds)")
    }
  }

  private mutating func note(_ error: ResultsError) {
    if fault == nil { fault = error }
  }
}

// MARK: - Events

extension Recorder {
  public mutating func taskReleased(
    _ task: TaskID, _ label: TaskLabel, at time: SimTime, latency: SimTime
  ) {
    guard current != nil, isKnown(label) else { return }
    criticalPath.release(task, label, latency: latency)
    if label.device == TaskLabel.everyDevice {
      for device in 0..<deviceCount { account(device, until: time, released: label) }
    } else {
      account(Int(label.device), until: time, released: label)
    }
    running.append(task, label, to: list(of: label))
  }

  public mutating func taskFinished(
    _ task: TaskID, _ label: TaskLabel, from start: SimTime, to end: SimTime, energy: Joules
  ) {
    guard current != nil, isKnown(label) else { return }
    if label.device == TaskLabel.everyDevice {
      for device in 0..<deviceCount { account(device, until: end, released: label) }
    } else {
      account(Int(label.device), until: end, released: label)
    }
    if !running.remove(task, from: list(of: label)) {
      note(.lawBroken("task \(task.index) ends without having been released"))
    }
    work.add(label, start: start, end: end, energy: energy)
    criticalPath.finish(task, from: start, to: end)
    if keepsSpans, let current {
      spans.append(TaskSpan(start: start, end: end, label: label, iteration: current.index))
    }
  }

  /// Gives the device's time since its clock to what ran there; to waiting for `label` if nothing did.
  private mutating func account(_ device: Int, until time: SimTime, released label: TaskLabel) {
    let span = time - clocks[device]
    guard span > .zero else { return }
    clocks[device] = time
    let busyWith =
      running.first(in: 2 * device) ?? running.first(in: 2 * device + 1)
      ?? running.first(in: 2 * deviceCount)
    if let busyWith {
      working.add(
        span, layer: Int(busyWith.layer), stage: Int(busyWith.stage), device: device)
    } else {
      awaiting.add(span, layer: Int(label.layer), stage: Int(label.stage), device: device)
    }
  }

  /// A device's kernels, then its copies, then the next device's; the exchanges of all come last.
  private func list(of label: TaskLabel) -> Int {
    guard label.device != TaskLabel.everyDevice else { return 2 * deviceCount }
    return 2 * Int(label.device) + (isCompute[Int(label.stage)] ? 0 : 1)
  }

  private mutating func isKnown(_ label: TaskLabel) -> Bool {
    let isKnown =
      Int(label.stage) < isCompute.count && Int(label.bound) < boundCount
      && Int(label.work.first) < boundCount && Int(label.work.second) < boundCount
      && label.layer >= -1 && Int(label.layer) < layerCount
      && label.device >= TaskLabel.everyDevice && Int(label.device) < deviceCount
    if !isKnown { note(.shape("a task has the label \(label)")) }
    return isKnown
  }
}
