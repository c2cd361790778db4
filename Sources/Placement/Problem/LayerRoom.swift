/// Whether a layer's copies have room where they may be, and a way to place them: a flow from experts by nodes
/// to groups.
///
///     let room = LayerRoom(problem, layer: 3, copies: counts)
///     room.hosts                                   // of each expert; nil where there is no way
///     room.blocked                                 // then the experts and groups that show it
///
/// An expert gives as many units as it has copies, at most one to a group that it may be on, and where copies
/// are spread at most its share of them to a node; a group takes as many as it has slots. Units at pinned
/// places stay there. Whole-numbered by augmenting paths (Ford and Fulkerson, "Maximal flow through a
/// network", 1956), so that a way is found where there is one; the last search that fails has gone through a
/// cut, which is why. O(copies x experts x groups).
struct LayerRoom {
  private let problem: PlacementProblem
  /// Of each expert.
  private(set) var copies: [Int]
  private var mayBe: [Bool]
  private var isPinned: [Bool]
  /// Units, `[expert][group]`.
  private var isOn: [Bool]
  /// Of an expert in a node, `[expert][node]`, and free slots of each group.
  private var inNode: [Int]
  private var free: [Int]
  /// Experts, of which some cannot be placed, and all groups that these may be on beside others' pins.
  private(set) var blocked: (experts: [Int], groups: [Int])?

  /// - Parameter copies: of each expert, no fewer than its pins need
  ///   (``PlacementProblem/fewestCopies(pinned:)``).
  init(_ problem: PlacementProblem, layer: Int, copies: [Int]) {
    self.problem = problem
    self.copies = copies
    let cells = problem.experts * problem.groups
    mayBe = [Bool](repeating: true, count: cells)
    isPinned = [Bool](repeating: false, count: cells)
    isOn = isPinned
    inNode = [Int](repeating: 0, count: problem.experts * problem.nodes)
    free = [Int](repeating: problem.slotsPerGroup, count: problem.groups)
    for place in problem.forbidden where place.layer == layer {
      mayBe[place.expert * problem.groups + place.group] = false
    }
    var left = copies
    for place in problem.pinned where place.layer == layer {
      let cell = place.expert * problem.groups + place.group
      guard !isPinned[cell] else { continue }
      isPinned[cell] = true
      put(place.expert, place.group, true)
      left[place.expert] -= 1
    }
    if let full = free.firstIndex(where: { $0 < 0 }) {
      let experts = (0..<problem.experts).filter { isPinned[$0 * problem.groups + full] }
      blocked = (experts, [full])
      return
    }
    for expert in 0..<problem.experts {
      for _ in 0..<max(0, left[expert]) {
        guard augment(from: expert) else { return }
      }
    }
  }

  /// Gives an expert more copies, others making way. Where they have no way, ``blocked`` says so, and there
  /// is nothing more to be done with it.
  mutating func add(_ count: Int, to expert: Int) -> Bool {
    copies[expert] += count
    for _ in 0..<count {
      guard augment(from: expert) else { return false }
    }
    return true
  }

  /// The groups of each expert's copies, in order.
  var hosts: [[Int]]? {
    guard blocked == nil else { return nil }
    return (0..<problem.experts).map { expert in
      (0..<problem.groups).filter { isOn[expert * problem.groups + $0] }
    }
  }

  private mutating func put(_ expert: Int, _ group: Int, _ isThere: Bool) {
    isOn[expert * problem.groups + group] = isThere
    inNode[expert * problem.nodes + problem.node(ofGroup: group)] += isThere ? 1 : -1
    free[group] -= isThere ? 1 : -1
  }

  private func mostInNode(_ expert: Int) -> Int {
    problem.spreadsCopiesOverNodes ? problem.mostInNode(copies: copies[expert]) : problem.groups
  }

  /// Places one more unit of an expert, others making way; says what blocks it where that fails.
  private mutating func augment(from source: Int) -> Bool {
    let (experts, nodes, groups) = (problem.experts, problem.nodes, problem.groups)
    // Points: experts, experts in nodes, groups.
    let (pairs, ends) = (experts, experts + experts * nodes)
    var before = [Int](repeating: -1, count: ends + groups)
    var queue = [source]
    before[source] = source
    func visit(_ point: Int, from last: Int) {
      guard before[point] < 0 else { return }
      before[point] = last
      queue.append(point)
    }
    var next = 0
    while next < queue.count {
      let point = queue[next]
      next += 1
      if point < pairs {
        for node in 0..<nodes where inNode[point * nodes + node] < mostInNode(point) {
          visit(pairs + point * nodes + node, from: point)
        }
      } else if point < ends {
        let (expert, node) = ((point - pairs) / nodes, (point - pairs) % nodes)
        for group in node * problem.groupsPerNode..<(node + 1) * problem.groupsPerNode
        where mayBe[expert * groups + group] && !isOn[expert * groups + group] {
          visit(ends + group, from: point)
        }
        // Come to from a group, where it makes way, it may go to another node.
        visit(expert, from: point)
      } else {
        let group = point - ends
        if free[group] > 0 {
          apply(before, to: point, from: source, pairs: pairs, ends: ends)
          return true
        }
        let node = problem.node(ofGroup: group)
        for expert in 0..<experts
        where isOn[expert * groups + group] && !isPinned[expert * groups + group] {
          visit(pairs + expert * nodes + node, from: point)
        }
      }
    }
    blocked = (
      (0..<experts).filter { expert in
        before[expert] >= 0
          || (0..<nodes).contains { before[pairs + expert * nodes + $0] >= 0 }
      }, (0..<groups).filter { before[ends + $0] >= 0 }
    )
    return false
  }

  /// Goes back along the path: each expert takes the group after it and leaves the one before it.
  private mutating func apply(
    _ before: [Int], to last: Int, from source: Int, pairs: Int, ends: Int
  ) {
    var point = last
    while point != source {
      let previous = before[point]
      if point >= ends {
        put((previous - pairs) / problem.nodes, point - ends, true)
      } else if previous >= ends {
        put((point - pairs) / problem.nodes, previous - ends, false)
      }
      point = previous
    }
  }
}

extension PlacementProblem {
  /// Says which experts have no way to be placed where so many copies of each must be, of some layers; nothing
  /// where all have.
  ///
  /// - Parameter copies: `[layer][expert]`, no fewer than the expert is pinned to groups.
  /// - Throws: ``PlacementProblemError/unplaceable(layer:experts:groups:slots:spreads:)`` of the first layer.
  func checkRoom(
    copies: [[Int]], layers: some Sequence<Int>
  ) throws(PlacementProblemError) {
    for layer in layers {
      guard let (experts, groups) = LayerRoom(self, layer: layer, copies: copies[layer]).blocked
      else { continue }
      throw .unplaceable(
        layer: layer, experts: experts, groups: groups, slots: slotsPerGroup,
        spreads: spreadsCopiesOverNodes)
    }
  }

  /// Groups that experts are pinned to, each once, `[layer][expert]`.
  var pinnedGroups: [[[Int]]] {
    var groups = [[[Int]]](
      repeating: [[Int]](repeating: [], count: experts), count: layers)
    for place in pinned where !groups[place.layer][place.expert].contains(place.group) {
      groups[place.layer][place.expert].append(place.group)
    }
    return groups
  }

  /// The fewest copies that an expert has which is pinned to some groups: one for each, and as many more as
  /// make these no more than a node's share.
  func fewestCopies(pinned groups: [Int]) -> Int {
    guard spreadsCopiesOverNodes else { return max(1, groups.count) }
    var held = [Int](repeating: 0, count: nodes)
    for group in groups { held[node(ofGroup: group)] += 1 }
    return max(1, groups.count, ((held.max() ?? 0) - 1) * nodes + 1)
  }
}
