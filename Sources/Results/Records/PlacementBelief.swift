import Units

/// What was believed of a run's placement before the run: its cost in an iteration, by the requests that it
/// was chosen by and by those that the run replays, and what no placement can be below.
public struct PlacementBelief: Hashable, Sendable {
  /// Who chose it: a method, or a file.
  public var placement: String
  /// What moves between expert groups: `home`, `transition` or `both`.
  public var traffic: String
  /// How communication adds up: `sum` or `bottleneck`.
  public var objective: String
  /// Of a layer's experts.
  public var copies: Int
  public var profiledRequests: Int
  /// Those that the run replays and the method did not see; 0 where it saw all.
  public var unseenRequests: Int
  public var profiled: Cost
  /// Nil where there are no such requests.
  public var unseen: Cost?
  /// Nil where nobody proved one.
  public var bound: Bound?

  /// Of an iteration.
  public struct Cost: Hashable, Sendable {
    /// What was minimised: the three below together.
    public var total: Seconds
    /// Of the slowest devices' experts, added up over layers.
    public var work: Seconds
    /// Of communication.
    public var inNode: Seconds
    public var acrossNodes: Seconds
    /// The slowest device's work over the mean device's, the mean over layers.
    public var imbalance: Double

    public init(
      total: Seconds, work: Seconds, inNode: Seconds, acrossNodes: Seconds, imbalance: Double
    ) {
      self.total = total
      self.work = work
      self.inNode = inNode
      self.acrossNodes = acrossNodes
      self.imbalance = imbalance
    }
  }

  public struct Bound: Hashable, Sendable {
    /// No placement (with as many copies of each expert) costs less.
    public var least: Seconds
    /// `everything`, or `mean-work` where nothing is known to bound communication.
    public var covers: String
    /// Of the cost on profiled requests above the bound, over the bound; nil where the bound is 0.
    public var gap: Double?
    /// Whether the placement is proven to cost no more than any.
    public var isOptimal: Bool

    public init(least: Seconds, covers: String, gap: Double?, isOptimal: Bool) {
      self.least = least
      self.covers = covers
      self.gap = gap
      self.isOptimal = isOptimal
    }
  }

  public init(
    placement: String, traffic: String, objective: String, copies: Int, profiledRequests: Int,
    unseenRequests: Int, profiled: Cost, unseen: Cost? = nil, bound: Bound? = nil
  ) {
    self.placement = placement
    self.traffic = traffic
    self.objective = objective
    self.copies = copies
    self.profiledRequests = profiledRequests
    self.unseenRequests = unseenRequests
    self.profiled = profiled
    self.unseen = unseen
    self.bound = bound
  }
}
