/// Dynamic programming over the layers of a problem, state by state.
struct StateChain {
  let problem: PlacementProblem
  let states: LayerStates
  /// Whether pinned or forbidden places give groups names that matter.
  private let isNamed: Bool
  /// The states whose best cost is kept, `[layer][place]`.
  private let kept: [[Int]]
  /// The best state before, `[layer][place]`.
  private var before: [[Int32]] = []

  var representatives: Int { kept.map(\.count).max() ?? 0 }

  init(
    of problem: PlacementProblem, limits: ExactPlacement.Limits
  ) throws(ExactPlacementError) {
    self.problem = problem
    states = try LayerStates(of: problem, most: limits.states)
    isNamed = !(problem.pinned.isEmpty && problem.forbidden.isEmpty)
    var kept: [[Int]] = []
    for layer in 0..<problem.layers {
      let allowed =
        isNamed
        ? (0..<states.count).filter { [states] in Self.isAllowed(states[$0], layer, problem) }
        : states.representatives
      guard !allowed.isEmpty else { throw .contradictoryPlaces(layer: layer) }
      kept.append(allowed)
    }
    self.kept = kept
    // A bottleneck takes groups x groups comparisons for each pair of states as well.
    let width = problem.objective == .bottleneck ? problem.groups : 1
    var steps = 0.0
    for layer in 1..<max(1, problem.layers) where problem.countsTransitions {
      let earlier = isNamed ? kept[layer - 1].count : states.count
      steps += Double(earlier * kept[layer].count) * Double((problem.experts + width) * width)
    }
    guard steps <= limits.steps else {
      throw .tooManySteps(
        states: states.count, distinct: kept.map(\.count).max() ?? 0, steps: steps,
        most: limits.steps)
    }
  }

  private static func isAllowed(
    _ state: ArraySlice<UInt8>, _ layer: Int, _ problem: PlacementProblem
  ) -> Bool {
    func isThere(_ place: PlacementProblem.Place) -> Bool {
      Int(state[state.startIndex + place.expert]) == place.group
    }
    return problem.pinned.allSatisfy { $0.layer != layer || isThere($0) }
      && !problem.forbidden.contains { $0.layer == layer && isThere($0) }
  }

  /// The group of each expert in the cheapest chain, `[layer][expert]`; of equals the first found.
  mutating func solve() throws(ExactPlacementError) -> [Int32] {
    let mean = LayerCost(problem)
    var costs = kept[0].map { mean.seconds(0, states[$0]) }
    for layer in 1..<max(1, problem.layers) {
      // What each state of the layer before costs: that of its representative.
      let earlier = isNamed ? kept[layer - 1] : Array(0..<states.count)
      let costsBefore = isNamed ? costs : earlier.map { costs[Int(states.representative[$0])] }
      var (next, sources): ([Double], [Int32]) = ([], [])
      for state in kept[layer] {
        let best = cheapest(earlier, costsBefore, to: states[state], pair: layer - 1)
        next.append(best.cost + mean.seconds(layer, states[state]))
        sources.append(Int32(earlier[best.place]))
      }
      before.append(sources)
      costs = next
    }
    return trace(from: costs.indices.min { (costs[$0], $0) < (costs[$1], $1) } ?? 0)
  }

  private func cheapest(
    _ earlier: [Int], _ costs: [Double], to target: ArraySlice<UInt8>, pair: Int
  ) -> (place: Int, cost: Double) {
    guard problem.countsTransitions else {
      let place = costs.indices.min { (costs[$0], $0) < (costs[$1], $1) } ?? 0
      return (place, costs[place])
    }
    let step = StateStep(problem, pair: pair, target: target)
    return states.groups.withUnsafeBufferPointer { groups in
      problem.objective == .sum
        ? step.cheapestSum(earlier, costs, groups) : step.cheapestBottleneck(earlier, costs, groups)
    }
  }

  /// Follows the best states back, renaming earlier layers as the kept states were.
  private func trace(from last: Int) -> [Int32] {
    var layers: [[Int32]] = []
    var place = last
    // The name in the answer of each group of the layer at hand.
    var names = (0..<problem.groups).map { Int32($0) }
    for layer in (0..<problem.layers).reversed() {
      layers.append(states[kept[layer][place]].map { names[Int($0)] })
      guard layer > 0 else { break }
      let source = Int(before[layer - 1][place])
      if isNamed {
        place = kept[layer - 1].firstIndex(of: source) ?? 0
      } else {
        place = Int(states.representative[source])
        // The representative's group new[g] is the source's group g.
        let new = LayerStates.names(states[source], problem)
        var renamed = names
        for (group, name) in new.enumerated() { renamed[Int(name)] = names[group] }
        names = renamed
      }
    }
    return layers.reversed().flatMap { $0 }
  }
}

/// What a layer costs whatever its neighbours do: the slowest group's work, and home traffic.
struct LayerCost {
  private let problem: PlacementProblem

  init(_ problem: PlacementProblem) { self.problem = problem }

  func seconds(_ layer: Int, _ state: ArraySlice<UInt8>) -> Double {
    let first = state.startIndex
    var seconds = 0.0
    for window in 0..<problem.windows {
      var loads = [Double](repeating: 0, count: problem.groups)
      let work = (window * problem.layers + layer) * problem.experts
      for expert in 0..<problem.experts {
        loads[Int(state[first + expert])] += problem.work[work + expert]
      }
      seconds += problem.windowWeights[window] * (loads.max() ?? 0)
    }
    guard problem.countsSets, let sets = problem.sets else { return seconds }
    let price = HomePrice(problem)
    var visits = [Double](repeating: 0, count: problem.groups)
    var nodeVisits = [Double](repeating: 0, count: problem.nodes)
    for set in sets.starts[layer]..<sets.starts[layer + 1] {
      var (groups, nodes): (UInt64, UInt64) = (0, 0)
      for member in sets.members[set * sets.topK..<(set + 1) * sets.topK] {
        let group = Int(state[first + Int(member)])
        groups |= 1 << UInt64(group)
        nodes |= 1 << UInt64(problem.node(ofGroup: group))
      }
      for group in visits.indices where groups >> group & 1 == 1 {
        visits[group] += sets.tokens[set]
      }
      for node in nodeVisits.indices where nodes >> node & 1 == 1 {
        nodeVisits[node] += sets.tokens[set]
      }
    }
    return seconds + price.seconds((visits, nodeVisits))
  }
}

/// The communication from every state of a layer to one state of the next.
struct StateStep {
  private let problem: PlacementProblem
  /// For the sum: seconds of an expert's tokens if it is on a group. For the bottleneck: its tokens to
  /// each group of the next layer. `[expert][group]`
  private let table: [Double]

  init(_ problem: PlacementProblem, pair: Int, target: ArraySlice<UInt8>) {
    self.problem = problem
    let (experts, groups) = (problem.experts, problem.groups)
    let traffic = problem.transition(pair)
    var tokens = [Double](repeating: 0, count: experts * groups)
    for this in 0..<experts {
      let row = traffic.startIndex + this * experts
      for next in 0..<experts {
        tokens[this * groups + Int(target[target.startIndex + next])] += traffic[row + next]
      }
    }
    guard problem.objective == .sum else {
      table = tokens
      return
    }
    var seconds = [Double](repeating: 0, count: experts * groups)
    for this in 0..<experts {
      for from in 0..<groups {
        for to in 0..<groups {
          seconds[this * groups + from] +=
            tokens[this * groups + to] * problem.secondsPerToken(from: from, to: to)
        }
      }
    }
    table = seconds
  }

  /// The first of the cheapest states, by its place in `earlier`.
  func cheapestSum(
    _ earlier: [Int], _ costs: [Double], _ states: UnsafeBufferPointer<UInt8>
  ) -> (place: Int, cost: Double) {
    let (experts, groups) = (problem.experts, problem.groups)
    return table.withUnsafeBufferPointer { table in
      var best = (place: 0, cost: Double.infinity)
      for place in earlier.indices {
        var cost = costs[place]
        // Nothing is negative, so that a state that costs too much already needs no sum.
        guard cost < best.cost else { continue }
        let state = earlier[place] &* experts
        for expert in 0..<experts {
          cost += table[expert &* groups &+ Int(states[state &+ expert])]
        }
        if cost < best.cost { best = (place, cost) }
      }
      return best
    }
  }

  func cheapestBottleneck(
    _ earlier: [Int], _ costs: [Double], _ states: UnsafeBufferPointer<UInt8>
  ) -> (place: Int, cost: Double) {
    let (experts, groups) = (problem.experts, problem.groups)
    var tokens = [Double](repeating: 0, count: groups * groups)
    var seconds = tokens
    for from in 0..<groups {
      for to in 0..<groups {
        seconds[from * groups + to] = problem.secondsPerToken(from: from, to: to)
      }
    }
    return tokens.withUnsafeMutableBufferPointer { tokens in
      table.withUnsafeBufferPointer { table in
        seconds.withUnsafeBufferPointer { seconds in
          var best = (place: 0, cost: Double.infinity)
          for place in earlier.indices where costs[place] < best.cost {
            let state = earlier[place] &* experts
            for index in tokens.indices { tokens[index] = 0 }
            for expert in 0..<experts {
              let from = Int(states[state &+ expert]) &* groups
              for to in 0..<groups {
                tokens[from &+ to] += table[expert &* groups &+ to]
              }
            }
            var slowest = 0.0
            for index in tokens.indices {
              slowest = max(slowest, tokens[index] * seconds[index])
            }
            let cost = costs[place] + slowest
            if cost < best.cost { best = (place, cost) }
          }
          return best
        }
      }
    }
  }
}
