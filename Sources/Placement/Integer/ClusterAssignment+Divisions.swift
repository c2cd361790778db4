/// Equal clusters on nodes of groups: a shortest path through the ways to divide each layer's
/// clusters among the nodes.
extension ClusterAssignment {
  /// The most divisions of a layer's clusters among nodes that are searched: 4 + 4 has 35,
  /// 2 + 2 + 2 + 2 has 105, 5 + 5 has 126.
  public static let mostNodeDivisions = 500

  /// Which of a layer's clusters are together in a node: blocks in the order of their first
  /// clusters, since nodes have no names yet.
  private typealias Division = [[Int]]

  /// The best assignment, or `nil` where there are too many divisions.
  ///
  /// Between two layers a division is followed by another at the cost of the best way to say which
  /// block goes on in which node; inside a node the clusters that stay on a group are those of
  /// ``bottleneckMatching(pair:_:_:)``. O(pairs x divisions^2 x (nodes! + nodes^2) x groups per
  /// node^2).
  func alongDivisions() -> (groupOfCluster: [[Int]]?, outcome: ProgramOutcome)? {
    guard nodes <= 4, let divisions = divisions() else { return nil }
    let orders = Self.permutations(nodes)
    var cost = [Double](repeating: 0, count: divisions.count)
    var cameFrom: [[(division: Int, order: Int)]] = []
    for pair in 0..<layers - 1 {
      var next = [Double](repeating: .infinity, count: divisions.count)
      var from = [(division: Int, order: Int)](repeating: (0, 0), count: divisions.count)
      for this in divisions.indices {
        for other in divisions.indices {
          let step = step(pair: pair, divisions[this], divisions[other], orders)
          if cost[this] + step.seconds < next[other] {
            next[other] = cost[this] + step.seconds
            from[other] = (this, step.order)
          }
        }
      }
      cost = next
      cameFrom.append(from)
    }
    // From the best last division back to the first, then names of nodes and groups forward.
    var path = [cost.indices.min { (cost[$0], $0) < (cost[$1], $1) } ?? 0]
    var steps: [Int] = []
    for pair in stride(from: layers - 2, through: 0, by: -1) {
      let from = cameFrom[pair][path[path.count - 1]]
      path.append(from.division)
      steps.append(from.order)
    }
    path.reverse()
    steps.reverse()
    let groupOfCluster = named(
      path.map { divisions[$0] }, steps: steps.map { orders[$0] })
    let objective = objective(of: groupOfCluster)
    let outcome = ProgramOutcome(
      status: .optimal, method: .dynamicProgram, objective: objective, bound: objective, remark: nil
    )
    return (groupOfCluster, outcome)
  }

  /// About how many steps ``alongDivisions()`` takes for a pair of layers; none where it refuses.
  var divisionSteps: Double {
    guard nodes <= 4 else { return .infinity }
    // Blocks have no names: groups! / (groups per node!)^nodes / nodes! of them.
    func factorial(_ count: Int) -> Double { (1...max(1, count)).reduce(1.0) { $0 * Double($1) } }
    var divisions = factorial(groups) / factorial(nodes)
    for _ in 0..<nodes { divisions /= factorial(groupsPerNode) }
    guard divisions <= Double(Self.mostNodeDivisions) else { return .infinity }
    return divisions * divisions * (factorial(nodes) + Double(nodes * nodes))
      * Double(groupsPerNode * groupsPerNode)
  }

  /// All divisions of a layer's clusters, or `nil` where there are too many.
  private func divisions() -> [Division]? {
    var found: [Division] = []
    func divide(_ cluster: Int, _ blocks: Division) -> Bool {
      guard cluster < groups else {
        found.append(blocks)
        return found.count <= Self.mostNodeDivisions
      }
      for block in blocks.indices where blocks[block].count < groupsPerNode {
        var more = blocks
        more[block].append(cluster)
        guard divide(cluster + 1, more) else { return false }
      }
      return blocks.count == nodes || divide(cluster + 1, blocks + [[cluster]])
    }
    return divide(0, []) ? found : nil
  }

  /// The cheapest way from one division to another: which order of the next layer's blocks goes on in
  /// the nodes of this layer's.
  private func step(
    pair: Int, _ this: Division, _ next: Division, _ orders: [[Int]]
  ) -> (seconds: Double, order: Int) {
    var inside = [Double](repeating: 0, count: nodes * nodes)
    var across = inside
    for block in 0..<nodes {
      for other in 0..<nodes {
        var most = 0.0
        for cluster in this[block] {
          for follower in next[other] { most = max(most, token(pair, cluster, follower)) }
        }
        across[block * nodes + other] = most * secondsAcrossNodes
        let matching = bottleneckMatching(pair: pair, this[block], next[other])
        inside[block * nodes + other] = matching.most * secondsInNode
      }
    }
    var best = (seconds: Double.infinity, order: 0)
    for (position, order) in orders.enumerated() {
      var seconds = 0.0
      for block in 0..<nodes {
        for other in 0..<nodes {
          let entry = block * nodes + other
          seconds = max(seconds, order[block] == other ? inside[entry] : across[entry])
        }
      }
      if seconds < best.seconds { best = (seconds, position) }
    }
    return best
  }

  /// Groups for the clusters of a path of divisions: the first layer's blocks in order, each later
  /// cluster where its partner is.
  private func named(_ path: [Division], steps: [[Int]]) -> [[Int]] {
    var groupOfCluster = [[Int](repeating: 0, count: groups)]
    for (position, cluster) in path[0].joined().enumerated() {
      groupOfCluster[0][cluster] = position
    }
    for pair in 0..<layers - 1 {
      var next = [Int](repeating: 0, count: groups)
      for (block, other) in steps[pair].enumerated() {
        let followers = path[pair + 1][other]
        let matching = bottleneckMatching(pair: pair, path[pair][block], followers)
        for (follower, partner) in zip(followers, matching.partnerOfNext) {
          next[follower] = groupOfCluster[pair][partner]
        }
      }
      groupOfCluster.append(next)
    }
    return groupOfCluster
  }

  /// All orders of 0..<count, in dictionary order.
  static func permutations(_ count: Int) -> [[Int]] {
    guard count > 0 else { return [[]] }
    var found: [[Int]] = []
    func extend(_ order: [Int]) {
      if order.count == count { return found.append(order) }
      for next in 0..<count where !order.contains(next) { extend(order + [next]) }
    }
    extend([])
    return found
  }
}
