import Engine
import Hardware
import Models
import Placement
import Testing
import Traces
import Units

@testable import Serving

@Suite("Experts in blocks")
struct BlockLawTests {
  private let executions: [BlockExecution] = [
    .everywhere(4), .everywhere(3, .init(share: 0.1)), .allocator(4),
    .allocator(5, .init(share: 0.001, predicted: 2)),
  ]

  @Test("compute every row once, and lose none")
  func rows() throws {
    for execution in executions {
      let log = try run(try deployment(try wafer(2, 2), execution), batch: 20)
      for load in log.loads {
        for layer in 1..<4 {
          // 4 dies x 20 tokens x 2 experts.
          #expect(load.tokens[layer * 4..<(layer + 1) * 4].reduce(0, +) == 160)
        }
      }
    }
  }

  @Test("are spread evenly everywhere, however skewed the choices are")
  func everywhere() throws {
    let spread = try run(try deployment(try wafer(2, 2), .everywhere(1)), batch: 20)
    for load in spread.loads {
      let layer = Array(load.tokens[4..<8])
      #expect(layer == [40, 40, 40, 40])
    }
    let resident = try run(try deployment(try wafer(2, 2), nil), batch: 20)
    #expect(resident.loads.contains { $0.tokens[4..<8].max() ?? 0 > 60 })
  }

  @Test("read each expert at most once for each die, layer and iteration")
  func readsOnce() throws {
    // One row a block, so that every die has many of each expert.
    let deployment = try deployment(try wafer(2, 2), .everywhere(1))
    var dealer = try dealer(deployment)
    try dealer.deal()
    for layer in 0..<3 {
      for reader in 0..<4 {
        let reads = Array(dealer.dealer.work.reads(layer: layer, by: reader))
        // Two experts live on each die; none is read from the reader itself.
        #expect(reads[reader] == 0)
        #expect(reads.allSatisfy { $0 <= 2 })
      }
    }
  }

  @Test("kept as duplicates are read once and for all where there is room")
  func duplicates() throws {
    let deployment = try deployment(try wafer(2, 2), .everywhere(1, .init(share: 0.5)))
    var dealer = try dealer(deployment)
    var reads: [Int] = []
    for _ in 0..<6 {
      try dealer.deal()
      reads.append(dealer.reads)
    }
    // 3 layers x 8 experts, each read by 3 dies at most, in all iterations together.
    #expect(reads[0] > 0 && reads.reduce(0, +) <= 72)
    #expect(reads[1...].allSatisfy { $0 < reads[0] / 4 })
    #expect(dealer.dealer.work.hits > 0)
  }

  @Test("kept as duplicates are counted, found or not")
  func duplicateCounts() throws {
    func counts(_ share: Double?) throws -> DuplicateCounts? {
      let deployment = try deployment(
        try wafer(2, 2), .everywhere(1, share.map { .init(share: $0) }))
      var simulation = try Simulation(
        deployment,
        Workload(
          trace: skewedTrace(), phase: .decode, batch: 40, context: 64, routing: .asRecorded),
        Measurement(warmup: 1, iterations: 3), seed: 7)
      var log = RunLog()
      try simulation.run(observer: &log)
      return simulation.duplicates
    }
    #expect(try counts(nil) == nil)
    // 40 sequences on each of four dies choose nearly every expert, and every die has a block of it:
    // three dies need the weights of each of 3 x 8 experts in 3 iterations. They read them in the
    // warm-up.
    let roomy = try #require(try counts(0.5))
    #expect((200...216).contains(roomy.needed))
    #expect(roomy.found > roomy.needed * 9 / 10)
    // Room for one expert: 80 GB x 0.00004 = 3.2 MB, and one takes 3.146 MB.
    let cramped = try #require(try counts(0.000_04))
    #expect(cramped.needed == roomy.needed && cramped.found == 0)
  }

  @Test("kept as duplicates take time off the run")
  func duplicatesAreFaster() throws {
    // Links so narrow that no kernel hides the reads.
    let narrow = try wafer(2, 2, bandwidth: Bandwidth(20e9))
    let none = try run(try deployment(narrow, .everywhere(1)), batch: 40)
    let kept = try run(try deployment(narrow, .everywhere(1, .init(share: 0.5))), batch: 40)
    #expect(kept.time(of: .weightReads) < none.time(of: .weightReads) / 4)
    let end = try (#require(none.ends.last), #require(kept.ends.last))
    #expect(end.1 < end.0)
  }

  @Test("are kept only where they are predicted")
  func predicted() throws {
    let all = try deployment(try wafer(2, 2), .everywhere(1, .init(share: 0.5)))
    let few = try deployment(try wafer(2, 2), .everywhere(1, .init(share: 0.5, predicted: 1)))
    var (withAll, withFew) = (try dealer(all), try dealer(few))
    for iteration in 0..<5 {
      try withAll.deal()
      try withFew.deal()
      // Nothing has followed anything before the second iteration.
      if iteration < 2 { #expect(withFew.dealer.work.hits == 0) }
    }
    #expect(withFew.dealer.work.hits > 0)
    #expect(withFew.dealer.work.hits < withAll.dealer.work.hits)
  }

  @Test("read from the nearest of an expert's holders")
  func nearest() throws {
    // One expert on dies 0 and 24 of 5 x 5: die 23 is next to 24, die 1 next to 0, die 12 between.
    let network = try Deployment(
      model: smallModel(experts: 25), cluster: try wafer(5, 5), precisions: Precisions(.bf16),
      parallelism: Parallelism(attention: (25, 1), experts: (25, 1)),
      placement: .contiguous(layers: 3, experts: 25, groups: 25),
      exchange: .init(dispatch: .bf16, combine: .bf16)
    ).network
    let distances = DeviceDistances(network, try .init(.init(network)))
    #expect(distances.nearest(of: [0, 24], to: 23) == 24)
    #expect(distances.nearest(of: [0, 24], to: 1) == 0)
    #expect(distances.nearest(of: [24, 0], to: 12) == 0)
    #expect(distances.neighbours[12] == [7, 11, 13, 17] && distances.neighbours[0] == [1, 5])
    #expect(distances[0, 24] == 8)
  }

  @Test("give the same run with any number of threads")
  func threads() throws {
    for execution in executions {
      let one = try run(try deployment(try wafer(2, 2), execution), batch: 24)
      let four = try run(try deployment(try wafer(2, 2), execution), batch: 24, threads: 4)
      #expect(one.tasks == four.tasks && one.ends == four.ends)
      #expect(one.loads.map(\.tokens) == four.loads.map(\.tokens))
    }
  }

  @Test("are refused where they have no effect or cannot be dealt")
  func refused() throws {
    func sentence(_ body: () throws -> Deployment) -> String? {
      do { _ = try body() } catch { return (error as? ServingError)?.sentence }
      return nil
    }
    let one = sentence { try deployment(try dgxH100(devices: 1), .everywhere(4)) }
    #expect(one == "blocks have no effect on one device: there is nobody else to compute them")
    let tiny = sentence {
      try deployment(try wafer(2, 2), .everywhere(4, .init(share: 1e-6)))
    }
    // A millionth of 80 GB, and 3 x 1024 x 512 in bf16.
    #expect(
      tiny == "80 kB kept for duplicates have no effect: an expert takes 3.146 MB")
  }

  /// A dealer with its batches.
  private struct Batches {
    var dealer: BlockDealer
    var source: TokenSource
    var counts: RoutingCounts
    var batch = ReplayBatch()
    let trace: RoutingTrace

    mutating func deal() throws {
      source.nextBatch(of: 0..<10, into: &batch, devicesPerGroup: 1)
      try counts.replay(batch, of: trace)
      try dealer.deal(batch, of: trace, &counts)
    }

    var reads: Int {
      (0..<3).reduce(0) { sum, layer in
        (0..<4).reduce(sum) {
          $0 + dealer.work.reads(layer: layer, by: $1).reduce(0) { $0 + Int($1) }
        }
      }
    }
  }

  private func dealer(_ deployment: Deployment) throws -> Batches {
    let execution = try #require(deployment.blocks)
    let trace = try skewedTrace()
    let workload = Workload(
      trace: trace, phase: .decode, batch: 10, context: 64, routing: .asRecorded)
    let slots = try ExpertSlots(
      devices: 4, homeDevice: Array(0..<4), hosts: deployment.placement.hosts)
    return Batches(
      dealer: BlockDealer(
        deployment, execution, positions: 0..<3, try .init(.init(deployment.network))),
      source: try TokenSource(workload, groups: 4, seed: 3), counts: RoutingCounts(slots: slots),
      trace: trace)
  }
}

@Suite("A store of duplicates")
struct DuplicateStoreTests {
  @Test("gives up what was used longest ago")
  func leastRecentlyUsed() {
    var store = DuplicateStore(capacity: 2, experts: 5)
    store.keep(0)
    store.keep(1)
    store.use(0)
    store.keep(4)
    #expect([0, 1, 4].map { store.contains($0) } == [true, false, true])
    store.keep(0)
    store.keep(2)
    #expect([0, 2, 4].map { store.contains($0) } == [true, true, false])
    #expect(store.count == 2)
  }

  @Test("keeps nothing without room, and does what an array would")
  func againstArray() {
    var none = DuplicateStore(capacity: 0, experts: 3)
    none.keep(1)
    #expect(!none.contains(1))
    var store = DuplicateStore(capacity: 7, experts: 30)
    var model: [Int] = []
    var state: UInt64 = 5
    for _ in 0..<5000 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      let expert = Int(state >> 33) % 30
      let keeps = state >> 20 & 1 == 0
      if keeps || model.contains(expert) {
        model.removeAll { $0 == expert }
        model.append(expert)
        if model.count > 7 { model.removeFirst() }
      }
      if keeps { store.keep(expert) } else { store.use(expert) }
      let kept = (0..<30).filter { store.contains($0) }
      guard kept == model.sorted() else {
        Issue.record("\(kept) instead of \(model.sorted())")
        return
      }
    }
  }
}

@Test func blocksAreDealtWhateverTheNetworkIs() throws {
  // A switched node's ports say all of its exchanges; who reads weights needs the ways nevertheless.
  let spread = try run(deployment(dgxH100(), .everywhere(1)), batch: 64, iterations: 1)
  let resident = try run(deployment(dgxH100(), nil), batch: 64, iterations: 1)
  #expect(spread.ends[0] - spread.starts[0] > resident.ends[0] - resident.starts[0])
  #expect(spread.tasks.contains { $0.label.stage == Stage.weightReads.rawValue })
  #expect(!resident.tasks.contains { $0.label.stage == Stage.weightReads.rawValue })
}
