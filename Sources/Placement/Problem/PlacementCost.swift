/// What a placement costs in seconds of one iteration, and what people look at beside.
///
/// Exact for any replicas: the sum of the parts is what every search, bound and exact method of this
/// room minimises.
public struct PlacementCost: Sendable, Hashable {
  /// Seconds of the slowest group, the mean over windows, `[layer]`.
  public var layerWork: [Double] = []
  /// Seconds of communication, `[pair of layers]` for transition traffic; empty without.
  public var transitionSeconds: [Double] = []
  /// Seconds of communication, `[layer]` for home traffic; empty without.
  public var homeSeconds: [Double] = []
  /// Of the two above, what is within nodes and what is across them.
  public var inNodeSeconds = 0.0
  public var acrossNodesSeconds = 0.0
  /// The slowest group's mean work over the groups' mean, `[layer]`; 1 where all work equally.
  public var imbalance: [Double] = []
  /// Shares of the token routes between layers that stay on the group, in the node but not on the
  /// group, and cross nodes; 0 without transitions.
  public var localShare = 0.0
  public var nodeShare = 0.0
  public var crossShare = 0.0
  /// Distinct groups, and nodes, that a token of a layer goes to, on average; 0 without sets.
  public var groupsPerToken = 0.0
  public var nodesPerToken = 0.0

  public var work: Double { layerWork.reduce(0, +) }
  public var communication: Double {
    transitionSeconds.reduce(0, +) + homeSeconds.reduce(0, +)
  }
  /// What is minimised.
  public var total: Double { work + communication }
  /// The mean over layers of ``imbalance``.
  public var meanImbalance: Double {
    imbalance.isEmpty ? 1 : imbalance.reduce(0, +) / Double(imbalance.count)
  }

  /// O(layers x (windows x copies + (copies per expert)^2 x experts^2) + sets x k).
  public init(of placement: ExpertPlacement, in problem: PlacementProblem) {}
}
