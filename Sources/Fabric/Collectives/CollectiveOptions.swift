import Units

/// What can be said of a collective besides its operation, algorithm and bytes. Nil: the default.
///
/// An option that the algorithm has no use for is refused: it would be read and ignored.
public struct CollectiveOptions: Hashable, Sendable {
  /// In how many equal parts the whole is done, pipelined: a part begins a phase at a rank when the
  /// part before is through that phase there.
  public var chunks: Int?
  /// The rank that a broadcast or a message comes from; 0 by default.
  public var root: Int?
  /// The rank that a message goes to; the last by default.
  public var target: Int?
  /// How many neighbouring ranks hold the same rows, for tensor-coordinated all-to-all.
  public var tensorWidth: Int?

  public init(
    chunks: Int? = nil, root: Int? = nil, target: Int? = nil, tensorWidth: Int? = nil
  ) {
    self.chunks = chunks
    self.root = root
    self.target = target
    self.tensorWidth = tensorWidth
  }

  /// Whether nothing but the pipeline keeps the algorithm's links busy: a chain, a tree and a switch
  /// do one thing after the other with the same bytes.
  static func isStreamed(_ operation: CollectiveKind, _ algorithm: CollectiveAlgorithm) -> Bool {
    switch (operation, algorithm) {
    case (.allReduce, .tree), (.broadcast, .ring), (_, .inSwitch), (_, .hierarchicalInSwitch): true
    default: false
    }
  }

  /// The most chunks that a collective is cut into by itself.
  static let defaultChunkLimit = 16
  /// A collective is cut by itself into chunks of this size or more: the step of NCCL's buffers,
  /// which are 4 MiB (its documentation, NCCL_BUFFSIZE) in 8 steps (its source, NCCL_STEPS).
  static let defaultChunkBytes = 524_288.0

  /// The number of chunks of a collective of so many bytes; without the bytes, the most it can be.
  func chunkCount(
    _ operation: CollectiveKind, _ algorithm: CollectiveAlgorithm, bytes: Bytes? = nil
  ) -> Int {
    if let chunks { return chunks }
    guard Self.isStreamed(operation, algorithm) else { return 1 }
    guard let bytes else { return Self.defaultChunkLimit }
    return Int(
      (bytes.value / Self.defaultChunkBytes).rounded(.up)
        .clamped(to: 1...Double(Self.defaultChunkLimit)))
  }

  /// - Throws: ``CollectiveError`` where an option has no effect, is needed and missing, or says
  ///   what cannot be.
  func check(
    _ operation: CollectiveKind, _ algorithm: CollectiveAlgorithm, _ layout: RankLayout
  ) throws(CollectiveError) {
    func refuse(_ option: CollectiveError.Option) -> CollectiveError {
      .withoutEffect(option: option, operation: operation, algorithm: algorithm)
    }
    if let chunks {
      if operation == .send { throw refuse(.chunks) }
      if chunks < 1 { throw .chunksBelowOne(chunks) }
    }
    if let root {
      if operation != .broadcast && operation != .send { throw refuse(.root) }
      try check(rank: root, .root, layout)
    }
    if let target {
      if operation != .send { throw refuse(.target) }
      try check(rank: target, .target, layout)
    }
    if algorithm != .tensorCoordinated, tensorWidth != nil { throw refuse(.tensorWidth) }
    if algorithm == .tensorCoordinated { try checkTensorWidth(layout) }
    if algorithm == .inSwitch, layout.nodes.count > 1 {
      throw .needsOneNode(operation: operation, algorithm: algorithm, nodes: layout.nodes.count)
    }
  }

  private func check(
    rank: Int, _ option: CollectiveError.Option, _ layout: RankLayout
  ) throws(CollectiveError) {
    if rank < 0 || rank >= layout.rankCount {
      throw .noSuchRank(option: option, rank: rank, ranks: layout.rankCount)
    }
  }

  private func checkTensorWidth(_ layout: RankLayout) throws(CollectiveError) {
    guard let tensorWidth else { throw .tensorWidthMissing }
    for (index, node) in layout.nodes.enumerated()
    where tensorWidth < 1 || node.count % tensorWidth != 0 {
      throw .tensorWidthDoesNotDivide(width: tensorWidth, node: index, ranks: node.count)
    }
  }
}

extension Double {
  fileprivate func clamped(to range: ClosedRange<Double>) -> Double {
    // An undefined amount is refused before; here it would be the lowest.
    self > range.lowerBound ? min(self, range.upperBound) : range.lowerBound
  }
}
