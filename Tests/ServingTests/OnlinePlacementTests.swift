import Engine
import Placement
import Testing
import Units

@testable import Serving

@Suite("Experts that are placed anew in a run")
struct OnlinePlacementTests {
  /// 8 experts in a row on 4 devices, the first two chosen most.
  private func run(
    _ online: OnlinePlacement?, iterations: Int = 24, threads: Int = 1, expertTensor: Int = 1
  ) throws -> (
    log: RunLog, served: Double, replacements: ReplacementTally?, expert: Bytes
  ) {
    let deployment = try deployment(dgxH100(devices: 4), expertTensor: expertTensor)
    var workload = Workload(
      trace: try skewedTrace(), phase: .decode, batch: 64, context: 64, routing: .asRecorded)
    workload.onlinePlacement = online
    var simulation = try Simulation(
      deployment, workload, Measurement(warmup: 0, iterations: iterations), seed: 3,
      threads: threads)
    var log = RunLog()
    try simulation.run(observer: &log)
    let (amounts, kinds) = (simulation.amountsServed, simulation.resources.kinds)
    let onLinks = amounts.indices.reduce(0.0) { sum, index in
      if case .link = kinds[index] { return sum + amounts[index] }
      return sum
    }
    return (
      log, onLinks, simulation.replacements,
      deployment.model.expertBytes(deployment.precisions, tensorSlices: 1)
    )
  }

  /// The most loaded device's tokens over the mean's, of the last iterations.
  private func imbalance(_ log: RunLog) -> Double {
    var (most, all) = (0, 0)
    for load in log.loads.suffix(8) {
      for layer in 1..<4 {
        let tokens = load.tokens[layer * 4..<(layer + 1) * 4]
        most += tokens.max() ?? 0
        all += tokens.reduce(0, +)
      }
    }
    return Double(most) * 4 / Double(all)
  }

  @Test("devices' loads come closer, by either method", arguments: [PlacementMethod.eplb, .search])
  func balance(_ method: PlacementMethod) throws {
    let still = try run(nil)
    let moved = try run(OnlinePlacement(every: 12, method: method))
    #expect(imbalance(still.log) > 1.25)
    #expect(imbalance(moved.log) < 1.15)
    let tally = try #require(moved.replacements)
    #expect(tally.moves > 0)
    #expect(tally.secondsAfter < tally.secondsBefore)
    #expect(still.replacements == nil)
  }

  @Test(
    "what moves is on the links, once out of a device and once into another", arguments: [1, 2])
  func bytes(expertTensor: Int) throws {
    // Only the last iteration has a move beside it, so that nothing else differs.
    let still = try run(nil, iterations: 25, expertTensor: expertTensor)
    let moved = try run(
      OnlinePlacement(every: 24, method: .eplb), iterations: 25, expertTensor: expertTensor)
    let tally = try #require(moved.replacements)
    #expect(tally.copies > 0)
    // Slices are rounded up to whole columns: none are lost here.
    #expect(tally.bytes == moved.expert * Double(tally.copies))
    #expect(abs((moved.served - still.served) / (2 * tally.bytes.value) - 1) < 1e-9)
    #expect(moved.log.loads.map(\.tokens) == still.log.loads.map(\.tokens))
    #expect(moved.log.tasks.contains { $0.label.stage == Stage.expertTransfer.rawValue })
  }

  @Test("a run that ends before is the one in which nothing moves")
  func never() throws {
    let still = try run(nil)
    // The second decides after the last iteration, for one that does not come.
    for every in [25, 24] {
      let late = try run(OnlinePlacement(every: every, method: .eplb))
      #expect(late.log.tasks == still.log.tasks)
      #expect(late.replacements == ReplacementTally())
    }
  }

  @Test("experts stay where moving them takes longer than it is expected to gain")
  func declined() throws {
    let still = try run(nil, iterations: 30)
    let moved = try run(OnlinePlacement(every: 8, method: .eplb), iterations: 30)
    var none = ReplacementTally()
    none.declined = 3
    #expect(moved.replacements == none)
    #expect(moved.log.tasks == still.log.tasks)
    let later = try run(OnlinePlacement(every: 15, method: .eplb), iterations: 30)
    let tally = try #require(later.replacements)
    #expect(tally.moves == 1 && tally.declined == 0)
    // 12 experts come to four devices, 3 or more to one of them, at less than 450 GB/s: 8 iterations do not
    // gain as much, 15 do.
    let (gain, arrival) = (
      tally.secondsBefore - tally.secondsAfter, 3 * later.expert.value / 450e9
    )
    #expect(tally.copies == 12)
    #expect(gain * 8 < arrival && arrival < gain * 15)
  }

  @Test("threads change nothing")
  func threads() throws {
    let online = OnlinePlacement(every: 12, method: .search, trials: 500)
    let (one, three) = (try run(online), try run(online, threads: 3))
    #expect(try #require(one.replacements).moves > 0)
    #expect(one.log.tasks == three.log.tasks)
  }
}
