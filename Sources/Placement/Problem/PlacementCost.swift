/// What a placement costs in seconds of one iteration, and what people look at beside.
///
/// Exact for any replicas and the shares that their copies get: the measure of every method of this
/// room. Search, exact methods and bounds are about its ``total``; MoETuner's programs and the
/// baselines minimise something else.
///
/// Home traffic takes a token's own rank to be any group, each as likely, and a layer to take what its
/// busiest ports take, in dispatch and combine, as in a run (``PlacementProblem/exchange``): within a node
/// that of the group that most tokens visit, or that has most together with what leaves and enters its node
/// where that passes the same port, between nodes that of the group or node that most come to from others. Of
/// the two it is the slower one, or one after the other where one hop waits for the other.
/// Where experts have copies, a token takes those of their shares, each independently; of the nearest ones
/// those of its own rank's group (``NearestVisits``).
public struct PlacementCost: Sendable, Hashable {
  /// Seconds of the slowest group, the mean over windows, `[layer]`.
  public var layerWork: [Double] = []
  /// Seconds of communication, `[pair of layers]` for transition traffic; empty without.
  public var transitionSeconds: [Double] = []
  /// Seconds of communication, `[layer]` for home traffic; empty without.
  public var homeSeconds: [Double] = []
  /// Of the two above, what is within nodes and what is across them; of the bottleneck objective, the
  /// slowest pairs.
  public var inNodeSeconds = 0.0
  public var acrossNodesSeconds = 0.0
  /// The slowest group's mean work over the groups' mean, `[layer]`; 1 where all work equally.
  public var imbalance: [Double] = []
  /// Shares of the token routes between layers that stay on the group, in the node but not on the
  /// group, and cross nodes; 0 without transitions. Known whatever the traffic is.
  public var localShare = 0.0
  public var nodeShare = 0.0
  public var crossShare = 0.0
  /// Distinct groups, and nodes, that a token of a layer goes to, on average; 0 without sets. Known
  /// whatever the traffic is.
  public var groupsPerToken = 0.0
  public var nodesPerToken = 0.0

  public var work: Double { layerWork.reduce(0, +) }
  public var communication: Double {
    transitionSeconds.reduce(0, +) + homeSeconds.reduce(0, +)
  }
  /// What search and exact methods minimise.
  public var total: Double { work + communication }
  /// The mean over layers of ``imbalance``.
  public var meanImbalance: Double {
    imbalance.isEmpty ? 1 : imbalance.reduce(0, +) / Double(imbalance.count)
  }

  /// O(layers x (windows x copies + copies^2) + sets x k).
  public init(of placement: ExpertPlacement, in problem: PlacementProblem) {
    precondition(
      placement.layers == problem.layers && placement.experts == problem.experts
        && placement.groups == problem.groups, "the placement is of the problem's shape")
    let shares = CopyShares(of: placement, in: problem)
    addWork(shares, problem)
    if !problem.transitions.isEmpty { addTransitions(shares, problem) }
    if let sets = problem.sets { addHome(sets, shares, problem) }
  }

  private mutating func addWork(_ shares: CopyShares, _ problem: PlacementProblem) {
    let (mean, perCopy) = (problem.meanWork, problem.meanWorkPerCopy)
    for layer in 0..<problem.layers {
      var slowest = 0.0
      for window in 0..<problem.windows {
        let loads = shares.loads(
          layer, problem.work, problem.workPerCopy,
          first: window * problem.layers * problem.experts)
        slowest += problem.windowWeights[window] * (loads.max() ?? 0)
      }
      layerWork.append(slowest)
      let loads = shares.loads(layer, mean, perCopy)
      let average = loads.reduce(0, +) / Double(problem.groups)
      imbalance.append(average > 0 ? (loads.max() ?? 0) / average : 1)
    }
  }

  private mutating func addTransitions(_ shares: CopyShares, _ problem: PlacementProblem) {
    var (local, near, far) = (0.0, 0.0, 0.0)
    for pair in 0..<problem.layers - 1 {
      let flows = shares.flows(pair, problem)
      var (pairLocal, pairNear, pairFar) = (0.0, 0.0, 0.0)
      var slowest = (seconds: 0.0, isFar: false)
      for from in 0..<problem.groups {
        for to in 0..<problem.groups {
          let tokens = flows[from * problem.groups + to]
          let isFar = problem.node(ofGroup: from) != problem.node(ofGroup: to)
          if from == to {
            pairLocal += tokens
          } else if isFar {
            pairFar += tokens
          } else {
            pairNear += tokens
          }
          let seconds = tokens * problem.secondsPerToken(from: from, to: to)
          if seconds > slowest.seconds { slowest = (seconds, isFar) }
        }
      }
      local += pairLocal
      near += pairNear
      far += pairFar
      guard problem.countsTransitions else { continue }
      var inside = pairNear * problem.secondsInNode
      var across = pairFar * problem.secondsAcrossNodes
      if problem.objective == .bottleneck {
        (inside, across) = slowest.isFar ? (0, slowest.seconds) : (slowest.seconds, 0)
      }
      transitionSeconds.append(inside + across)
      inNodeSeconds += inside
      acrossNodesSeconds += across
    }
    // Each is one of three parts, none of them negative, of their sum: in [0, 1] however sums are rounded.
    let total = local + near + far
    guard total > 0 else { return }
    (localShare, nodeShare, crossShare) = (local / total, near / total, far / total)
  }

  private mutating func addHome(
    _ sets: ExpertSets, _ shares: CopyShares, _ problem: PlacementProblem
  ) {
    var (total, distinctGroups, distinctNodes) = (0.0, 0.0, 0.0)
    let price = HomePrice(problem)
    let sent = problem.exchange.copiesForEachExpert ? problem.setsSent : nil
    if problem.countsSets, problem.replicaChoice == .nearest, shares.placement.hasReplicas {
      addNearestHome(sets, sent, shares.placement, problem)
      return
    }
    for layer in 0..<problem.layers {
      let visits = shares.visits(sets, layer, problem)
      total += sets.tokens[sets.starts[layer]..<sets.starts[layer + 1]].reduce(0, +)
      distinctGroups += visits.groups.reduce(0, +)
      distinctNodes += visits.nodes.reduce(0, +)
      guard problem.countsSets else { continue }
      let copies = sent.map { shares.visits($0, layer, problem) } ?? visits
      let (inside, across) = price.parts(price.load(copies))
      homeSeconds.append(inside + across)
      inNodeSeconds += inside
      acrossNodesSeconds += across
    }
    guard total > 0 else { return }
    (groupsPerToken, nodesPerToken) = (distinctGroups / total, distinctNodes / total)
  }

  private mutating func addNearestHome(
    _ sets: ExpertSets, _ sent: ExpertSets?, _ placement: ExpertPlacement,
    _ problem: PlacementProblem
  ) {
    let price = HomePrice(problem)
    var (total, groups, nodes) = (0.0, 0.0, 0.0)
    for layer in 0..<problem.layers {
      let visits = NearestVisits(sets, layer, placement, problem)
      total += sets.tokens[sets.starts[layer]..<sets.starts[layer + 1]].reduce(0, +)
      groups += visits.groups
      nodes += visits.nodes
      let copies = sent.map { NearestVisits($0, layer, placement, problem) } ?? visits
      let (inside, across) = price.parts(copies.ports.load)
      homeSeconds.append(inside + across)
      inNodeSeconds += inside
      acrossNodesSeconds += across
    }
    guard total > 0 else { return }
    (groupsPerToken, nodesPerToken) = (groups / total, nodes / total)
  }
}
