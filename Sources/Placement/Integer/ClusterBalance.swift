/// MoETuner's first program for one layer: experts into as many clusters as there are expert groups,
/// so that the clusters' loads T differ least (arXiv 2502.06643):
///
///     minimise  sum over clusters of |T - mean T|
///     each expert in one cluster, no cluster empty
///
/// and, since a group has so many slots, with a number of experts that lies in a range. Equal
/// clusters are the range of one number.
///
///     let balance = ClusterBalance(loads: [5, 4, 3, 2], clusters: 2, sizes: 2...2)
///     let (clusters, outcome) = balance.solve()     // [0, 1, 1, 0], 0: optimal
public struct ClusterBalance: Sendable {
  /// Tokens, or seconds, of each expert.
  public let loads: [Double]
  public let clusters: Int
  /// How many experts a cluster may have.
  public let sizes: ClosedRange<Int>

  /// - Precondition: The experts fill clusters of such sizes; loads are finite and not negative.
  public init(loads: [Double], clusters: Int, sizes: ClosedRange<Int>) {
    precondition(clusters > 0 && sizes.lowerBound > 0)
    precondition((clusters * sizes.lowerBound...clusters * sizes.upperBound).contains(loads.count))
    precondition(loads.allSatisfy { $0 >= 0 && $0.isFinite })
    self.loads = loads
    self.clusters = clusters
    self.sizes = sizes
  }

  public var experts: Int { loads.count }
  public var mean: Double { total / Double(clusters) }
  private var total: Double { loads.reduce(0, +) }
  /// What counts as none: sums in another order differ in their last digits. A share of all loads,
  /// so that the unit of loads does not matter.
  private var rounding: Double { 1e-12 * total }

  /// The program's objective for the cluster of each expert. O(experts).
  public func objective(of clusterOfExpert: [Int]) -> Double {
    let mean = mean
    return clusterLoads(of: clusterOfExpert).reduce(0) { $0 + abs($1 - mean) }
  }

  /// The best clusters, of each expert, named in the order of their first experts, and what is
  /// proven of them.
  ///
  /// First by descent, which is enough where it meets ``lowerBound``; then by enumeration of
  /// partitions that could be better, up to `mostSteps` experts put somewhere (Mixtral's 8 experts
  /// in 4 clusters have 1701 partitions, 105 equal ones); beyond by `solver`, if there is one, in
  /// `seconds`.
  public func solve(
    mostSteps: Int = 200_000, solver: IntegerSolver? = nil, seconds: Double = 10
  ) -> (clusterOfExpert: [Int], outcome: ProgramOutcome) {
    var best = descended()
    var outcome = ProgramOutcome(
      status: .feasible, method: .search, objective: objective(of: best), bound: lowerBound)
    if objective(of: best) <= lowerBound + rounding {
      outcome.status = .optimal
      outcome.method = .bound
      outcome.bound = min(lowerBound, objective(of: best))
    } else if let found = enumerated(betterThan: best, mostSteps: mostSteps) {
      best = found
      outcome.status = .optimal
      outcome.method = .enumeration
      outcome.objective = objective(of: best)
      outcome.bound = objective(of: best)
    } else if let solver {
      solve(&best, &outcome, with: solver, seconds: seconds)
    } else {
      outcome.remark = "the partitions are too many to look at, and no MIP solver was given"
    }
    return (Self.inOrder(best), outcome)
  }

  /// No clusters have a smaller objective. The t heaviest experts are in some c clusters, which must
  /// have companions too: by what all of these are together above c means, some are above it, and
  /// others are below by as much again. Whole loads whose sum does not divide evenly leave some cluster
  /// above. O(clusters^2).
  public var lowerBound: Double {
    let mean = mean
    let sorted = loads.sorted()
    var lightest = [0.0]
    for load in sorted { lightest.append(lightest[lightest.count - 1] + load) }
    var excess = 0.0
    for heavy in 1...clusters {
      let heaviest = lightest[experts] - lightest[experts - heavy]
      let fewest = (heavy + sizes.upperBound - 1) / sizes.upperBound
      let least = (fewest...heavy).lazy.map { count in
        heaviest + lightest[max(0, count * sizes.lowerBound - heavy)] - Double(count) * mean
      }.min()
      excess = max(excess, least ?? 0)
    }
    var bound = 2 * excess
    let total = total
    if total < 1e15, loads.allSatisfy({ $0 == $0.rounded() }) {
      let rest = Double(Int(total) % clusters)
      bound = max(bound, 2 * rest * (Double(clusters) - rest) / Double(clusters))
    }
    return bound
  }
}

// MARK: Descent

extension ClusterBalance {
  /// Heaviest expert first onto the lightest cluster with room, then moves and swaps of experts
  /// while any makes the objective smaller, or leaves it and makes the sum of squares smaller.
  func descended() -> [Int] {
    var cluster = [Int](repeating: 0, count: experts)
    var sums = [Double](repeating: 0, count: clusters)
    var counts = [Int](repeating: 0, count: clusters)
    for (position, expert) in heaviestFirst.enumerated() {
      let missing = counts.reduce(0) { $0 + max(0, sizes.lowerBound - $1) }
      let mustFill = missing >= experts - position
      let open = (0..<clusters).filter {
        counts[$0] < (mustFill ? sizes.lowerBound : sizes.upperBound)
      }
      let lightest = open.min { (sums[$0], $0) < (sums[$1], $1) } ?? 0
      cluster[expert] = lightest
      sums[lightest] += loads[expert]
      counts[lightest] += 1
    }
    let mean = mean
    let (rounding, total) = (rounding, total)
    let least = 1e-9 * total
    /// Whether taking `load` from one cluster to another is better, and does it then.
    func shift(_ load: Double, from: Int, to: Int) -> Bool {
      let left = sums[from] - load
      let right = sums[to] + load
      let change =
        abs(left - mean) + abs(right - mean) - abs(sums[from] - mean) - abs(sums[to] - mean)
      let squares = left * left + right * right - sums[from] * sums[from] - sums[to] * sums[to]
      guard
        change < -least || (change <= rounding && squares < -least * total)
      else { return false }
      sums[from] = left
      sums[to] = right
      return true
    }
    var isBetter = true
    while isBetter {
      isBetter = false
      for expert in 0..<experts {
        for other in 0..<clusters where other != cluster[expert] {
          let from = cluster[expert]
          guard counts[from] > sizes.lowerBound, counts[other] < sizes.upperBound,
            shift(loads[expert], from: from, to: other)
          else { continue }
          counts[from] -= 1
          counts[other] += 1
          cluster[expert] = other
          isBetter = true
        }
        for other in 0..<expert where cluster[other] != cluster[expert] {
          guard
            shift(loads[expert] - loads[other], from: cluster[expert], to: cluster[other])
          else { continue }
          cluster.swapAt(expert, other)
          isBetter = true
        }
      }
    }
    return cluster
  }

  private var heaviestFirst: [Int] {
    loads.indices.sorted { (-loads[$0], $0) < (-loads[$1], $1) }
  }

  private func clusterLoads(of clusterOfExpert: [Int]) -> [Double] {
    var sums = [Double](repeating: 0, count: clusters)
    for (load, cluster) in zip(loads, clusterOfExpert) { sums[cluster] += load }
    return sums
  }

  /// The same clusters, the one of expert 0 named 0, the next new one 1, and so on.
  static func inOrder(_ clusterOfExpert: [Int]) -> [Int] {
    var names: [Int: Int] = [:]
    return clusterOfExpert.map { cluster in
      if let name = names[cluster] { return name }
      names[cluster] = names.count
      return names.count - 1
    }
  }
}

// MARK: Enumeration

extension ClusterBalance {
  /// The best clusters of all, or `best` where none are better; `nil` where that is not known after
  /// `mostSteps`.
  ///
  /// Experts in falling order of load go into each cluster that has any, and one that has none. What
  /// clusters are above the mean by now, they and others will differ by in the end.
  func enumerated(betterThan best: [Int], mostSteps: Int) -> [Int]? {
    var search = Enumeration(self, order: heaviestFirst, best: best, mostSteps: mostSteps)
    return search.place(0, excess: 0, used: 0, missing: clusters * sizes.lowerBound)
      ? search.best : nil
  }

  private struct Enumeration {
    let balance: ClusterBalance
    let order: [Int]
    let mean: Double
    let rounding: Double
    var best: [Int]
    var bestExcess: Double
    var cluster: [Int]
    var sums: [Double]
    var counts: [Int]
    var stepsLeft: Int

    init(_ balance: ClusterBalance, order: [Int], best: [Int], mostSteps: Int) {
      self.balance = balance
      self.order = order
      self.best = best
      mean = balance.mean
      rounding = balance.rounding
      bestExcess = balance.objective(of: best) / 2
      cluster = [Int](repeating: 0, count: balance.experts)
      sums = [Double](repeating: 0, count: balance.clusters)
      counts = [Int](repeating: 0, count: balance.clusters)
      stepsLeft = mostSteps
    }

    /// Places the experts from `position` on in all ways that could be better; `false` where the
    /// steps ran out. `excess` is what clusters are above the mean by, `missing` how many experts
    /// the clusters need to reach their least sizes.
    mutating func place(_ position: Int, excess: Double, used: Int, missing: Int) -> Bool {
      guard position < order.count else {
        bestExcess = excess
        best = cluster
        return true
      }
      let expert = order[position]
      let load = balance.loads[expert]
      for to in 0..<min(used + 1, balance.clusters) {
        let count = counts[to]
        let needed = missing - (count < balance.sizes.lowerBound ? 1 : 0)
        let sum = sums[to]
        let more = excess + max(0, sum + load - mean) - max(0, sum - mean)
        guard count < balance.sizes.upperBound, needed <= order.count - position - 1,
          more < bestExcess - rounding
        else { continue }
        guard stepsLeft > 0 else { return false }
        stepsLeft -= 1
        cluster[expert] = to
        sums[to] = sum + load
        counts[to] = count + 1
        let isDone = place(
          position + 1, excess: more, used: max(used, to + 1), missing: needed)
        sums[to] = sum
        counts[to] = count
        if !isDone { return false }
      }
      return true
    }
  }
}

// MARK: The program

extension ClusterBalance {
  /// The program itself: `x<expert>_<cluster>` and `d<cluster>`, the distance from the mean.
  ///
  /// - Parameter ordered: whether the i-th heaviest expert is kept in the first i clusters, which
  ///   leaves out copies of solutions with other names.
  public func program(ordered: Bool = false) -> IntegerProgram {
    var program = IntegerProgram("balance")
    add(to: &program, suffix: "", unit: unit, ordered: ordered)
    program.unit = unit
    return program
  }

  /// One program for several layers: the published sum over layers. Columns and rows of layer l
  /// end in `_l`.
  public static func program(layers: [ClusterBalance]) -> IntegerProgram {
    var program = IntegerProgram("balance")
    program.unit = layers.map(\.unit).max() ?? 1
    for (position, layer) in layers.enumerated() {
      layer.add(to: &program, suffix: "_\(position)", unit: program.unit, ordered: false)
    }
    return program
  }

  private func add(
    to program: inout IntegerProgram, suffix: String, unit: Double, ordered: Bool
  ) {
    let first = program.columns.count
    for expert in 0..<experts {
      for cluster in 0..<clusters { program.addBinary("x\(expert)_\(cluster)\(suffix)") }
    }
    func x(_ expert: Int, _ cluster: Int) -> Int { first + expert * clusters + cluster }
    if ordered {
      for (position, expert) in heaviestFirst.enumerated() where position + 1 < clusters {
        for cluster in (position + 1)..<clusters { program.fix(x(expert, cluster), at: 0) }
      }
    }
    for expert in 0..<experts {
      program.addRow(
        "one\(expert)\(suffix)", (0..<clusters).map { (x(expert, $0), 1) }, .equal, 1)
    }
    for cluster in 0..<clusters {
      let distance = program.addContinuous("d\(cluster)\(suffix)", cost: 1)
      let members = (0..<experts).map { (column: x($0, cluster), factor: 1.0) }
      let load = (0..<experts).map { (column: x($0, cluster), factor: loads[$0] / unit) }
      program.addRow("least\(cluster)\(suffix)", members, .atLeast, Double(sizes.lowerBound))
      if sizes.upperBound < experts {
        program.addRow("most\(cluster)\(suffix)", members, .atMost, Double(sizes.upperBound))
      }
      program.addRow(
        "above\(cluster)\(suffix)", load + [(distance, -1)], .atMost, mean / unit)
      program.addRow(
        "below\(cluster)\(suffix)", load + [(distance, 1)], .atLeast, mean / unit)
    }
  }

  /// A power of two that brings loads to thousands; 1 where they are whole and of such a size.
  private var unit: Double {
    let isWhole = loads.allSatisfy { $0 == $0.rounded() }
    return IntegerProgram.unit(largest: loads.max() ?? 0, isWhole: isWhole)
  }

  private func solve(
    _ best: inout [Int], _ outcome: inout ProgramOutcome, with solver: IntegerSolver,
    seconds: Double
  ) {
    let program = program(ordered: true)
    do {
      let solution = try solver.solve(
        program, seconds: seconds, start: values(best, in: program))
      if let bound = solution.bound { outcome.bound = max(outcome.bound, bound * program.unit) }
      guard !solution.values.isEmpty else {
        outcome.remark = "\(solution.solver) found no clusters in time; these are from descent"
        return
      }
      let found = (0..<experts).map { expert in
        (0..<clusters).first { solution.values[expert * clusters + $0] == 1 } ?? 0
      }
      if objective(of: found) < objective(of: best) {
        best = found
        outcome.method = .solver
      }
      if solution.status == .optimal { outcome.method = .solver }
      outcome.status = solution.status
      outcome.objective = objective(of: best)
      outcome.bound = min(outcome.bound, objective(of: best))
      if solution.status != .optimal {
        outcome.remark = "\(solution.solver) did not prove an optimum in time"
      }
    } catch {
      outcome.remark = error.sentence
    }
  }

  /// The values of all columns for some clusters, renamed to where the program has them.
  private func values(_ clusterOfExpert: [Int], in program: IntegerProgram) -> [Double] {
    var names: [Int: Int] = [:]
    for expert in heaviestFirst where names[clusterOfExpert[expert]] == nil {
      names[clusterOfExpert[expert]] = names.count
    }
    var values = [Double](repeating: 0, count: program.columns.count)
    var sums = [Double](repeating: 0, count: clusters)
    for expert in 0..<experts {
      let cluster = names[clusterOfExpert[expert]] ?? 0
      values[expert * clusters + cluster] = 1
      sums[cluster] += loads[expert]
    }
    for cluster in 0..<clusters {
      values[experts * clusters + cluster] = abs(sums[cluster] - mean) / program.unit
    }
    return values
  }
}

extension IntegerProgram {
  /// The power of two that brings the largest number of an objective to between 4096 and 8192, so
  /// that tolerances of 1e-6 and three printed decimals do no harm; 1 for whole numbers up to a
  /// million, whose differences solvers make use of.
  static func unit(largest: Double, isWhole: Bool = false) -> Double {
    if isWhole && largest <= 1e6 || largest <= 0 { return 1 }
    return Double(sign: .plus, exponent: largest.exponent - 12, significand: 1)
  }
}
