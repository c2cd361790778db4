import Units

/// Tokens on their way to experts that lie evenly on all ranks, each token to a few of them, every
/// expert equally likely: what the benchmarks of dispatch and combine measure.
///
///     let exchange = ExpertExchange(
///       tokens: 128, hidden: 7168, topK: 8, experts: 256, ranks: 16, nodes: 2)
///     let load = exchange.load(.dispatch, .deepEPLowLatency)
///
/// A dispatch carries 8-bit numbers with their scales; a combine carries 16-bit numbers.
public struct ExpertExchange: Hashable, Sendable {
  /// Of one rank.
  public var tokens: Double
  public var hidden: Int
  public var topK: Int
  public var experts: Int
  public var ranks: Int
  public var nodes: Int
  /// That the normal kernels were given; the low-latency ones take what ``experts`` makes of
  /// ``deviceMultiprocessors``.
  public var multiprocessors: Int
  /// Of one device; an H100 has 132.
  public var deviceMultiprocessors: Int

  public init(
    tokens: Double, hidden: Int, topK: Int, experts: Int, ranks: Int, nodes: Int = 1,
    multiprocessors: Int = 20, deviceMultiprocessors: Int = 132
  ) {
    self.tokens = tokens
    self.hidden = hidden
    self.topK = topK
    self.experts = experts
    self.ranks = ranks
    self.nodes = nodes
    self.multiprocessors = multiprocessors
    self.deviceMultiprocessors = deviceMultiprocessors
  }

  /// The bytes of one copy of a token.
  public func copyBytes(_ operation: CollectiveOperation, _ library: CollectiveLibrary) -> Bytes {
    let element = operation == .dispatch ? 1.0 : 2
    return Bytes(Double(hidden) * element)
      + library.bytesBesideCopy(hidden: hidden, element: element)
  }

  /// The expected number of groups that a token reaches, of `groups` that share all experts evenly:
  /// g (1 - C(E - E / g, k) / C(E, k)) for k of E experts without repetition. O(k).
  public func expectedGroups(_ groups: Int) -> Double {
    let outside = experts - experts / max(1, groups)
    var missed = 1.0
    for choice in 0..<min(topK, experts) {
      missed *= Double(max(0, outside - choice)) / Double(experts - choice)
    }
    return Double(groups) * (1 - missed)
  }

  /// What one rank sends; for a combine the same copies go the other way.
  public func load(_ operation: CollectiveOperation, _ library: CollectiveLibrary) -> CollectiveLoad
  {
    let bytes = copyBytes(operation, library)
    let isDirect = library.copiesForEachExpert
    // A copy to each expert, or one to each node and from there one to each device.
    let copies = isDirect ? Double(topK) : expectedGroups(ranks)
    let staged = isDirect ? 1 : expectedGroups(nodes)
    let inNode = Double(ranks) / Double(nodes)
    let stayShare = isDirect ? 1 / Double(nodes) : 1
    let leaveShare = Double(nodes - 1) / Double(nodes)
    return CollectiveLoad(
      wireBytes: bytes * (tokens * copies * stayShare * (inNode - 1) / inNode),
      networkBytes: bytes * (tokens * (isDirect ? copies : staged) * leaveShare),
      messageBytes: bytes, copiedBytes: bytes * (tokens * copies),
      stagedBytes: bytes * (tokens * staged), ranks: ranks, nodes: nodes,
      expertsPerRank: Double(experts) / Double(ranks),
      multiprocessors: isDirect ? multiprocessorsOfLowLatency : multiprocessors)
  }

  /// The low-latency kernels give each expert a group of warps, as many groups to a multiprocessor
  /// as it takes for all experts, and use no more multiprocessors than that needs (DeepEP,
  /// csrc/kernels/internode_ll.cu).
  private var multiprocessorsOfLowLatency: Int {
    let groups = (experts + deviceMultiprocessors - 1) / max(1, deviceMultiprocessors)
    return (experts + groups - 1) / max(1, groups)
  }
}
