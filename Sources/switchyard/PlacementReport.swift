import Placement
import Results
import Scenario
import Serving
import Units

/// What `place` says of a placement: as tables and as JSON.
struct PlacementReport {
  private let task: PlacementTask
  private let answer: PlacementAnswer
  private(set) var content: Content

  struct Content: Encodable {
    var scenario: String
    var method: PlacementMethod.RawValue
    var traffic: String
    var layers: Int
    var experts: Int
    var copies: Int
    /// How tokens choose among copies; absent where no expert has several.
    var replicaChoice: String?
    /// What they are kept apart over; absent likewise.
    var replicaSpread: String?
    /// Copies of a layer on one group.
    var mostExpertsPerDevice: Int
    var groups: Int
    var groupsPerNode: Int
    var profiledRequests: Int
    var unseenRequests: Int
    var windows: Int
    var windowsOverlap: Bool
    /// Whether a token costs another time within a node than across nodes.
    var tellsWaysApart: Bool
    var isOptimal: Bool
    /// Of all searches together.
    var trials: Int
    var searches: Int
    /// Absent where it was not asked for.
    var bound: ProvenBound?
    /// Where experts live by the scenario, with its own copies.
    var current: Judgement
    /// Of a layer then, the most of any.
    var currentCopies: Int
    var found: Judgement
    /// EPLB's answer on the same profile, to compare with; absent where the method is EPLB, and where that would
    /// not have kept pinned or forbidden places, or copies apart over nodes.
    var eplb: Judgement?
    /// What was found over EPLB's; absent where that is.
    var overEPLB: Excess?
    var memoryBytesPerDevice: Double
    var busiestDeviceBytesInNode: Double
    var busiestNodeBytesAcrossNodes: Double
    /// Of each device and all layers, in an iteration.
    var devicePorts: [PortBytes]
    var movedCopies: Int
    var movedBytes: Double
    var migrationSeconds: Double
    var notes: [String]
  }

  struct PortBytes: Encodable {
    /// Of weights, caches and states on each device of the group.
    var memoryBytes: Double
    var sentInNode: Double
    var receivedInNode: Double
    var sentAcrossNodes: Double
    var receivedAcrossNodes: Double
  }

  struct Judgement: Encodable {
    var profiled: Measures
    /// By requests that were not profiled; absent where all were.
    var unseen: Measures?
  }

  /// How much more one placement has than another, as parts of the other's: 0 where they are alike.
  struct Excess: Encodable {
    /// Whether by requests that were not profiled; else there are no others.
    var isOfUnseen: Bool
    var cost: Double
    var meanImbalance: Double

    init(of found: Judgement, over other: Judgement) {
      isOfUnseen = found.unseen != nil
      let (mine, theirs) = (found.unseen ?? found.profiled, other.unseen ?? other.profiled)
      func excess(_ mine: Double, _ theirs: Double) -> Double {
        theirs > 0 ? mine / theirs - 1 : 0
      }
      cost = excess(mine.costSeconds, theirs.costSeconds)
      meanImbalance = excess(mine.meanImbalance, theirs.meanImbalance)
    }
  }

  struct Measures: Encodable {
    var costSeconds: Double
    var workSeconds: Double
    var inNodeSeconds: Double
    var acrossNodesSeconds: Double
    var meanImbalance: Double
    var worstImbalance: Double
    var layerImbalance: [Double]
    /// Of the routes from a layer's experts to the next one's; absent where tokens return home.
    var localShare: Double?
    var nodeShare: Double?
    var crossShare: Double?
    /// Of the experts that tokens take, those on a token's own device, on others of its node and in other
    /// nodes; absent where tokens stay with their experts.
    var ownDeviceShare: Double?
    var ownNodeShare: Double?
    var otherNodesShare: Double?
    var groupsPerToken: Double
    var nodesPerToken: Double

    /// - Parameter choice: Of a placement with other copies than the problem, how tokens choose among these.
    init(
      _ cost: PlacementCost, of placement: ExpertPlacement, _ problem: PlacementProblem,
      _ choice: ReplicaChoice
    ) {
      costSeconds = cost.total
      workSeconds = cost.work
      inNodeSeconds = cost.inNodeSeconds
      acrossNodesSeconds = cost.acrossNodesSeconds
      meanImbalance = cost.meanImbalance
      worstImbalance = cost.imbalance.max() ?? 1
      layerImbalance = cost.imbalance
      if problem.traffic != .home {
        (localShare, nodeShare, crossShare) = (cost.localShare, cost.nodeShare, cost.crossShare)
      }
      if problem.traffic != .transition,
        let distances = ExpertDistances(of: placement, in: problem, choice: choice)
      {
        (ownDeviceShare, ownNodeShare) = (distances.onGroup, distances.inNode)
        otherNodesShare = distances.acrossNodes
      }
      groupsPerToken = cost.groupsPerToken
      nodesPerToken = cost.nodesPerToken
    }
  }

  /// - Parameters:
  ///   - memory: What the fullest device holds then.
  ///   - memoryOfGroups: What a device of each expert group does.
  init(
    _ task: PlacementTask, _ method: PlacementMethod, _ answer: PlacementAnswer,
    _ memory: MemoryBudget, memoryOfGroups: [Bytes]
  ) throws(PlacementProblemError) {
    self.task = task
    self.answer = answer
    let problem = task.profiled
    func measures(
      _ placement: ExpertPlacement, _ problem: PlacementProblem
    ) -> Measures {
      Measures(
        PlacementCost(of: placement, in: problem), of: placement, problem, problem.replicaChoice)
    }
    func judge(_ placement: ExpertPlacement) -> Judgement {
      Judgement(
        profiled: measures(placement, problem), unseen: task.unseen.map { measures(placement, $0) })
    }
    let deployment = task.scenario.deployment
    let ports = PlacementFlows(of: answer.placement, in: problem).ports(
      forth: deployment.dispatchedCopy.value,
      back: problem.traffic == .transition ? 0 : deployment.combinedCopy.value)
    let nodes = stride(from: 0, to: problem.groups, by: problem.groupsPerNode).map { first in
      ports[first..<min(first + problem.groupsPerNode, problem.groups)]
        .reduce(0) { $0 + $1.sentAcrossNodes }
    }
    let current = task.study.current
    let currentCosts = try task.currentCosts()
    let currentChoice = problem.hasReplicas ? problem.replicaChoice : deployment.replicaChoice
    func currentMeasures(_ cost: PlacementCost, _ problem: PlacementProblem) -> Measures {
      Measures(cost, of: current, problem, currentChoice)
    }
    let eplb = ExpertPlacement.eplb(problem)
    let migration = task.study.migration(from: current, to: answer.placement)
    content = Content(
      scenario: task.scenario.name, method: method.rawValue, traffic: problem.traffic.rawValue,
      layers: problem.layers, experts: problem.experts, copies: problem.copies,
      replicaChoice: problem.hasReplicas ? problem.replicaChoice.rawValue : nil,
      replicaSpread: problem.hasReplicas
        ? (problem.spreadsCopiesOverNodes ? ReplicaSpread.nodes : .devices).rawValue : nil,
      mostExpertsPerDevice: problem.slotsPerGroup,
      groups: problem.groups, groupsPerNode: problem.groupsPerNode,
      profiledRequests: task.profiledRequests, unseenRequests: task.unseenRequests,
      windows: problem.windows, windowsOverlap: task.windowsOverlap,
      tellsWaysApart: problem.secondsAcrossNodes > problem.secondsInNode,
      isOptimal: answer.isOptimal, trials: answer.trials, searches: answer.searches,
      current: Judgement(
        profiled: currentMeasures(currentCosts.profiled, problem),
        unseen: currentCosts.unseen.flatMap { cost in
          task.unseen.map { currentMeasures(cost, $0) }
        }),
      currentCopies: current.experts + current.mostRedundant, found: judge(answer.placement),
      eplb: method == .eplb || problem.misplaced(in: eplb) != nil ? nil : judge(eplb),
      memoryBytesPerDevice: memory.total.value,
      busiestDeviceBytesInNode: ports.map(\.sentInNode).max() ?? 0,
      busiestNodeBytesAcrossNodes: nodes.max() ?? 0,
      devicePorts: zip(ports, memoryOfGroups).map {
        PortBytes(
          memoryBytes: $1.value, sentInNode: $0.sentInNode, receivedInNode: $0.receivedInNode,
          sentAcrossNodes: $0.sentAcrossNodes, receivedAcrossNodes: $0.receivedAcrossNodes)
      }, movedCopies: migration.copies, movedBytes: migration.bytes.value,
      migrationSeconds: migration.time.value,
      notes: answer.notes)
    content.overEPLB = content.eplb.map { Excess(of: content.found, over: $0) }
    addWarnings()
  }

  /// What nobody may miss: how tokens take copies, and a placement that is no better than the one it
  /// started from.
  private mutating func addWarnings() {
    addWarningOfEPLB()
    switch task.profiled.replicaChoice {
    case .even: break
    case .nearest:
      content.notes.append(
        "this holds where tokens take the nearest copy, which a file of --out says and its runs do")
    case .leastLoaded:
      content.notes.append(
        "copies by load are an estimate: a run takes copies evenly or the nearest, and a file of --out "
          + "asks for neither")
    }
    if content.method == PlacementMethod.search.rawValue, let eplb = content.eplb,
      eplb.profiled.costSeconds == content.found.profiled.costSeconds
    {
      content.notes.append("the search found nothing that costs less than EPLB's placement")
    }
    let current = content.current
    if let choice = task.scenario.placementChoice, choice.method != .random, choice.profile == nil,
      current.unseen != nil
    {
      content.notes.append(
        "where experts live now was chosen by all requests, those that were not profiled here among "
          + "them: give the scenario's placement a 'profile' to compare alike")
    }
    if let now = current.unseen?.costSeconds, let found = content.found.unseen?.costSeconds,
      found > now
    {
      content.notes.append(
        "on requests that were not profiled this is worse than where experts live now, by "
          + (found / now < 1.0005 ? "less than 0.1 %" : percent(found / now - 1)))
    } else if content.found.profiled.costSeconds > current.profiled.costSeconds {
      content.notes.append("this is worse than where experts live now")
    }
  }

  /// Of a placement that a method much quicker than most would have beaten: by any cost, as that is what is
  /// minimised, and by a balance worse by more than what may be traded for traffic.
  private mutating func addWarningOfEPLB() {
    guard let excess = content.overEPLB else { return }
    var worse: [String] = []
    if excess.cost > 0 { worse.append("by \(percent(excess.cost)) in cost") }
    if excess.meanImbalance > Self.toleratedImbalance {
      worse.append("by \(percent(excess.meanImbalance)) in load balance (work, most / mean)")
    }
    guard !worse.isEmpty else { return }
    content.notes.append(
      (excess.isOfUnseen ? "on requests that were not profiled " : "")
        + "this is worse than EPLB's placement by the same profile, "
        + worse.joined(separator: " and "))
  }

  private static let toleratedImbalance = 0.02

  /// Proves what no placement can be below.
  mutating func addBound(threads: Int) throws(PlacementProblemError) {
    content.bound = try ProvenBound(of: answer, task.profiled, threads)
  }

  func text(allLayers: Bool, allPorts: Bool) -> String {
    var blocks = [head, costTable]
    blocks.append(facts)
    if allLayers { blocks.append(layerTable) }
    if allPorts { blocks.append(portTable) }
    if !content.notes.isEmpty {
      blocks.append(content.notes.map { "- \($0)" }.joined(separator: "\n"))
    }
    return blocks.joined(separator: "\n\n")
  }

  private var head: String {
    let copies =
      content.copies == content.experts
      ? "\(content.experts) experts"
      : "\(content.copies) copies of \(content.experts) experts"
        + (content.replicaChoice.map { " (\($0))" } ?? "")
        + (content.replicaSpread == ReplicaSpread.nodes.rawValue ? " apart over nodes" : "")
    let nodes =
      content.groupsPerNode < content.groups ? " in nodes of \(content.groupsPerNode)" : ""
    let most =
      task.profiled.hasSpareSlots ? ", at most \(content.mostExpertsPerDevice) on one" : ""
    let unseen =
      content.unseenRequests > 0 ? ", judged by \(content.unseenRequests) others" : ""
    let windowWord =
      content.windowsOverlap ? "random halves" : content.windows == 1 ? "window" : "windows"
    return """
      \(content.scenario)
      \(content.layers) layers of \(copies) on \(content.groups) expert groups\(nodes)\(most), \
      \(content.traffic) traffic; \(content.profiledRequests) requests profiled in \
      \(content.windows) \(windowWord)\(unseen)
      """
  }

  private var costTable: String {
    let method = content.method
    var columns: [TextTable.Column] = [.left("")]
    var measures: [Measures] = []
    func add(_ name: String, _ judgement: Judgement?) {
      guard let judgement else { return }
      columns.append(.right(name))
      measures.append(judgement.profiled)
    }
    func addUnseen(_ name: String, _ judgement: Judgement?) {
      guard let unseen = judgement?.unseen else { return }
      columns.append(.right("unseen: \(name)"))
      measures.append(unseen)
    }
    let named = [("now", content.current), ("eplb", content.eplb), (method, content.found)]
    for (name, judgement) in named { add(name, judgement) }
    for (name, judgement) in named { addUnseen(name, judgement) }
    if content.bound != nil { columns.append(.right("bound")) }
    var table = TextTable(columns)
    func row(_ name: String, bound: String = "", _ cell: (Measures) -> String) {
      table.add([name] + measures.map(cell) + (content.bound != nil ? [bound] : []))
    }
    row("cost of an iteration", bound: content.bound.map { time($0.seconds) } ?? "") {
      time($0.costSeconds)
    }
    row("  slowest devices' work") { time($0.workSeconds) }
    row("  communication") { time($0.inNodeSeconds + $0.acrossNodesSeconds) }
    if content.groupsPerNode < content.groups, content.tellsWaysApart {
      row("    within nodes") { time($0.inNodeSeconds) }
      row("    across nodes") { time($0.acrossNodesSeconds) }
    }
    row("work, most / mean") { ratio($0.meanImbalance) }
    row("  worst layer") { ratio($0.worstImbalance) }
    func shares(_ name: String, _ rows: [(String, KeyPath<Measures, Double?>)]) {
      guard measures.contains(where: { $0[keyPath: rows[0].1] != nil }) else { return }
      row(name) { _ in "" }
      for (name, share) in rows.prefix(content.groupsPerNode < content.groups ? 3 : 2) {
        row("  " + name) { $0[keyPath: share].map { percent($0) } ?? "-" }
      }
    }
    shares(
      "routes to the next layer",
      [
        ("stay on the device", \.localShare), ("stay in the node", \.nodeShare),
        ("cross nodes", \.crossShare),
      ])
    shares(
      "experts of a token",
      [
        ("on its own device", \.ownDeviceShare), ("on others of its node", \.ownNodeShare),
        ("in other nodes", \.otherNodesShare),
      ])
    row("devices of a token") { ratio($0.groupsPerToken) }
    if content.groupsPerNode < content.groups {
      row("nodes of a token") { ratio($0.nodesPerToken) }
    }
    return table.lines.joined(separator: "\n")
  }

  private var facts: String {
    var lines: [String] = []
    let trials = content.trials > 0 ? ", \(content.trials) trials" : ""
    let effort = content.searches > 1 ? trials + " in \(content.searches) searches" : trials
    lines.append("found by \(content.method)\(effort)")
    if let bound = content.bound {
      let kind = bound.isOfChosenCopies ? " with as many copies of each expert" : ""
      if bound.covers == PlacementBound.Coverage.meanWork.rawValue {
        lines.append(
          "the bound is the mean work alone: nothing is known to bound communication where tokens take "
            + "copies so")
      }
      lines.append(
        content.isOptimal
          ? "optimal: no placement costs less"
          : "no placement\(kind) costs less than the bound"
            + (bound.gap.map { ": the gap is \(percent($0))" } ?? ""))
    } else if content.isOptimal {
      lines.append("optimal: no placement costs less")
    }
    lines.append(
      "the fullest device holds \(Bytes(content.memoryBytesPerDevice)) of "
        + "\(task.scenario.memory.capacity)")
    lines.append(
      "the busiest device sends \(Bytes(content.busiestDeviceBytesInNode)) within its node an iteration"
        + (content.groupsPerNode < content.groups
          ? ", the busiest node \(Bytes(content.busiestNodeBytesAcrossNodes)) to others" : ""))
    if content.currentCopies != content.copies {
      lines.append(
        content.currentCopies == content.experts
          ? "now there is one copy of each expert"
          : "now a layer has \(content.currentCopies) copies")
    }
    let (copies, bytes) = (content.movedCopies, Bytes(content.movedBytes))
    lines.append(
      copies == 0
        ? "nothing moves: experts live so now"
        : "\(copies) \(content.copies > content.experts ? "copies" : "experts") move from where they live "
          + "now: \(bytes), \(time(content.migrationSeconds)) with the network to themselves")
    return lines.joined(separator: "\n")
  }

  private var portTable: String {
    let crosses = content.groupsPerNode < content.groups
    var table = TextTable(
      [.right("device"), .right("holds"), .right("sends in node"), .right("receives")]
        + (crosses ? [.right("sends across nodes"), .right("receives")] : []))
    for (device, ports) in content.devicePorts.enumerated() {
      let inside = [ports.sentInNode, ports.receivedInNode]
      let across = [ports.sentAcrossNodes, ports.receivedAcrossNodes]
      table.add(
        ["\(device)", "\(Bytes(ports.memoryBytes))"]
          + (inside + (crosses ? across : [])).map { "\(Bytes($0))" })
    }
    return "what devices hold, and what goes over their ports in an iteration\n"
      + table.lines.joined(separator: "\n")
  }

  private var layerTable: String {
    var table = TextTable([
      .right("layer"), .right("now"), .right(content.method), .right("unseen"),
    ])
    for layer in 0..<content.layers {
      table.add(
        "\(layer)", ratio(content.current.profiled.layerImbalance[layer]),
        ratio(content.found.profiled.layerImbalance[layer]),
        content.found.unseen.map { ratio($0.layerImbalance[layer]) } ?? "-")
    }
    return "work of the slowest device over the mean\n" + table.lines.joined(separator: "\n")
  }
}

private func time(_ seconds: Double) -> String { "\(Seconds(seconds))" }

private func ratio(_ value: Double) -> String { fixed(value, decimals: 3) }
