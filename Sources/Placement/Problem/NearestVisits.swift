import Traces

/// Where the tokens of a layer go that return home and take the nearest copies: exactly, for a token's own
/// rank on each of the groups in turn, each as likely.
///
/// A token from a home visits the groups of the copies nearest to it, each once. All sums are over tokens,
/// means over homes.
struct NearestVisits {
  /// Distinct groups, and nodes, that tokens visit, their own among them.
  private(set) var groups = 0.0
  private(set) var nodes = 0.0
  /// Those that are not the home's.
  private(set) var groupsLeft = 0.0
  private(set) var nodesLeft = 0.0
  /// Distinct groups of other nodes.
  private(set) var groupsBeyondNode = 0.0

  /// O(sets x (k + groups x the set's experts with copies)).
  init(
    _ sets: ExpertSets, _ layer: Int, _ placement: ExpertPlacement, _ problem: PlacementProblem
  ) {
    let tables = NearestTable(layer, placement, problem)
    // The last mark that a group or node got: of a set's experts without copies, and of a home's others.
    var (marks, count) = (GroupMarks(problem), 0)
    for set in sets.starts[layer]..<sets.starts[layer + 1] {
      count += 1
      let members = sets.members[set * sets.topK..<(set + 1) * sets.topK]
      var all = VisitCounts()
      var copied: [Int] = []
      for member in members {
        if let row = tables.rowOfExpert[Int(member)] {
          copied.append(row)
        } else {
          all.add(marks.fix(placement.hosts[layer][Int(member)][0], count))
        }
      }
      let share = sets.tokens[set] / Double(problem.groups)
      for home in 0..<problem.groups {
        var own = all
        marks.beginHome()
        for row in copied {
          own.add(marks.visit(Int(tables.targets[row * problem.groups + home]), count))
        }
        let seen = marks.has(home, count)
        groups += share * Double(own.groups)
        nodes += share * Double(own.nodes)
        groupsLeft += share * Double(own.groups - (seen.group ? 1 : 0))
        nodesLeft += share * Double(own.nodes - (seen.node ? 1 : 0))
        groupsBeyondNode += share * Double(own.groups - marks.groupsInNode(of: home, count))
      }
    }
  }
}

/// The group that each home's tokens of an expert with copies go to.
struct NearestTable {
  /// `[expert]`; nil without copies.
  private(set) var rowOfExpert: [Int?]
  /// `[row][home]`
  private(set) var targets: [Int32] = []

  init(_ layer: Int, _ placement: ExpertPlacement, _ problem: PlacementProblem) {
    rowOfExpert = []
    var rows = 0
    for hosts in placement.hosts[layer] {
      guard hosts.count > 1 else {
        rowOfExpert.append(nil)
        continue
      }
      rowOfExpert.append(rows)
      rows += 1
      for home in 0..<problem.groups {
        let copy = nearestCopy(of: hosts, to: home, devicesPerNode: problem.groupsPerNode)
        targets.append(Int32(hosts[copy]))
      }
    }
  }
}

private struct VisitCounts {
  var groups = 0
  var nodes = 0

  mutating func add(_ isNew: (group: Bool, node: Bool)) {
    if isNew.group { groups += 1 }
    if isNew.node { nodes += 1 }
  }
}

/// Which groups and nodes a set's token has been to, forgotten at no cost: a mark is the number of the
/// set, or of the home, that left it.
private struct GroupMarks {
  private let groupsPerNode: Int
  private var setOfGroup: [Int]
  private var setOfNode: [Int]
  private var groupsOfNode: [Int]
  private var homeOfGroup: [Int]
  private var homeOfNode: [Int]
  private var homeGroupsOfNode: [Int]
  private var home = 0

  init(_ problem: PlacementProblem) {
    groupsPerNode = problem.groupsPerNode
    setOfGroup = [Int](repeating: 0, count: problem.groups)
    homeOfGroup = setOfGroup
    setOfNode = [Int](repeating: 0, count: problem.nodes)
    (homeOfNode, groupsOfNode, homeGroupsOfNode) = (setOfNode, setOfNode, setOfNode)
  }

  /// Marks a group for all homes of a set; whether it, and its node, is new.
  mutating func fix(_ group: Int, _ set: Int) -> (group: Bool, node: Bool) {
    guard setOfGroup[group] != set else { return (false, false) }
    setOfGroup[group] = set
    let node = group / groupsPerNode
    let isNew = setOfNode[node] != set
    if isNew { groupsOfNode[node] = 0 }
    setOfNode[node] = set
    groupsOfNode[node] += 1
    return (true, isNew)
  }

  mutating func beginHome() { home += 1 }

  /// The same for one home.
  mutating func visit(_ group: Int, _ set: Int) -> (group: Bool, node: Bool) {
    guard setOfGroup[group] != set, homeOfGroup[group] != home else { return (false, false) }
    homeOfGroup[group] = home
    let node = group / groupsPerNode
    if homeOfNode[node] != home { homeGroupsOfNode[node] = 0 }
    let isNew = setOfNode[node] != set && homeOfNode[node] != home
    homeOfNode[node] = home
    homeGroupsOfNode[node] += 1
    return (true, isNew)
  }

  /// Whether the token has been to the group, and to its node.
  func has(_ group: Int, _ set: Int) -> (group: Bool, node: Bool) {
    let node = group / groupsPerNode
    return (
      setOfGroup[group] == set || homeOfGroup[group] == home,
      setOfNode[node] == set || homeOfNode[node] == home
    )
  }

  /// Groups of a group's node that the token has been to.
  func groupsInNode(of group: Int, _ set: Int) -> Int {
    let node = group / groupsPerNode
    return (setOfNode[node] == set ? groupsOfNode[node] : 0)
      + (homeOfNode[node] == home ? homeGroupsOfNode[node] : 0)
  }
}
