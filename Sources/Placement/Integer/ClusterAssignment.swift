/// MoETuner's second program: which expert group holds which cluster, layer by layer, so that the
/// slowest pair of groups between two layers is fast (arXiv 2502.06643):
///
///     minimise  sum over pairs of layers of  max over groups g, h of  C(g, h) / B(g, h)
///     in each layer one cluster on each group; equally many experts on every group, all layers
///     together
///
/// where C(g, h) is the tokens that leave the cluster on g for the cluster of the next layer on h, and
/// B the bandwidth. What stays on a group moves nowhere and is left out: the paper does not say what
/// its bandwidth would be.
///
/// Clusters of equal size make the last row hold by itself, and then labels are free: on a network
/// whose pairs are alike each pair of layers is by itself, and on nodes of groups only the division
/// into nodes is handed on from layer to layer.
public struct ClusterAssignment: Sendable {
  public let layers: Int
  public let groups: Int
  public let groupsPerNode: Int
  /// Tokens from cluster to cluster, `[pair of layers][this][next]`.
  public let tokens: [Double]
  /// Experts of each cluster, `[layer][cluster]`.
  public let sizes: [[Int]]
  public let secondsInNode: Double
  public let secondsAcrossNodes: Double

  /// - Parameters:
  ///   - sizes: `nil` for clusters of one size.
  ///   - secondsInNode: for each token that goes to another group of its node; no more than
  ///     `secondsAcrossNodes`.
  public init(
    layers: Int, groups: Int, groupsPerNode: Int? = nil, tokens: [Double], sizes: [[Int]]? = nil,
    secondsInNode: Double, secondsAcrossNodes: Double
  ) {
    let groupsPerNode = groupsPerNode ?? groups
    precondition(layers > 0 && groups > 0 && groupsPerNode > 0 && groups % groupsPerNode == 0)
    precondition(tokens.count == (layers - 1) * groups * groups)
    precondition(secondsInNode >= 0 && secondsInNode <= secondsAcrossNodes)
    self.layers = layers
    self.groups = groups
    self.groupsPerNode = groupsPerNode
    self.tokens = tokens
    self.sizes = sizes ?? [[Int]](repeating: [Int](repeating: 1, count: groups), count: layers)
    self.secondsInNode = secondsInNode
    self.secondsAcrossNodes = secondsAcrossNodes
  }

  public var nodes: Int { groups / groupsPerNode }
  /// Whether every layer's clusters have one size, so that any assignment has equal memory.
  public var hasEqualSizes: Bool { sizes.allSatisfy { Set($0).count <= 1 } }

  func token(_ pair: Int, _ this: Int, _ next: Int) -> Double {
    tokens[(pair * groups + this) * groups + next]
  }

  func seconds(from: Int, to: Int) -> Double {
    if from == to { return 0 }
    return from / groupsPerNode == to / groupsPerNode ? secondsInNode : secondsAcrossNodes
  }

  /// Seconds of the slowest pair of groups between two layers, given the group of each cluster of
  /// both. O(groups^2).
  public func seconds(pair: Int, from this: [Int], to next: [Int]) -> Double {
    var most = 0.0
    for cluster in 0..<groups {
      for other in 0..<groups {
        let seconds = token(pair, cluster, other) * seconds(from: this[cluster], to: next[other])
        most = max(most, seconds)
      }
    }
    return most
  }

  /// The program's objective for `[layer][cluster]` groups.
  public func objective(of groupOfCluster: [[Int]]) -> Double {
    (0..<layers - 1).reduce(0) {
      $0 + seconds(pair: $1, from: groupOfCluster[$1], to: groupOfCluster[$1 + 1])
    }
  }

  /// Experts of all layers together on each group.
  public func memory(of groupOfCluster: [[Int]]) -> [Int] {
    var memory = [Int](repeating: 0, count: groups)
    for (layer, groups) in groupOfCluster.enumerated() {
      for (cluster, group) in groups.enumerated() { memory[group] += sizes[layer][cluster] }
    }
    return memory
  }

  /// The best groups of clusters, `[layer][cluster]`, and what is proven of them.
  ///
  /// Exact where labels are free on one node, or on up to 4 nodes with up to
  /// ``mostNodeDivisions`` ways to divide a layer's clusters among them; and with clusters of
  /// different sizes on up to 5 groups. Beyond by descent with a lower bound, and by `solver` on up
  /// to 8 groups. Where no assignment with equal memory is found the groups are `nil`.
  public func solve(
    solver: IntegerSolver? = nil, seconds: Double = 10, mostSteps: Int = 1_000_000
  ) -> (groupOfCluster: [[Int]]?, outcome: ProgramOutcome) {
    var bound = lowerBound
    if hasEqualSizes {
      if nodes == 1 || secondsInNode == secondsAcrossNodes { return matched() }
      if let exact = alongDivisions() { return exact }
    } else if groups <= 5 {
      let exact = alongAssignments(mostSteps: mostSteps)
      if exact.groupOfCluster != nil || exact.outcome.status == .infeasible { return exact }
      bound = max(bound, exact.outcome.bound)
    }
    var groupOfCluster = hasEqualSizes ? descended() : nil
    var outcome = ProgramOutcome(
      status: groupOfCluster == nil ? .timeLimit : .feasible, method: .search,
      objective: groupOfCluster.map(objective(of:)), bound: bound)
    if let objective = outcome.objective, objective <= bound * (1 + 1e-12) {
      outcome.status = .optimal
      outcome.bound = objective
      outcome.method = .bound
    } else if let solver, groups <= 8 {
      solve(&groupOfCluster, &outcome, with: solver, seconds: seconds)
    } else {
      outcome.remark = "\(layers) layers of \(groups) clusters are too many to search exactly"
    }
    return (groupOfCluster, outcome)
  }

  /// The same without a solver and with little work: all of ``solve(solver:seconds:mostSteps:)`` where that
  /// takes as little, else the largest entries kept on one group, layer by layer, without descent.
  func solveQuickly() -> (groupOfCluster: [[Int]]?, outcome: ProgramOutcome) {
    let isFlat = nodes == 1 || secondsInNode == secondsAcrossNodes
    let pairs = Double(layers * groups * groups)
    let steps =
      if hasEqualSizes {
        isFlat ? pairs : Double(layers) * divisionSteps
      } else {
        // What is reckoned before the first partial assignment, with all orders of up to five groups.
        groups <= 5
          ? pairs * Double((1...groups).reduce(1) { $0 * $1 * $1 }) : .infinity
      }
    if steps <= Self.mostQuickSteps { return solve(mostSteps: 10_000) }
    let found = hasEqualSizes ? chained() : nil
    return (
      found,
      ProgramOutcome(
        status: found == nil ? .timeLimit : .feasible, method: .search,
        objective: found.map(objective(of:)), bound: 0)
    )
  }

  /// About a tenth of a second's.
  private static let mostQuickSteps = 5e6

  /// Of one pair of layers: what no assignment of the two, whatever the other layers do, goes below.
  ///
  /// In falling order, entries are kept off the network as long as they can be. Those too many to stay
  /// on one group, as two of one row or column are, give a bound at the speed within nodes; those that
  /// link too many clusters to stay in one node, at the speed across. O(groups^2 log groups).
  func lowerBound(pair: Int) -> Double {
    var rows = Set<Int>()
    var columns = Set<Int>()
    var bound = 0.0
    var linked = Array(0..<2 * groups)
    var members = (0..<2 * groups).map { $0 < groups ? (this: 1, next: 0) : (this: 0, next: 1) }
    func root(_ cluster: Int) -> Int {
      var cluster = cluster
      while linked[cluster] != cluster { cluster = linked[cluster] }
      return cluster
    }
    var isOnGroups = true
    for entry in fallingEntries(pair: pair) {
      if isOnGroups, rows.contains(entry.this) || columns.contains(entry.next) {
        bound = entry.tokens * secondsInNode
        isOnGroups = false
      }
      rows.insert(entry.this)
      columns.insert(entry.next)
      let (this, next) = (root(entry.this), root(groups + entry.next))
      guard this != next else { continue }
      linked[next] = this
      members[this].this += members[next].this
      members[this].next += members[next].next
      if max(members[this].this, members[this].next) > groupsPerNode {
        return max(bound, entry.tokens * secondsAcrossNodes)
      }
    }
    return bound
  }

  /// No assignment has a smaller objective: the sum of the pairs' bounds.
  public var lowerBound: Double {
    (0..<layers - 1).reduce(0) { $0 + lowerBound(pair: $1) }
  }

  private func fallingEntries(pair: Int) -> [(tokens: Double, this: Int, next: Int)] {
    var entries: [(tokens: Double, this: Int, next: Int)] = []
    for this in 0..<groups {
      for next in 0..<groups where token(pair, this, next) > 0 {
        entries.append((token(pair, this, next), this, next))
      }
    }
    return entries.sorted { ($1.tokens, $0.this, $0.next) < ($0.tokens, $1.this, $1.next) }
  }
}

// MARK: One node

extension ClusterAssignment {
  /// For some clusters of a layer and as many of the next the pairs to keep on one group, so that the
  /// largest of the others is least, and that largest. O(n^2 log n).
  ///
  /// In falling order, an entry is kept unless its row or column has one already; the first that is
  /// not kept is the answer: to keep it would need a larger one given up.
  func bottleneckMatching(
    pair: Int, _ this: [Int], _ next: [Int]
  ) -> (partnerOfNext: [Int], most: Double) {
    let count = this.count
    var entries: [(tokens: Double, row: Int, column: Int)] = []
    for row in 0..<count {
      for column in 0..<count {
        entries.append((token(pair, this[row], next[column]), row, column))
      }
    }
    entries.sort { ($1.tokens, $0.row, $0.column) < ($0.tokens, $1.row, $1.column) }
    var most = 0.0
    var rowOfColumn = [Int](repeating: -1, count: count)
    var isTaken = [Bool](repeating: false, count: count)
    // Later entries, all no larger than `most`, only complete the matching, the largest first.
    for entry in entries {
      if !isTaken[entry.row] && rowOfColumn[entry.column] < 0 {
        isTaken[entry.row] = true
        rowOfColumn[entry.column] = entry.row
      } else {
        most = max(most, entry.tokens)
      }
    }
    return (rowOfColumn.map { this[$0] }, most)
  }

  /// On one node, or where nodes do not matter: each pair of layers by itself.
  private func matched() -> (groupOfCluster: [[Int]]?, outcome: ProgramOutcome) {
    let groupOfCluster = chained()
    let objective = objective(of: groupOfCluster)
    let outcome = ProgramOutcome(
      status: .optimal, method: .matching, objective: objective, bound: objective, remark: nil)
    return (groupOfCluster, outcome)
  }

  /// Layer by layer, the largest entries kept on one group.
  private func chained() -> [[Int]] {
    let all = Array(0..<groups)
    var groupOfCluster = [all]
    for pair in 0..<layers - 1 {
      let partner = bottleneckMatching(pair: pair, all, all).partnerOfNext
      groupOfCluster.append(partner.map { groupOfCluster[pair][$0] })
    }
    return groupOfCluster
  }
}

// MARK: Descent

extension ClusterAssignment {
  /// Layer by layer the largest entries kept on one group, then swaps of two clusters of a layer while
  /// any makes the two pairs beside the layer better. Keeps no memory row.
  func descended() -> [[Int]] {
    var groupOfCluster = chained()
    var isBetter = true
    while isBetter {
      isBetter = false
      for layer in 0..<layers {
        var cost = beside(layer, groupOfCluster)
        for cluster in 0..<groups {
          for other in 0..<cluster {
            groupOfCluster[layer].swapAt(cluster, other)
            let swapped = beside(layer, groupOfCluster)
            if swapped < cost * (1 - 1e-12) {
              cost = swapped
              isBetter = true
            } else {
              groupOfCluster[layer].swapAt(cluster, other)
            }
          }
        }
      }
    }
    return groupOfCluster
  }

  /// Seconds of the pairs that a layer is part of.
  private func beside(_ layer: Int, _ groupOfCluster: [[Int]]) -> Double {
    (max(0, layer - 1)..<min(layer + 1, layers - 1)).reduce(0) {
      $0 + seconds(pair: $1, from: groupOfCluster[$1], to: groupOfCluster[$1 + 1])
    }
  }
}
