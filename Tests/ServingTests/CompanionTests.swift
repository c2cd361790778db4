import Hardware
import Models
import Placement
import Testing
import Traces
import Units

@testable import Serving

/// Times that a pencil can follow: a millisecond a token on the device, two on the companion, and
/// what is given before the first.
private struct Pencil: ExpertTimes {
  var deviceShare = 0.25

  func deviceTime(of experts: [ExpertShares.Expert]) -> SimTime {
    SimTime(microseconds: Int64(1000 * experts.reduce(0) { $0 + $1.tokens }))
  }

  func companionTime(of experts: [ExpertShares.Expert]) -> SimTime {
    SimTime(microseconds: Int64(2000 * experts.reduce(0) { $0 + $1.tokens }))
  }
}

private func experts(_ tokens: Int...) -> [ExpertShares.Expert] {
  tokens.indices.map { ExpertShares.Expert(place: $0, tokens: tokens[$0]) }
}

private func tokens(_ experts: [ExpertShares.Expert]) -> [Int] { experts.map(\.tokens) }

@Suite("Experts shared out between a device and its companion")
struct ExpertSharesTests {
  @Test func aSearchMovesTheSmallestWhileTheSlowerSideGetsFaster() {
    // Device 20 ms; with 1 moved 19 and 2, with 2 moved 17 and 6, with 4 moved 13 and 14: that is
    // still less than 17; with 5 moved the companion takes 24.
    let shares = ExpertShares(
      experts(8, 1, 5, 2, 4), by: .split(.init(choice: .search)), Pencil())
    #expect(tokens(shares.device) == [8, 5])
    #expect(tokens(shares.companion) == [1, 2, 4])
  }

  @Test func expertsOfOneMemorySpaceGoTogether() {
    // Spaces by turns: (8, 5, 4) and (1, 2).
    let shares = ExpertShares(
      experts(8, 1, 5, 2, 4), by: .split(.init(spaces: 2, choice: .search)), Pencil())
    #expect(tokens(shares.device) == [8, 5, 4])
    #expect(tokens(shares.companion) == [2, 1])
  }

  @Test func theFormulaGivesTheDeviceItsShareOfTheBandwidths() {
    let all = experts(1, 2, 3, 4, 5, 6, 7, 8)
    let shares = ExpertShares(
      all, by: .split(.init(choice: .formula(alpha: 1))), Pencil())
    #expect(tokens(shares.device) == [8, 7])
    let more = ExpertShares(
      all, by: .split(.init(choice: .formula(alpha: 2))), Pencil())
    #expect(tokens(more.device) == [8, 7, 6, 5])
    #expect(more.companion.count == 4)
  }

  @Test func theFastestTakesAll() {
    let shares = ExpertShares(experts(1, 2), by: .fastest, Pencil())
    #expect(shares.companion.isEmpty)
    #expect(shares.device.count == 2)
  }
}

/// Mixtral on four devices of a node, each expert cut in four, and bytes and operations as published.
private func duplex(
  _ node: String = "duplex", _ execution: ExpertExecution
) throws -> Deployment {
  let model = try ModelCatalogue.load().named("mixtral-8x7b").architecture
  let cluster = try Cluster(
    HardwareCatalogue.load().node(named: node), count: 1, devicesPerNode: 4)
  return try Deployment(
    model: model, cluster: cluster, precisions: Precisions(.bf16),
    parallelism: Parallelism(attention: (4, 1), experts: (1, 4)),
    placement: try .contiguous(layers: 32, experts: 8, groups: 1),
    exchange: .init(dispatch: .bf16, combine: .bf16), execution: execution)
}

@Suite("Logic-PIM beside a GPU")
struct LogicPIMTests {
  /// Eight experts of 352.3 MB over four devices at 3.352 TB/s take 210 us whatever the batch; at four
  /// times the bandwidth and 8 operations a byte 52.6 us up to 8 tokens an expert, then the tokens'. Besides
  /// weights come activations, a token's: 4096 in and 7168 out of gate and up, 7168 in and 3584 out of
  /// the activation, 3584 in and 4096 out of down.
  @Test(arguments: [8, 16, 32])
  func aLayerTakesWhatBytesAndOperationsTake(perExpert: Int) throws {
    let deployment = try duplex("duplex", ExpertExecution(experts: .fastest))
    let batch = TokenBatch(decoding: perExpert, context: 256)
    let costs = StageCosts(deployment, IterationMix(parts: [batch], outputs: perExpert))
    let companion = try #require(costs.companion)
    let times = CompanionTimes(
      costs: costs, companion: companion, count: 8, tokens: perExpert * 4)
    let all = (0..<8).map { ExpertShares.Expert(place: $0, tokens: perExpert) }
    let device = Seconds(times.deviceTime(of: all)).value * 1e6
    let beside = Seconds(times.companionTime(of: all)).value * 1e6
    let tokens = Double(perExpert)
    func microseconds(_ rate: Double, _ bandwidth: Double, experts: Double) -> Double {
      func time(_ weights: Double, _ values: Double) -> Double {
        max(2 * weights * tokens / rate, (weights + values * tokens) * 2 / bandwidth)
      }
      let each = time(4096 * 7168, 4096 + 7168) + time(4096 * 3584, 3584 + 4096)
      return (each + (7168 + 3584) * tokens * 2 / bandwidth) * experts * 1e6
    }
    #expect(abs(device / microseconds(989.4e12, 3352e9, experts: 8) - 1) < 1e-3)
    #expect(abs(beside / microseconds(106.5e12, 13408e9, experts: 8) - 1) < 1e-3)
  }

  @Test func bothProcessorsAtATimeAreFasterThanEither() throws {
    func time(_ execution: ExpertExecution) throws -> Double {
      let deployment = try duplex("duplex", execution)
      let trace = try RoutingTrace(
        drawing: .uniform, for: deployment.model, phase: .decode, sequences: 128, tokensEach: 4,
        measurement: Measurement(warmup: 0, iterations: 1), seed: 3)
      let log = try run(deployment, trace: trace, batch: 32, iterations: 1)
      return Seconds(log.ends[0] - log.starts[0]).value
    }
    let alone = try time(.resident)
    let fastest = try time(ExpertExecution(experts: .fastest))
    let split = try time(ExpertExecution(experts: .split(.init(choice: .search))))
    let withAttention = try time(
      ExpertExecution(experts: .split(.init(choice: .search)), attention: .companion))
    #expect(fastest <= alone)
    #expect(split < fastest)
    #expect(withAttention < split)
    // Never faster than both processors' bandwidths added up: 1 + 4.
    #expect(withAttention > alone / 5)
  }

  @Test func whatHasNoEffectOrNoCompanionIsRefused() throws {
    #expect(throws: ServingError.self) {
      _ = try duplex("duplex-gpu", ExpertExecution(experts: .companion))
    }
    #expect(throws: ServingError.self) {
      _ = try duplex("duplex", ExpertExecution(experts: .fetch))
    }
    #expect(throws: ServingError.self) {
      _ = try duplex(
        "duplex", ExpertExecution(experts: .split(.init(choice: .formula(alpha: 1)))))
    }
  }
}

@Suite("Experts behind a link")
struct NearDataTests {
  private func deployment(_ experts: ExpertExecution.Experts) throws -> Deployment {
    let model = try ModelCatalogue.load().named("nllb-moe-54b").architecture
    return try Deployment(
      model: model, cluster: try Cluster(HardwareCatalogue.load().node(named: "monde"), count: 1),
      precisions: Precisions(.bf16),
      parallelism: Parallelism(attention: (1, 1), experts: (1, 1)),
      placement: try .contiguous(layers: 12, experts: 128, groups: 1),
      exchange: .init(dispatch: .bf16, combine: .bf16),
      execution: ExpertExecution(experts: experts))
  }

  private func times(_ experts: ExpertExecution.Experts, tokens: Int) throws -> CompanionTimes {
    let deployment = try deployment(experts)
    let batch = TokenBatch(prefilling: 512, of: 1, context: 512)
    let costs = StageCosts(deployment, IterationMix(parts: [batch], outputs: 1))
    return CompanionTimes(
      costs: costs, companion: try #require(costs.companion), count: 128, tokens: tokens)
  }

  /// 2 x 2048 x 8192 weights of two bytes are 67.1 MB: 2.097 ms at 32 GB/s, 0.131 ms at 512 GB/s, and
  /// above four tokens an expert 2.048 TFLOPS bind: 32.8 us a token.
  @Test func anExpertTakesWhatItsBytesOrTokensTake() throws {
    let fetched = try times(.fetch, tokens: 512)
    let one = [ExpertShares.Expert(place: 0, tokens: 1)]
    let ten = (0..<10).map { ExpertShares.Expert(place: $0, tokens: 1) }
    let first = Seconds(fetched.deviceTime(of: one)).value
    let last = Seconds(fetched.deviceTime(of: ten)).value
    // Nine more on the link; what they compute is hidden but for the last one's.
    #expect(abs((last - first) / (9 * (67.108864e6 / 32e9 + 0.25e-6)) - 1) < 1e-6)
    let near = try times(.companion, tokens: 512)
    func companion(_ tokens: Int) -> Double {
      near.companion.sequence(of: [ExpertShares.Expert(place: 0, tokens: tokens)]).busy.value
    }
    #expect(abs(companion(1) / (67.108864e6 / 512e9) - 1) < 0.01)
    #expect(abs(companion(64) / (64 * 67.108864e6 / 2.048e12) - 1) < 0.03)
    #expect(abs(near.deviceShare - 32.0 / (32 + 512)) < 1e-12)
  }

  @Test func expertsLiveBesideTheDevice() throws {
    let workload = try Workload(
      trace: skewedTrace(), phase: .prefill, batch: 1, context: 512, routing: .asRecorded)
    let beside = MemoryBudget(try deployment(.fetch), workload)
    #expect(beside.fits)
    #expect(!beside.parts.contains { $0.name == "experts" })
    // What is fetched stands in the device's memory: at most a layer of 128 times 67 MB.
    let fetched = beside.parts.first { $0.name == "fetched experts" }
    #expect(fetched?.bytes == Bytes(128 * 2 * 2048 * 8192 * 2))
    let near = MemoryBudget(try deployment(.companion), workload)
    #expect(!near.parts.contains { $0.name == "fetched experts" })
    // 103 GB of experts do not fit the device.
    #expect(!MemoryBudget(try deployment(.resident), workload).fits)
  }

  @Test func prefillTakesTheEncodersLayersAndDecodeTheDecoders() throws {
    let deployment = try deployment(.companion)
    func layers(_ phase: Phase) throws -> Set<Int16> {
      let trace = try RoutingTrace(
        drawing: .uniform, for: deployment.model, phase: phase, sequences: 2, tokensEach: 64,
        measurement: Measurement(warmup: 1, iterations: 1), seed: 3)
      var workload = Workload(
        trace: trace, phase: phase, batch: 2, context: 64, routing: .asRecorded)
      workload.source = phase == .decode ? 64 : 0
      var simulation = try Simulation(
        deployment, workload, Measurement(warmup: 0, iterations: 1), seed: 7)
      var log = RunLog()
      try simulation.run(observer: &log)
      return Set(log.tasks.map(\.label.layer).filter { $0 >= 0 })
    }
    #expect(try layers(.prefill) == Set(0..<24))
    #expect(try layers(.decode) == Set(24..<48))
  }
}
