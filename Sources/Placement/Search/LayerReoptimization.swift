/// The best way to place one layer while all others stay: what there would be to gain by moving the
/// experts of that layer only.
///
///     let layer = try LayerReoptimization(of: 17, in: placement, problem)
///     layer.placement          // the others as they were
///     layer.bound              // no placement of this layer gives a lower total
///
/// With multipliers for the load of each group in each window, which sum to the window's weight over
/// groups, the slowest group's work is a sum over experts, and the layer an assignment problem. Its
/// value is a lower bound for any multipliers (Held and Karp, "The traveling-salesman problem and
/// minimum spanning trees", Operations Research 18, 1970, whose steps these are); its assignment after
/// swap descent is a candidate. Sum objective with transition traffic or none.
public struct LayerReoptimization: Sendable {
  public let placement: ExpertPlacement
  public let cost: PlacementCost
  /// Seconds of the whole problem that no placement of this layer's copies comes below, each copy
  /// having an equal share of its expert's tokens; lower by a part in 100 000, which covers rounding.
  public let bound: Double

  /// O(steps x (windows x copies x groups + one assignment)).
  ///
  /// - Throws: ``PlacementProblemError/misfit(_:)`` for home traffic, the bottleneck objective, other
  ///   copies than the problem's, or a choice among copies that is not even.
  public init(
    of layer: Int, in start: ExpertPlacement, _ problem: PlacementProblem, steps: Int = 60
  ) throws(PlacementProblemError) {
    try problem.check()
    guard problem.objective == .sum, !problem.countsSets,
      !problem.hasReplicas || problem.replicaChoice == .even
    else {
      throw .misfit(
        "a layer alone is placed for the sum of transition traffic and even copies only")
    }
    let tables = SearchTables(problem, counts: start.hosts.map { $0.map(\.count) })
    guard let groupOfItem = tables.groupOfItem(start) else {
      throw .misfit("the placement does not have the problem's copies")
    }
    let state = SearchState(tables, groupOfItem: groupOfItem)
    var subproblem = LayerSubproblem(state, layer: layer)
    state.descend(layers: [layer])
    var best = (groupOfItem: state.groupOfItem, cost: state.cost)
    var dual = -Double.infinity
    var stride = 1.0
    for _ in 0..<steps {
      guard let solution = subproblem.solve() else { break }
      dual = max(dual, solution.value)
      var candidate = groupOfItem
      if let row = solution.row {
        candidate.replaceSubrange(layer * tables.items..<(layer + 1) * tables.items, with: row)
        state.place(candidate)
        state.descend(layers: [layer])
        state.refill()
        if state.cost < best.cost { best = (state.groupOfItem, state.cost) }
      }
      let gap = best.cost - subproblem.rest - solution.value
      guard gap > 1e-9 * best.cost else { break }
      subproblem.step(solution.loads, gap: stride * gap)
      stride *= 0.96
    }
    state.place(best.groupOfItem)
    let startCost = PlacementCost(of: start, in: problem)
    let found = PlacementCost(of: state.placement, in: problem)
    (placement, cost) =
      found.total < startCost.total ? (state.placement, found) : (start, startCost)
    bound = min(cost.total, (subproblem.rest + dual) * (1 - 1e-5))
  }
}

/// One layer's assignment problem under multipliers.
private struct LayerSubproblem {
  private let tables: SearchTables
  private let layer: Int
  /// Seconds of everything that this layer does not change, with all of its traffic across nodes.
  let rest: Double
  /// Seconds saved by an item on a group, `[item][group]`.
  private let savings: [Double]
  /// `[window][group]`, each window's sum to its weight.
  private var multipliers: [Double]

  init(_ state: SearchState, layer: Int) {
    tables = state.tables
    self.layer = layer
    let (items, groups, row) = (tables.items, tables.groups, tables.rowVectors * 8)
    var savings = [Double](repeating: 0, count: items * groups)
    var own = 0.0
    for item in 0..<items where tables.hasTransitions {
      for group in 0..<groups {
        var saved = Double(numbers(state.swaps.nearGroup)[(layer * groups + group) * row + item])
        if tables.nodes > 1 {
          let node = layer * tables.nodes + Int(state.swaps.nodeOfGroup[group])
          saved += Double(numbers(state.swaps.nearNode)[node * row + item])
        }
        savings[item * groups + group] = saved
        if Int(state.swaps.groupOf[layer * items + item]) == group { own += saved }
      }
    }
    self.savings = savings
    rest = state.cost - Double(state.swaps.layerLoad[layer]) + own
    let problem = tables.problem
    multipliers = problem.windowWeights.flatMap {
      Array(repeating: $0 / Double(problem.groups), count: problem.groups)
    }
  }

  /// The least seconds under the multipliers, a way to place the layer, mended where copies met (`nil`
  /// where that failed), and the loads `[window][group]` of the assignment itself.
  func solve() -> (value: Double, row: [Int32]?, loads: [Double])? {
    let (items, groups, windows) = (tables.items, tables.groups, tables.problem.windows)
    var costs = savings.map { -$0 }
    for item in 0..<items {
      let work = numbers(tables.work) + (layer * items + item) * tables.windowVectors * 8
      for group in 0..<groups {
        var seconds = 0.0
        for window in 0..<windows {
          seconds += multipliers[window * groups + group] * Double(work[window])
        }
        costs[item * groups + group] += seconds
        if !tables.isAllowed(layer * items + item, group) {
          costs[item * groups + group] = .infinity
        }
      }
    }
    guard
      let best = LinearAssignment(
        costs: costs, rows: items, columns: groups,
        capacities: [Int](repeating: tables.slots, count: groups))
    else { return nil }
    var loads = [Double](repeating: 0, count: windows * groups)
    for item in 0..<items {
      let work = numbers(tables.work) + (layer * items + item) * tables.windowVectors * 8
      for window in 0..<windows {
        loads[window * groups + best.columnOfRow[item]] += Double(work[window])
      }
    }
    let row =
      tables.hasReplicas
      ? tables.transported(layer, costs) : best.columnOfRow.map { Int32($0) }
    return (best.cost, row, loads)
  }

  /// Moves the multipliers along the loads' excess over their mean, by as much as would close the gap
  /// were the function linear, and back onto the simplex.
  mutating func step(_ loads: [Double], gap: Double) {
    let groups = tables.groups
    let windows = tables.problem.windows
    var excess = loads
    var length = 0.0
    for window in 0..<windows {
      let mean = loads[window * groups..<(window + 1) * groups].reduce(0, +) / Double(groups)
      for index in window * groups..<(window + 1) * groups {
        excess[index] -= mean
        length += excess[index] * excess[index]
      }
    }
    guard length > 0 else { return }
    for window in 0..<windows {
      let range = window * groups..<(window + 1) * groups
      let moved = range.map { multipliers[$0] + gap / length * excess[$0] }
      let row = ontoSimplex(moved, sum: tables.problem.windowWeights[window])
      multipliers.replaceSubrange(range, with: row)
    }
  }

  /// The nearest point without negative entries that has the sum.
  private func ontoSimplex(_ point: [Double], sum: Double) -> [Double] {
    var (passed, level) = (0.0, 0.0)
    for (index, value) in point.sorted(by: >).enumerated() {
      passed += value
      let candidate = (passed - sum) / Double(index + 1)
      if value <= candidate { break }
      level = candidate
    }
    return point.map { max(0, $0 - level) }
  }
}
