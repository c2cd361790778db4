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

  struct Answer {
    /// `[layer][expert]`
    var groupOfExpert: [Int32]
    var layersDone: Int
    /// Seconds that no placement costs less than.
    var bound: Double
  }

  /// States that are looked at between two questions whether to continue.
  private static let statesPerRound = 64

  /// The cheapest chain; of equals the first found.
  ///
  /// - Parameter shouldContinue: `false` ends it: the first layers' cheapest chain then leads to where a
  ///   quick start has the others.
  mutating func solve(shouldContinue: (_ done: Int, _ all: Int) -> Bool) -> Answer {
    let ofLayer = LayerCost(problem)
    let all = kept.reduce(0) { $0 + $1.count }
    var done = 0
    // What each kept state of the last layer that is done costs, with the best before it.
    var costs: [Double] = []
    for layer in 0..<problem.layers {
      let earlier = layer > 0 ? Earlier(states: named(layer - 1), costs: spread(costs)) : nil
      var (next, sources): ([Double], [Int32]) = ([], [])
      for state in kept[layer] {
        if done % Self.statesPerRound == 0, !shouldContinue(done, all) {
          return stopped(after: layer, earlier)
        }
        done += 1
        var cost = ofLayer.seconds(layer, states[state])
        if let earlier {
          let best = cheapest(earlier, to: states[state], pair: layer - 1)
          cost += best.cost
          sources.append(Int32(earlier.states[best.place]))
        }
        next.append(cost)
      }
      if layer > 0 { before.append(sources) }
      costs = next
    }
    let best = costs.indices.min { (costs[$0], $0) < (costs[$1], $1) } ?? 0
    return Answer(
      groupOfExpert: rows(through: problem.layers - 1, endingIn: kept[problem.layers - 1][best]),
      layersDone: problem.layers, bound: costs[best])
  }

  /// Every state of a layer, under all names of groups where they have none, with the least that a chain
  /// to it costs.
  private struct Earlier {
    var states: [Int]
    var costs: [Double]
    /// The first of the cheapest.
    var cheapest: Int

    init(states: [Int], costs: [Double]) {
      (self.states, self.costs) = (states, costs)
      cheapest = costs.indices.min { (costs[$0], $0) < (costs[$1], $1) } ?? 0
    }
  }

  private func named(_ layer: Int) -> [Int] { isNamed ? kept[layer] : Array(0..<states.count) }

  /// A state costs what its representative does.
  private func spread(_ costs: [Double]) -> [Double] {
    isNamed ? costs : states.representative.map { costs[Int($0)] }
  }

  private func cheapest(
    _ earlier: Earlier, to target: ArraySlice<UInt8>, pair: Int
  ) -> (place: Int, cost: Double) {
    guard problem.countsTransitions else {
      return (earlier.cheapest, earlier.costs[earlier.cheapest])
    }
    let step = StateStep(problem, pair: pair, target: target)
    return states.groups.withUnsafeBufferPointer { groups in
      problem.objective == .sum
        ? step.cheapestSum(earlier.states, earlier.costs, groups)
        : step.cheapestBottleneck(earlier.states, earlier.costs, groups)
    }
  }

  /// The answer where only the layers before one are known.
  private func stopped(after layers: Int, _ earlier: Earlier?) -> Answer {
    // Pinned places may leave a search without a start, but no layer without a state.
    let quick = try? PlacementSearch(trials: 0).run(problem).placement
    let rest = (layers..<problem.layers).map { layer in
      quick?.hosts[layer].map { UInt8($0[0]) } ?? Array(states[kept[layer][0]])
    }
    var first: [Int32] = []
    if let earlier {
      let last = cheapest(earlier, to: rest[0][...], pair: layers - 1)
      first = rows(through: layers - 1, endingIn: earlier.states[last.place])
    }
    return Answer(
      groupOfExpert: first + rest.flatMap { $0.map { Int32($0) } }, layersDone: layers,
      bound: (layers..<problem.layers).reduce(earlier.map { $0.costs[$0.cheapest] } ?? 0) {
        $0 + leastWork($1)
      })
  }

  /// Seconds that a layer's slowest group works at least.
  private func leastWork(_ layer: Int) -> Double {
    let windows = (0..<problem.windows).map { window in
      let first = (window * problem.layers + layer) * problem.experts
      return Array(problem.work[first..<first + problem.experts])
    }
    return LoadBound(
      windows: windows, weights: problem.windowWeights, groups: problem.groups,
      slots: problem.slotsPerGroup
    ).slowest
  }

  /// The layers up to one whose state is given, as the best states before it have them: `[layer][expert]`.
  private func rows(through last: Int, endingIn end: Int) -> [Int32] {
    var layers: [[Int32]] = []
    var state = end
    // The name in the answer of each group of the layer at hand.
    var names = (0..<problem.groups).map { Int32($0) }
    for layer in (0...last).reversed() {
      layers.append(states[state].map { names[Int($0)] })
      guard layer > 0 else { break }
      var place = 0
      if isNamed {
        place = kept[layer].firstIndex(of: state) ?? 0
      } else {
        // What is known is known of its representative, whose group new[g] is its own group g.
        place = Int(states.representative[state])
        let new = LayerStates.names(states[state], problem)
        var renamed = names
        for (group, name) in new.enumerated() { renamed[Int(name)] = names[group] }
        names = renamed
      }
      state = Int(before[layer - 1][place])
    }
    return layers.reversed().flatMap { $0 }
  }
}

/// What a layer costs whatever its neighbours do: the slowest group's work, and home traffic.
struct LayerCost {
  private let problem: PlacementProblem
  private let sets: ExpertSets?
  private let price: HomePrice

  init(_ problem: PlacementProblem) {
    self.problem = problem
    sets = problem.countsSets ? problem.setsSent : nil
    price = HomePrice(problem)
  }

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
    guard let sets else { return seconds }
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
    return seconds + price.seconds(price.load((visits, nodeVisits)))
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
