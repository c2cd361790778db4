import Engine
import Testing
import Units

@testable import Results

@Suite("The critical path")
struct CriticalPathTests {
  private static let latency = 0
  private static let memory = 1

  /// Picoseconds by stage and bound.
  private func path(_ tasks: [Played], to end: Int64) throws -> [[Int]: Double] {
    var recorder = try Recorder(exampleDescription())
    try recorder.play(tasks, to: end)
    let result = try recorder.finish(uses: [], elapsed: .zero, idlePower: 0)
    return Dictionary(
      uniqueKeysWithValues: result.criticalPath.map {
        ([$0.stage, $0.bound], ($0.time.value * 1e12 * 1000).rounded() / 1000)
      })
  }

  @Test("goes back from the last end to whoever was done last before each release")
  func handDerived() throws {
    // Device 1 ends last; its experts waited for the exchange, the exchange for device 0's attention.
    let found = try path(
      [
        .init(stage: Stage.attention, device: 0, start: 0, end: 30, bound: Self.memory),
        .init(stage: Stage.attention, device: 1, start: 0, end: 20, bound: Self.memory),
        .init(
          stage: Stage.dispatch, device: everyDevice, start: 30, end: 50, bound: Self.memory,
          latency: 12),
        .init(stage: Stage.experts, device: 0, start: 50, end: 80, bound: Self.memory),
        .init(stage: Stage.experts, device: 1, start: 50, end: 90, bound: Self.memory),
      ], to: 90)
    #expect(
      found == [
        [Stage.attention, Self.memory]: 30, [Stage.dispatch, Self.latency]: 12,
        [Stage.dispatch, Self.memory]: 8, [Stage.experts, Self.memory]: 40,
      ])
  }

  @Test("leaves out what is hidden, however busy it is")
  func hidden() throws {
    // Copies in turn for 90; kernels of 80 that wait for them, most of the time beside the next copy.
    let found = try path(
      [
        .init(stage: Stage.copy, device: 0, start: 0, end: 45, bound: Self.memory),
        .init(stage: Stage.copy, device: 0, start: 45, end: 90, bound: Self.memory),
        .init(stage: Stage.experts, device: 0, start: 45, end: 85, bound: Self.memory),
        .init(stage: Stage.experts, device: 0, start: 90, end: 100, bound: Self.memory),
      ], to: 100)
    #expect(
      found == [[Stage.copy, Self.memory]: 90, [Stage.experts, Self.memory]: 10])
  }

  @Test("divides a task's work as its label says, and its latency by none")
  func shares() throws {
    let found = try path(
      [
        .init(
          stage: Stage.experts, device: 0, start: 0, end: 110, bound: Self.memory, latency: 8,
          work: .init(UInt8(Self.memory), share: 0.8, UInt8(Self.latency)))
      ], to: 110)
    // 102 of work: 204 and 51 of 255 parts.
    #expect(
      found == [[Stage.experts, Self.memory]: 81.6, [Stage.experts, Self.latency]: 28.4])
  }

  @Test("is as long as all iterations, and its shares are those of the measured time")
  func total() throws {
    let result = try exampleResult()
    let sum = result.criticalPath.reduce(0.0) { $0 + $1.time.value }
    #expect(abs(sum / result.measuredTime.seconds - 1) < 1e-12)
    // Attention 0.3 and dispatch 0.2005 of each microsecond have bound 0, the slower experts the rest.
    #expect(abs(result.criticalShare(of: ["memory"]) - 0.4995) < 1e-12)
    #expect(abs(result.criticalShare(of: ["latency", "memory"]) - 1) < 1e-12)
  }
}
