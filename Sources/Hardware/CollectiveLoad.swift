import Units

/// What one collective asks of each rank: the bytes on its ports, the bytes its multiprocessors
/// handle, and the counts that its start-up depends on.
///
///     let load = CollectiveLoad(.allReduce, buffer: Bytes(64e6), ranks: 8)
///     let tokens = exchange.load(.dispatch, .deepEPLowLatency)         // an ExpertExchange
///
/// Every amount is that of one rank; where ranks differ, that of the busiest.
public struct CollectiveLoad: Hashable, Sendable {
  /// Through the rank's scale-up port, out.
  public var wireBytes: Bytes
  /// Through the rank's scale-out port, out.
  public var networkBytes: Bytes
  /// What the rank sends to each of its peers in one piece.
  public var messageBytes: Bytes
  /// Copies of tokens that the rank's multiprocessors make, for each device that gets one.
  public var copiedBytes: Bytes
  /// Copies that they take in or add up, for each node that a token goes to.
  public var stagedBytes: Bytes
  public var ranks: Int
  public var nodes: Int
  /// Experts that live on one rank; 0 where there are none.
  public var expertsPerRank: Double
  /// Multiprocessors that work on it; 0 where the library does not say.
  public var multiprocessors: Int

  public init(
    wireBytes: Bytes, networkBytes: Bytes = .zero, messageBytes: Bytes = .zero,
    copiedBytes: Bytes = .zero, stagedBytes: Bytes = .zero, ranks: Int, nodes: Int = 1,
    expertsPerRank: Double = 0, multiprocessors: Int = 0
  ) {
    self.wireBytes = wireBytes
    self.networkBytes = networkBytes
    self.messageBytes = messageBytes
    self.copiedBytes = copiedBytes
    self.stagedBytes = stagedBytes
    self.ranks = ranks
    self.nodes = nodes
    self.expertsPerRank = expertsPerRank
    self.multiprocessors = multiprocessors
  }

  /// A collective inside a node that moves a whole buffer.
  ///
  /// With S the buffer and n the ranks, a rank puts S (n - 1) / n on the wire, twice that for an
  /// all-reduce (a ring's reduce-scatter and all-gather); its piece for each peer is S / n. A
  /// switch that adds up reads all of the rank's S and gets the rank's piece of the sum back to
  /// hand it out to everybody, S (n + 1) / n.
  ///
  /// - Parameter buffer: All ranks' parts together: what an all-gather leaves on every rank, what a
  ///   reduce-scatter or an all-to-all begins with on every rank.
  public init(
    _ operation: CollectiveOperation, buffer: Bytes, ranks: Int,
    algorithm: ReductionPlace = .ranks
  ) {
    let count = Double(max(ranks, 1))
    let isWhole = operation == .send || operation == .broadcast
    let passes =
      switch (operation, algorithm) {
      case (.send, _), (.broadcast, _): 1.0
      case (.allReduce, .inSwitch): (count + 1) / count
      case (.allReduce, .ranks): 2 * (count - 1) / count
      default: (count - 1) / count
      }
    self.init(
      wireBytes: buffer * passes, messageBytes: isWhole ? buffer : buffer / count,
      ranks: max(ranks, 1))
  }

  /// What each rank sends, over both kinds of ports: what ``CollectiveCost/Range`` bounds.
  public var bytesSent: Bytes { wireBytes + networkBytes }
}
