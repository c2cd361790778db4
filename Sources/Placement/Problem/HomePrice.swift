/// What home traffic costs: the one statement of it that costs, searches, bounds and exact methods share.
///
///     let price = HomePrice(problem)
///     price.seconds(price.load((groups: [3, 1, 2, 2], nodes: [4, 3])))    // tokens of a layer that visit each
///
/// A layer's exchange takes as long as `ExchangeTraffic` says, with every group as many tokens' own: phase
/// after phase, each as long as its busiest port, be that a group's port in its node or its way to other
/// nodes, which a node's groups may share; what leaves a node may pass the group's port in it, too, in the
/// phase in which it leaves (``TokenExchange/leavesByPort``). Of w groups in each of N nodes, G = w N in all,
/// with V tokens that visit a group and W that visit a node, in dispatch
///
///  - where each group gets a copy of its own (``TokenExchange/Way/direct``), V (w - 1) / G come to it from
///    its node and V (G - w) / G from others;
///  - where a token is sent once to each other node, W (N - 1) / G come to each of its groups. These pass
///    them on, unless that is where they are needed: V (w - 1) / G of each node's tokens come to a group by
///    its port in its node, V (1 - 1/w) of all. What a group sends there is not more than what the busiest of
///    its node gets, as what it speaks for are a w-th of all tokens. Where what leaves passes the same port, a
///    node may send more to others than comes to it: the port is that of the node, and of the direction, that
///    has most of both.
///
/// That is of groups of one device; of others each device needs what comes to the group, what the group's
/// other devices have too, and speaks for its part of the group's tokens.
///
/// Devices may take longer to handle copies than ports do (``TokenExchange/Handling``). As much goes back in
/// combine. Seconds of the problem are divided among all groups, so that those of a port are G times as many.
struct HomePrice {
  let sendsOnceToNode: Bool
  private let leavesByPort: Bool
  /// Groups of what counts by node: a whole node, or those that share a way out of it.
  private let groupsPerOutlet: Int
  private let outletsPerNode: Int
  /// That all ways out have room for: more than there are where a node's last way has fewer.
  private let groupsWithWays: Double
  private let devicesPerGroup: Double
  private let groupsPerNode: Double
  private let groups: Double
  private let nodes: Double
  /// What a phase may be as long as, phase after phase, in seconds for each copy of a load.
  private var parts: [Part] = []

  private struct Part {
    let phase: Int
    let seconds: HomeLoad
    /// On top, whatever the load.
    let constant: Double
    let isAcross: Bool
  }

  init(_ problem: PlacementProblem) {
    sendsOnceToNode = problem.exchange.way.sendsOnceToNode
    leavesByPort = problem.exchange.leavesByPort
    groupsPerOutlet =
      sendsOnceToNode ? problem.groupsPerNode : problem.exchange.groupsPerWayOut
    let perWay = problem.exchange.groupsPerWayOut
    let ways = (problem.groupsPerNode + perWay - 1) / perWay
    groupsWithWays = Double(problem.nodes * ways * perWay)
    outletsPerNode = (problem.groupsPerNode + groupsPerOutlet - 1) / groupsPerOutlet
    devicesPerGroup = Double(problem.exchange.devicesPerGroup)
    groupsPerNode = Double(problem.groupsPerNode)
    groups = Double(problem.groups)
    nodes = Double(problem.nodes)
    addPhases(problem)
  }

  private mutating func addPhases(_ problem: PlacementProblem) {
    let share = problem.exchange.dispatchShare
    var phases = 0
    func leg(_ inNode: Double, _ across: Double) -> (inNode: Double, across: Double) {
      (problem.secondsInNode * groups * inNode, problem.secondsAcrossNodes * groups * across)
    }
    func add(_ seconds: [HomeLoad], _ handling: (seconds: HomeLoad, constant: Double)? = nil) {
      for part in seconds {
        let isAcross = part.across + part.leaving > 0
        guard nodes > 1 || !isAcross else { continue }
        parts.append(Part(phase: phases, seconds: part, constant: 0, isAcross: isAcross))
      }
      if let handling {
        parts.append(
          Part(
            phase: phases, seconds: handling.seconds, constant: handling.constant,
            isAcross: false))
        handles = true
      }
      phases += 1
    }
    let (dispatch, combine) = (
      problem.exchange.dispatchHandling, problem.exchange.combineHandling
    )
    // Where tokens are not sent to nodes, all are staged once.
    let tokens =
      (problem.sets?.tokens.reduce(0, +) ?? 0) / Double(problem.layers)
    func staged(_ handling: TokenExchange.Handling) -> (each: Double, all: Double) {
      sendsOnceToNode ? (handling.staged * groups, 0) : (0, handling.staged * tokens)
    }
    let there = leg(share.inNode, share.acrossNodes)
    let back = leg(1 - share.inNode, 1 - share.acrossNodes)
    // Where both ways are alike they are as long as one of them twice.
    let areAlike = abs(share.inNode - share.acrossNodes) < 1e-9
    /// What crosses, with nothing beside it.
    func crossing(_ leg: (inNode: Double, across: Double)) -> [HomeLoad] {
      [HomeLoad(across: leg.across)] + (leavesByPort ? [HomeLoad(leaving: leg.inNode)] : [])
    }
    switch problem.exchange.way {
    case .direct, .streamed:
      guard dispatch != nil || combine != nil || !areAlike else {
        add([
          HomeLoad(insideAndLeaving: leg(1, 1).inNode), HomeLoad(across: leg(1, 1).across),
        ])
        return
      }
      add(
        [HomeLoad(insideAndLeaving: there.inNode), HomeLoad(across: there.across)],
        dispatch.map {
          let staged = staged($0)
          return (HomeLoad(made: $0.copied * groups, staged: staged.each), staged.all)
        })
      add(
        [HomeLoad(insideAndLeaving: back.inNode), HomeLoad(across: back.across)],
        combine.map {
          let staged = staged($0)
          return (HomeLoad(worked: $0.copied * groups, staged: staged.each), staged.all)
        })
    case .hopByHop:
      add([HomeLoad(inside: leg(1, 1).inNode)])
      for leg in areAlike || !leavesByPort ? [leg(1, 1)] : [there, back] { add(crossing(leg)) }
    case .forwarded:
      add([HomeLoad(ownAndLeaving: there.inNode), HomeLoad(across: there.across)])
      add([HomeLoad(passedOn: there.inNode)])
      add([HomeLoad(inside: back.inNode)])
      add(crossing(back))
    }
  }

  /// Whether it is not the busiest ports alone that matter.
  private(set) var handles = false

  /// Whether a port is as busy as a group and its node together, and not the group or the node alone.
  var portsMeetNodes: Bool { leavesByPort && sendsOnceToNode && nodes > 1 }

  /// Whether nodes matter beside groups.
  var needsOutlets: Bool { nodes > 1 && (sendsOnceToNode || groupsPerOutlet > 1) }

  /// Whether what counts by node is asked for: devices may handle a copy for each node, be it one.
  private var countsOutlets: Bool { sendsOnceToNode || needsOutlets }

  /// How many count by node.
  var outlets: Int { Int(nodes) * outletsPerNode }

  func outlet(of group: Int) -> Int {
    let width = Int(groupsPerNode)
    return group / width * outletsPerNode + group % width / groupsPerOutlet
  }

  /// Of the tokens that visit each group and node, what counts by node: these, or visits to the groups of
  /// a way out.
  func outletVisits(_ visits: (groups: [Double], nodes: [Double])) -> [Double] {
    if sendsOnceToNode { return visits.nodes }
    var sums = [Double](repeating: 0, count: outlets)
    for (group, count) in visits.groups.enumerated() { sums[outlet(of: group)] += count }
    return sums
  }

  /// What visits to groups and nodes put on ports, of tokens whose own group is any, each as likely.
  func load(_ visits: (groups: [Double], nodes: [Double])) -> HomeLoad {
    let ofOutlets = countsOutlets ? outletVisits(visits) : []
    return load(ofGroup: { visits.groups[$0] }, ofOutlet: { ofOutlets[$0] })
  }

  /// The same of visits to each group, and to each outlet. O(groups).
  @inline(__always)
  func load(ofGroup visits: (Int) -> Double, ofOutlet outletVisits: (Int) -> Double) -> HomeLoad {
    var (busiest, busiestOutlet, all, allOutlets) = (0.0, 0.0, 0.0, 0.0)
    for group in 0..<Int(groups) {
      let own = visits(group)
      (busiest, all) = (max(busiest, own), all + own)
    }
    if countsOutlets {
      for outlet in 0..<outlets {
        let own = outletVisits(outlet)
        (busiestOutlet, allOutlets) = (max(busiestOutlet, own), allOutlets + own)
      }
    } else {
      busiestOutlet = busiest
    }
    var load = load(
      busiestGroup: busiest, busiestOutlet: busiestOutlet, groups: all, nodes: allOutlets)
    guard portsMeetNodes else { return load }
    (load.ownAndLeaving, load.insideAndLeaving) = (0, 0)
    let (itself, width) = (1 / devicesPerGroup, Int(groupsPerNode))
    for node in 0..<Int(nodes) {
      var (sum, most, fewest) = (0.0, 0.0, Double.infinity)
      for group in node * width..<(node + 1) * width {
        let own = visits(group)
        (sum, most, fewest) = (sum + own, max(most, own), min(fewest, own))
      }
      // Into the group that most visit, and out of the one that fewest do, as it sends least to itself.
      let (into, out) = (
        most * (groupsPerNode - itself) / groups, (sum - fewest * itself) / groups
      )
      let (entering, leaving) = (
        outletVisits(node) * (nodes - 1) * itself / groups,
        (allOutlets - outletVisits(node)) * itself / groups
      )
      load.ownAndLeaving = max(load.ownAndLeaving, into + entering, out + leaving)
      load.insideAndLeaving = max(
        load.insideAndLeaving, into * nodes + entering, out * nodes + leaving)
    }
    return load
  }

  /// The same of those most visited, as if the group were of the node, and of visits to all groups and to all
  /// nodes together.
  private func load(
    busiestGroup: Double, busiestOutlet: Double, groups all: Double, nodes allNodes: Double
  ) -> HomeLoad {
    var load = portLoad(busiestGroup: busiestGroup, busiestOutlet: busiestOutlet)
    (load.made, load.worked, load.staged) = (all / groups, busiestGroup, allNodes / groups)
    return load
  }

  private func portLoad(busiestGroup: Double, busiestOutlet: Double) -> HomeLoad {
    // What a device has itself does not come to it; what others of its group have does.
    let itself = 1 / devicesPerGroup
    let own = busiestGroup * (groupsPerNode - itself) / groups
    if sendsOnceToNode {
      let across = busiestOutlet * (nodes - 1) / groups / devicesPerGroup
      let leaving = leavesByPort ? across : 0
      return HomeLoad(
        own: own, passedOn: own * (nodes - 1), inside: own * nodes, ownAndLeaving: own + leaving,
        insideAndLeaving: own * nodes + leaving, leaving: leaving, across: across)
    }
    let leaving = leavesByPort ? busiestGroup * (groups - groupsPerNode) / groups : 0
    return HomeLoad(
      own: own, inside: own, ownAndLeaving: own + leaving, insideAndLeaving: own + leaving,
      leaving: leaving,
      across: busiestOutlet * (groups - groupsPerNode) / groups / Double(groupsPerOutlet))
  }

  /// The same if all ports were as busy as the mean one: no placement with so many visits to groups and
  /// nodes puts less on its busiest ports.
  func meanLoad(groups visits: Double, nodes nodeVisits: Double) -> HomeLoad {
    load(
      busiestGroup: visits / groups,
      busiestOutlet: sendsOnceToNode ? nodeVisits / nodes : visits / Double(outlets),
      groups: visits, nodes: nodeVisits)
  }

  /// Seconds of a layer.
  func seconds(_ load: HomeLoad) -> Double {
    let parts = self.parts(load)
    return parts.inNode + parts.acrossNodes
  }

  /// What ``seconds(_:)`` is the sum of: of each phase what it is as long as.
  func parts(_ load: HomeLoad) -> (inNode: Double, acrossNodes: Double) {
    var sums = (inNode: 0.0, acrossNodes: 0.0)
    forEachLongest(load) { part, seconds in
      if part.isAcross { sums.acrossNodes += seconds } else { sums.inNode += seconds }
    }
    return sums
  }

  /// Calls `body` with each phase's longest part.
  @inline(__always)
  private func forEachLongest(_ load: HomeLoad, _ body: (Part, Double) -> Void) {
    var next = 0
    while next < parts.count {
      var (longest, seconds) = (next, parts[next].seconds * load + parts[next].constant)
      let phase = parts[next].phase
      next += 1
      while next < parts.count, parts[next].phase == phase {
        let other = parts[next].seconds * load + parts[next].constant
        if other > seconds { (longest, seconds) = (next, other) }
        next += 1
      }
      body(parts[longest], seconds)
    }
  }

  /// Seconds for each visit to a group and to a node, and on top, such that no numbers of visits cost less
  /// by ``meanLoad(groups:nodes:)`` than by these, and those given cost as much: phases are as long as the
  /// longest of some sums of visits, whose tangents lie below.
  func tangent(
    groups visits: Double, nodes nodeVisits: Double
  ) -> (group: Double, node: Double, constant: Double) {
    var (slopes, constant) = (HomeLoad(), 0.0)
    forEachLongest(meanLoad(groups: visits, nodes: nodeVisits)) { part, _ in
      slopes += part.seconds
      constant += part.constant
    }
    return (
      slopes * meanLoad(groups: 1, nodes: 0), slopes * meanLoad(groups: 0, nodes: 1), constant
    )
  }

  /// The most that a visit to a group, and one to a node, can cost by a ``tangent(groups:nodes:)``.
  var dearest: (group: Double, node: Double) {
    func most(_ load: HomeLoad) -> Double {
      var phases: [Int: Double] = [:]
      for part in parts {
        phases[part.phase] = max(phases[part.phase] ?? 0, part.seconds * load)
      }
      return phases.sorted { $0.key < $1.key }.reduce(0) { $0 + $1.value }
    }
    return (most(meanLoad(groups: 1, nodes: 0)), most(meanLoad(groups: 0, nodes: 1)))
  }

  /// What no placement costs less than if so many copies leave their group, and so many of tokens, or no
  /// fewer, cross to another node, once to each where that is the way.
  ///
  /// Of means over ports, and without what devices handle. Of the copies that leave, no more than one for each
  /// that crosses is there without the port of its group in its node. What is passed on takes its time beside
  /// what is not, or after.
  func least(left: Double, crossing: Double) -> Double {
    let devices = sendsOnceToNode ? devicesPerGroup : 1
    var ports = self
    ports.parts.removeAll { $0.seconds.made + $0.seconds.worked + $0.seconds.staged > 0 }
    ports.parts.removeAll { $0.constant > 0 }
    func load(_ crossing: Double) -> HomeLoad {
      let inside = max(0, left - crossing) / groups
      let leaving = leavesByPort ? crossing / groups / devices : 0
      return HomeLoad(
        own: inside, inside: inside, ownAndLeaving: inside + leaving,
        insideAndLeaving: inside + leaving, leaving: leaving,
        across: crossing / groupsWithWays / devices)
    }
    func price(_ crossing: Double) -> Double { ports.seconds(load(crossing)) }
    // Up to `left` each part is linear in what crosses, and beyond none falls: the price is least at an end,
    // or at a corner where two parts of a phase are as long.
    var least = min(price(crossing), price(max(crossing, left)))
    let (none, all) = (load(0), load(left))
    for (index, part) in ports.parts.enumerated() {
      for other in ports.parts[..<index] where other.phase == part.phase {
        let before = part.seconds * none - other.seconds * none
        let after = part.seconds * all - other.seconds * all
        guard before * after < 0 else { continue }
        least = min(least, price(max(crossing, left * before / (before - after))))
      }
    }
    return least
  }
}
