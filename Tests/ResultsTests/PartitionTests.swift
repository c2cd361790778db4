import Engine
import Testing
import Units

@testable import Results

/// Time of a device in every stage, waiting last, in picoseconds.
private func times(_ result: RunResult, _ device: Int) -> [Int64] {
  result.stages.indices.map { result.time(ofDevice: device, inStage: $0).picoseconds }
}

private func result(_ tasks: [Played], to end: Int64, devices: Int = 2) throws -> RunResult {
  var recorder = try Recorder(exampleDescription(devices: devices))
  try recorder.play(tasks, to: end)
  return try recorder.finish(uses: [], elapsed: .zero, idlePower: 0)
}

@Suite("The partition of device time")
struct PartitionTests {
  @Test("Kernels, exposed exchanges and waiting share the time as derived by hand")
  func handDerived() throws {
    let result = try result(
      [
        .init(stage: Stage.attention, device: 0, start: 0, end: 30),
        .init(stage: Stage.attention, device: 1, start: 0, end: 20),
        .init(stage: Stage.dispatch, device: everyDevice, start: 30, end: 50),
        .init(stage: Stage.experts, device: 0, start: 50, end: 80),
        .init(stage: Stage.experts, device: 1, start: 50, end: 90),
      ], to: 100)
    // Device 0: 0..30 attention, 30..50 dispatch, 50..80 experts, 80..100 waits for the end.
    #expect(times(result, 0) == [30, 20, 30, 0, 0, 20])
    // Device 1: 0..20 attention, 20..30 waits for dispatch, 30..50, 50..90 experts, 90..100 waits.
    #expect(times(result, 1) == [20, 20, 40, 0, 0, 20])
    // Waits by what ended them: dispatch 0 and 10, the end of the iteration 20 and 10.
    #expect(result.stages[Stage.dispatch].meanWaitBefore == Seconds(5e-12))
    #expect(result.stages[Stage.waiting].meanWaitBefore == Seconds(15e-12))
    #expect(result.stages[Stage.waiting].meanDeviceTime == Seconds(20e-12))
    #expect(result.stages[Stage.experts].meanDeviceTime == Seconds(35e-12))
    #expect(result.stages[Stage.experts].maxDeviceTime == Seconds(SimTime(picoseconds: 40)))
  }

  @Test("Communication counts only where no kernel of the device hides it")
  func exposedOnly() throws {
    let result = try result(
      [
        .init(stage: Stage.dispatch, device: everyDevice, start: 0, end: 40),
        .init(stage: Stage.shared, device: 0, start: 10, end: 25),
        .init(stage: Stage.copy, device: 1, start: 10, end: 60),
        .init(stage: Stage.shared, device: 1, start: 30, end: 50),
      ], to: 60)
    // Device 0: dispatch 0..10 and 25..40, shared 10..25, then waits.
    #expect(times(result, 0) == [0, 25, 0, 15, 0, 20])
    // Device 1: dispatch 0..10, its own copy 10..30 and 50..60 goes before the exchange, shared 30..50.
    #expect(times(result, 1) == [0, 10, 0, 20, 30, 0])
  }

  @Test("Overlapping kernels of one device are clipped: the first released has the time")
  func clipped() throws {
    let result = try result(
      [
        .init(stage: Stage.attention, device: 0, start: 0, end: 5),
        .init(stage: Stage.experts, device: 0, start: 3, end: 8),
        .init(stage: Stage.experts, device: 1, start: 0, end: 8),
        .init(stage: Stage.attention, device: 1, start: 2, end: 4),
      ], to: 8)
    #expect(times(result, 0) == [5, 0, 3, 0, 0, 0])
    #expect(times(result, 1) == [0, 0, 8, 0, 0, 0])
    // Tasks and what bounds them are not clipped: two of each ran, 5 + 2 and 5 + 8 ps.
    #expect(result.bounds.map(\.tasks) == [2, 2])
    #expect(abs(result.bounds[0].taskTime.value - 7e-12) < 1e-24)
    #expect(abs(result.bounds[1].taskTime.value - 13e-12) < 1e-24)
  }

  @Test("On random streams every device's parts equal a picosecond-by-picosecond count, exactly")
  func random() throws {
    var random = SplitMix(state: 1)
    for _ in 0..<300 {
      let tasks = (0..<Int(random.below(25))).map { _ in
        let stage = Int(random.below(5))
        let isExchange = stage == Stage.dispatch && random.below(2) == 0
        let start = Int64(random.below(50))
        return Played(
          stage: stage, device: isExchange ? everyDevice : Int(random.below(3)), start: start,
          end: start + Int64(random.below(20)), layer: Int(random.below(3)) - 1)
      }
      let result = try result(tasks, to: 75, devices: 3)
      for device in 0..<3 {
        let parts = times(result, device)
        #expect(parts.reduce(0, +) == 75)
        #expect(parts == painted(tasks, device: device, to: 75))
      }
      let layers = result.layers.reduce(0.0) {
        $0 + $1.meanDeviceTime.value + $1.meanWaitBefore.value
      }
      #expect(abs(layers - 75e-12) < 1e-20)  // the layers' means add up to the iteration, too
    }
  }

  /// For every picosecond, the running task that comes first by (kernel, copy, exchange), then release.
  private func painted(_ tasks: [Played], device: Int, to end: Int64) -> [Int64] {
    var parts = [Int64](repeating: 0, count: 6)
    for time in 0..<end {
      let running = tasks.indices.filter {
        (tasks[$0].device == device || tasks[$0].device == everyDevice)
          && tasks[$0].start <= time && time < tasks[$0].end
      }
      let first = running.min { rank(tasks, $0) < rank(tasks, $1) }
      parts[first.map { tasks[$0].stage } ?? Stage.waiting] += 1
    }
    return parts
  }

  private func rank(_ tasks: [Played], _ index: Int) -> (Int, Int64, Int) {
    let task = tasks[index]
    let isCommunication = task.stage == Stage.dispatch || task.stage == Stage.copy
    return (task.device == everyDevice ? 2 : isCommunication ? 1 : 0, task.start, index)
  }

  @Test("A task that outlives its iteration breaks the law, and the error says so")
  func outlived() throws {
    var recorder = try Recorder(exampleDescription())
    recorder.beginIteration(3, at: .zero)
    let label = TaskLabel(stage: 0, layer: 0, device: 1)
    recorder.taskReleased(TaskID(index: 0), label, at: .zero, latency: .zero)
    let error = #expect(throws: ResultsError.self) {
      try recorder.endIteration(at: SimTime(picoseconds: 5), tokens: 1)
    }
    #expect(
      error?.sentence
        == "a law of the results does not hold (please report this): 1 tasks outlive iteration 3")
  }

  @Test("A label outside the vocabulary is refused, not misfiled")
  func unknownLabel() throws {
    for label in [
      TaskLabel(stage: 5, device: 0), TaskLabel(stage: 0, bound: 2, device: 0),
      TaskLabel(stage: 0, layer: 2, device: 0), TaskLabel(stage: 0, device: 2),
    ] {
      var recorder = try Recorder(exampleDescription())
      recorder.beginIteration(0, at: .zero)
      recorder.taskReleased(TaskID(index: 0), label, at: .zero, latency: .zero)
      #expect(throws: ResultsError.self) { try recorder.endIteration(at: .zero, tokens: 1) }
    }
  }

  @Test("What happens outside an iteration is not recorded")
  func warmup() throws {
    var recorder = try Recorder(exampleDescription())
    let label = TaskLabel(stage: 0, layer: 0, device: 1)
    recorder.taskReleased(TaskID(index: 0), label, at: .zero, latency: .zero)
    recorder.taskFinished(
      TaskID(index: 0), label, from: .zero, to: SimTime(picoseconds: 9), energy: 1)
    try recorder.play([], from: 9, to: 10)
    let result = try recorder.finish(uses: [], elapsed: .zero, idlePower: 0)
    #expect(result.stages[0].tasks == 0)
    #expect(result.taskEnergy == .zero)
    #expect(result.measuredTime == SimTime(picoseconds: 1))
  }

  @Test("A run without a measured iteration has no results")
  func nothing() throws {
    let recorder = try Recorder(exampleDescription())
    let error = #expect(throws: ResultsError.self) {
      try recorder.finish(uses: [], elapsed: .zero, idlePower: 0)
    }
    #expect(error?.sentence.hasPrefix("no iteration was measured, so there are no results") == true)
  }
}

/// Vigna's splitmix64: enough for test data.
struct SplitMix {
  var state: UInt64

  mutating func below(_ bound: UInt64) -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return (z ^ (z >> 31)) % bound
  }
}
