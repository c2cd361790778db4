/// What no placement costs less than whose tokens return home and take the nearest copies.
///
/// Of all placements with the given copies c(e) of each expert, each on another group, on Γ groups of κ
/// slots. A token's own rank is on each group alike, so that the mean over homes is bounded.
///
/// **What a home has.** An expert's copies are at home for c(e) of the homes, so that of the tokens' k T
/// selections L = Σ f(e) c(e) / Γ find their expert at home, f(e) being the tokens that take it, and the
/// others do not. A token with j experts elsewhere visits at least j / κ groups, rounded up; the largest
/// convex function below that, at the mean of j, is below the mean.
///
/// **What experts share a group.** What one home's tokens take of all copies is a placement of one copy
/// each, with no more than κ experts on a group: ``TrafficBound`` of the pairs that tokens take together
/// bounds how many groups they save, whatever the home. One of a token's groups may be its home's, not
/// more often than experts are at home.
///
/// The same holds of nodes, as groups of as many slots as all of theirs, where an expert's copies are in at
/// most as many nodes. Work: each copy has the tokens of its own group's homes at least, 1/Γ of its
/// expert's, and reads the expert's weights; single copies have all.
struct NearestBound {
  /// Seconds of the slowest groups, `[layer]`.
  let layerWork: [Double]
  /// Seconds of communication, `[layer]`; empty without sets.
  let homeSeconds: [Double]

  init(
    of problem: PlacementProblem, copies: [[Int]], effort: TrafficBound.Effort, threads: Int,
    cache: TrafficBoundCache
  ) {
    layerWork = (0..<problem.layers).map { Self.work(problem, $0, copies[$0]) }
    guard problem.countsSets, let sets = problem.setsSent else {
      homeSeconds = []
      return
    }
    let single = CopyTable(problem, nil)
    let gatherings = (0..<problem.layers).map { Gathering(problem, single, sets, $0) }
    let slots = [problem.slotsPerGroup, problem.slotsPerGroup * problem.groupsPerNode]
    let price = HomePrice(problem)
    let needsNodes = problem.nodes > 1 && price.sendsOnceToNode
    let kept = slots.prefix(needsNodes ? 2 : 1).map { slots in
      cache.answers(
        to: gatherings.map { $0.question(slots: slots, effort) }, threads: threads
      ).map(\.kept)
    }
    homeSeconds = (0..<problem.layers).map { layer in
      let own = gatherings[layer]
      let groups = own.distinct(kept: kept[0][layer], slots: slots[0])
      let (local, near) = own.atHome(problem, copies[layer])
      let left = max(
        own.visits(selections: own.selections - local, slots: slots[0]),
        groups - min(own.tokens, local))
      var beyond = 0.0
      if problem.nodes > 1 {
        let away = own.selections - near
        if price.sendsOnceToNode {
          let nodes = own.distinct(kept: kept[1][layer], slots: slots[1])
          beyond = max(
            own.visits(selections: away, slots: slots[1]), nodes - min(own.tokens, near))
        } else {
          let most = own.tokens * Double(min(problem.groupsPerNode, sets.topK))
          beyond = max(own.visits(selections: away, slots: slots[0]), groups - min(most, near))
        }
      }
      return price.least(left: max(0, left), crossing: max(0, beyond))
    }
  }

  /// The mean over windows of the slowest group, at least: no less than the mean over groups.
  private static func work(_ problem: PlacementProblem, _ layer: Int, _ copies: [Int]) -> Double {
    let table = problem.layers * problem.experts
    var slowest = 0.0
    for window in 0..<problem.windows {
      var (least, all) = ([Double](), 0.0)
      for expert in 0..<problem.experts {
        let cell = window * table + layer * problem.experts + expert
        let count = copies[expert]
        let fixed = problem.workPerCopy.isEmpty ? 0 : problem.workPerCopy[cell]
        all += problem.work[cell] + fixed * Double(count - 1)
        let share = count > 1 ? 1 / Double(problem.groups) : 1
        least += Array(repeating: problem.seconds(cell, share: share), count: count)
      }
      let bound = LoadBound(work: least, groups: problem.groups, slots: problem.slotsPerGroup)
      slowest +=
        problem.windowWeights[window] * max(bound.slowest, all / Double(problem.groups))
    }
    return slowest
  }
}

/// How a layer's tokens take experts together.
private struct Gathering {
  let topK: Int
  let tokens: Double
  /// Tokens of each expert.
  private let tokensOfExpert: [Double]
  /// Pairs of slots, whose diagonal is no less than any of them: a copy is always with itself.
  private let pairs: [Double]
  private let diagonal: Double
  private let size: Int

  init(_ problem: PlacementProblem, _ table: CopyTable, _ sets: ExpertSets, _ layer: Int) {
    topK = sets.topK
    let own = sets.starts[layer]..<sets.starts[layer + 1]
    tokens = sets.tokens[own].reduce(0, +)
    tokensOfExpert = sets.tokensOfExperts(layer: layer, experts: problem.experts)
    let together = sets.coactivation(layer: layer, experts: problem.experts)
    var pairs = table.spread(together[...], from: layer, to: layer)
    diagonal = pairs.max() ?? 0
    size = table.size
    for index in 0..<size { pairs[index * size + index] = diagonal }
    self.pairs = pairs
  }

  var selections: Double { tokens * Double(topK) }

  func question(slots: Int, _ effort: TrafficBound.Effort) -> TrafficBoundCache.Question {
    TrafficBoundCache.Question(
      traffic: pairs, size: size, slots: slots, left: [], right: [], effort: effort)
  }

  /// Distinct groups of all tokens, at least: one for each expert less the pairs that share one, and one
  /// for as many experts as it has slots.
  func distinct(kept: Double, slots: Int) -> Double {
    max(
      tokens * Double((topK + slots - 1) / slots),
      selections - 0.5 * (kept - diagonal * Double(size)))
  }

  /// Selections whose expert is at home, the mean over homes, and at most in the home's node.
  func atHome(_ problem: PlacementProblem, _ copies: [Int]) -> (group: Double, node: Double) {
    var (group, node) = (0.0, 0.0)
    for (count, copies) in zip(tokensOfExpert, copies) {
      group += count * Double(copies) / Double(problem.groups)
      node += count * Double(min(copies, problem.nodes)) / Double(problem.nodes)
    }
    return (group, node)
  }

  /// Groups that tokens visit for so many selections of all, at least: the largest convex function below
  /// j / slots, rounded up, for j from 0 to k.
  func visits(selections: Double, slots: Int) -> Double {
    guard tokens > 0 else { return 0 }
    let mean = max(0, selections / tokens)
    let whole = topK / slots
    let corner = Double(whole * slots)
    let rest = Double(topK) - corner
    if mean <= corner || rest == 0 { return tokens * mean / Double(slots) }
    return tokens * (Double(whole) + (mean - corner) / rest)
  }
}
