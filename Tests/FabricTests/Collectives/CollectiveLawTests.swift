import Testing
import Units

@testable import Fabric

private let layouts = [
  RankLayout(nodeSizes: [8]), RankLayout(nodeSizes: [8, 8]), RankLayout(nodeSizes: [8, 4]),
  RankLayout(nodeSizes: [4, 8, 4]), RankLayout(nodeSizes: [2]), RankLayout(nodeSizes: [1, 1]),
  RankLayout(nodeSizes: [1, 1, 1, 1, 1]), RankLayout(nodeSizes: [6, 2, 4]),
  RankLayout(nodeSizes: [3]), RankLayout(nodeSizes: [4, 4, 4, 4]), RankLayout(nodeSizes: [7]),
]

/// Every collective that there is for a layout, with an option that it needs.
private func collectives(
  _ layout: RankLayout
) -> [(operation: CollectiveKind, algorithm: CollectiveAlgorithm, options: CollectiveOptions)] {
  CollectiveKind.allCases.flatMap { operation in
    operation.algorithms
      .filter { $0 != .inSwitch || layout.nodes.count == 1 }
      .map { algorithm in
        let width = layout.nodes.allSatisfy { $0.count.isMultiple(of: 2) } ? 2 : 1
        return (
          operation, algorithm,
          CollectiveOptions(tensorWidth: algorithm == .tensorCoordinated ? width : nil)
        )
      }
  }
}

@Test func nothingIsBuiltThatTheBoundDoesNotCover() throws {
  for layout in layouts {
    for (operation, algorithm, needed) in collectives(layout) {
      var options = needed
      for chunks in [nil, 1, 2, 5] where chunks == nil || operation != .send {
        options.chunks = chunks
        let bytes = Bytes(64e6)
        let bound = try MessageSchedule.sizeBound(
          operation: operation, algorithm: algorithm, bytes: bytes, layout: layout,
          options: options)
        let built = try MessageSchedule(
          operation: operation, algorithm: algorithm, bytes: bytes, layout: layout,
          options: options
        ).size
        let what = "\(operation) \(algorithm) \(layout.nodes.map(\.count)) chunks \(chunks ?? 0)"
        #expect(built.steps <= bound.steps && built.waits <= bound.waits, "\(what)")
        // With a few ranks, what is left out at the beginning and the end is much of the whole.
        guard layout.rankCount >= 8 else { continue }
        #expect(bound.steps <= 3 * built.steps, "\(what): \(bound.steps) of \(built.steps)")
        #expect(bound.waits <= 4 * built.waits + 8, "\(what): \(bound.waits) of \(built.waits)")
      }
    }
  }
}

@Test func theBoundIsWhatIsBuiltWhereNothingNeedsAJoin() throws {
  for layout in layouts {
    let isPowerOfTwo = layout.rankCount.nonzeroBitCount == 1
    for (operation, algorithm, options) in collectives(layout) {
      let isExact =
        switch (operation, algorithm) {
        case (.allToAll, .flat), (.allToAll, .twoHop), (_, .direct): true
        case (.broadcast, _): false
        case (_, .ring): true
        case (_, .halvingDoubling): isPowerOfTwo
        default: false
        }
      guard isExact else { continue }
      let bound = try MessageSchedule.sizeBound(
        operation: operation, algorithm: algorithm, layout: layout, options: options)
      let built = try MessageSchedule(
        operation: operation, algorithm: algorithm, bytes: Bytes(64e6), layout: layout,
        options: options
      ).size
      #expect(built == bound, "\(operation) \(algorithm) \(layout.nodes.map(\.count))")
    }
  }
  // In chunks too, streams of two hops need no joins.
  let layout = RankLayout(nodeSizes: [8, 4])
  let options = CollectiveOptions(chunks: 3)
  let bound = try MessageSchedule.sizeBound(
    operation: .allToAll, algorithm: .twoHop, layout: layout, options: options)
  let built = try MessageSchedule(
    operation: .allToAll, algorithm: .twoHop, bytes: Bytes(1), layout: layout, options: options)
  #expect(built.size == bound)
}

@Test func aMillionRanksAreCountedWithoutBeingBuilt() throws {
  let layout = RankLayout(ranks: 1_000_000, perNode: 8)
  // n(n - 1) messages of 32 bytes without waits.
  let flat = try MessageSchedule.sizeBound(operation: .allToAll, layout: layout)
  #expect(flat == ScheduleSize(steps: 999_999_000_000, waits: 0))
  #expect(flat.memory.value == 999_999_000_000.0 * 32)
  let ring = try MessageSchedule.sizeBound(
    operation: .allReduce, algorithm: .ring, layout: layout)
  #expect(ring.steps == 2 * 999_999 * 1_000_000)
  // The largest numbers stay the largest.
  let most = try MessageSchedule.sizeBound(
    operation: .allToAll, layout: layout, options: CollectiveOptions(chunks: .max))
  #expect(most == ScheduleSize(steps: .max, waits: .max))
  #expect(throws: CollectiveError.tooManySteps(flat)) {
    try MessageSchedule(operation: .allToAll, bytes: Bytes(1e6), layout: layout)
  }
}

@Test func everyStepWaitsForEarlierOnesAndNoMessageIsWithoutBytes() throws {
  for layout in layouts {
    for (operation, algorithm, options) in collectives(layout) {
      let schedule = try MessageSchedule(
        operation: operation, algorithm: algorithm, bytes: Bytes(64e6), layout: layout,
        options: options)
      let isInOrder = schedule.waits.allSatisfy { $0.other.position < $0.step.position }
      let isReal = schedule.steps.allSatisfy { step in
        let isAtRanks =
          step.source < Int32(layout.rankCount) && step.target < Int32(layout.rankCount)
        return isAtRanks && (step.kind == .join || step.bytes > 0)
          && (step.kind != .message || step.source != step.target)
      }
      #expect(isInOrder && isReal, "\(operation) \(algorithm) \(layout.nodes.map(\.count))")
    }
  }
}

@Test func chunksMoveTheSameBytes() throws {
  // Chunks of a quarter add up exactly.
  for layout in layouts {
    for (operation, algorithm, needed) in collectives(layout) where operation != .send {
      var options = needed
      options.chunks = 1
      let whole = try MessageSchedule(
        operation: operation, algorithm: algorithm, bytes: Bytes(1 << 20), layout: layout,
        options: options)
      options.chunks = 4
      let parts = try MessageSchedule(
        operation: operation, algorithm: algorithm, bytes: Bytes(1 << 20), layout: layout,
        options: options)
      #expect(parts.messageCount == 4 * whole.messageCount)
      for rank in 0..<layout.rankCount {
        let sent = (whole.bytesSent(by: rank), parts.bytesSent(by: rank))
        let got = (whole.bytesReceived(by: rank), parts.bytesReceived(by: rank))
        #expect(abs(sent.0 - sent.1) <= 1e-9 * sent.0, "\(operation) \(algorithm)")
        #expect(abs(got.0 - got.1) <= 1e-9 * got.0, "\(operation) \(algorithm)")
      }
    }
  }
}

@Test func oneRankAloneAndNoBytesNeedNoMessages() throws {
  for layout in [RankLayout(nodeSizes: [1]), RankLayout(nodeSizes: [4])] {
    for (operation, algorithm, options) in collectives(layout) {
      let bytes: Bytes = layout.rankCount == 1 ? 1e6 : 0
      let schedule = try MessageSchedule(
        operation: operation, algorithm: algorithm, bytes: bytes, layout: layout, options: options)
      #expect(schedule.size == ScheduleSize(steps: 0, waits: 0), "\(operation) \(algorithm)")
    }
  }
}

@Test func theSameCollectiveIsTheSameScheduleEachTime() throws {
  for (operation, algorithm, options) in collectives(layouts[2]) {
    func make() throws -> MessageSchedule {
      try MessageSchedule(
        operation: operation, algorithm: algorithm, bytes: Bytes(1e6), layout: layouts[2],
        options: options)
    }
    let (first, second) = (try make(), try make())
    let isSame = first.steps == second.steps && first.waits.elementsEqual(second.waits, by: ==)
    #expect(isSame, "\(operation) \(algorithm)")
  }
}

@Test func partsAreDoneInOrderAndPipelined() throws {
  // A part begins a phase when the one before is through it: phases + chunks - 1 steps in a chain.
  let nodes = [4, 4]
  for (algorithm, phases) in [
    (CollectiveAlgorithm.flat, 1), (.biLevel, 2), (.hierarchical, 4), (.leader, 5),
  ] {
    for chunks in [1, 3, 6] {
      let schedule = try MessageSchedule(
        operation: .allToAll, algorithm: algorithm, bytes: Bytes(1e6),
        layout: RankLayout(nodeSizes: nodes), options: CollectiveOptions(chunks: chunks))
      let replay = ScheduleReplay(schedule)
      #expect(replay.depth == phases + chunks - 1, "\(algorithm) in \(chunks)")
      // No pair of ranks has messages of two phases here.
      var last: [[Int32]: Int] = [:]
      var isInOrder = true
      for message in replay.messages {
        let pair = [schedule.steps[message].source, schedule.steps[message].target]
        if let earlier = last[pair] {
          isInOrder = isInOrder && replay.comesBefore(earlier, message)
        }
        last[pair] = message
      }
      #expect(isInOrder, "\(algorithm) in \(chunks)")
    }
  }
}

@Test func aRankThatOnlyGetsSomethingKeepsWhatItDidBefore() {
  // Rank 0 gets something in the first phase and more, from many, in the second; what it sends in the
  // third is after all of it.
  for others in 1...4 {
    var plan = PhasedTransfers(RankLayout(nodeSizes: [8]))
    plan.add(1, from: 7, to: 0)
    plan.endPhase()
    for other in 1...others { plan.add(1, from: other, to: 0) }
    plan.endPhase()
    plan.add(1, from: 0, to: 6)
    plan.endPhase()
    var schedule = MessageSchedule()
    schedule.append(plan)
    let replay = ScheduleReplay(schedule)
    let messages = replay.messages
    let isAfterAll = messages.dropLast().allSatisfy {
      replay.comesBefore($0, messages[messages.count - 1])
    }
    #expect(isAfterAll, "\(others)")
  }
}
