/// The second program as a MIP, its products of two choices linearised.
extension ClusterAssignment {
  /// `y<layer>_<cluster>_<group>` says where a cluster is, `z<pair>_<this>_<group>_<next>_<group>` is
  /// the product of two of them, `m<pair>` the seconds of the slowest pair of groups.
  ///
  /// The products are tied to their factors by sums: whatever is on group g, exactly one cluster of
  /// the next layer is on h. That is as many rows as z <= y needs, and its relaxation is tighter.
  public func program() -> IntegerProgram {
    var program = IntegerProgram("assignment")
    let largest = (tokens.max() ?? 0) * secondsAcrossNodes
    let unit = IntegerProgram.unit(largest: largest)
    program.unit = unit
    for layer in 0..<layers {
      for cluster in 0..<groups {
        for group in 0..<groups { program.addBinary("y\(layer)_\(cluster)_\(group)") }
      }
    }
    for layer in 0..<layers {
      for one in 0..<groups {
        program.addRow(
          "cluster\(layer)_\(one)", (0..<groups).map { (y(layer, one, $0), 1) }, .equal, 1)
        program.addRow(
          "group\(layer)_\(one)", (0..<groups).map { (y(layer, $0, one), 1) }, .equal, 1)
      }
    }
    for pair in 0..<layers - 1 { addPair(pair, to: &program) }
    if !hasEqualSizes {
      let share = Double(sizes[0].reduce(0, +) * layers) / Double(groups)
      for group in 0..<groups {
        let terms = (0..<layers).flatMap { layer in
          (0..<groups).map { (y(layer, $0, group), Double(sizes[layer][$0])) }
        }
        program.addRow("memory\(group)", terms, .equal, share)
      }
    }
    return program
  }

  private func y(_ layer: Int, _ cluster: Int, _ group: Int) -> Int {
    (layer * groups + cluster) * groups + group
  }

  private func addPair(_ pair: Int, to program: inout IntegerProgram) {
    let slowest = program.addContinuous("m\(pair)", cost: 1)
    let first = program.columns.count
    func z(_ this: Int, _ group: Int, _ next: Int, _ other: Int) -> Int {
      first + ((this * groups + group) * groups + next) * groups + other
    }
    for this in 0..<groups {
      for group in 0..<groups {
        for next in 0..<groups {
          for other in 0..<groups {
            program.addContinuous("z\(pair)_\(this)_\(group)_\(next)_\(other)")
          }
        }
      }
    }
    for cluster in 0..<groups {
      for group in 0..<groups {
        for other in 0..<groups {
          program.addRow(
            "from\(pair)_\(cluster)_\(group)_\(other)",
            (0..<groups).map { (z(cluster, group, $0, other), 1) }
              + [(y(pair, cluster, group), -1)], .equal, 0)
          program.addRow(
            "to\(pair)_\(cluster)_\(group)_\(other)",
            (0..<groups).map { (z($0, other, cluster, group), 1) }
              + [(y(pair + 1, cluster, group), -1)], .equal, 0)
        }
      }
    }
    for group in 0..<groups {
      for other in 0..<groups where other != group {
        let scale = seconds(from: group, to: other) / program.unit
        var terms: [(column: Int, factor: Double)] = [(slowest, -1)]
        for this in 0..<groups {
          for next in 0..<groups {
            terms.append((z(this, group, next, other), token(pair, this, next) * scale))
          }
        }
        program.addRow("slowest\(pair)_\(group)_\(other)", terms, .atMost, 0)
      }
    }
  }

  /// The values of all columns of ``program()`` for some assignment.
  func values(of groupOfCluster: [[Int]], in program: IntegerProgram) -> [Double] {
    var values: [Double] = []
    values.reserveCapacity(program.columns.count)
    for layer in groupOfCluster {
      for group in layer { values += (0..<groups).map { $0 == group ? 1 : 0 } }
    }
    for pair in 0..<layers - 1 {
      let (from, to) = (groupOfCluster[pair], groupOfCluster[pair + 1])
      values.append(seconds(pair: pair, from: from, to: to) / program.unit)
      for this in from {
        for group in 0..<groups {
          for next in to {
            for other in 0..<groups { values.append(this == group && next == other ? 1 : 0) }
          }
        }
      }
    }
    return values
  }

  /// Improves an assignment, or finds one, by a MIP solver.
  func solve(
    _ groupOfCluster: inout [[Int]]?, _ outcome: inout ProgramOutcome,
    with solver: IntegerSolver, seconds: Double
  ) {
    let program = program()
    do {
      let solution = try solver.solve(
        program, seconds: seconds,
        start: groupOfCluster.map { values(of: $0, in: program) })
      if solution.status == .infeasible {
        outcome.status = .infeasible
        outcome.method = .solver
        outcome.bound = .infinity
        outcome.remark = "no assignment of these clusters has equally many experts on every group"
        return
      }
      if let bound = solution.bound { outcome.bound = max(outcome.bound, bound * program.unit) }
      guard !solution.values.isEmpty else {
        outcome.remark = "\(solution.solver) found no assignment in time"
        return
      }
      let found = (0..<layers).map { layer in
        (0..<groups).map { cluster in
          (0..<groups).first { solution.values[y(layer, cluster, $0)] == 1 } ?? 0
        }
      }
      let objective = objective(of: found)
      if objective < outcome.objective ?? .infinity {
        groupOfCluster = found
        outcome.objective = objective
        outcome.method = .solver
      }
      outcome.status = solution.status
      outcome.bound = min(outcome.bound, outcome.objective ?? objective)
      if solution.status == .optimal {
        outcome.method = .solver
      } else {
        outcome.remark = "\(solution.solver) did not prove an optimum in time"
      }
    } catch {
      outcome.remark = error.sentence
    }
  }
}
