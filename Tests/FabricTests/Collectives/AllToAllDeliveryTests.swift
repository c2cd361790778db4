import Testing
import Units

@testable import Fabric

/// Blocks of an all-to-all: piece i goes from `ends[i].source` to `ends[i].target`.
private struct Blocks {
  var ends: [(source: Int, target: Int)] = []
  let layout: RankLayout

  /// Pairs of ranks drawn without repetition, up to 50.
  init(_ layout: RankLayout, seed: UInt64) {
    self.layout = layout
    var draw = Draw(seed: seed)
    let ranks = layout.rankCount
    var pairs = (0..<ranks * ranks).map { (source: $0 / ranks, target: $0 % ranks) }
    while ends.count < 50, !pairs.isEmpty {
      ends.append(pairs.remove(at: draw.next(below: pairs.count)))
    }
  }

  var matrix: TrafficMatrix {
    let ranks = layout.rankCount
    var matrix = TrafficMatrix(
      ranks: ranks, bytes: [Double](repeating: 0, count: ranks * ranks))
    for (piece, end) in ends.enumerated() {
      matrix[end.source, end.target] = Bytes(size(ofPiece: piece))
    }
    return matrix
  }

  /// What is wrong with a schedule that should bring every block from its source to its target in
  /// `chunks` parts: one sentence each.
  func faults(of schedule: MessageSchedule, chunks: Int) -> [String] {
    let replay = ScheduleReplay(schedule)
    var faults = replay.isInOrder ? [] : ["a step waits for a later one"]
    var carriers = [[Int]](repeating: [], count: ends.count)
    for message in replay.messages {
      let bytes = schedule.steps[message].bytes * Double(chunks)
      guard let bits = pieces(of: bytes), bits != 0 else {
        faults.append("message \(message) is of no blocks")
        continue
      }
      for piece in ends.indices where bits & (1 << UInt64(piece)) != 0 {
        carriers[piece].append(message)
      }
    }
    for (piece, messages) in carriers.enumerated() {
      faults += journeyFaults(piece, messages, replay, chunks: chunks)
    }
    return faults
  }

  /// A rank sends a part of a block when it has one more than it sent before; in the end every part has
  /// gone from its source and come to its target once.
  private func journeyFaults(
    _ piece: Int, _ messages: [Int], _ replay: ScheduleReplay, chunks: Int
  ) -> [String] {
    let (source, target) = ends[piece]
    let steps = replay.schedule.steps
    var faults: [String] = []
    if source == target {
      return messages.isEmpty ? [] : ["block \(piece) is its own rank's and moves"]
    }
    for message in messages where Int(steps[message].source) != source {
      let rank = steps[message].source
      let earlier = messages.filter { replay.comesBefore($0, message) }
      let got = earlier.filter { steps[$0].target == rank }.count
      let sent = earlier.filter { steps[$0].source == rank }.count
      if got <= sent { faults.append("rank \(rank) sends block \(piece) before it has it") }
    }
    for rank in 0..<layout.rankCount {
      let got = messages.filter { Int(steps[$0].target) == rank }.count
      let sent = messages.filter { Int(steps[$0].source) == rank }.count
      let wanted = rank == source ? -chunks : rank == target ? chunks : 0
      if got - sent != wanted || got > chunks || sent > chunks {
        faults.append("rank \(rank) got block \(piece) \(got) times and sent it \(sent) times")
      }
    }
    return faults
  }
}

private let layouts = [
  RankLayout(nodeSizes: [8, 4]), RankLayout(nodeSizes: [4, 8]), RankLayout(nodeSizes: [4, 3]),
  RankLayout(nodeSizes: [1, 5, 2]), RankLayout(nodeSizes: [2, 2, 2]), RankLayout(nodeSizes: [5]),
  RankLayout(nodeSizes: [1, 1, 1]), RankLayout(nodeSizes: [2]), RankLayout(nodeSizes: [4, 4, 4]),
]

@Test(arguments: [
  CollectiveAlgorithm.flat, .hierarchical, .leader, .biLevel, .twoHop,
])
func everyBlockComesToItsTargetOnce(_ algorithm: CollectiveAlgorithm) throws {
  for layout in layouts {
    for seed in 0..<6 {
      for chunks in [1, 2, 4] {
        let blocks = Blocks(layout, seed: UInt64(seed))
        let schedule = try MessageSchedule(
          operation: .allToAll, algorithm: algorithm, matrix: blocks.matrix, layout: layout,
          options: CollectiveOptions(chunks: chunks))
        let faults = blocks.faults(of: schedule, chunks: chunks)
        #expect(faults.isEmpty, "\(layout.nodes) seed \(seed) chunks \(chunks)")
      }
    }
  }
}

@Test func theReplayFindsAMissingWaitAndABlockThatGoesAstray() {
  // Two ranks of one node and one of another; block 0 is from 0 to 2 by way of 1.
  let layout = RankLayout(nodeSizes: [2, 1])
  var blocks = Blocks(layout, seed: 0)
  blocks.ends = [(source: 0, target: 2)]
  var schedule = MessageSchedule()
  schedule.send(Bytes(1), from: 0, to: 1)
  schedule.send(Bytes(1), from: 1, to: 2)
  #expect(blocks.faults(of: schedule, chunks: 1) == ["rank 1 sends block 0 before it has it"])
  var astray = MessageSchedule()
  astray.send(Bytes(1), from: 0, to: 1)
  #expect(
    blocks.faults(of: astray, chunks: 1) == [
      "rank 1 got block 0 1 times and sent it 0 times",
      "rank 2 got block 0 0 times and sent it 0 times",
    ])
}

/// Pieces of an all-to-all in which each source's blocks for one other node are copies of one row.
private struct SharedRows {
  let layout: RankLayout
  var blocks: [(source: Int, target: Int)] = []
  var rows: [(source: Int, node: Int)] = []

  init(_ layout: RankLayout, seed: UInt64) {
    self.layout = layout
    var draw = Draw(seed: seed)
    for _ in 0..<26 {
      let source = draw.next(below: layout.rankCount)
      let target = draw.next(below: layout.rankCount)
      let node = layout.node(of: target)
      if blocks.contains(where: { $0 == (source, target) }) { continue }
      blocks.append((source, target))
      if node != layout.node(of: source), !rows.contains(where: { $0 == (source, node) }) {
        rows.append((source, node))
      }
    }
  }

  func piece(ofRow row: Int) -> Int { blocks.count + row }

  var matrix: TrafficMatrix {
    let ranks = layout.rankCount
    var bytes = [Double](repeating: 0, count: ranks * ranks)
    for (piece, end) in blocks.enumerated() {
      bytes[end.source * ranks + end.target] = size(ofPiece: piece)
    }
    var toNode = [Double](repeating: 0, count: ranks * layout.nodes.count)
    for (row, end) in rows.enumerated() {
      toNode[end.source * layout.nodes.count + end.node] = size(ofPiece: piece(ofRow: row))
    }
    return TrafficMatrix(ranks: ranks, bytes: bytes, toNode: toNode)
  }
}

@Test(arguments: [CollectiveAlgorithm.biLevel, .twoHop])
func aRowCrossesToANodeOnceAndIsCopiedThere(_ algorithm: CollectiveAlgorithm) throws {
  for layout in layouts where layout.nodes.count > 1 {
    for seed in 0..<6 {
      let shared = SharedRows(layout, seed: UInt64(seed))
      let schedule = try MessageSchedule(
        operation: .allToAll, algorithm: algorithm, matrix: shared.matrix, layout: layout)
      let replay = ScheduleReplay(schedule)
      let sent = replay.messages.map { (step: $0, bits: pieces(of: schedule.steps[$0].bytes) ?? 0) }
      for (row, end) in shared.rows.enumerated() {
        let bit = UInt64(1) << UInt64(shared.piece(ofRow: row))
        let crossings = sent.filter { $0.bits & bit != 0 }
        #expect(crossings.count == 1)
        let step = schedule.steps[try #require(crossings.first).step]
        let isToNode = layout.nodes[end.node].contains(Int(step.target))
        #expect(Int(step.source) == end.source && isToNode)
        // Every target of the row there gets its copy from the rank where the row arrived, after it.
        for (piece, block) in shared.blocks.enumerated()
        where block.source == end.source && layout.node(of: block.target) == end.node {
          let copies = sent.filter { $0.bits & (1 << UInt64(piece)) != 0 }
          let isForwarded =
            block.target == Int(step.target)
            ? copies.isEmpty
            : copies.count == 1
              && copies.allSatisfy { copy in
                schedule.steps[copy.step].source == step.target
                  && Int(schedule.steps[copy.step].target) == block.target
                  && replay.comesBefore(crossings[0].step, copy.step)
              }
          #expect(isForwarded, "block \(block) of \(layout.nodes)")
        }
      }
      let crossing = shared.rows.indices.reduce(0) { $0 + size(ofPiece: shared.piece(ofRow: $1)) }
      #expect(schedule.bytesBetweenNodes(layout) == crossing)
    }
  }
}

@Test(arguments: [CollectiveAlgorithm.biLevel, .twoHop])
func onTheWayBackANodeSumsBeforeItSends(_ algorithm: CollectiveAlgorithm) throws {
  for layout in layouts where layout.nodes.count > 1 {
    for seed in 0..<6 {
      let shared = SharedRows(layout, seed: UInt64(seed))
      let schedule = try MessageSchedule(
        operation: .allToAll, algorithm: algorithm, matrix: shared.matrix.returned(),
        layout: layout)
      let replay = ScheduleReplay(schedule)
      let sent = replay.messages.map { (step: $0, bits: pieces(of: schedule.steps[$0].bytes) ?? 0) }
      for (row, end) in shared.rows.enumerated() {
        let bit = UInt64(1) << UInt64(shared.piece(ofRow: row))
        let crossings = sent.filter { $0.bits & bit != 0 }
        #expect(crossings.count == 1)
        let sum = try #require(crossings.first).step
        let relay = schedule.steps[sum].source
        #expect(Int(schedule.steps[sum].target) == end.source)
        for (piece, block) in shared.blocks.enumerated()
        where block.source == end.source && layout.node(of: block.target) == end.node {
          let parts = sent.filter { $0.bits & (1 << UInt64(piece)) != 0 }
          let isGathered =
            block.target == Int(relay)
            ? parts.isEmpty
            : parts.count == 1
              && parts.allSatisfy { part in
                Int(schedule.steps[part.step].source) == block.target
                  && schedule.steps[part.step].target == relay
                  && replay.comesBefore(part.step, sum)
              }
          #expect(isGathered, "block \(block) of \(layout.nodes)")
        }
      }
    }
  }
}

@Test func tensorCoordinatedRanksCarryOnePartEachAndGatherInTheirGroup() throws {
  for (layout, width) in [
    (RankLayout(nodeSizes: [4, 2]), 2), (RankLayout(nodeSizes: [8, 4]), 4),
    (RankLayout(nodeSizes: [4]), 2), (RankLayout(nodeSizes: [2, 2, 2]), 1),
  ] {
    let blocks = Blocks(layout, seed: 7)
    let schedule = try MessageSchedule(
      operation: .allToAll, algorithm: .tensorCoordinated, matrix: blocks.matrix, layout: layout,
      options: CollectiveOptions(tensorWidth: width))
    let replay = ScheduleReplay(schedule)
    #expect(replay.isInOrder)
    for (piece, end) in blocks.ends.enumerated() {
      let from = end.source / width
      let to = end.target / width
      let carriers = replay.messages.filter {
        (pieces(of: schedule.steps[$0].bytes * Double(width)) ?? 0) & (1 << UInt64(piece)) != 0
      }
      if from == to {
        #expect(carriers.isEmpty)
        continue
      }
      // width parts cross, each to the peer of equal index, and each is given to width - 1 others.
      let crossing = carriers.filter { Int(schedule.steps[$0].source) / width == from }
      let given = carriers.filter { Int(schedule.steps[$0].source) / width == to }
      #expect(crossing.count == width && given.count == width * (width - 1))
      #expect(crossing.count + given.count == carriers.count)
      for step in crossing {
        let isToPeer =
          Int(schedule.steps[step].source) % width == Int(schedule.steps[step].target) % width
        #expect(isToPeer)
      }
      for step in given {
        let isAfterArrival = crossing.contains {
          schedule.steps[$0].target == schedule.steps[step].source && replay.comesBefore($0, step)
        }
        #expect(isAfterArrival)
      }
    }
  }
}

/// SplitMix64, for tests that draw.
private struct Draw {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next(below limit: Int) -> Int {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return Int((z ^ (z >> 31)) % UInt64(limit))
  }
}
