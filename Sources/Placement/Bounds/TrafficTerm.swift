/// Seconds that tokens cost which leave their group, or their node, between two layers or to gather
/// one layer's experts.
struct TrafficTerm {
  let left: Int
  let right: Int
  let isHome: Bool
  /// Whether it is about tokens that leave their node, not their group.
  let isOfNodes: Bool
  /// `[slot][slot]`
  let traffic: [Double]
  let size: Int
  let slots: Int
  /// Mean work of each slot.
  let leftWork: [Double]
  let rightWork: [Double]
  /// What moves is at least `most - factor * (kept - offset)`, and at least `floor`.
  let most: Double
  let factor: Double
  let offset: Double
  let floor: Double
  /// For each token that moves.
  private(set) var secondsPerToken: Double
  /// On top, whatever moves.
  private var constant = 0.0
  /// Groups that share a unit of the level: their excess adds up.
  let groupsPerUnit: Double
  var bound = TrafficBound(kept: .infinity, leftSlope: 0, rightSlope: 0)

  func question(
    _ effort: TrafficBound.Effort, isBalanced: Bool
  ) -> TrafficBoundCache.Question {
    TrafficBoundCache.Question(
      traffic: traffic, size: size, slots: slots, left: isBalanced ? leftWork : [],
      right: isBalanced ? rightWork : [], effort: effort)
  }

  private var moved: Double { most - factor * (bound.kept - offset) }
  private var isAtFloor: Bool { moved <= floor }
  /// Tokens that move, at least.
  private var tokens: Double { max(floor, moved) }
  var seconds: Double { secondsPerToken * tokens + constant }
  var leftSlope: Double { slope(bound.leftSlope) }
  var rightSlope: Double { slope(bound.rightSlope) }
  var layers: Set<Int> { [left, right] }

  private func slope(_ slope: Double) -> Double {
    isAtFloor ? 0 : secondsPerToken * factor * groupsPerUnit * slope
  }

  /// Whether more excess than the least would pay, by the slopes.
  var isSteep: Bool { leftSlope > 0.5 || rightSlope > 0.5 }

  /// Seconds that the slopes cost at the least excess.
  func secondsOfSlopes(_ loads: [LayerLoad]) -> Double {
    [(left, leftSlope), (right, rightSlope)].reduce(0) { sum, side in
      sum + side.1 * (loads[side.0].bound.slowest - loads[side.0].bound.mean)
    }
  }
}

extension TrafficBound.Effort {
  /// For a term whose tokens cost less than the dearest term's: a token that it misses costs less too.
  /// On 64 devices in nodes of eight, where tokens within nodes are a ninth as dear as across, the bound
  /// takes half the time for it.
  func of(_ term: TrafficTerm, _ secondsPerDearestToken: Double) -> TrafficBound.Effort {
    guard term.secondsPerToken > 0 else { return self }
    let ratio = secondsPerDearestToken / term.secondsPerToken
    var effort = self
    effort.tolerance = min(max(tolerance, 5e-3), tolerance * ratio)
    effort.mostIterations = max(
      min(mostIterations, 10), Int(Double(mostIterations) / ratio.squareRoot()))
    return effort
  }
}

extension TrafficTerm {
  /// Lets the terms of a layer's home traffic cost what lies below its price where their bounds are: a price
  /// that is as long as the slower of two ways is no sum of what goes over both.
  static func price(_ terms: inout [TrafficTerm], _ problem: PlacementProblem) {
    guard problem.countsSets else { return }
    let price = HomePrice(problem)
    for layer in 0..<problem.layers {
      let own = terms.indices.filter { terms[$0].isHome && terms[$0].left == layer }
      func visits(ofNodes: Bool) -> Double {
        own.first { terms[$0].isOfNodes == ofNodes }.map { terms[$0].tokens } ?? 0
      }
      let slopes = price.tangent(groups: visits(ofNodes: false), nodes: visits(ofNodes: true))
      for index in own {
        let isOfNodes = terms[index].isOfNodes
        terms[index].secondsPerToken = isOfNodes ? slopes.node : slopes.group
        terms[index].constant = isOfNodes ? 0 : slopes.constant
      }
    }
    terms.removeAll { $0.secondsPerToken == 0 && $0.constant == 0 }
  }

  /// All terms of a problem, those of zero seconds left out.
  static func all(_ problem: PlacementProblem, _ table: CopyTable) -> [TrafficTerm] {
    let work = (0..<problem.layers).map { table.work($0) }
    var terms: [TrafficTerm] = []
    if problem.countsTransitions {
      for pair in 0..<problem.layers - 1 {
        let traffic = table.spread(problem.transition(pair), from: pair, to: pair + 1)
        for level in levels(problem) {
          terms.append(
            TrafficTerm(
              left: pair, right: pair + 1, isHome: false,
              isOfNodes: level.slots > problem.slotsPerGroup, traffic: traffic, size: table.size,
              slots: level.slots, leftWork: work[pair], rightWork: work[pair + 1],
              most: traffic.reduce(0, +), factor: 1, offset: 0, floor: 0,
              secondsPerToken: level.seconds, groupsPerUnit: level.groups))
        }
      }
    }
    if problem.countsSets, let sets = problem.setsSent {
      for layer in 0..<problem.layers {
        terms += home(problem, table, sets, layer: layer, work: work[layer])
      }
    }
    return terms.filter { $0.secondsPerToken > 0 }
  }

  private typealias Level = (slots: Int, seconds: Double, groups: Double)

  /// Seconds for each token that leaves a group, and on top for each that leaves a node.
  private static func levels(_ problem: PlacementProblem) -> [Level] {
    let node = problem.slotsPerGroup * problem.groupsPerNode
    let (inside, across) = (problem.secondsInNode, problem.secondsAcrossNodes)
    let groupsPerNode = Double(problem.groupsPerNode)
    guard problem.objective == .bottleneck else {
      return [
        (problem.slotsPerGroup, problem.nodes > 1 ? min(inside, across) : inside, 1),
        (node, problem.nodes > 1 ? max(0, across - inside) : 0, groupsPerNode),
      ]
    }
    // The slowest of all pairs is no less than a mean of them. Weighted by 1 / seconds for a token, the
    // mean is what leaves groups over the sum of the weights.
    let pairsAcross = Double(problem.groups * (problem.groups - problem.groupsPerNode))
    let pairsInside = Double(problem.groups * (problem.groupsPerNode - 1))
    if pairsInside == 0 || inside > 0, pairsAcross == 0 || across > 0 {
      let weights =
        (pairsInside > 0 ? pairsInside / inside : 0) + (pairsAcross > 0 ? pairsAcross / across : 0)
      return [(problem.slotsPerGroup, weights > 0 ? 1 / weights : 0, 1)]
    }
    return [(node, pairsAcross > 0 ? across / pairsAcross : 0, groupsPerNode)]
  }

  private static func home(
    _ problem: PlacementProblem, _ table: CopyTable, _ sets: ExpertSets, layer: Int,
    work: [Double]
  ) -> [TrafficTerm] {
    let pairs = sets.coactivation(layer: layer, experts: problem.experts)
    var traffic = table.spread(pairs[...], from: layer, to: layer)
    let tokens = sets.tokens[sets.starts[layer]..<sets.starts[layer + 1]].reduce(0, +)
    // A copy is always with itself: whatever the diagonal holds is kept, and taken off again.
    let diagonal = traffic.max() ?? 0
    for index in 0..<table.size { traffic[index * table.size + index] = diagonal }
    let node = problem.slotsPerGroup * problem.groupsPerNode
    let dearest = HomePrice(problem).dearest
    let levels: [Level] = [
      (problem.slotsPerGroup, dearest.group, 1),
      (node, dearest.node, Double(problem.groupsPerNode)),
    ]
    return levels.enumerated().map { number, level in
      TrafficTerm(
        left: layer, right: layer, isHome: true, isOfNodes: number > 0, traffic: traffic,
        size: table.size, slots: level.slots, leftWork: work, rightWork: work,
        most: Double(sets.topK) * tokens,
        factor: 0.5, offset: diagonal * Double(table.size),
        floor: tokens * Double((sets.topK + level.slots - 1) / level.slots),
        secondsPerToken: level.seconds, groupsPerUnit: level.groups)
    }
  }
}
