import Fabric
import Hardware
import Models
import Placement
import Testing
import Traces
import Units

@testable import Serving

/// 4 layers, the first dense, 8 experts, one for each token.
private func oneExpertModel() -> ModelArchitecture {
  var model = smallModel()
  model.experts.topK = 1
  return model
}

/// One long sequence for every place; `expert` of a sequence's number and the layer's place.
private func decodeTrace(_ expert: (_ sequence: Int, _ layer: Int) -> Int) throws -> RoutingTrace {
  let sequences = (0..<16).map {
    TraceSequence(name: "\($0)", firstToken: $0 * 20, prefillTokens: 0, decodeTokens: 20)
  }
  let selections = (0..<16).flatMap { sequence in
    (0..<20).flatMap { _ in (0..<3).map { UInt16(expert(sequence, $0)) } }
  }
  return try RoutingTrace(
    shape: try RoutingShape(model: "small", layerIDs: [1, 2, 3], experts: 8, topK: 1),
    origin: .synthetic, provenance: "made by a test", sequences: sequences, selections: selections)
}

private func deployment(
  _ cluster: Cluster, _ residence: Deployment.TokenResidence,
  model: ModelArchitecture = oneExpertModel(), fabric: FabricPlan = FabricPlan(), slices: Int = 1,
  placement: ExpertPlacement? = nil, choice: ReplicaChoice = .even
) throws -> Deployment {
  let groups = cluster.deviceCount / slices
  return try Deployment(
    model: model, cluster: cluster, precisions: Precisions(.bf16),
    parallelism: Parallelism(attention: (groups, slices), experts: (groups, slices)),
    placement: placement ?? .contiguous(layers: 3, experts: 8, groups: groups),
    replicaChoice: choice,
    exchange: .init(dispatch: .bf16, combine: .bf16, residence: residence), fabric: fabric)
}

private func log(
  _ deployment: Deployment, _ trace: RoutingTrace, microbatches: Int = 1, batch: Int = 2
) throws -> RunLog {
  let workload = Workload(
    trace: trace, phase: .decode, batch: batch, context: 512, routing: .asRecorded,
    batching: Batching(microbatches: microbatches))
  var log = RunLog()
  var simulation = try Simulation(
    deployment, workload, Measurement(warmup: 0, iterations: 1), seed: 3)
  try simulation.run(observer: &log)
  return log
}

@Suite struct TransitionTests {
  @Test func tokensWhoseExpertsShareADeviceMoveOnce() throws {
    // Every token goes to the last device's expert in all layers, and home behind the last one.
    let trace = try decodeTrace { _, _ in 7 }
    let copy = 1024 * 2
    let moved = try log(deployment(try dgxH100(), .transition), trace)
    let returned = try log(deployment(try dgxH100(), .home), trace)
    // 16 tokens, 2 of which live there. By layers of the model, the first of which is dense.
    func sent(_ log: RunLog, layer: Int) -> Int {
      log.loads[0].bytesSent[layer * 8..<(layer + 1) * 8].reduce(0, +)
    }
    #expect((0..<4).map { sent(moved, layer: $0) } == [0, 14 * copy, 0, 14 * copy])
    #expect((0..<4).map { sent(returned, layer: $0) } == [0, 28 * copy, 28 * copy, 28 * copy])
    #expect(moved.loads[0].tokens == returned.loads[0].tokens)
  }

  @Test func attentionIsWhereTokensAre() throws {
    let moved = try log(deployment(try dgxH100(), .transition), decodeTrace { _, _ in 7 })
    func devices(_ stage: Stage, layer: Int) -> [Int] {
      moved.tasks.filter { $0.label.stage == stage.rawValue && $0.label.layer == layer }
        .map { Int($0.label.device) }.sorted()
    }
    #expect(devices(.attention, layer: 0) == Array(0..<8))
    #expect(devices(.attention, layer: 1) == Array(0..<8))
    #expect(devices(.gate, layer: 1) == Array(0..<8))
    #expect(devices(.weightedSum, layer: 1).allSatisfy { $0 == 7 })
    #expect(devices(.attention, layer: 2) == [7])
    #expect(devices(.sharedExperts, layer: 2) == [7])
    #expect(devices(.attention, layer: 3) == [7])
    #expect(devices(.head, layer: -1) == Array(0..<8))
    // One device with eight times the tokens is no faster than with its own.
    let own = moved.tasks.first {
      $0.label.stage == Stage.attention.rawValue && $0.label.layer == 1
    }
    let all = moved.tasks.first {
      $0.label.stage == Stage.attention.rawValue && $0.label.layer == 2
    }
    let (few, many) = (try #require(own), try #require(all))
    #expect(many.end - many.start > few.end - few.start)
  }

  @Test func theCostOfTokensThatNeverLeaveIsThatOfHome() throws {
    // Each device's sequences choose the device's own expert: both ways of carrying agree, but for the
    // gather. All sequences are alike where each device's experts are its own rank's.
    let one = try dgxH100(1, devices: 1)
    let trace = try decodeTrace { sequence, layer in (sequence + layer) % 8 }
    let home = try log(deployment(one, .home), trace)
    let moved = try log(deployment(one, .transition), trace)
    #expect(home.tasks == moved.tasks)
    #expect(home.ends == moved.ends)
  }

  /// Every device sends so much at the end of an iteration; a message's way comes on top.
  private func expectGather(of bytes: Bytes, by scaleUp: Node.ScaleUp, in log: RunLog) {
    let expected =
      (bytes / scaleUp.port.effectiveBandwidth).value + scaleUp.collectiveLatency.seconds
    let time = log.time(of: .contextGather)
    #expect(time >= expected)
    #expect(time < expected + 2e-6)
  }

  @Test func theGatherBringsAllKeysAndValuesToAll() throws {
    let cluster = try dgxH100()
    let moved = try log(deployment(cluster, .transition), decodeTrace { _, _ in 7 })
    // The dense layer and the first with experts: 2 tokens a device; in the two behind it all 16 are on
    // the last device, which sends the keys and values of 2 x 2 + 16 x 2 tokens to 7 others each.
    let keyValues = 2.0 * 4 * 64 * 2
    let bytes = Bytes(keyValues * (2 * 2 + 16 * 2) * 7)
    expectGather(of: bytes, by: cluster.node.scaleUp, in: moved)
  }

  @Test func slicedExpertsTakeTheirTokensOnAllTheirDevices() throws {
    // Four groups of two devices with two tokens each, one a device; all go to the last group.
    let trace = try decodeTrace { _, _ in 7 }
    let copy = 1024 * 2
    let moved = try log(deployment(try dgxH100(), .transition, slices: 2), trace)
    let returned = try log(deployment(try dgxH100(), .home, slices: 2), trace)
    func sent(_ log: RunLog, layer: Int) -> Int {
      log.loads[0].bytesSent[layer * 8..<(layer + 1) * 8].reduce(0, +)
    }
    // Home: the 6 tokens elsewhere send 2 copies each, the 2 of the group one to the other device, and
    // as many come back. Moving: back they come to the owner there, from the other device alone; in the
    // second layer all are there; from the last one they go home.
    let away = 6 * 2 + 2
    #expect((1..<4).allSatisfy { sent(returned, layer: $0) == 2 * away * copy })
    #expect(
      (0..<4).map { sent(moved, layer: $0) }
        == [0, (away + 8) * copy, (8 + 8) * copy, (8 + away) * copy])
    #expect(moved.loads[0].tokens == returned.loads[0].tokens)
  }

  @Test func devicesOfAGroupSliceTheirTokensAttention() throws {
    let moved = try log(
      deployment(try dgxH100(), .transition, slices: 2), decodeTrace { _, _ in 7 })
    func devices(_ stage: Stage, layer: Int) -> [Int] {
      moved.tasks.filter { $0.label.stage == stage.rawValue && $0.label.layer == layer }
        .map { Int($0.label.device) }.sorted()
    }
    #expect(devices(.attention, layer: 1) == Array(0..<8))
    #expect(devices(.attention, layer: 2) == [6, 7])
    // Each has the gate of what it owns.
    #expect(devices(.gate, layer: 2) == [6, 7])
    // Scattered and gathered in every layer: 4 layers, of which the dense one exchanges behind its
    // network as well, twice as much at a time.
    let exchanges = moved.tasks.filter { $0.label.stage == Stage.tensorExchange.rawValue }
    #expect(exchanges.count == 8)
    // Behind the third layer tokens are where they were, eight times as many on the devices as before.
    let layer = exchanges.filter { $0.label.layer == 2 }
    #expect(layer.count == 2 && layer[0].end - layer[0].start == layer[1].end - layer[1].start)
  }

  @Test func theGatherOfSlicesIsAmongTheSameSlices() throws {
    let cluster = try dgxH100()
    let moved = try log(
      deployment(cluster, .transition, slices: 2), decodeTrace { _, _ in 7 })
    // Half of the four key-value heads; the dense layer and the first with experts have 2 tokens a group,
    // the two behind it all 8, which go to the 3 devices with the same half.
    let keyValues = 2.0 * 2 * 64 * 2
    let bytes = Bytes(keyValues * (2 * 2 + 8 * 2) * 3)
    expectGather(of: bytes, by: cluster.node.scaleUp, in: moved)
  }

  @Test func theCostOfSlicedTokensThatNeverLeaveIsThatOfHome() throws {
    let pair = try dgxH100(1, devices: 2)
    let trace = try decodeTrace { sequence, layer in (sequence + layer) % 8 }
    let home = try log(deployment(pair, .home, slices: 2), trace)
    let moved = try log(deployment(pair, .transition, slices: 2), trace)
    #expect(home.tasks == moved.tasks)
    #expect(home.ends == moved.ends)
  }

  @Test func theNearestCopyIsNearToWhereATokenIs() throws {
    // Expert 7 is on the last device, in the two last layers on all: from there no token leaves.
    let single = (0..<8).map { [$0] }
    let copied = (0..<7).map { [$0] } + [Array(0..<8)]
    let placement = ExpertPlacement(groups: 8, hosts: [single, copied, copied])
    let trace = try decodeTrace { _, _ in 7 }
    let copy = 1024 * 2
    func sent(_ choice: ReplicaChoice, _ residence: Deployment.TokenResidence) throws -> [Int] {
      let log = try log(
        deployment(try dgxH100(), residence, placement: placement, choice: choice), trace)
      return (1..<4).map { layer in
        log.loads[0].bytesSent[layer * 8..<(layer + 1) * 8].reduce(0, +) / copy
      }
    }
    // 14 of 16 tokens are not on the last device; from there each goes home in the end.
    #expect(try sent(.nearest, .transition) == [14, 0, 14])
    // Rank modulo copies is each rank's own device: to it they all go, and stay there.
    #expect(try sent(.even, .transition) == [14, 14, 0])
    #expect(try sent(.nearest, .home) == [28, 0, 0])
    let load = try log(
      deployment(try dgxH100(), .transition, placement: placement, choice: .nearest), trace
    ).loads[0]
    #expect(Array(load.tokens[2 * 8..<3 * 8]) == [0, 0, 0, 0, 0, 0, 0, 16])
  }

  @Test func copiesByLoadAreRefused() throws {
    let copied = (0..<8).map { [$0, ($0 + 1) % 8] }
    var sentence = ""
    do {
      _ = try deployment(
        try dgxH100(), .home,
        placement: ExpertPlacement(groups: 8, hosts: Array(repeating: copied, count: 3)),
        choice: .leastLoaded)
    } catch let error as ServingError { sentence = error.sentence }
    #expect(
      sentence == "copies cannot be taken by load in a run, where each rank's copy is fixed "
        + "beforehand: use 'even' or 'nearest'")
  }

  @Test func everyDeviceKeepsAllSequences() throws {
    let workload = Workload(
      trace: try decodeTrace { _, _ in 0 }, phase: .decode, batch: 2, context: 512,
      routing: .asRecorded)
    func cache(_ residence: Deployment.TokenResidence) throws -> Bytes? {
      MemoryBudget(try deployment(try dgxH100(), residence), workload).parts
        .first { $0.name == "KV cache" }?.bytes
    }
    let (home, moved) = (try #require(try cache(.home)), try #require(try cache(.transition)))
    #expect(moved == home * 8)
  }

  @Test func microbatchesMoveByThemselves() throws {
    let trace = try decodeTrace { sequence, layer in (sequence * 3 + layer * 5) % 8 }
    let whole = try log(deployment(try dgxH100(), .transition), trace)
    let halves = try log(deployment(try dgxH100(), .transition), trace, microbatches: 2)
    #expect(whole.loads[0].bytesSent == halves.loads[0].bytesSent)
    #expect(
      halves.tasks.count { $0.label.stage == Stage.contextGather.rawValue }
        == 2 * whole.tasks.count { $0.label.stage == Stage.contextGather.rawValue })
  }

  @Test func pairsAreWhatDevicesSend() throws {
    let trace = try decodeTrace { sequence, layer in (sequence * 3 + layer * 5) % 8 }
    let workload = Workload(
      trace: trace, phase: .decode, batch: 2, context: 512, routing: .asRecorded)
    var log = RunLog()
    var simulation = try Simulation(
      try deployment(try dgxH100(2, devices: 4), .transition), workload,
      Measurement(warmup: 1, iterations: 2), seed: 3, keepsPairs: true)
    try simulation.run(observer: &log)
    let kept = simulation.pairBytes
    let pairs = try #require(kept)
    for device in 0..<8 {
      let sent = log.loads.reduce(0) { sum, load in
        sum
          + stride(from: device, to: load.bytesSent.count, by: 8).reduce(0) {
            $0 + load.bytesSent[$1]
          }
      }
      #expect(pairs[device * 8..<(device + 1) * 8].reduce(0, +) == sent)
    }
    #expect(pairs.reduce(0, +) > 0)
  }

  @Test func whatCannotMoveIsRefused() throws {
    let cluster = try dgxH100()
    func refusal(_ body: () throws -> Void) -> ServingError.Option? {
      do { try body() } catch let error as ServingError {
        if case .option(let option, _) = error { return option }
      } catch {}
      return nil
    }
    #expect(
      refusal {
        _ = try Deployment(
          model: smallModel(), cluster: cluster, precisions: Precisions(.bf16),
          parallelism: Parallelism(attention: (4, 2), experts: (8, 1)),
          placement: .contiguous(layers: 3, experts: 8, groups: 8),
          exchange: .init(dispatch: .bf16, combine: .bf16, residence: .transition))
      } == .tokenResidence)
    #expect(
      refusal {
        _ = try Deployment(
          model: smallModel(), cluster: cluster, precisions: Precisions(.bf16),
          parallelism: Parallelism(attention: (8, 1), experts: (8, 1)),
          placement: .contiguous(layers: 3, experts: 8, groups: 8),
          exchange: .init(
            dispatch: .bf16, combine: .bf16, residence: .transition, algorithm: .twoHop))
      } == .tokenResidence)
    let prompts = Workload(
      trace: try skewedTrace(), phase: .prefill, batch: 1, context: 8, routing: .asRecorded)
    let moving = try deployment(cluster, .transition, model: smallModel())
    #expect(refusal { try prompts.check(moving) } == .tokenResidence)
  }
}
