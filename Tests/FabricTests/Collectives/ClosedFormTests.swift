import Testing
import Units

@testable import Fabric

private let buffer = Double(1 << 20)

private func make(
  _ operation: CollectiveKind, _ algorithm: CollectiveAlgorithm, _ nodes: [Int],
  _ options: CollectiveOptions = CollectiveOptions()
) throws -> MessageSchedule {
  try MessageSchedule(
    operation: operation, algorithm: algorithm, bytes: Bytes(buffer),
    layout: RankLayout(nodeSizes: nodes), options: options)
}

private func isClose(_ a: Double, _ b: Double) -> Bool { abs(a - b) <= 1e-9 * max(a, b) }

@Test func aRingMovesTheLeastInTheMostSteps() throws {
  for count in [2, 3, 8, 12] {
    let n = Double(count)
    for (operation, times) in [
      (CollectiveKind.allReduce, 2.0), (.allGather, 1), (.reduceScatter, 1),
    ] {
      let schedule = try make(operation, .ring, [count])
      #expect(ScheduleReplay(schedule).depth == Int(times) * (count - 1))
      for rank in 0..<count {
        #expect(isClose(schedule.bytesSent(by: rank), times * buffer * (n - 1) / n))
        #expect(isClose(schedule.bytesReceived(by: rank), times * buffer * (n - 1) / n))
      }
    }
  }
}

@Test func aRingThroughNodesCrossesAtOneRankOfEach() throws {
  // 2 x 4: two of the eight edges of the ring cross, each carries 2S(n - 1)/n.
  let schedule = try make(.allReduce, .ring, [4, 4])
  let crossing = schedule.bytesBetweenNodes(RankLayout(nodeSizes: [4, 4]))
  #expect(isClose(crossing, 2 * 2 * buffer * 7 / 8))
}

@Test func halvingAndDoublingMoveTheLeastInLogarithmicSteps() throws {
  for (count, depth) in [(2, 1), (4, 2), (8, 3), (16, 4)] {
    let n = Double(count)
    for (operation, times) in [
      (CollectiveKind.allReduce, 2), (.allGather, 1), (.reduceScatter, 1),
    ] {
      let schedule = try make(operation, .halvingDoubling, [count])
      #expect(ScheduleReplay(schedule).depth == times * depth)
      for rank in 0..<count {
        #expect(isClose(schedule.bytesSent(by: rank), Double(times) * buffer * (n - 1) / n))
      }
    }
  }
  // Six ranks: four do it, two are folded in. Ranks 0 and 2 send S and get S; their neighbours send
  // 2 x 3/4 S and S; the others 2 x 3/4 S. Two steps more.
  let schedule = try make(.allReduce, .halvingDoubling, [6])
  #expect(ScheduleReplay(schedule).depth == 6)
  let sent = (0..<6).map { schedule.bytesSent(by: $0) / buffer }
  #expect(sent == [1, 2.5, 1, 2.5, 1.5, 1.5])
}

@Test func switchesMoveAPartMoreThanTheBufferEachWay() throws {
  for count in [2, 8] {
    let n = Double(count)
    let expected: [(CollectiveKind, up: Double, down: Double)] = [
      (.allReduce, 1 + 1 / n, 1 + 1 / n), (.reduceScatter, 1, 1 / n), (.allGather, 1 / n, 1),
    ]
    for (operation, up, down) in expected {
      let schedule = try make(operation, .inSwitch, [count], CollectiveOptions(chunks: 1))
      for rank in 0..<count {
        #expect(isClose(schedule.bytesSent(by: rank), up * buffer))
        #expect(isClose(schedule.bytesReceived(by: rank), down * buffer))
      }
      #expect(ScheduleReplay(schedule).depth == (operation == .allReduce ? 4 : 2))
    }
  }
}

@Test func hierarchicalAllReduceCrossesLessThanARing() throws {
  // 4 nodes of 8: each rank sends 2 (S/8) 3/4 to other nodes, 32 ranks together.
  let nodes = [8, 8, 8, 8]
  let layout = RankLayout(nodeSizes: nodes)
  let schedule = try make(.allReduce, .hierarchical, nodes)
  #expect(isClose(schedule.bytesBetweenNodes(layout), 32 * 2 * buffer / 8 * 3 / 4))
  // 7 steps inside, 2 x 3 across, 7 inside.
  #expect(ScheduleReplay(schedule).depth == 20)
  let inSwitch = try make(.allReduce, .hierarchicalInSwitch, nodes, CollectiveOptions(chunks: 1))
  #expect(isClose(inSwitch.bytesBetweenNodes(layout), 32 * 2 * buffer / 8 * 3 / 4))
  #expect(ScheduleReplay(inSwitch).depth == 2 + 6 + 2)
}

@Test func treesAreBinaryAndShallowAndEachNodeIsALeafOfOne() {
  for count in 1...130 {
    var children = [[Int]](repeating: [0, 0], count: count)
    for (index, isSecond) in [false, true].enumerated() {
      var roots = 0
      for place in 0..<count {
        guard let parent = ReductionTree.parent(of: place, count: count, isSecond: isSecond)
        else {
          roots += 1
          continue
        }
        children[parent][index] += 1
      }
      #expect(roots == 1)
      let tree = ReductionTree(
        RankLayout(nodeSizes: [Int](repeating: 1, count: count)), isSecond: isSecond)
      let limit = Int.bitWidth - max(count - 1, 0).leadingZeroBitCount
      #expect((tree.depths.max() ?? 0) <= limit, "\(count)")
    }
    let isBinary = children.allSatisfy { $0[0] <= 2 && $0[1] <= 2 }
    #expect(isBinary, "\(count)")
    let inBoth = children.indices.filter { children[$0][0] > 0 && children[$0][1] > 0 }
    #expect(inBoth == (count.isMultiple(of: 2) || count == 1 ? [] : [0]), "\(count)")
  }
}

@Test func treesMoveAsMuchAsARingInFewerSteps() throws {
  // 8 nodes of 4: 31 edges, 2S over each. Chains of 3 and trees at most 3 deep, up and down.
  let nodes = [Int](repeating: 4, count: 8)
  let schedule = try make(.allReduce, .tree, nodes, CollectiveOptions(chunks: 1))
  let sent = (0..<32).reduce(0) { $0 + schedule.bytesSent(by: $1) }
  #expect(isClose(sent, 31 * 2 * buffer))
  #expect(ScheduleReplay(schedule).depth <= 2 * (3 + 3))
  // Of a node, 7 edges of each tree cross, S/2 up and S/2 down.
  #expect(isClose(schedule.bytesBetweenNodes(RankLayout(nodeSizes: nodes)), 2 * 7 * buffer))
}

@Test func broadcastsSendTheBufferToEachRankOnce() throws {
  for count in [2, 5, 8, 13] {
    for root in [0, count - 1] {
      for algorithm in [CollectiveAlgorithm.tree, .ring] {
        let options = CollectiveOptions(chunks: 1, root: root)
        let schedule = try make(.broadcast, algorithm, [count], options)
        #expect(schedule.messageCount == count - 1)
        for rank in 0..<count {
          #expect(schedule.bytesReceived(by: rank) == (rank == root ? 0 : buffer))
        }
        let depth = algorithm == .ring ? count - 1 : Int.bitWidth - (count - 1).leadingZeroBitCount
        #expect(ScheduleReplay(schedule).depth == depth)
      }
    }
  }
  // A binomial tree over nodes of 4 comes to each other node once.
  let tree = try make(.broadcast, .tree, [4, 4, 4, 4])
  #expect(tree.bytesBetweenNodes(RankLayout(nodeSizes: [4, 4, 4, 4])) == 3 * buffer)
}

@Test func aChainInChunksIsAPipeline() throws {
  // 6 ranks, 10 chunks: the last has all after 5 - 1 + 10 steps.
  let schedule = try make(.broadcast, .ring, [6], CollectiveOptions(chunks: 10))
  #expect(ScheduleReplay(schedule).depth == 14)
}

@Test func twoHopsInChunksAreAPipeline() throws {
  // The last chunk arrives after all of its stream and is forwarded then.
  for chunks in [1, 4] {
    let schedule = try make(.allToAll, .twoHop, [4, 4], CollectiveOptions(chunks: chunks))
    #expect(ScheduleReplay(schedule).depth == chunks + 1)
  }
}

@Test func everyAllToAllMovesItsOwnNumberOfMessagesAndBytes() throws {
  // N = 4 nodes of g = 8 ranks, n = 32; the closed forms are in each algorithm's description.
  let nodes = [8, 8, 8, 8]
  let layout = RankLayout(nodeSizes: nodes)
  let (n, count, g) = (32.0, 4.0, 8.0)
  let across = n * buffer * (n - g) / n
  let flat = try make(.allToAll, .flat, nodes)
  #expect(flat.messageCount == 32 * 31)
  #expect(isClose(flat.bytesBetweenNodes(layout), across))
  for algorithm in [CollectiveAlgorithm.hierarchical, .biLevel] {
    let schedule = try make(.allToAll, algorithm, nodes)
    #expect(schedule.messageCount == 32 * (7 + 3))
    #expect(isClose(schedule.bytesBetweenNodes(layout), across))
    for rank in 0..<32 {
      let sent = buffer * (g - 1) / g + buffer * (count - 1) / count
      #expect(isClose(schedule.bytesSent(by: rank), sent))
    }
  }
  let leader = try make(.allToAll, .leader, nodes)
  #expect(leader.messageCount == 2 * 28 + 12)
  #expect(isClose(leader.bytesBetweenNodes(layout), across))
  #expect(isClose(leader.bytesReceived(by: 1), buffer * (n - 1) / n))
  #expect(
    isClose(leader.bytesSent(by: 0), 3 * g * g * buffer / n + (g - 1) * buffer * (n - 1) / n))
  let twoHop = try make(.allToAll, .twoHop, nodes)
  #expect(twoHop.messageCount == 32 * 31)
  #expect(isClose(twoHop.bytesBetweenNodes(layout), across))
}

@Test func tensorCoordinatedRanksSendAPartOfTheirGroupsRows() throws {
  // 2 x 8 in groups of 4: a group has R = 4 S (16 - 4)/16 for others; each rank sends R/4 across and
  // 3/4 of what it got, R/4, to each of 3 others.
  let options = CollectiveOptions(tensorWidth: 4)
  let schedule = try make(.allToAll, .tensorCoordinated, [8, 8], options)
  let part = buffer * 12 / 16
  for rank in 0..<16 { #expect(isClose(schedule.bytesSent(by: rank), part + 3 * part)) }
  #expect(schedule.messageCount == 16 * 3 + 16 * 3)
}

@Test func copiesTakeWhatARankHolds() throws {
  let schedule = try make(.allToAll, .hierarchical, [4, 4])
  let copies = schedule.steps.filter { $0.kind == .copy }
  #expect(copies.count == 16)
  let isWhole = copies.allSatisfy { isClose($0.bytes, buffer) }
  #expect(isWhole)
  // Leaders sort what their four ranks have for others, 4 x 7/8, and what they get, as much.
  let leader = try make(.allToAll, .leader, [4, 4]).steps.filter { $0.kind == .copy }
  #expect(leader.map(\.bytes) == [Double](repeating: 3.5 * buffer, count: 4))
  // In one node, nothing is sorted by node, and the leader sorts once.
  #expect(try make(.allToAll, .hierarchical, [4]).steps.allSatisfy { $0.kind != .copy })
  #expect(try make(.allToAll, .leader, [4]).steps.filter { $0.kind == .copy }.count == 1)
}

@Test func aMessageGoesFromItsRootToItsTarget() throws {
  let last = try make(.send, .direct, [4, 4])
  #expect(last.steps.map(\.source) == [0] && last.steps.map(\.target) == [7])
  #expect(last.steps.map(\.bytes) == [buffer])
  let chosen = try make(.send, .direct, [4, 4], CollectiveOptions(root: 5, target: 2))
  #expect(chosen.steps.map(\.source) == [5] && chosen.steps.map(\.target) == [2])
  #expect(try make(.send, .direct, [4], CollectiveOptions(root: 1, target: 1)).steps.isEmpty)
}

@Test func collectivesChooseTheirChunksByTheirBytes() throws {
  // Chains, trees and switches: 512 KiB a chunk, 16 chunks at most. Others one.
  func chunks(_ algorithm: CollectiveAlgorithm, _ bytes: Double) throws -> Int {
    let layout = RankLayout(nodeSizes: [4])
    let schedule = try MessageSchedule(
      operation: .broadcast, algorithm: algorithm, bytes: Bytes(bytes), layout: layout)
    return schedule.messageCount / 3
  }
  #expect(try chunks(.ring, 1000) == 1)
  #expect(try chunks(.ring, 524_288) == 1)
  #expect(try chunks(.ring, 524_289) == 2)
  #expect(try chunks(.ring, 4e6) == 8)
  #expect(try chunks(.ring, 1e9) == 16)
  #expect(try chunks(.tree, 1e9) == 1)
}
