/// What ranks do together, whatever the way they do it.
///
/// What "the bytes" of each are: all-to-all, what every rank holds for all ranks together, its own
/// part included; all-reduce, reduce-scatter, broadcast and send, the buffer; all-gather, the buffer
/// that every rank has in the end.
public enum CollectiveKind: String, CaseIterable, Hashable, Sendable {
  case allToAll = "all-to-all"
  case allReduce = "all-reduce"
  case allGather = "all-gather"
  case reduceScatter = "reduce-scatter"
  case broadcast
  /// One message from a rank to another.
  case send

  /// - Throws: ``CollectiveError/unknownOperation(word:)``.
  public init(word: String) throws(CollectiveError) {
    guard let kind = Self(rawValue: word) else { throw .unknownOperation(word: word) }
    self = kind
  }

  /// The ways it can be done.
  public var algorithms: [CollectiveAlgorithm] {
    switch self {
    case .allToAll: [.flat, .hierarchical, .leader, .biLevel, .tensorCoordinated, .twoHop]
    case .allReduce:
      [.ring, .tree, .halvingDoubling, .inSwitch, .hierarchical, .hierarchicalInSwitch]
    case .allGather, .reduceScatter: [.ring, .halvingDoubling, .direct, .inSwitch]
    case .broadcast: [.tree, .ring, .inSwitch]
    case .send: [.direct]
    }
  }

  /// What is done where nobody says otherwise: the first, but for an all-reduce over several nodes
  /// of several ranks, where one ring would lead everything through one card of each node.
  public func defaultAlgorithm(_ layout: RankLayout) -> CollectiveAlgorithm {
    let crossesNodes = layout.nodes.count > 1 && layout.nodes.contains { $0.count > 1 }
    return self == .allReduce && crossesNodes ? .hierarchical : algorithms[0]
  }
}
