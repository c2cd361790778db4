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
  private(set) var ports: HomePorts

  /// O(sets x groups x k).
  init(
    _ sets: ExpertSets, _ layer: Int, _ placement: ExpertPlacement, _ problem: PlacementProblem
  ) {
    let table = NearestTable(layer, placement, problem)
    ports = HomePorts(problem)
    // The last set and home that went to a group, and to a node.
    var groupMarks = [Int](repeating: -1, count: problem.groups)
    var nodeMarks = [Int](repeating: -1, count: problem.nodes)
    for set in sets.starts[layer]..<sets.starts[layer + 1] {
      let members = sets.members[set * sets.topK..<(set + 1) * sets.topK]
      let tokens = sets.tokens[set] / Double(problem.groups)
      for home in 0..<problem.groups {
        let mark = set * problem.groups + home
        for member in members {
          let target = table.target(of: Int(member), from: home)
          guard groupMarks[target] != mark else { continue }
          groupMarks[target] = mark
          groups += tokens
          ports.add(tokens, from: home, to: target)
          let node = problem.node(ofGroup: target)
          guard nodeMarks[node] != mark else { continue }
          nodeMarks[node] = mark
          nodes += tokens
          ports.add(tokens, from: home, toNode: node)
        }
      }
    }
  }
}

/// The group that each home's tokens of an expert go to.
struct NearestTable {
  /// `[expert][home]`
  private let targets: [Int]
  private let groups: Int

  /// O(experts x groups x copies).
  init(_ layer: Int, _ placement: ExpertPlacement, _ problem: PlacementProblem) {
    groups = problem.groups
    targets = placement.hosts[layer].flatMap { problem.nearestGroups($0) }
  }

  func target(of expert: Int, from home: Int) -> Int { targets[expert * groups + home] }
}

extension PlacementProblem {
  /// The group that each home's tokens go to for an expert on some groups, in order.
  func nearestGroups(_ hosts: [Int]) -> [Int] {
    (0..<groups).map { home in
      hosts.count == 1
        ? hosts[0] : hosts[nearestCopy(of: hosts, to: home, devicesPerNode: groupsPerNode)]
    }
  }
}
