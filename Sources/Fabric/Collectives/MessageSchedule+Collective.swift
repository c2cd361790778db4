import Units

extension MessageSchedule {
  /// A collective of all ranks of a layout.
  ///
  ///     let schedule = try MessageSchedule(
  ///       operation: .allReduce, algorithm: .ring, bytes: Bytes(64e6),
  ///       layout: RankLayout(ranks: 16, perNode: 8))
  ///
  /// Of one rank, or of no bytes, it is empty.
  ///
  /// - Parameters:
  ///   - algorithm: The operation's default where nil.
  ///   - bytes: What they mean is said at ``CollectiveKind``; nil with a matrix.
  ///   - matrix: For all-to-all instead of bytes: who has how much for whom.
  /// - Throws: ``CollectiveError``, also for a schedule that may need more steps than can be numbered;
  ///   how much memory it takes is for the caller to ask first
  ///   (``sizeBound(operation:algorithm:bytes:layout:options:)``).
  public init(
    operation: CollectiveKind, algorithm chosen: CollectiveAlgorithm? = nil, bytes: Bytes? = nil,
    matrix: TrafficMatrix? = nil, layout: RankLayout,
    options: CollectiveOptions = CollectiveOptions()
  ) throws(CollectiveError) {
    let algorithm = chosen ?? operation.defaultAlgorithm(layout)
    let size = try Self.sizeBound(
      operation: operation, algorithm: algorithm, bytes: bytes, layout: layout, options: options)
    guard size.steps <= Int(Int32.max) else { throw .tooManySteps(size) }
    try Self.check(operation, bytes, matrix, layout)
    self.init()
    if layout.rankCount == 1 { return }
    if operation == .allToAll {
      // A matrix for the bytes is made only now that its size is known to be one that can be stored.
      let matrix = matrix ?? TrafficMatrix(ranks: layout.rankCount, uniform: bytes ?? .zero)
      appendAllToAll(algorithm, matrix, layout, options)
    } else {
      appendCollective(operation, algorithm, bytes ?? .zero, layout, options)
    }
  }

  private static func check(
    _ operation: CollectiveKind, _ bytes: Bytes?, _ matrix: TrafficMatrix?, _ layout: RankLayout
  ) throws(CollectiveError) {
    if let matrix {
      if operation != .allToAll { throw .matrixWithoutEffect(operation: operation) }
      if bytes != nil { throw .bytesAndMatrix }
      if matrix.ranks != layout.rankCount {
        throw .matrixOfOtherSize(ranks: matrix.ranks, wanted: layout.rankCount)
      }
      return
    }
    guard let bytes else { throw .bytesMissing(operation: operation) }
    if !bytes.value.isFinite || bytes.value < 0 { throw .badBytes(bytes.value) }
  }

  private mutating func appendAllToAll(
    _ algorithm: CollectiveAlgorithm, _ matrix: TrafficMatrix, _ layout: RankLayout,
    _ options: CollectiveOptions
  ) {
    let chunks = options.chunkCount(.allToAll, algorithm)
    if algorithm == .twoHop {
      appendTwoHopExchange(matrix, layout, chunks: chunks)
      return
    }
    var plan = PhasedTransfers(layout)
    switch algorithm {
    case .hierarchical: plan.addHierarchicalExchange(matrix, layout)
    case .leader: plan.addLeaderExchange(matrix, layout)
    case .biLevel: plan.addBiLevelExchange(matrix, layout)
    case .tensorCoordinated:
      plan.addTensorCoordinatedExchange(matrix, layout, width: options.tensorWidth ?? 1)
    default: plan.addFlatExchange(matrix)
    }
    append(plan, chunks: chunks)
  }

  private mutating func appendCollective(
    _ operation: CollectiveKind, _ algorithm: CollectiveAlgorithm, _ bytes: Bytes,
    _ layout: RankLayout, _ options: CollectiveOptions
  ) {
    let chunks = options.chunkCount(operation, algorithm, bytes: bytes)
    let root = options.root ?? 0
    var plan = PhasedTransfers(layout)
    switch operation {
    case .allReduce where algorithm == .tree:
      for isSecond in [false, true] {
        var half = PhasedTransfers(layout)
        half.addTreeAllReduce(bytes.value / 2, ReductionTree(layout, isSecond: isSecond))
        append(half, chunks: chunks)
      }
      return
    case .allReduce: plan.addAllReduce(algorithm, bytes.value, layout)
    case .allGather: plan.addAllGather(algorithm, bytes.value, layout)
    case .reduceScatter: plan.addReduceScatter(algorithm, bytes.value, layout)
    case .broadcast: plan.addBroadcast(algorithm, bytes.value, root: root, layout)
    case .send, .allToAll:
      let target = options.target ?? layout.rankCount - 1
      if root != target { plan.add(bytes.value, from: root, to: target) }
      plan.endPhase()
    }
    append(plan, chunks: chunks)
  }
}

extension PhasedTransfers {
  fileprivate mutating func addAllReduce(
    _ algorithm: CollectiveAlgorithm, _ bytes: Double, _ layout: RankLayout
  ) {
    let group = PartedGroup(0..<rankCount, sharing: bytes)
    switch algorithm {
    case .halvingDoubling:
      let plan = HalvingDoubling(rankCount: rankCount)
      let count = plan.ranks.count
      addHalvingDoublingAllReduce(
        plan, blocks: [Double](repeating: bytes / Double(count), count: count))
    case .inSwitch:
      addInSwitchReduceScatter([group], layout)
      addInSwitchAllGather([group], layout)
    case .hierarchical, .hierarchicalInSwitch:
      addHierarchicalAllReduce(
        parts: layout.parts(of: bytes), layout, inSwitch: algorithm == .hierarchicalInSwitch)
    default: addRingAllReduce([group])
    }
  }

  fileprivate mutating func addAllGather(
    _ algorithm: CollectiveAlgorithm, _ bytes: Double, _ layout: RankLayout
  ) {
    let group = PartedGroup(0..<rankCount, sharing: bytes)
    switch algorithm {
    case .halvingDoubling:
      addDoublingAllGather(HalvingDoubling(rankCount: rankCount), parts: group.parts)
    case .direct: addDirectAllGather(parts: group.parts)
    case .inSwitch: addInSwitchAllGather([group], layout)
    default: addRingAllGather([group])
    }
  }

  fileprivate mutating func addReduceScatter(
    _ algorithm: CollectiveAlgorithm, _ bytes: Double, _ layout: RankLayout
  ) {
    let group = PartedGroup(0..<rankCount, sharing: bytes)
    switch algorithm {
    case .halvingDoubling:
      addHalvingReduceScatter(HalvingDoubling(rankCount: rankCount), parts: group.parts)
    case .direct: addDirectReduceScatter(parts: group.parts)
    case .inSwitch: addInSwitchReduceScatter([group], layout)
    default: addRingReduceScatter([group])
    }
  }

  fileprivate mutating func addBroadcast(
    _ algorithm: CollectiveAlgorithm, _ bytes: Double, root: Int, _ layout: RankLayout
  ) {
    switch algorithm {
    case .ring: addRingBroadcast(bytes, root: root)
    case .inSwitch: addInSwitchBroadcast(bytes, root: root, layout)
    default: addTreeBroadcast(bytes, root: root)
    }
  }
}
