import Testing
import Units

@testable import Fabric

/// What ranks know of a buffer's parts while a schedule runs: of which ranks each part's sum is.
private struct Sums {
  let layout: RankLayout
  let partCount: Int
  /// `[rank][part]`, a bit for each rank whose contribution is in it.
  let initial: [[UInt64]]
  /// `[part]`: the ranks that are in a complete sum.
  let complete: [UInt64]

  /// Every rank contributes to every part.
  static func reducing(_ layout: RankLayout, parts: Int) -> Sums {
    let all = (UInt64(1) << UInt64(layout.rankCount)) - 1
    return Sums(
      layout: layout, partCount: parts,
      initial: (0..<layout.rankCount).map { [UInt64](repeating: 1 << UInt64($0), count: parts) },
      complete: [UInt64](repeating: all, count: parts))
  }

  /// Each part is one rank's.
  static func owned(_ layout: RankLayout, by owners: [Int]) -> Sums {
    Sums(
      layout: layout, partCount: owners.count,
      initial: (0..<layout.rankCount).map { rank in
        owners.map { $0 == rank ? 1 << UInt64(rank) : 0 }
      },
      complete: owners.map { 1 << UInt64($0) })
  }

  /// A message at the rank or switches where it ends, and by part the sums that it carries.
  private struct Arrival {
    let step: Int
    let end: Int
    let isFromSwitch: Bool
    let sums: [UInt64]
  }

  /// `[rank][part]` at the end, and what went wrong on the way.
  func run(_ schedule: MessageSchedule) -> (sums: [[UInt64]], faults: [String]) {
    let replay = ScheduleReplay(schedule)
    var faults = replay.isInOrder ? [] : ["a step waits for a later one"]
    var arrivals: [Arrival] = []
    for message in replay.messages {
      let step = schedule.steps[message]
      guard let bits = pieces(of: step.bytes), bits < 1 << UInt64(partCount) else {
        faults.append("message \(message) is of no parts")
        continue
      }
      let source =
        step.source >= 0
        ? Int(step.source) : layout.rankCount + layout.node(of: Int(step.target))
      let target =
        step.target >= 0
        ? Int(step.target) : layout.rankCount + layout.node(of: Int(step.source))
      let known = arrivals.filter { $0.end == source && replay.comesBefore($0.step, message) }
      let sums = (0..<partCount).map { part -> UInt64 in
        guard bits & (1 << UInt64(part)) != 0 else { return 0 }
        let sum = total(part, at: source, known, &faults)
        if sum == 0 { faults.append("rank \(source) sends part \(part), which it has not") }
        return sum
      }
      arrivals.append(
        Arrival(step: message, end: target, isFromSwitch: step.source < 0, sums: sums))
    }
    let final = (0..<layout.rankCount).map { rank in
      let known = arrivals.filter { $0.end == rank }
      return (0..<partCount).map { total($0, at: rank, known, &faults) }
    }
    return (final, faults)
  }

  /// The sum at an end after what arrived: the complete one where there is one, else all together,
  /// which must not have a rank twice. A sum from the switches has the rank's own contribution in it.
  private func total(
    _ part: Int, at end: Int, _ arrived: [Arrival], _ faults: inout [String]
  ) -> UInt64 {
    let own = end < layout.rankCount ? initial[end][part] : 0
    let isReplaced = arrived.contains { $0.isFromSwitch && $0.sums[part] != 0 }
    let all = [isReplaced ? 0 : own] + arrived.map { $0.sums[part] }
    if all.contains(complete[part]) { return complete[part] }
    var sum: UInt64 = 0
    for one in all {
      if sum & one != 0 { faults.append("part \(part) has a contribution twice at \(end)") }
      sum |= one
    }
    return sum
  }
}

private func sizes(_ count: Int) -> [Double] { (0..<count).map(size(ofPiece:)) }

private func schedule(
  _ layout: RankLayout, _ make: (inout PhasedTransfers) -> Void
) -> MessageSchedule {
  var plan = PhasedTransfers(layout)
  make(&plan)
  var schedule = MessageSchedule()
  schedule.append(plan)
  return schedule
}

private func isAllReduced(_ sums: Sums, _ schedule: MessageSchedule) -> [String] {
  let (final, faults) = sums.run(schedule)
  return faults
    + final.indices.filter { final[$0] != sums.complete }.map { "rank \($0) has not all" }
}

private let sizesOfRings = [1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 16]

@Test func aRingAllReduceSumsEveryPartOfEveryRankOnce() {
  for count in sizesOfRings {
    let layout = RankLayout(nodeSizes: [count])
    let made = schedule(layout) {
      $0.addRingAllReduce([PartedGroup(Array(0..<count), parts: sizes(count))])
    }
    #expect(isAllReduced(.reducing(layout, parts: count), made).isEmpty, "\(count) ranks")
  }
}

@Test func halvingAndDoublingSumsEveryPartOfEveryRankOnce() {
  for count in sizesOfRings {
    let layout = RankLayout(nodeSizes: [count])
    let plan = HalvingDoubling(rankCount: count)
    let made = schedule(layout) {
      $0.addHalvingDoublingAllReduce(plan, blocks: sizes(plan.ranks.count))
    }
    #expect(
      isAllReduced(.reducing(layout, parts: plan.ranks.count), made).isEmpty, "\(count) ranks")
  }
}

@Test func bothTreesSumEveryRankOnce() {
  for sizes in [
    [1, 1], [8], [1, 1, 1], [4, 3], [8, 4, 2], [1, 1, 1, 1, 1, 1, 1], [2, 1, 3, 2, 2],
  ] {
    let layout = RankLayout(nodeSizes: sizes)
    for isSecond in [false, true] {
      let made = schedule(layout) {
        $0.addTreeAllReduce(1, ReductionTree(layout, isSecond: isSecond))
      }
      #expect(isAllReduced(.reducing(layout, parts: 1), made).isEmpty, "\(sizes)")
    }
  }
}

@Test func switchesSumEveryPartOfEveryRankOnce() {
  for count in [2, 3, 8, 13] {
    let layout = RankLayout(nodeSizes: [count])
    let group = PartedGroup(Array(0..<count), parts: sizes(count))
    let made = schedule(layout) {
      $0.addInSwitchReduceScatter([group], layout)
      $0.addInSwitchAllGather([group], layout)
    }
    #expect(isAllReduced(.reducing(layout, parts: count), made).isEmpty, "\(count) ranks")
  }
}

@Test(arguments: [false, true])
func hierarchicalAllReduceSumsEveryPartOfEveryRankOnce(inSwitch: Bool) {
  for nodes in [[4, 4], [8, 4], [4, 8], [1, 1, 1], [3, 1, 2], [5], [2, 2, 2, 2]] {
    let layout = RankLayout(nodeSizes: nodes)
    let pieces = sizes(layout.placeCount * nodes.count)
    let parts = (0..<layout.placeCount).map { place in
      nodes.indices.map { pieces[place * nodes.count + $0] }
    }
    let made = schedule(layout) {
      $0.addHierarchicalAllReduce(parts: parts, layout, inSwitch: inSwitch)
    }
    let faults = isAllReduced(.reducing(layout, parts: pieces.count), made)
    #expect(faults.isEmpty, "\(nodes)")
  }
}

@Test func reduceScatterLeavesEachRankTheSumOfItsPart() {
  for count in sizesOfRings {
    let layout = RankLayout(nodeSizes: [count])
    let group = PartedGroup(Array(0..<count), parts: sizes(count))
    let ways: [(String, MessageSchedule)] = [
      ("ring", schedule(layout) { $0.addRingReduceScatter([group]) }),
      (
        "halving",
        schedule(layout) {
          $0.addHalvingReduceScatter(HalvingDoubling(rankCount: count), parts: sizes(count))
        }
      ),
      ("direct", schedule(layout) { $0.addDirectReduceScatter(parts: sizes(count)) }),
      ("in-switch", schedule(layout) { $0.addInSwitchReduceScatter([group], layout) }),
    ]
    let sums = Sums.reducing(layout, parts: count)
    for (name, made) in ways {
      let (final, faults) = sums.run(made)
      #expect(faults.isEmpty, "\(name) of \(count)")
      let hasOwn = (0..<count).allSatisfy { final[$0][$0] == sums.complete[$0] }
      #expect(hasOwn, "\(name) of \(count)")
    }
  }
}

@Test func allGatherGivesEveryRankEveryPart() {
  for count in sizesOfRings {
    let layout = RankLayout(nodeSizes: [count])
    let group = PartedGroup(Array(0..<count), parts: sizes(count))
    let ways: [(String, MessageSchedule)] = [
      ("ring", schedule(layout) { $0.addRingAllGather([group]) }),
      (
        "doubling",
        schedule(layout) {
          $0.addDoublingAllGather(HalvingDoubling(rankCount: count), parts: sizes(count))
        }
      ),
      ("direct", schedule(layout) { $0.addDirectAllGather(parts: sizes(count)) }),
      ("in-switch", schedule(layout) { $0.addInSwitchAllGather([group], layout) }),
    ]
    for (name, made) in ways {
      #expect(isAllReduced(.owned(layout, by: Array(0..<count)), made).isEmpty, "\(name), \(count)")
    }
  }
}

@Test func broadcastGivesEveryRankTheRootsBuffer() throws {
  for count in sizesOfRings {
    for root in [0, count / 2, count - 1] {
      for algorithm in CollectiveKind.broadcast.algorithms {
        let layout = RankLayout(nodeSizes: [count])
        let made = try MessageSchedule(
          operation: .broadcast, algorithm: algorithm, bytes: Bytes(1), layout: layout,
          options: CollectiveOptions(root: root))
        #expect(isAllReduced(.owned(layout, by: [root]), made).isEmpty, "\(algorithm), \(count)")
      }
    }
  }
}

@Test func theReplayFindsASumThatCountsARankTwice() {
  let layout = RankLayout(nodeSizes: [3])
  var made = MessageSchedule()
  let first = made.send(Bytes(1), from: 0, to: 1)
  made.send(Bytes(1), from: 1, to: 2, after: first)
  made.send(Bytes(1), from: 0, to: 2)
  let (_, faults) = Sums.reducing(layout, parts: 1).run(made)
  #expect(faults.contains { $0.hasPrefix("part 0 has a contribution twice") })
}
