import Units

extension MessageSchedule {
  /// How large a collective's schedule can become at most, in closed form: O(nodes), nothing is built.
  ///
  /// It is what is built exactly for flat and two-hop all-to-all, for rings and, for powers of two,
  /// halving and doubling, all in one chunk (two-hop in any number), where every rank has something
  /// for every other. Otherwise it is a bound. Numbers that do not fit stay at `Int.max`. While a
  /// schedule is built, the traffic and the phases it is made of take up to as much memory again.
  ///
  /// - Parameters:
  ///   - algorithm: The operation's default where nil.
  ///   - bytes: Without it, collectives that choose their chunks by it are counted with the most.
  /// - Throws: ``CollectiveError`` where there is no such collective.
  public static func sizeBound(
    operation: CollectiveKind, algorithm chosen: CollectiveAlgorithm? = nil, bytes: Bytes? = nil,
    layout: RankLayout, options: CollectiveOptions = CollectiveOptions()
  ) throws(CollectiveError) -> ScheduleSize {
    let algorithm = chosen ?? operation.defaultAlgorithm(layout)
    guard operation.algorithms.contains(algorithm) else {
      throw .noAlgorithm(operation: operation, word: algorithm.rawValue)
    }
    guard layout.rankCount > 0 else { throw .noRanks }
    try options.check(operation, algorithm, layout)
    if layout.rankCount == 1 { return ScheduleSize(steps: 0, waits: 0) }
    let chunks = SaturatingCount(options.chunkCount(operation, algorithm, bytes: bytes))
    let counts = LayoutCounts(layout)
    switch (operation, algorithm) {
    case (.allToAll, .twoHop): return counts.twoHopSize(chunks: chunks)
    case (.allToAll, .biLevel):
      let shapes = counts.biLevelShapes
      let there = size(of: shapes, chunks: chunks)
      let back = size(of: shapes.reversed(), chunks: chunks)
      return ScheduleSize(
        steps: max(there.steps, back.steps), waits: max(there.waits, back.waits))
    case (.allReduce, .tree):
      let half = size(of: counts.treeShapes, chunks: chunks)
      return ScheduleSize(
        steps: (2 * SaturatingCount(half.steps)).value,
        waits: (2 * SaturatingCount(half.waits)).value)
    default:
      let shapes = counts.shapes(operation, algorithm, width: options.tensorWidth ?? 1)
      return size(of: shapes, chunks: chunks)
    }
  }

  /// The size of what ``append(_:chunks:)`` makes of phases of such shapes.
  private static func size(of shapes: [PhaseShape], chunks: SaturatingCount) -> ScheduleSize {
    // Phases without transfers are none.
    let shapes = shapes.filter { $0.transfers > 0 }
    let isWhole = chunks == 1
    var steps: SaturatingCount = 0
    var waits: SaturatingCount = 0
    for (index, shape) in shapes.enumerated() {
      // A source's front is one or two steps, and in later chunks as many of the chunk before.
      let fromBefore: SaturatingCount = isWhole ? 0 : 2
      let isFirst = index == 0
      steps += shape.transfers
      waits += shape.waitsToBegin(
        inFirstPhase: isFirst ? fromBefore : 2 + fromBefore, 2 + fromBefore)
      let isAlone = shape.transfersAfterFirstPhase == 0
      if !(isWhole && isAlone && isFirst) { steps += shape.joiningEnds }
      if !(isWhole && isAlone && index == shapes.count - 1), shape.joiningEnds > 0 {
        steps += shape.joiningEnds
        waits += 2 * (shape.transfers + shape.joiningEnds)
      }
    }
    return ScheduleSize(steps: (chunks * steps).value, waits: (chunks * waits).value)
  }
}

/// How many transfers one or several phases have.
private struct PhaseShape {
  var transfers: SaturatingCount
  var transfersAfterFirstPhase: SaturatingCount = 0
  /// How many ends take part in so many transfers of a phase that they may need joins, summed over
  /// the phases.
  var joiningEnds: SaturatingCount
  /// Whether those are all ends.
  var isAmongJoiningEnds = false

  /// One phase, of many transfers at some ends and at most two at others.
  init(_ transfers: SaturatingCount, joiningEnds: SaturatingCount) {
    self.transfers = transfers
    self.joiningEnds = joiningEnds
  }

  /// One phase, in which any end may take part in many transfers.
  init(_ transfers: SaturatingCount, among ends: SaturatingCount) {
    self.init(transfers, joiningEnds: ends)
    isAmongJoiningEnds = true
  }

  /// Phases in which no end takes part in more than two transfers, so that none needs a join.
  init(_ transfers: SaturatingCount, afterFirstPhase: SaturatingCount) {
    self.init(transfers, joiningEnds: 0)
    transfersAfterFirstPhase = afterFirstPhase
  }

  /// A transfer waits for each step of its source's front, or for a join of them.
  func waitsToBegin(inFirstPhase first: SaturatingCount, _ later: SaturatingCount)
    -> SaturatingCount
  {
    if transfersAfterFirstPhase > 0 {
      let inFirst = SaturatingCount(transfers.value - transfersAfterFirstPhase.value)
      return first * inFirst + later * transfersAfterFirstPhase
    }
    let each = first * transfers
    return isAmongJoiningEnds && first > 0 ? min(each, transfers + first * joiningEnds) : each
  }
}

/// The numbers of a layout that closed forms are made of.
private struct LayoutCounts {
  let layout: RankLayout
  /// Ranks, nodes.
  let n: SaturatingCount
  let nodes: SaturatingCount
  /// n - 1, nodes - 1.
  let otherRanks: SaturatingCount
  let otherNodes: SaturatingCount
  /// Ordered pairs of different ranks of one node.
  let pairsInside: SaturatingCount
  /// Nodes of several ranks, and their ranks.
  let nodesOfSeveral: SaturatingCount
  let ranksWithOthers: SaturatingCount

  init(_ layout: RankLayout) {
    self.layout = layout
    n = SaturatingCount(layout.rankCount)
    nodes = SaturatingCount(layout.nodes.count)
    otherRanks = SaturatingCount(layout.rankCount - 1)
    otherNodes = SaturatingCount(layout.nodes.count - 1)
    let several = layout.nodes.map(\.count).filter { $0 > 1 }
    nodesOfSeveral = SaturatingCount(several.count)
    ranksWithOthers = SaturatingCount(several.reduce(0, +))
    pairsInside = layout.nodes.reduce(0) {
      $0 + SaturatingCount($1.count) * SaturatingCount($1.count - 1)
    }
  }

  func twoHopSize(chunks: SaturatingCount) -> ScheduleSize {
    // A rank has one relay in each node, and every other rank of the node is forwarded to.
    let forwards = layout.nodes.reduce(SaturatingCount(0)) {
      $0 + SaturatingCount(layout.rankCount - $1.count) * SaturatingCount($1.count - 1)
    }
    let laterChunks = SaturatingCount(chunks.value - 1)
    return ScheduleSize(
      steps: (chunks * n * otherRanks).value,
      waits: (chunks * forwards + laterChunks * n * otherRanks).value)
  }

  var biLevelShapes: [PhaseShape] {
    [PhaseShape(n * otherNodes, among: n), PhaseShape(pairsInside, among: n)]
  }

  /// Of one of the two trees. Only ranks that speak for nodes have more than one child: they may need a
  /// join of their children's sums on the way up, and two on the way down.
  var treeShapes: [PhaseShape] {
    var shape = PhaseShape(2 * otherRanks, afterFirstPhase: 2 * otherRanks)
    shape.joiningEnds = 2 * nodes
    return [shape]
  }

  func shapes(
    _ operation: CollectiveKind, _ algorithm: CollectiveAlgorithm, width: Int
  ) -> [PhaseShape] {
    switch (operation, algorithm) {
    case (.allToAll, .hierarchical):
      let copies = PhaseShape(layout.needsSorting ? n : 0, afterFirstPhase: 0)
      let inside = PhaseShape(pairsInside, among: n)
      let outside = PhaseShape(n * otherNodes, among: n)
      return [copies, inside, copies, outside]
    case (.allToAll, .leader):
      let inside = PhaseShape(
        SaturatingCount(layout.rankCount - nodes.value), joiningEnds: nodesOfSeveral)
      let copies = PhaseShape(nodesOfSeveral, afterFirstPhase: 0)
      return [
        inside, copies, PhaseShape(nodes * otherNodes, among: nodes), copies, inside,
      ]
    case (.allToAll, .tensorCoordinated):
      let groups = SaturatingCount(layout.rankCount / width - 1)
      return [
        PhaseShape(n * groups, among: n),
        PhaseShape(groups > 0 ? n * SaturatingCount(width - 1) : 0, among: n),
      ]
    case (.allToAll, _), (_, .direct):
      return operation == .send
        ? [PhaseShape(1, afterFirstPhase: 0)] : [PhaseShape(n * otherRanks, among: n)]
    case (.broadcast, .inSwitch):
      return [PhaseShape(1, joiningEnds: 1), PhaseShape(n, joiningEnds: 1)]
    case (.broadcast, _):
      return [
        PhaseShape(otherRanks, afterFirstPhase: SaturatingCount(layout.rankCount - 2))
      ]
    case (.allReduce, .ring): return [ringShape(steps: 2)]
    case (_, .halvingDoubling): return halvingDoublingShapes(times: operation == .allReduce ? 2 : 1)
    case (.allReduce, .inSwitch): return switchShapes + switchShapes
    case (_, .inSwitch): return switchShapes
    case (.allReduce, .hierarchical): return [insideRing] + acrossShapes + [insideRing]
    case (.allReduce, .hierarchicalInSwitch): return switchShapes + acrossShapes + switchShapes
    default: return [ringShape(steps: 1)]
    }
  }

  /// Rings round all ranks, so many after each other.
  private func ringShape(steps: SaturatingCount) -> PhaseShape {
    let phases = steps * otherRanks
    return PhaseShape(
      phases * n, afterFirstPhase: SaturatingCount(phases.value - 1) * n)
  }

  private func halvingDoublingShapes(times: SaturatingCount) -> [PhaseShape] {
    let plan = HalvingDoublingCounts(layout.rankCount)
    let m = SaturatingCount(plan.ranks)
    let phases = times * SaturatingCount(plan.depth)
    let exchange = PhaseShape(
      phases * m, afterFirstPhase: SaturatingCount(phases.value - 1) * m)
    guard plan.folded > 0 else { return [exchange] }
    let fold = PhaseShape(
      SaturatingCount(plan.folded), joiningEnds: 2 * SaturatingCount(plan.folded))
    return [fold, exchange, fold]
  }

  /// Up to the switches and down again. Ranks do one thing at a time; the switches do not.
  private var switchShapes: [PhaseShape] {
    let shape = PhaseShape(ranksWithOthers, joiningEnds: nodesOfSeveral)
    return [shape, shape]
  }

  /// Rings inside all nodes at once.
  private var insideRing: PhaseShape {
    PhaseShape(
      pairsInside, afterFirstPhase: SaturatingCount(pairsInside.value - ranksWithOthers.value))
  }

  /// Rings across nodes, one for each place. Where nodes differ in size, a rank may speak for several.
  private var acrossShapes: [PhaseShape] {
    let phases = 2 * otherNodes
    let places = SaturatingCount(layout.placeCount)
    var shape = PhaseShape(
      phases * places * nodes, afterFirstPhase: phases * places * nodes)
    let isEven = layout.nodes.allSatisfy { $0.count == layout.placeCount }
    if !isEven { shape.joiningEnds = phases * n }
    return [shape]
  }
}

/// The numbers of ``HalvingDoubling`` without its lists.
private struct HalvingDoublingCounts {
  let ranks: Int
  let depth: Int
  let folded: Int

  init(_ rankCount: Int) {
    depth = Int.bitWidth - 1 - rankCount.leadingZeroBitCount
    ranks = 1 << depth
    folded = rankCount - ranks
  }
}
