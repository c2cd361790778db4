import Engine
import Models
import Placement
import Serving
import Testing
import Traces
import Units

@Test func everyTokenIsRoutedToItsExpertsInEveryLayer() throws {
  // 8 devices x 16 sequences, top-2: 256 (token, expert) pairs in each of three layers.
  let log = try run(deployment(dgxH100()))
  #expect(log.tokens == [128, 128, 128])
  for load in log.loads {
    for layer in 0..<4 {
      let pairs = load.tokens[layer * 8..<(layer + 1) * 8].reduce(0, +)
      #expect(pairs == (layer == 0 ? 0 : 256))
    }
  }
}

@Test func splittingABatchOverDevicesLosesNoToken() throws {
  // The same 32 sequences on 2 and on 8 devices.
  for (devices, batch) in [(2, 16), (4, 8), (8, 4)] {
    let log = try run(deployment(dgxH100(devices: devices)), batch: batch)
    #expect(log.tokens == [32, 32, 32])
    #expect(log.loads[0].tokens.reduce(0, +) == 32 * 2 * 3)
  }
}

@Test func renamingExpertsTogetherWithTheirPlacementChangesNothing() throws {
  let cluster = try dgxH100()
  func renamed(_ expert: Int) -> Int { (expert * 5 + 3) % 8 }
  let plain = try run(deployment(cluster))
  var hosts = [[Int]](repeating: [], count: 8)
  for expert in 0..<8 { hosts[renamed(expert)] = [expert] }
  let placement = ExpertPlacement(groups: 8, hosts: [hosts, hosts, hosts])
  let other = try run(
    deployment(cluster, placement: placement), trace: skewedTrace(renamed: renamed))
  #expect(plain.tasks == other.tasks)
}

@Test func anyNumberOfThreadsGivesTheSameTimes() throws {
  let deployment = try deployment(dgxH100(2), model: smallModel(experts: 16))
  let trace = try skewedTrace(experts: 16)
  let one = try run(deployment, trace: trace, threads: 1)
  let four = try run(deployment, trace: trace, threads: 4)
  #expect(one.tasks == four.tasks)
}

@Test func theSlowestDeviceSetsTheTimeOfTheExperts() throws {
  // combine begins when the last device's experts are done.
  let log = try run(deployment(dgxH100()), iterations: 1)
  for layer in 1..<4 {
    let experts = log.tasks.filter {
      $0.label.stage == Stage.experts.rawValue && $0.label.layer == Int16(layer)
    }
    let combine = try #require(
      log.tasks.first {
        $0.label.stage == Stage.combine.rawValue && $0.label.layer == Int16(layer)
      })
    #expect(combine.start == experts.map(\.end).max())
  }
}

@Test func skewedRoutingIsSlowerThanUniformRouting() throws {
  // Prefill with enough tokens that experts are bound by their token count, not their weights.
  let deployment = try deployment(dgxH100())
  let skewed = try run(deployment, phase: .prefill, batch: 8, context: 512, iterations: 1)
  let uniform = try run(
    deployment, phase: .prefill, batch: 8, context: 512, routing: .uniform, iterations: 1)
  func imbalance(_ load: IterationLoad) -> Double {
    let row = load.tokens[8..<16]
    return Double(row.max() ?? 0) * 8 / Double(row.reduce(0, +))
  }
  #expect(imbalance(skewed.loads[0]) > 1.5)
  #expect(imbalance(uniform.loads[0]) < 1.05)
  let times = [skewed, uniform].map { ($0.ends[0] - $0.starts[0]).seconds }
  #expect(times[0] > times[1])
}

@Test func oneDeviceExchangesNothing() throws {
  let log = try run(deployment(dgxH100(devices: 1)))
  #expect(log.time(of: .dispatch) == 0)
  #expect(log.time(of: .combine) == 0)
  #expect(log.time(of: .experts) > 0)
}

@Test func slicedExpertsSendEachTokenToEverySlice() throws {
  // 4 devices, one expert group of 4 slices: each of 4 x 16 tokens goes to the 3 other devices.
  // 2048 bytes a token each way: each device sends 16 x 3 copies and returns 48 partial results.
  let log = try run(
    deployment(dgxH100(devices: 4), attentionTensor: 4, expertTensor: 4), batch: 64)
  #expect(log.tokens == [64, 64, 64])
  for device in 0..<4 {
    #expect(log.loads[0].bytesSent[4 + device] == 16 * 3 * 2048 * 2)
    #expect(log.loads[0].tokens[4 + device] == 128)
  }
}

@Test func replicasShareTheirExpertsTokens() throws {
  let cluster = try dgxH100()
  let single = try run(deployment(cluster))
  let doubled = try run(
    deployment(
      cluster,
      placement: .roundRobin(layers: 3, experts: 8, groups: 8, redundant: 8)))
  #expect(doubled.loads[0].tokens.reduce(0, +) == single.loads[0].tokens.reduce(0, +))
  // Expert 0 is the busiest; with a second copy its device has less to do.
  #expect(doubled.loads[0].tokens[8..<16].max() ?? 0 < single.loads[0].tokens[8..<16].max() ?? 0)
}

@Test func prefillTakesWholePrompts() throws {
  let log = try run(deployment(dgxH100(devices: 2)), phase: .prefill, batch: 3, context: 100)
  #expect(log.tokens == [600, 600, 600])
}

@Test func aDeploymentThatDoesNotFitIsRefusedWithItsArithmetic() throws {
  do {
    _ = try run(deployment(dgxH100()), batch: 100_000, context: 100_000)
    Issue.record("it ran")
  } catch let error as ServingError {
    #expect(error.isInputError)
    #expect(error.sentence.hasPrefix("device 0 would need "))
    #expect(error.sentence.contains("of its 80 GB of memory: experts "))
    #expect(error.sentence.contains("KV cache"))
    #expect(error.sentence.contains("100000 sequences of 100000 tokens x"))
  }
}

@Test func aTraceOfAnotherModelIsRefusedNamingBoth() throws {
  do {
    _ = try run(deployment(dgxH100()), trace: skewedTrace(experts: 16))
    Issue.record("it ran")
  } catch let error as ServingError {
    #expect(error.sentence.contains("3 MoE layers of 16 experts, top-2"))
    #expect(error.sentence.contains("3 MoE layers of 8 experts, top-2"))
  }
}

@Test func parallelismThatDoesNotFillTheClusterIsRefused() throws {
  #expect(throws: ServingError.self) {
    try Deployment(
      model: smallModel(), cluster: dgxH100(), precisions: Precisions(.bf16),
      parallelism: Parallelism(attention: (4, 1), experts: (8, 1)),
      placement: .contiguous(layers: 3, experts: 8, groups: 8),
      exchange: .init(dispatch: .bf16, combine: .bf16))
  }
}

@Test func noIterationIsFasterThanItsBusiestResourceAllows() throws {
  var simulation = try Simulation(
    deployment(dgxH100()),
    Workload(
      trace: skewedTrace(), phase: .decode, batch: 64, context: 2048, routing: .asRecorded),
    Measurement(warmup: 0, iterations: 2), seed: 1)
  var log = RunLog()
  try simulation.run(observer: &log)
  let elapsed = simulation.measuredTime.seconds
  for (resource, served) in simulation.amountsServed.enumerated() {
    #expect(served <= simulation.resources.table.capacities[resource] * elapsed * (1 + 1e-9))
  }
}
