import Engine
import Hardware
import Models
import Placement
import Testing
import Traces
import Units

@testable import Serving

/// An A40 beside a Xeon 8380 that has 150 GB/s of memory and a link of 19.5 GB/s.
func host(
  link: Bandwidth? = nil, memory: Bandwidth? = nil
) throws -> Cluster {
  var node = try HardwareCatalogue.load().node(named: "a40-xeon-8380")
  if let link, let efficiency = node.companion?.port?.link.efficiency {
    node.companion?.port?.bandwidth = link * (1 / efficiency)
  }
  if let memory, let fraction = node.companion?.processor.efficiency.memoryFraction {
    node.companion?.processor.memory.bandwidth = memory * (1 / fraction)
  }
  return try Cluster(node, count: 1)
}

func streamed(
  _ cluster: Cluster, attention: ExpertExecution.Attention = .companion, cache: Bytes? = nil,
  copies: StreamedWeights.Copies? = nil, model: ModelArchitecture = smallModel()
) throws -> Deployment {
  try Deployment(
    model: model, cluster: cluster, precisions: Precisions(.bf16),
    parallelism: Parallelism(attention: (1, 1), experts: (1, 1)),
    placement: try .contiguous(
      layers: model.expertLayers.count, experts: model.experts.count, groups: 1),
    exchange: .init(dispatch: .bf16, combine: .bf16),
    execution: ExpertExecution(
      experts: .streamed(StreamedWeights(cache: cache, copies: copies)), attention: attention))
}

/// Weights of the small model in bytes: four attentions of 64 x (2 x 16 + 2 x 4) x 1024, three layers of
/// eight experts, a shared one and a gate, a dense layer, table and head.
private let attentionWeights = 2.0 * 64 * 40 * 1024
private let expertLayerWeights = 2.0 * (9 * 3 * 1024 * 512 + 8 * 1024)
private let modelWeights =
  4 * attentionWeights + 3 * expertLayerWeights + 2.0 * 3 * 1024 * 4096 + 2 * 2.0 * 8192 * 1024

private func tasks(_ log: RunLog, _ stage: Stage, layer: Int? = nil) -> [RunLog.Ended] {
  log.tasks.filter {
    $0.label.stage == stage.rawValue && (layer == nil || Int($0.label.layer) == layer)
  }
}

@Suite("Weights streamed from host memory")
struct WeightStreamTests {
  @Test func theModelIsWhatIsStreamed() throws {
    let deployment = try streamed(host())
    #expect(deployment.streamedModelBytes == Bytes(modelWeights))
    // The unit with the dense layer behind the first attention is the largest but for the last one, which
    // has the head, and the table of the next iteration's first.
    let output = 2.0 * 64 * 16 * 1024
    let last =
      output + expertLayerWeights + 2.0 * 8192 * 1024 * 2 + (attentionWeights - output)
    #expect(deployment.streamBufferBytes == Bytes(2 * last))
  }

  /// 164.7 MB and two groups' outputs of 8 x 1024 x 2 bytes in four layers over 19.5 GB/s, and a
  /// microsecond before each of the four units and the one that two iterations share. How much of that one
  /// comes early depends on the last layer's experts that happen to have tokens: some microseconds of 8,456.
  @Test(arguments: [1, 2])
  func anIterationOfFewTokensTakesTheModelsWay(groups: Int) throws {
    let log = try run(
      streamed(host()), iterations: 3, batching: Batching(microbatches: groups))
    let outputs = 4.0 * 16 * 1024 * 2
    let expected = (modelWeights + outputs) / 19.5e9 + 5e-6
    for (start, end) in zip(log.starts, log.ends) {
      #expect(abs((end - start).seconds / expected - 1) < 4e-3)
    }
    let all = (log.ends[2] - log.starts[0]).seconds
    #expect(abs(all / (3 * expected) - 1) < 2e-3)
    // The device has nothing to do for most of it.
    let kernels = log.tasks.filter { !(Stage(rawValue: $0.label.stage)?.isCommunication ?? true) }
    let busy = kernels.reduce(0) { $0 + ($1.end - $1.start).seconds } / 3
    #expect(busy < expected / 2)
  }

  @Test func attentionOfTheDeviceNeedsNoWayButTheModels() throws {
    let log = try run(streamed(host(), attention: .device), iterations: 3)
    for (start, end) in zip(log.starts, log.ends) {
      #expect(abs((end - start).seconds / (modelWeights / 19.5e9 + 5e-6) - 1) < 4e-3)
    }
    #expect(tasks(log, .vectorTransfer).isEmpty)
  }

  /// Where the companion runs attention the head's unit and the next lookup's are one, which holds the table
  /// once; where the device does the table comes for each of them, as if there were two.
  @Test func aTableThatIsTheHeadComesWhereverItIsNeeded() throws {
    var tied = smallModel()
    tied.hasTiedEmbeddings = true
    let table = 2.0 * 8192 * 1024
    for (attention, tables) in [(ExpertExecution.Attention.companion, 1.0), (.device, 2)] {
      let deployment = try streamed(host(), attention: attention, model: tied)
      #expect(deployment.streamedModelBytes == Bytes(modelWeights - table))
      let bytes = modelWeights - (2 - tables) * table
      #expect(deployment.streamedBytesOfIteration == Bytes(bytes))
      let log = try run(deployment, iterations: 3)
      let outputs = attention == .companion ? 4.0 * 16 * 1024 * 2 : 0
      for (start, end) in zip(log.starts, log.ends) {
        #expect(abs((end - start).seconds / ((bytes + outputs) / 19.5e9 + 5e-6) - 1) < 4e-3)
      }
    }
    // The last unit of the device's: a layer and its head.
    let own = try streamed(host(), attention: .device, model: tied)
    let untied = try streamed(host(), attention: .device)
    #expect(own.streamBufferBytes == untied.streamBufferBytes)
  }

  /// Two counts: what the parts of an iteration need, and what the model has.
  @Test(arguments: ["mixtral-8x7b", "deepseek-v2-lite", "gpt-oss-20b"])
  func unitsAreTheModel(name: String) throws {
    let model = try ModelCatalogue.load().named(name).architecture
    for attention in [ExpertExecution.Attention.companion, .device] {
      let deployment = try streamed(host(), attention: attention, model: model)
      #expect(
        abs(deployment.streamedBytesOfIteration / deployment.streamedModelBytes - 1) < 1e-12)
    }
    let resident = try deployment(dgxH100(), model: model)
    #expect(resident.streamedBytesOfIteration == .zero)
    #expect(resident.streamedModelBytes == model.weightBytes(Precisions(.bf16)))
  }

  @Test func theFirstIterationAlsoCopiesWhatItBeginsWith() throws {
    var simulation = try Simulation(
      streamed(host()),
      Workload(
        trace: skewedTrace(), phase: .decode, batch: 16, context: 512, routing: .asRecorded,
        batching: Batching(microbatches: 2)),
      Measurement(warmup: 0, iterations: 2), seed: 7)
    var log = RunLog()
    try simulation.run(observer: &log)
    let (first, second) = (log.ends[0] - log.starts[0], log.ends[1] - log.starts[1])
    #expect(first > second)
    let streams = tasks(log, .weightStream)
    // Table and first attention's input; then what the last part hides goes to the iteration before.
    #expect(streams.count == 6 + 5)
  }

  /// Kernels wait for their weights, and a copy for the kernels that use its buffer, whatever is slower.
  @Test(arguments: [5e9, 19.5e9, 2e12])
  func twoBuffersAreAllThatCopiesUse(link: Double) throws {
    let log = try run(
      streamed(host(link: Bandwidth(link))), batch: 512, context: 64, iterations: 1,
      batching: Batching(microbatches: 2))
    let copies = tasks(log, .weightStream)
    for (one, next) in zip(copies, copies.dropFirst()) { #expect(one.end <= next.start) }
    for layer in 1..<4 {
      let copy = try #require(tasks(log, .weightStream, layer: layer).first)
      let experts = tasks(log, .experts, layer: layer)
      #expect(experts.count == 2)
      for kernel in experts { #expect(copy.end <= kernel.start) }
      guard layer < 2 else { continue }
      let later = try #require(tasks(log, .weightStream, layer: layer + 2).first)
      for kernel in experts { #expect(kernel.end <= later.start) }
    }
  }

  @Test func aFastLinkLeavesTheKernels() throws {
    func log(_ link: Double) throws -> RunLog {
      try run(
        streamed(host(link: Bandwidth(link), memory: Bandwidth(1e15))), batch: 512, context: 64,
        iterations: 1, batching: Batching(microbatches: 2))
    }
    let (slow, fast) = (try log(19.5e9), try log(1e15))
    let time = (fast.ends[0] - fast.starts[0]).seconds
    #expect(time < modelWeights / 19.5e9)
    #expect((slow.ends[0] - slow.starts[0]).seconds >= modelWeights / 19.5e9)
    let kernels = Stage.allCases.filter { !$0.isCommunication }
    #expect(time >= kernels.reduce(0) { $0 + fast.time(of: $1) } * (1 - 1e-9))
  }

  @Test func noThreadChangesATime() throws {
    let deployment = try streamed(host())
    let batching = Batching(microbatches: 2)
    let one = try run(deployment, batching: batching)
    #expect(try run(deployment, threads: 3, batching: batching).tasks == one.tasks)
  }
}

@Suite("Attention over a cache in host memory")
struct HostAttentionTests {
  /// Mixtral's layer: a decoded token sends 2 (d + 2 d / 4) bytes and gets 2 d back; a prompt's sends
  /// 2 x 2 d / 4, its keys and values.
  @Test func aTokenSendsWhatAttentionNeeds() throws {
    let model = try ModelCatalogue.load().named("mixtral-8x7b").architecture
    let deployment = try streamed(host(), cache: Bytes(70e9), model: model)
    let mix = IterationMix(
      parts: [
        TokenBatch(prefilling: 980, of: 10, context: 98), TokenBatch(decoding: 100, context: 114),
      ], outputs: 110)
    let cost = StageCosts(deployment, mix).attention[0]
    let sent: Double = 2 * (4096 + 2 * 1024)
    #expect(cost.toCompanion == Bytes(100 * sent))
    #expect(cost.fromCompanion == Bytes(100 * 2 * 4096))
    #expect(cost.promptCache == Bytes(980 * 2 * 2 * 1024))
    // 100 x 114 tokens of 4 KiB at 150 GB/s, and the tokens' own queries, outputs and new keys.
    let (cached, own): (Double, Double) = (114 * 4096, 5 * 4096)
    let bytes = 100 * (cached + own)
    #expect(abs(cost.companion.busy.value / (bytes / 150e9) - 1) < 1e-9)
    #expect(cost.beside.kernels == 1)
  }

  /// 600 sequences of 4,096 tokens read 2.5 GB a layer, which takes 16.8 ms at 150 GB/s; a layer of 28 to
  /// 42 MB takes 1.4 to 2.2 ms at 19.5 GB/s.
  @Test func attentionAndTheStreamShareHostMemory() throws {
    func attention(_ link: Double) throws -> (alone: Double, streamed: Double) {
      let deployment = try streamed(host(link: Bandwidth(link)), cache: Bytes(20e9))
      let log = try run(deployment, batch: 600, context: 4096, iterations: 1)
      let cost = StageCosts(
        deployment,
        IterationMix(parts: [TokenBatch(decoding: 600, context: 4096)], outputs: 600))
      let alone = cost.attention[1].companion.duration.seconds
      let layers = tasks(log, .companionAttention)
      #expect(layers.count == 4)
      return (alone * 4, layers.reduce(0) { $0 + ($1.end - $1.start).seconds })
    }
    let slow = try attention(19.5e9)
    // What the stream reads meanwhile is lost to attention: no more than the model's bytes.
    #expect(slow.streamed > slow.alone * 1.005)
    #expect(slow.streamed < slow.alone + (modelWeights + 4 * 600 * 4096) / 150e9)
  }

  @Test func contentionLengthensTheStreamToo() throws {
    // A link as fast as the memory: alone a layer takes 224 us on it, beside attention it has half.
    func copy(context: Int) throws -> Double {
      let log = try run(
        streamed(host(link: Bandwidth(150e9)), cache: Bytes(20e9)), batch: 600, context: context,
        iterations: 1)
      let copy = try #require(tasks(log, .weightStream, layer: 2).first)
      return (copy.end - copy.start).seconds
    }
    let alone = (attentionWeights + expertLayerWeights) / 150e9
    let (short, long) = (try copy(context: 8), try copy(context: 4096))
    #expect(long > 1.9 * alone)
    #expect(long < 2 * alone + 2e-6)
    // Of eight tokens attention is done before the copy is.
    #expect(short < 1.5 * alone)
  }

  @Test func groupsHideEachOthersAttention() throws {
    // A layer's cores take 2.2 ms and its weights less: one group waits for them, two do not.
    func time(_ groups: Int) throws -> Double {
      let log = try run(
        streamed(host(link: Bandwidth(150e9)), cache: Bytes(20e9)), batch: 1024, context: 256,
        iterations: 1, batching: Batching(microbatches: groups))
      return (log.ends[0] - log.starts[0]).seconds
    }
    #expect(try time(2) < time(1))
  }
}

@Suite("A copy engine for each direction of the link")
struct CopyQueueTests {
  /// What comes down the link in one iteration of one microbatch: weights, and attention's outputs.
  private struct Copies {
    var weights: [RunLog.Ended]
    var outputs: [RunLog.Ended]
    /// From the end of each layer's attention to when its output has come, in seconds.
    var waits: [Double] = []
    /// Of the whole iteration.
    var seconds: Double

    init(_ copies: StreamedWeights.Copies) throws {
      let log = try run(
        streamed(host(), cache: Bytes(20e9), copies: copies), batch: 512, context: 64, iterations: 1
      )
      weights = tasks(log, .weightStream)
      outputs = []
      for layer in 0..<4 {
        // There and back.
        let vectors = tasks(log, .vectorTransfer, layer: layer).sorted { $0.start < $1.start }
        let core = try #require(tasks(log, .companionAttention, layer: layer).first)
        let back = try #require(vectors.last)
        outputs.append(back)
        waits.append((back.end - core.end).seconds)
      }
      seconds = (log.ends[0] - log.starts[0]).seconds
    }

    /// Whether two are ever under way at a time.
    var overlap: Bool {
      let all = (weights + outputs).sorted { $0.start < $1.start }
      return zip(all, all.dropFirst()).contains { $0.end > $1.start }
    }
  }

  @Test func oneCopyIsUnderWayAtATime() throws {
    #expect(try Copies(.fair).overlap)
    for first in CopyQueue.First.allCases {
      #expect(try !Copies(.queued(CopyQueue(chunk: Bytes(2e6), first: first))).overlap)
    }
  }

  @Test func piecesAreNoLargerThanAChunkAndAllOfTheModel() throws {
    let whole = try Copies(.queued(CopyQueue(chunk: nil)))
    let pieces = try Copies(.queued(CopyQueue(chunk: Bytes(2e6))))
    #expect(whole.weights.count == 5)
    // The table, four units and what comes ahead: 164.7 MB by 2 MB, each unit rounded up.
    #expect((83...88).contains(pieces.weights.count))
    for piece in pieces.weights {
      #expect((piece.end - piece.start).seconds < 1.01 * 2e6 / 19.5e9 + 2e-6)
    }
  }

  /// Outputs are 512 x 1024 x 2 bytes, 54 us; a chunk of 2 MB takes 103 us, a layer 1.4 ms and more.
  @Test func vectorsWaitForOneChunkAtMost() throws {
    let (own, chunk): (Double, Double) = (512 * 1024 * 2 / 19.5e9 + 1e-6, 2e6 / 19.5e9)
    let short = try Copies(.queued(CopyQueue(chunk: Bytes(2e6))))
    for wait in short.waits { #expect(wait <= own + chunk + 2e-6) }
    // A copy of a whole layer is not interrupted.
    let whole = try Copies(.queued(CopyQueue(chunk: nil)))
    #expect(whole.waits.contains { $0 > own + 5 * chunk })
    // Nor does it help to be cut where weights go first.
    let last = try Copies(.queued(CopyQueue(chunk: Bytes(2e6), first: .weights)))
    #expect(last.waits.contains { $0 > own + 5 * chunk })
    #expect(short.seconds <= whole.seconds * (1 + 1e-6))
  }

  /// Bytes are the same, so that a link that is never idle takes as long.
  @Test func noOrderChangesWhatTheLinkCarries() throws {
    let fair = try Copies(.fair).seconds
    let queued = try Copies(.queued(CopyQueue(chunk: Bytes(2e6)))).seconds
    #expect(abs(queued / fair - 1) < 0.02)
  }
}

@Suite("What does not hold a model must hold")
struct StreamingMemoryTests {
  private func workload(_ requests: RequestLengths?, batch: Int, _ batching: Batching) throws
    -> Workload
  {
    var workload = try Workload(
      trace: skewedTrace(), phase: .decode, batch: batch, context: 130, routing: .asRecorded,
      batching: batching)
    workload.requests = requests
    return workload
  }

  private func refusal(_ body: () throws -> Void) -> String? {
    do {
      try body()
      return nil
    } catch let error as ServingError { return error.sentence } catch { return "\(error)" }
  }

  @Test func theDeviceHoldsTwoLayersAndWhatItWorksOn() throws {
    let deployment = try streamed(host())
    let budget = MemoryBudget(deployment, try workload(nil, batch: 16, Batching(microbatches: 2)))
    #expect(budget.parts.map(\.name) == ["weight buffers", "activations"])
    // Residual and normalised form, and twice two vectors and three intermediate ones; the dense layer's
    // three of 4096 are more.
    let each: Double = 2 * (4 * 1024 + 3 * 4096)
    #expect(budget.parts[1].bytes == Bytes(8 * each))
    let own = MemoryBudget(
      try streamed(host(), attention: .device), try workload(nil, batch: 16, Batching()))
    #expect(own.parts.map(\.name).contains("KV cache"))
  }

  @Test func whatDoesNotFitIsRefusedWithTheArithmetic() throws {
    #expect(
      refusal { _ = try streamed(host(), cache: Bytes(374.9e9)) }
        == "the memory of 'xeon-8380' has 375 GB; needed are weights 164.7 MB + KV cache 374.9 GB = "
        + "375.1 GB")
    // A token has 2 x 4 x 64 x 2 bytes in four layers: 4 KiB; 1 MiB is 256 tokens.
    let deployment = try streamed(host(), cache: Bytes(1_048_576))
    let lengths = RequestLengths(prompt: 98, output: 32)
    #expect(
      refusal {
        try workload(lengths, batch: 3, Batching(admission: .continuous)).check(deployment)
      }
        == "3 requests of 98 + 32/2 tokens on average need the keys and values of 342 tokens; 1.049 MB "
        + "of host memory have room for 256, or 2 requests")
    #expect(
      refusal {
        try workload(lengths, batch: 2, Batching(admission: .together)).check(deployment)
      }
        == "2 requests of 98 + 32 tokens need the keys and values of 260 tokens; 1.049 MB of host memory "
        + "have room for 256, or 1 requests")
    #expect(
      refusal {
        try workload(lengths, batch: 2, Batching(microbatches: 2, admission: .continuous))
          .check(deployment)
      }
        == "a request of 98 + 32 tokens needs more keys and values than the 128 tokens that a "
        + "microbatch has room for in 1.049 MB of host memory")
    #expect(
      refusal {
        try workload(
          lengths, batch: 2, Batching(microbatches: 2, admission: .continuous, budget: 200)
        ).check(try streamed(host()))
      }
        == "a budget of 200 tokens leaves 100 for each microbatch; a request of 98 + 32 tokens, which "
        + "begins anew where it lost its cache, would never go through")
    #expect(
      refusal { try workload(nil, batch: 2, Batching()).check(deployment) }
        == "2 sequences of 130 tokens need the keys and values of 260 tokens; 1.049 MB of host memory "
        + "have room for 256, or 1 sequences")
  }

  /// 256 tokens of cache: three requests of 98 + 32/2 do not fit, two of 98 + 32 do not. A budget of 130
  /// keeps 32 going, one prompt of 98 and 31 tokens; so does one of 200, for with two prompts of 98 there
  /// are four tokens; 260 keep 64 going, two prompts and 62 tokens.
  @Test func theLargestBatchIsTheLastThatFits() throws {
    let deployment = try streamed(host(), cache: Bytes(1_048_576))
    let lengths = RequestLengths(prompt: 98, output: 32)
    for (batching, largest) in [
      (Batching(admission: .continuous), 2), (Batching(admission: .together), 1),
    ] {
      var given = try workload(lengths, batch: 999, batching)
      #expect(given.largestBatch(on: deployment, most: 1000).sequences == largest)
      #expect(given.largestBatch(on: deployment, most: 1).sequences == 1)
      given.batch = largest
      #expect(throws: Never.self) { try given.check(deployment) }
      given.batch = largest + 1
      #expect(throws: ServingError.self) { try given.check(deployment) }
    }
    let budget = try workload(lengths, batch: 1, Batching(admission: .continuous, budget: 130))
    #expect(budget.largestBatch(on: try streamed(host()), most: 1000).sequences == 32)
    let small = try workload(lengths, batch: 1, Batching(admission: .continuous, budget: 200))
    #expect(small.largestBatch(on: try streamed(host()), most: 1000).sequences == 32)
    let double = try workload(
      lengths, batch: 1, Batching(microbatches: 2, admission: .continuous, budget: 520))
    #expect(double.largestBatch(on: try streamed(host()), most: 1000).sequences == 128)
    #expect(
      small.largestBatch(on: try streamed(host()), most: 1000).limit
        == "a budget of 200 tokens does not keep more going")
    #expect(
      small.largestBatch(on: try streamed(host()), most: 10).limit == "at most 10 are simulated")
    var few = small
    few.requests?.count = 7
    #expect(
      few.largestBatch(on: try streamed(host()), most: 1000)
        == (7, "there are no more than 7 requests"))
    // Every microbatch has a sequence.
    let parts = try workload(nil, batch: 1, Batching(microbatches: 3))
    #expect(parts.largestBatch(on: deployment, most: 1000).sequences == 3)
  }

  /// A budget bounds the prompts that go by themselves and the tokens that are decoded by themselves, not
  /// both together.
  @Test(arguments: [Batching.Admission.promptsFirst, .together])
  func aBudgetHasRoomForAsManyAsItHasTokensWherePromptsGoByThemselves(
    admission: Batching.Admission
  ) throws {
    let given = try workload(
      RequestLengths(prompt: 98, output: 32), batch: 1,
      Batching(microbatches: 2, admission: admission, budget: 260))
    let found = given.largestBatch(on: try streamed(host()), most: 1000)
    #expect(found.sequences == 260)
    #expect(
      found.limit.hasPrefix("a budget of 260 tokens leaves 130 for each microbatch, whose 131"))
  }

  @Test func theMachineMustBeThere() throws {
    let duplex = try Cluster(
      HardwareCatalogue.load().node(named: "duplex"), count: 1, devicesPerNode: 1)
    #expect(
      refusal { _ = try streamed(duplex) }
        == "'streamed' has no effect: 'duplex-logic-pim' works on the device's own memory, where weights "
        + "live")
    #expect(
      refusal { _ = try streamed(host(), attention: .fastest) }
        == "the KV cache lives in one memory: with 'streamed' attention is the device's or the "
        + "companion's")
    #expect(
      refusal { _ = try streamed(host(), attention: .device, cache: Bytes(1e9)) }
        == "'kv-cache' has no effect with the attention of the device, in whose memory the cache lives"
    )
  }
}
