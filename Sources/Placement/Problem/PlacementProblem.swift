/// Which group should hold which expert, so that no group waits for another and tokens travel little:
/// the one statement that every method of this room shares.
///
///     var problem = try PlacementProblem(layers: 32, experts: 8, groups: 4, work: work)
///     problem.transitions = transitions          // [pair of layers][this][next], tokens
///     problem.secondsAcrossNodes = 80e-9         // for each token that goes to another node
///     let cost = PlacementCost(of: placement, in: problem)
///
/// Minimised is, in seconds of one iteration,
///
///     sum over layers of (mean over windows of the slowest group's work) + communication
///
/// where the work of a group is the sum of its copies' work, and communication is ``traffic`` times
/// seconds for each token that moves, added up or, for MoETuner's second program, of the slowest pair
/// of groups only (``objective``). A layer is a position among the MoE layers; a *copy* is one of a
/// layer's experts on one group: there are as many copies as experts unless some are redundant.
/// All tables are flat arrays of Double with the last index moving fastest.
public struct PlacementProblem: Sendable {
  public let layers: Int
  public let experts: Int
  /// Expert groups: devices, or as many devices as an expert is sliced over.
  public let groups: Int
  /// Groups of a node: group g is in node g / groupsPerNode. Equal to ``groups`` on one node.
  public let groupsPerNode: Int
  /// The most copies of a layer that a group may hold.
  public let slotsPerGroup: Int
  /// Copies of a layer on all groups together: ``experts`` and the redundant ones. Where that is
  /// `groups * slotsPerGroup` all groups hold equally many, else some slots stay empty.
  public let copies: Int

  /// Equal runs of experts of which the router first chooses some for a token; 1 where it does not.
  public var routerGroups = 1

  /// Seconds of one iteration that an expert's tokens cost the group that holds it alone,
  /// `[window][layer][expert]`. A window is a part of the profile's requests.
  public var work: [Double]
  /// Of those seconds, what every copy costs that gets any of the expert's tokens, however few: its
  /// weights are read on each group that holds one. The same shape; empty where copies share everything.
  public var workPerCopy: [Double] = []
  /// What each window counts for; their sum is 1.
  public let windowWeights: [Double]

  /// Tokens of one iteration that use an expert of a layer and then one of the next,
  /// `[layer][this][next]` for all layers but the last; each token that takes k experts counts
  /// 1/k for each of its k x k pairs, so that a matrix sums to tokens x k. Empty where none are known.
  public var transitions: [Double] = []
  /// The experts that tokens take together, for home traffic; `nil` where none are known.
  public var sets: ExpertSets?
  public var traffic = Traffic.transition
  public var objective = Objective.sum
  /// Seconds of communication for each token that moves to another group of its node, and to another
  /// node: bytes of a token / bandwidth, divided among the groups that send at the same time (for
  /// ``Objective/bottleneck``: not divided, of the one pair of groups). No less across nodes than
  /// within.
  public var secondsInNode = 0.0
  public var secondsAcrossNodes = 0.0

  /// How a token chooses among copies.
  public var replicaChoice = ReplicaChoice.even
  /// Of home traffic: how tokens get to their experts and back.
  public var exchange = TokenExchange()
  /// Whether an expert's copies must be in different nodes as far as there are nodes; on distinct
  /// groups they are in any case.
  public var spreadsCopiesOverNodes = false
  /// Copies that must be somewhere: some copy of the expert is on that group.
  public var pinned: [Place] = []
  /// Where a copy must not be.
  public var forbidden: [Place] = []

  /// An expert on a group.
  public struct Place: Hashable, Sendable {
    public var layer: Int
    public var expert: Int
    public var group: Int

    public init(layer: Int, expert: Int, group: Int) {
      self.layer = layer
      self.expert = expert
      self.group = group
    }
  }

  /// What moves between groups.
  public enum Traffic: String, Hashable, Sendable, CaseIterable {
    /// A token stays where its last expert ran and moves to the next layer's expert (MoETuner,
    /// ExFlow): reads ``PlacementProblem/transitions``.
    case transition
    /// A token returns to its own rank after every layer; it goes once to each other group that has
    /// any of its experts, by way of one of each other node or not
    /// (``PlacementProblem/exchange``): reads ``PlacementProblem/sets``.
    case home
    /// The sum of the two.
    case both
  }

  /// How communication of a layer adds up.
  public enum Objective: String, Hashable, Sendable, CaseIterable {
    /// Transition traffic: all tokens that move, at ``PlacementProblem/secondsInNode`` or
    /// ``PlacementProblem/secondsAcrossNodes`` each. Home traffic: the busiest port (``PlacementCost``).
    case sum
    /// The slowest ordered pair of groups (MoETuner's second program); transition traffic only.
    case bottleneck
  }

  /// - Parameters:
  ///   - slotsPerGroup: the fewest that hold the copies where `nil`.
  ///   - redundant: copies of a layer beyond one for each expert.
  ///   - windowWeights: equal ones where `nil`; scaled to the sum 1.
  /// - Throws: ``PlacementProblemError`` where sizes do not fit one another.
  public init(
    layers: Int, experts: Int, groups: Int, groupsPerNode: Int? = nil, slotsPerGroup: Int? = nil,
    redundant: Int = 0, work: [Double], windowWeights: [Double]? = nil
  ) throws(PlacementProblemError) {
    guard layers > 0, experts > 0, groups > 0 else {
      throw .empty(layers: layers, experts: experts, groups: groups)
    }
    let groupsPerNode = groupsPerNode ?? groups
    guard groupsPerNode > 0, groups % groupsPerNode == 0 else {
      throw .unevenNodes(groups: groups, groupsPerNode: groupsPerNode)
    }
    guard (0...experts * (groups - 1)).contains(redundant) else {
      throw .redundantCopies(redundant, most: experts * (groups - 1))
    }
    let copies = experts + redundant
    let slots = slotsPerGroup ?? (copies + groups - 1) / groups
    guard slots * groups >= copies else {
      throw .tooFewSlots(copies: copies, groups: groups, slots: slots)
    }
    guard slots <= experts else { throw .tooManySlots(slots, experts: experts) }
    guard !work.isEmpty, work.count % (layers * experts) == 0 else {
      throw .tableSize(
        "work", found: work.count, wanted: layers * experts, allowsMultiples: true)
    }
    let windows = work.count / (layers * experts)
    let weights = windowWeights ?? [Double](repeating: 1, count: windows)
    guard weights.count == windows else {
      throw .tableSize("windowWeights", found: weights.count, wanted: windows)
    }
    guard weights.allSatisfy({ $0 >= 0 && $0 < .infinity }) else {
      throw .notANumber("windowWeights")
    }
    let sum = weights.reduce(0, +)
    guard sum > 0, sum < .infinity else { throw .windowWeights(sum: sum) }
    self.layers = layers
    self.experts = experts
    self.groups = groups
    self.groupsPerNode = groupsPerNode
    self.slotsPerGroup = slots
    self.copies = copies
    self.work = work
    self.windowWeights = weights.map { $0 / sum }
  }
}

extension PlacementProblem {
  public var windows: Int { windowWeights.count }
  public var nodes: Int { groups / groupsPerNode }
  public var slotsPerLayer: Int { groups * slotsPerGroup }
  public var hasReplicas: Bool { copies > experts }
  /// Whether groups may hold more copies of a layer than the fewest slots that hold all of them.
  public var hasSpareSlots: Bool { slotsPerGroup > (copies + groups - 1) / groups }
  public func node(ofGroup group: Int) -> Int { group / groupsPerNode }

  /// Whether transition traffic counts, and is known.
  public var countsTransitions: Bool { traffic != .home && !transitions.isEmpty }
  /// Whether home traffic counts, and is known.
  public var countsSets: Bool { traffic != .transition && sets != nil }

  /// The experts that tokens take together and that one copy of a token is enough for where they are on
  /// one group: ``sets``, or each expert by itself.
  var setsSent: ExpertSets? {
    exchange.copiesForEachExpert ? sets?.apart(experts: experts) : sets
  }

  /// Tokens from the experts of `pair` to those of the layer after it, `[this][next]`.
  public func transition(_ pair: Int) -> ArraySlice<Double> {
    transitions[pair * experts * experts..<(pair + 1) * experts * experts]
  }

  /// Seconds for a token that goes from one group to another; 0 where it stays.
  public func secondsPerToken(from: Int, to: Int) -> Double {
    if from == to { return 0 }
    return node(ofGroup: from) == node(ofGroup: to) ? secondsInNode : secondsAcrossNodes
  }

  /// The mean over windows of each expert's work, `[layer][expert]`.
  public var meanWork: [Double] { mean(work) }

  /// The same of ``workPerCopy``; empty where that is.
  var meanWorkPerCopy: [Double] { workPerCopy.isEmpty ? [] : mean(workPerCopy) }

  private func mean(_ table: [Double]) -> [Double] {
    var mean = [Double](repeating: 0, count: layers * experts)
    for window in 0..<windows {
      let weight = windowWeights[window]
      for index in mean.indices { mean[index] += weight * table[window * mean.count + index] }
    }
    return mean
  }

  /// What a copy costs that gets a share of an expert's tokens; nothing without any.
  ///
  /// - Parameter cell: Of ``work``.
  func seconds(_ cell: Int, share: Double) -> Double {
    copySeconds(work[cell], workPerCopy.isEmpty ? 0 : workPerCopy[cell], share: share)
  }
}

extension PlacementProblem {
  /// Checks what was set after the sizes.
  ///
  /// - Throws: ``PlacementProblemError`` for the first table or place that is wrong.
  public func check() throws(PlacementProblemError) {
    let pairs = (layers - 1) * experts * experts
    guard transitions.isEmpty || transitions.count == pairs else {
      throw .tableSize("transitions", found: transitions.count, wanted: pairs)
    }
    guard workPerCopy.isEmpty || workPerCopy.count == work.count,
      zip(workPerCopy, work).allSatisfy({ $0 <= $1 })
    else { throw .misfit("the work of each copy is of another shape, or more than all work") }
    for (name, table) in [
      ("work", work), ("workPerCopy", workPerCopy), ("transitions", transitions),
      ("windowWeights", windowWeights), ("the tokens of expert sets", sets?.tokens ?? []),
      ("seconds for a token", [secondsInNode, secondsAcrossNodes - secondsInNode]),
    ] {
      guard table.allSatisfy({ $0 >= 0 && $0 < .infinity }) else { throw .notANumber(name) }
    }
    try exchange.check()
    if let sets {
      guard sets.layers == layers, sets.members.allSatisfy({ $0 < experts }) else {
        throw .misfit("the expert sets are of another model")
      }
    }
    for place in pinned + forbidden {
      guard (0..<layers).contains(place.layer), (0..<experts).contains(place.expert),
        (0..<groups).contains(place.group)
      else {
        throw .misfit(
          "there is no expert \(place.expert) in layer \(place.layer), or no group \(place.group)")
      }
    }
    if let both = pinned.first(where: { forbidden.contains($0) }) {
      throw .contradictoryPlaces(both)
    }
    // Whoever gets redundant copies, one of each expert and those that are pinned must have room; kept apart
    // over nodes they are when it is known how many there are.
    var alike = self
    alike.spreadsCopiesOverNodes = false
    let copies = pinnedGroups.map { layer in layer.map { alike.fewestCopies(pinned: $0) } }
    try alike.checkRoom(copies: copies, layers: Set((pinned + forbidden).map(\.layer)).sorted())
  }
}

/// What a copy costs that gets a share of an expert's tokens: `fixed` whatever the share, unless it is
/// none, and the share of the rest.
func copySeconds(_ all: Double, _ fixed: Double, share: Double) -> Double {
  share > 0 ? fixed + (all - fixed) * share : 0
}

/// What the copies of an expert are kept apart over.
public enum ReplicaSpread: String, Hashable, Sendable, CaseIterable {
  /// Each on another group, as they are in any case.
  case devices
  /// Each in another node as far as there are nodes (``PlacementProblem/spreadsCopiesOverNodes``).
  case nodes
}

/// How a token chooses among the copies of an expert.
public enum ReplicaChoice: String, Hashable, Sendable, CaseIterable {
  /// Each copy gets the same share.
  case even
  /// A copy on the token's group, else one of its node, else any; among equally near ones the group's
  /// number says which (`nearestCopy` of `Traces`).
  case nearest
  /// Shares that balance the groups' mean work over windows: the slowest as fast as can be where copies
  /// have no work of their own (``PlacementProblem/workPerCopy``), else by taking one expert at a time.
  case leastLoaded = "least-loaded"
}
