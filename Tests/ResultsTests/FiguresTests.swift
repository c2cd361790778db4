import Testing
import Units

@testable import Results

@Suite("Derived figures")
struct FiguresTests {
  @Test("Throughput is tokens over measured time, in all and per device")
  func throughput() throws {
    let result = try exampleResult()
    // 2 x 4 tokens in 2 x 1 us on 2 devices.
    #expect(abs(result.throughput.value - 4e6) < 1e-3)
    #expect(abs(result.throughputPerDevice.value - 2e6) < 1e-3)
    #expect(result.tokens == 8)
  }

  @Test("Shares of stages and waiting add up to one")
  func shares() throws {
    let result = try exampleResult()
    #expect(abs(result.stages.reduce(0) { $0 + result.share(of: $1) } - 1) < 1e-12)
    // Device 1 waits 100 of 1000 ns for dispatch, device 0 waits 200 for the end: mean 15 %.
    #expect(abs(result.share(of: result.stages[Stage.waiting]) - 0.15) < 1e-12)
  }

  @Test("Percentiles are nearest-rank")
  func percentiles() throws {
    var recorder = try Recorder(exampleDescription())
    var now: Int64 = 0
    for index in 0..<100 {  // durations 100, 99, ... 1
      let end = now + Int64(100 - index)
      try recorder.play([], iteration: index, from: now, to: end)
      now = end
    }
    let times = try recorder.finish(uses: [], elapsed: .zero, idlePower: 0).iterationTimes
    #expect(times.median == SimTime(picoseconds: 50))
    #expect(times.percentile99 == SimTime(picoseconds: 99))
    #expect(times.minimum == SimTime(picoseconds: 1))
    #expect(times.maximum == SimTime(picoseconds: 100))
    #expect(abs(times.mean.value - 50.5e-12) < 1e-24)
  }

  @Test("Imbalance is the largest load over the mean, by layer, over iterations")
  func imbalance() throws {
    let result = try exampleResult()
    // Layer 0 routes nothing. Layer 1: 6 of (2, 6), mean 4, is 1.5; then 8 of (2, 8), mean 5, is 1.6.
    #expect(result.loads.map(\.layer) == [1])
    #expect(result.loads[0].tokens == [4, 14])
    #expect(result.loads[0].bytesSent == [256, 128])
    let imbalance = try #require(result.loadImbalance)
    #expect(abs(imbalance.mean - 1.55) < 1e-12)
    #expect(imbalance.worstMoment.worstImbalance == 1.6)
    #expect(imbalance.worstMoment.worstIteration == 1)
  }

  @Test("Utilisation is served over capacity times time, grouped by kind")
  func utilisation() throws {
    let result = try exampleResult()
    // 1e6 and 5e5 bytes of 1e12 B/s x 2 us = 2e6: 50 % and 25 %.
    let memory = result.utilisationByKind[0]
    #expect(memory.kind == "HBM" && memory.count == 2)
    #expect(abs(memory.mean - 0.375) < 1e-12)
    #expect(abs(memory.maximum - 0.5) < 1e-12)
    #expect(memory.busiest == "gpu 0 HBM")
    #expect(result.utilisationByKind[1].maximum == 0)
  }

  @Test("Energy is the tasks' and the idle power's over the measured time")
  func energy() throws {
    let result = try exampleResult()
    // Tasks: 2 x (1 + 1 + 2 + 4) uJ; idle: 10 W x 2 us = 20 uJ; 8 tokens.
    #expect(abs(result.taskEnergy.value - 16e-6) < 1e-15)
    #expect(abs(result.idleEnergy.value - 20e-6) < 1e-15)
    #expect(abs((result.energyPerToken?.value ?? 0) - 4.5e-6) < 1e-15)
    #expect(abs(result.stages[Stage.experts].energy.value - 12e-6) < 1e-15)
  }

  @Test("What bounds a stage comes as shares of its task time, largest first")
  func bounds() throws {
    var recorder = try Recorder(exampleDescription())
    try recorder.play(
      [
        .init(stage: Stage.experts, device: 0, start: 0, end: 10, bound: 0),
        .init(stage: Stage.experts, device: 1, start: 0, end: 30, bound: 1),
      ], to: 30)
    let result = try recorder.finish(uses: [], elapsed: .zero, idlePower: 0)
    let bounds = result.bounds(ofStage: Stage.experts)
    #expect(bounds.map(\.name) == ["memory", "latency"])
    #expect(abs(bounds[0].share - 0.75) < 1e-12)
    #expect(result.bounds(ofStage: Stage.attention).isEmpty)
  }
}
