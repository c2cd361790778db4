/// The ways of doing collectives; ``CollectiveKind/algorithms`` says which are for which.
public enum CollectiveAlgorithm: String, CaseIterable, Hashable, Sendable {
  /// All-to-all: every pair for itself, all at once.
  case flat
  /// All-to-all: inside nodes by local index of the target, then between nodes (Tutel's 2DH).
  /// All-reduce: inside nodes, between ranks of equal local index, inside nodes.
  case hierarchical
  /// All-to-all through one rank of each node (HetuMoE).
  case leader
  /// All-to-all between nodes first, then inside them (SMILE).
  case biLevel = "bi-level"
  /// All-to-all of tensor-parallel groups that hold the same rows (DeepSpeed-MoE, TED, LocMoE).
  case tensorCoordinated = "tensor-coordinated"
  /// All-to-all with each row once to a node and forwarded there as it comes (DeepEP).
  case twoHop = "two-hop"
  case ring
  /// All-reduce: two binary trees with chains inside nodes. Broadcast: a binomial tree.
  case tree
  case halvingDoubling = "halving-doubling"
  /// The switches of a node add and copy.
  case inSwitch = "in-switch"
  /// Like ``hierarchical``, with the switches' help inside nodes.
  case hierarchicalInSwitch = "hierarchical-in-switch"
  /// From everyone who has a part to everyone who needs it, all at once.
  case direct

  /// - Throws: ``CollectiveError/noAlgorithm(operation:word:)`` where the operation has none of
  ///   that name.
  public init(word: String, for operation: CollectiveKind) throws(CollectiveError) {
    guard let algorithm = Self(rawValue: word), operation.algorithms.contains(algorithm) else {
      throw .noAlgorithm(operation: operation, word: word)
    }
    self = algorithm
  }
}
