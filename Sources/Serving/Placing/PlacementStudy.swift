import Fabric
import Hardware
import Models
import Placement
import Traces
import Units

/// The question of where a deployment's experts should live, put to the optimisers of `Placement`.
///
///     let study = try PlacementStudy(deployment, workload)
///     let problem = try study.problem(of: profile, redundant: 0)
///     let better = try deployment.placing(study.placement(of: found.placement))
///
/// Work is what experts' tokens cost the device (``ExpertSeconds``), communication what a token's
/// bytes take on the devices' ports, all of which send at a time: of the scale-up network within a
/// node, of the cards between nodes. What a library's calls take before their bytes flow is the same
/// wherever experts are, and left out.
public struct PlacementStudy: Sendable {
  public let deployment: Deployment
  public let workload: Workload
  /// Expert groups of a node.
  public let groupsPerNode: Int

  /// - Throws: ``ServingError/execution(_:)`` where experts' work is not their own device's,
  ///   ``ServingError/communication(_:)`` where an expert's slices lie across nodes, and
  ///   ``ServingError/sharedGroups(_:)`` where shared experts take a part of a node.
  public init(_ deployment: Deployment, _ workload: Workload) throws(ServingError) {
    guard deployment.execution.experts == .resident else {
      throw .execution(
        "a placement is chosen by what experts cost their own device; use execution 'resident'")
    }
    let cluster = deployment.cluster
    let width = deployment.parallelism.experts.tensor
    let shared = deployment.placement.sharedGroups
    guard cluster.nodeCount == 1 || cluster.devicesPerNode % width == 0 else {
      throw .communication(
        "slices of an expert on \(width) devices do not lie in one node of \(cluster.devicesPerNode): "
          + "there is no placement to choose by nodes")
    }
    groupsPerNode =
      cluster.nodeCount == 1
      ? deployment.placement.groups - shared : cluster.devicesPerNode / width
    guard cluster.nodeCount == 1 || shared % groupsPerNode == 0 else {
      throw .sharedGroups(
        "shared experts have \(shared) expert groups, no whole number of nodes of \(groupsPerNode): "
          + "there is no placement to choose on parts of a node")
    }
    self.deployment = deployment
    self.workload = workload
  }

  /// Groups that hold routed experts.
  public var groups: Int { deployment.placement.groups - deployment.placement.sharedGroups }

  /// The current placement as the optimisers know it: without the groups of shared experts.
  public var current: ExpertPlacement { routed(deployment.placement) }

  /// A placement of the whole deployment, as the optimisers know it.
  public func routed(_ placement: ExpertPlacement) -> ExpertPlacement {
    let shared = deployment.placement.sharedGroups
    return ExpertPlacement(
      groups: groups, hosts: placement.hosts.map { layer in layer.map { $0.map { $0 - shared } } })
  }

  /// What the optimisers found, with the groups of shared experts before it.
  public func placement(of found: ExpertPlacement) -> ExpertPlacement {
    found.behind(sharedGroups: deployment.placement.sharedGroups)
  }

  /// New tokens of an iteration, of all attention groups.
  public var tokensPerIteration: Int {
    let groups = deployment.parallelism.attention.data
    guard let requests = workload.requests else { return workload.tokensPerGroup * groups }
    // On average: a request brings its prompt once in as many iterations as it has tokens.
    return workload.batch * groups * (requests.prompt + requests.output - 1) / requests.output
  }

  /// The problem that routing as profiled poses.
  ///
  /// - Parameters:
  ///   - redundant: Copies of a layer beyond one for each expert.
  ///   - mostPerGroup: Copies of a layer on one group; the fewest that hold all where nil.
  ///   - traffic: Where tokens are between layers.
  ///   - choice: Among copies; the deployment's where nil.
  /// - Throws: ``PlacementProblemError`` where there cannot be so many copies, or not on so few slots.
  public func problem(
    of profile: RoutingProfile, redundant: Int, mostPerGroup: Int? = nil,
    traffic: PlacementProblem.Traffic = .home,
    objective: PlacementProblem.Objective = .sum, choice: ReplicaChoice? = nil
  ) throws(PlacementProblemError) -> PlacementProblem {
    guard traffic == .home || !profile.transitions.isEmpty else {
      throw .misfit(
        "there is no transition traffic to count: it takes two layers with experts, and at most "
          + "\(RoutingProfile.mostTransitionExperts) experts in each")
    }
    let slots = mostPerGroup ?? max(1, (profile.experts + redundant + groups - 1) / groups)
    let seconds = ExpertSeconds(
      deployment, workload.mix, groups: groups, tokens: tokensPerIteration)
    var problem = try profile.problem(
      groups: groups, groupsPerNode: groupsPerNode, slotsPerGroup: slots, redundant: redundant,
      iterationTokens: Double(tokensPerIteration), copySeconds: seconds.perCopy
    ) { _, _, tokens in seconds[tokens] }
    problem.routerGroups = deployment.model.experts.routerGroups
    problem.traffic = traffic
    problem.objective = objective
    if redundant > 0 { problem.replicaChoice = choice ?? deployment.replicaChoice }
    problem.exchange = tokenExchange
    if traffic == .both {
      // A token goes on to its next expert once, and to its experts and back from them. In nodes; what a
      // library leaves of the ways between them may be another share.
      let share =
        portSeconds(of: .transition, bandwidthInNode, shareInNode).value
        / portSeconds(of: .both, bandwidthInNode, shareInNode).value
      problem.transitions = problem.transitions.map { $0 * share }
    }
    // The slowest pair sends alone.
    let senders = objective == .bottleneck ? 1 : Double(groups)
    problem.secondsInNode = portSeconds(of: traffic, bandwidthInNode, shareInNode).value / senders
    problem.secondsAcrossNodes = max(
      problem.secondsInNode,
      portSeconds(of: traffic, bandwidthAcrossNodes, shareAcrossNodes).value / senders)
    return problem
  }

  /// What a library leaves of a device's port in its node, none of PCIe's.
  private func shareInNode(_ shares: ProtocolShares) -> Double {
    deployment.cluster.node.scaleUp.kind == .host ? 1 : shares.scaleUp
  }

  /// What it leaves of the way out of a node: of cards its part, of planes' uplinks all.
  private func shareAcrossNodes(_ shares: ProtocolShares) -> Double {
    deployment.cluster.node.scaleUp.planes == nil ? shares.card : 1
  }

  /// How a run sends tokens to their experts and back.
  private var tokenExchange: TokenExchange {
    var exchange = TokenExchange(way)
    let width = deployment.parallelism.experts.tensor
    exchange.devicesPerGroup = width
    exchange.groupsPerWayOut = max(1, devicesPerWayOut / width)
    let kind = deployment.cluster.node.scaleUp.kind
    exchange.leavesByPort = kind == .planes || kind == .host
    func dispatchShare(_ share: (ProtocolShares) -> Double) -> Double {
      let there = deployment.dispatchedCopy.value / share(protocols.dispatch.shares)
      let back = deployment.combinedCopy.value / share(protocols.combine.shares)
      return there / (there + back)
    }
    exchange.copiesForEachExpert = deployment.protocols.copiesForEachExpert
    let protocols = deployment.protocols
    exchange.dispatchHandling = handling(protocols.dispatch, deployment.dispatchedCopy)
    exchange.combineHandling = handling(protocols.combine, deployment.combinedCopy)
    exchange.dispatchShare = (dispatchShare(shareInNode), dispatchShare(shareAcrossNodes))
    return exchange
  }

  /// What a device's multiprocessors take to handle copies of a token.
  private func handling(
    _ collective: CollectiveProtocol, _ copy: Bytes
  ) -> TokenExchange.Handling? {
    guard let tokenwise = deployment.protocols.tokenwise,
      case .fitted(let cost) = collective.startUp
    else { return nil }
    func seconds(_ bandwidth: Bandwidth?, of devices: Int) -> Double {
      let each = bandwidth.map { copy / $0 } ?? .zero
      return each.value / Double(max(1, tokenwise.multiprocessors) * devices)
    }
    // Slices get a copy each, and their devices' tokens are a part of the group's.
    let handling = TokenExchange.Handling(
      copied: seconds(cost.copyingBandwidth, of: groups),
      staged: seconds(cost.stagingBandwidth, of: deployment.cluster.deviceCount))
    return handling.copied + handling.staged > 0 ? handling : nil
  }

  private var way: TokenExchange.Way {
    switch deployment.exchange.algorithm {
    case .twoHop: deployment.streamsHops ? .streamed : .forwarded
    case .biLevel: .hopByHop
    default: .direct
    }
  }

  /// Of a token's bytes over a port: where it returns home as in a run, by what the library leaves of the
  /// port's bandwidth; of transitions as MoETuner has it, by the bandwidth.
  private func portSeconds(
    of traffic: PlacementProblem.Traffic, _ bandwidth: Bandwidth,
    _ share: (ProtocolShares) -> Double
  ) -> Seconds {
    if traffic == .transition { return bytesPerToken(of: traffic) / bandwidth }
    let protocols = deployment.protocols
    return deployment.dispatchedCopy / (bandwidth * share(protocols.dispatch.shares))
      + deployment.combinedCopy / (bandwidth * share(protocols.combine.shares))
  }

  /// What moves with a token: its vector, and where it returns what its experts made of it.
  public func bytesPerToken(of traffic: PlacementProblem.Traffic) -> Bytes {
    traffic == .transition
      ? deployment.dispatchedCopy : deployment.dispatchedCopy + deployment.combinedCopy
  }

  /// Of one device to those of its node.
  var bandwidthInNode: Bandwidth { deployment.cluster.node.scaleUp.port.effectiveBandwidth }

  /// A device's part of the way out of its node; the port in the node where nothing leaves it.
  var bandwidthAcrossNodes: Bandwidth {
    let node = deployment.cluster.node
    let part = 1 / Double(devicesPerWayOut)
    if let planes = node.scaleUp.planes {
      let uplinks = planes.uplink * node.scaleUp.port.link.efficiency * Double(planes.count)
      return min(bandwidthInNode, uplinks * part)
    }
    guard let network = node.network else { return bandwidthInNode }
    return min(bandwidthInNode, network.port.effectiveBandwidth * part)
  }

  /// Devices that leave their node by the same card, or by its planes' uplinks. Where cards do not divide the
  /// devices evenly, as many in a row are taken to share one as share the busiest; a run deals cards more
  /// evenly (``Cluster/networkCard(of:)``).
  private var devicesPerWayOut: Int {
    let (node, used) = (deployment.cluster.node, deployment.cluster.devicesPerNode)
    if node.scaleUp.planes != nil { return used }
    guard let cards = node.network?.cardCount, cards > 0 else { return 1 }
    return min(used, (node.deviceCount + cards - 1) / cards)
  }

  /// Whether it is all the same which of a node's groups is which: every pair of them has the same way
  /// between them, and none changes while others do not.
  var groupsOfNodeAreAlike: Bool {
    guard deployment.fabric.changes.isEmpty, !deployment.fabric.topology.joinsDevices else {
      return false
    }
    // Some share a card, and others another one.
    let ways = tokenExchange.groupsPerWayOut
    guard deployment.cluster.nodeCount == 1 || ways == 1 || ways >= groupsPerNode else {
      return false
    }
    switch deployment.cluster.node.scaleUp.kind {
    case .switched, .mesh, .planes: return true
    // Neighbours are nearer, or those of one socket.
    case .grid, .host: return false
    }
  }

  /// All slices of one expert.
  var bytesPerCopy: Bytes {
    let slices = deployment.parallelism.experts.tensor
    return deployment.model.expertBytes(deployment.precisions, tensorSlices: slices)
      * Double(slices)
  }

  /// What moving experts from one placement to another takes, with the network to themselves: the
  /// busiest device's or node's bytes over its bandwidth.
  public func migration(
    from old: ExpertPlacement, to new: ExpertPlacement
  ) -> (copies: Int, bytes: Bytes, time: Seconds) {
    let migration = PlacementMigration(from: old, to: new, groupsPerNode: groupsPerNode)
    let slices = deployment.parallelism.experts.tensor
    // Each device of a group moves its own slice.
    let each = deployment.model.expertBytes(deployment.precisions, tensorSlices: slices)
    var (out, into) = (
      [Double](repeating: 0, count: groups), [Double](repeating: 0, count: groups)
    )
    let nodes = (groups + groupsPerNode - 1) / groupsPerNode
    var (outOfNode, intoNode) = (
      [Double](repeating: 0, count: nodes), [Double](repeating: 0, count: nodes)
    )
    for from in 0..<groups {
      for to in 0..<groups {
        let copies = Double(migration.copiesSent[from * groups + to])
        let (source, target) = (from / groupsPerNode, to / groupsPerNode)
        if source == target {
          out[from] += copies
          into[to] += copies
        } else {
          outOfNode[source] += copies
          intoNode[target] += copies
        }
      }
    }
    let inside = each * (max(out.max() ?? 0, into.max() ?? 0)) / bandwidthInNode
    let share = each * (max(outOfNode.max() ?? 0, intoNode.max() ?? 0) / Double(groupsPerNode))
    return (
      migration.copies, each * Double(migration.copies * slices),
      max(inside, share / bandwidthAcrossNodes)
    )
  }
}
