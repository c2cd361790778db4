import Engine
import Hardware
import Models
import Placement
import Serving
import Testing
import Units

/// One die of Ascend 910C or several: kernels are rooflines there, so that a pencil can follow.
func dies(_ count: Int) throws -> Cluster {
  try Cluster(
    HardwareCatalogue.load().node(named: "cloudmatrix-node"), count: 1, devicesPerNode: count)
}

/// Kernels of a device in the order of their ends.
private func kernels(_ log: RunLog, device: Int) -> [RunLog.Ended] {
  log.tasks.filter { $0.label.device == Int32(device) }
}

private func overlap(_ a: RunLog.Ended, _ b: RunLog.Ended) -> Bool {
  a.start < b.end && b.start < a.end
}

@Test func twoMicrobatchesWithoutAnExchangeTakeWhatTheyTakeOneAfterTheOther() throws {
  let log = try run(
    deployment(dies(1)), iterations: 1, batching: Batching(microbatches: 2))
  let kernels = log.tasks.reduce(SimTime.zero) { $0 + ($1.end - $1.start) }
  #expect(log.ends[0] - log.starts[0] == kernels)
  // Each half costs what a batch of its size costs.
  let half = try run(deployment(dies(1)), batch: 8, iterations: 1)
  for stage in [Stage.attention, .head, .denseFeedForward] {
    #expect(abs(log.time(of: stage) - 2 * half.time(of: stage)) < 1e-15)
  }
}

@Test func aSecondMicrobatchReadsTheWeightsAgain() throws {
  // Decode of 16 sequences is bound by memory. Attention of one layer: 2 x 64 x (16 + 4) x 1024
  // weights of two bytes = 5.243 MB at 84.1 % of 1.6 TB/s = 3.896 us, and five launches of 3 us
  // (norm, projections, rotation, core, output); four layers.
  let whole = try run(deployment(dies(1)), iterations: 1)
  let halves = try run(deployment(dies(1)), iterations: 1, batching: Batching(microbatches: 2))
  let more = halves.time(of: .attention) - whole.time(of: .attention)
  let weights = Double(2 * 64 * (16 + 4) * 1024) * 2 / (1.6e12 * 0.841)
  #expect(abs(more - 4 * (weights + 5 * 3e-6)) < 1e-10)
}

@Test func kernelsOfADeviceTakeTurnsAndExchangesRunBesideThem() throws {
  for parts in [2, 3] {
    let log = try run(
      deployment(dies(8)), iterations: 1, batching: Batching(microbatches: parts))
    for device in 0..<8 {
      let own = kernels(log, device: device)
      for (one, next) in zip(own, own.dropFirst()) { #expect(one.end <= next.start) }
    }
    let exchanges = log.tasks.filter { $0.label.device == TaskLabel.everyDevice }
    #expect(exchanges.count == parts * 3 * 2)
    let own = kernels(log, device: 0)
    #expect(exchanges.contains { exchange in own.contains { overlap(exchange, $0) } })
    // Nothing is faster than a device's kernels one after the other, and what exchanges take beside
    // them is not added to these.
    let elapsed = log.ends[0] - log.starts[0]
    let busy = own.reduce(SimTime.zero) { $0 + ($1.end - $1.start) }
    let sum = exchanges.reduce(busy) { $0 + ($1.end - $1.start) }
    #expect(elapsed >= busy)
    #expect(elapsed < sum)
  }
}

@Test func longExchangesAreHiddenByMicrobatches() throws {
  // Prompts: kernels are bound by arithmetic, which halves cost no more than a whole.
  let deployment = try deployment(dies(8))
  func time(_ batching: Batching) throws -> Double {
    let log = try run(
      deployment, phase: .prefill, batch: 8, context: 1024, iterations: 1, batching: batching)
    return (log.ends[0] - log.starts[0]).seconds
  }
  let whole = try time(Batching())
  let halves = try time(Batching(microbatches: 2))
  #expect(halves < whole)
}

@Test func microbatchesLoseNoTokenAndNoThreadChangesTheirTimes() throws {
  // 5 sequences in parts of 1, 2 and 2; 8 devices x 5 x top-2 = 80 pairs a layer.
  let deployment = try deployment(dies(8))
  let batching = Batching(microbatches: 3)
  let one = try run(deployment, batch: 5, batching: batching)
  let four = try run(deployment, batch: 5, threads: 4, batching: batching)
  #expect(one.tasks == four.tasks)
  #expect(one.tokens == [40, 40, 40])
  for load in one.loads { #expect(load.tokens[8..<16].reduce(0, +) == 80) }
}

@Test func streamsRunBesideEachOtherAndEachInTurn() throws {
  let batching = Batching(microbatches: 2, streams: .init(attention: 16, experts: 8))
  let log = try run(
    deployment(dies(8)), phase: .prefill, batch: 8, context: 256, iterations: 1, batching: batching)
  let expertStages = [Stage.gate, .sharedExperts, .experts, .weightedSum].map(\.rawValue)
  for device in 0..<8 {
    let own = kernels(log, device: device)
    let experts = own.filter { expertStages.contains($0.label.stage) }
    let attention = own.filter { !expertStages.contains($0.label.stage) }
    for queue in [experts, attention] {
      for (one, next) in zip(queue, queue.dropFirst()) { #expect(one.end <= next.start) }
    }
    #expect(experts.contains { one in attention.contains { overlap(one, $0) } })
  }
}

@Test func aPartOfTheUnitsSlowsArithmeticAndLeavesTheMemoryAlone() throws {
  let die = try HardwareCatalogue.load().device(named: "ascend-910c-die")
  let whole = KernelCostModel(die)
  let part = KernelCostModel(die, units: 16)
  func costs(_ flops: FLOPs, _ bytes: Bytes) -> (KernelCost, KernelCost) {
    (
      whole.cost(flops: flops, bytes: bytes, precision: .int8),
      part.cost(flops: flops, bytes: bytes, precision: .int8)
    )
  }
  // 752 TOPS x 80 %: 1 ms; two thirds of the units: 1.5 ms.
  let (dense, denseInPart) = costs(FLOPs(752e9 * 0.8), Bytes(1))
  #expect(abs(dense.time.value - 1e-3) < 1e-12)
  #expect(abs(denseInPart.time.value - 1.5e-3) < 1e-12)
  #expect(dense.energy == denseInPart.energy)
  #expect(dense.peakTensorTime == denseInPart.peakTensorTime)
  let (streaming, streamingInPart) = costs(FLOPs(1), Bytes(1.6e9 * 0.841))
  #expect(abs(streaming.time.value - 1e-3) < 1e-12)
  #expect(streaming.time == streamingInPart.time)
}

@Test func aLawOfFewerUnitsIsNeverFasterThanTheirDataSheet() throws {
  let gpu = try HardwareCatalogue.load().device(named: "h100-sxm")
  let part = KernelCostModel(gpu, for: Precisions(.bf16), units: 33)
  let whole = KernelCostModel(gpu, for: Precisions(.bf16))
  for m in [1, 16, 256, 4096] {
    let kernel = Operator(.queryKeyValue, .gemm(GEMM(m: m, n: 6144, k: 4096)), Precisions(.bf16))
    let cost = part.cost(of: kernel)
    #expect(cost.time.value >= cost.peakTensorTime.value * 4 * (1 - 1e-12))
    #expect(cost.time >= whole.cost(of: kernel).time)
  }
}

@Test func batchesThatCannotBeCutAreRefused() throws {
  func sentence(_ workload: (inout Workload) -> Void) throws -> String? {
    let deployment = try deployment(dies(2))
    var asked = Workload(
      trace: try skewedTrace(), phase: .decode, batch: 4, context: 64, routing: .asRecorded)
    workload(&asked)
    do {
      try asked.check(deployment)
      return nil
    } catch { return error.sentence }
  }
  #expect(try sentence { $0.batching.microbatches = 4 } == nil)
  #expect(
    try sentence { $0.batching.microbatches = 5 }
      == "5 microbatches of 4 sequences leave some without any")
  #expect(
    try sentence { $0.batching.microbatches = 0 } == "0 microbatches; at least 1 is needed")
  let streams = Batching.Streams(attention: 16, experts: 9)
  #expect(
    try sentence { $0.batching = Batching(microbatches: 2, streams: streams) }
      == "streams of 16 and 9 compute units; 'ascend-910c-die' has 24")
  #expect(
    try sentence { $0.batching = Batching(streams: .init(attention: 16, experts: 8)) }
      == "streams of one microbatch wait for each other; give two microbatches")
  #expect(
    try sentence {
      $0.phase = .prefill
      $0.speculation = Speculation(tokens: 1, acceptance: 0.7)
    } == ServingError.speculationInPrefill)
  #expect(
    try sentence { $0.speculation = Speculation(tokens: 1, acceptance: 1.2) }
      == "an acceptance of 1.2; it is a share from 0 to 1")
}
