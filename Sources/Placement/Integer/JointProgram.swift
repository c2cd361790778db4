/// The whole placement problem as a MIP: for solvers to check, and to be measured against.
///
///     let joint = try JointProgram(problem, form: .products)
///     let solution = try solver.solve(joint.program, seconds: 60, start: joint.values(of: start))
///     let placement = joint.placement(from: solution.values)
///
/// `x<layer>_<expert>_<group>` says where an expert is, `m<window>_<layer>` is the work of the slowest
/// group. Groups of a node, and nodes, are alike; where no places are pinned or forbidden they are named
/// by the experts of the first layer, so that a placement does not come again with other names.
/// A token that moves pays at each *level* whose blocks it leaves: for leaving its group what a
/// move within a node costs, and for leaving its node what a move across nodes costs more. Only the
/// sum objective with transition traffic, without replicas.
public struct JointProgram: Sendable {
  /// How the products of two choices, that a token's expert and its next one are in the same block,
  /// become linear.
  public enum Form: String, Hashable, Sendable, CaseIterable {
    /// A column for each product, tied to its factors by sums over either expert (a first-level
    /// reformulation: Adams and Sherali, Management Science 32, 1986). Large; its relaxation is as good
    /// as the transportation bound.
    case products
    /// One column for each expert, what its tokens pay when they leave, and one row for each block
    /// (Kaufman and Broeckx, European Journal of Operational Research 2, 1978). Small; its relaxation
    /// knows nothing of traffic.
    case compact
  }

  public let form: Form
  public private(set) var program: IntegerProgram
  let problem: PlacementProblem
  private let levels: [Level]

  /// Blocks of as many consecutive groups, and seconds for each token that leaves one.
  private struct Level {
    let name: String
    let width: Int
    let blocks: Int
    let seconds: Double
  }

  /// The most terms of rows that are built: about two gigabytes.
  public static let mostTerms = 60_000_000

  /// - Throws: ``PlacementProblemError/misfit(_:)`` where the problem has what the program does not
  ///   express, or the program would have more than ``mostTerms`` terms.
  public init(_ problem: PlacementProblem, form: Form) throws(PlacementProblemError) {
    guard !problem.hasReplicas else {
      throw .misfit("the integer program has no redundant experts")
    }
    guard problem.objective == .sum, !problem.countsSets else {
      throw .misfit("the integer program is for the sum objective with transition traffic only")
    }
    self.problem = problem
    self.form = form
    levels = problem.countsTransitions ? Self.levels(of: problem) : []
    program = IntegerProgram("joint")
    let terms = termsOfTraffic
    guard terms <= Self.mostTerms else {
      throw .misfit(
        "the integer program would have \(terms) terms; at most \(Self.mostTerms) are built")
    }
    let moved = problem.countsTransitions ? problem.transitions.max() ?? 0 : 0
    let largest = max(
      problem.work.max() ?? 0, moved * (levels.map(\.seconds).max() ?? 0))
    program.unit = IntegerProgram.unit(largest: largest)
    addPlaces()
    addWork()
    for pair in 0..<problem.layers - 1 {
      for level in levels {
        switch form {
        case .products: addProducts(pair, level)
        case .compact: addCompact(pair, level)
        }
      }
    }
    if form == .products { program.addConstant(tokensMovedAtMost / program.unit) }
  }

  /// The placement that the program's values say.
  public func placement(from values: [Double]) -> ExpertPlacement {
    ExpertPlacement(
      groups: problem.groups,
      hosts: (0..<problem.layers).map { layer in
        (0..<problem.experts).map { expert in
          (0..<problem.groups).filter { values[x(layer, expert, $0)] > 0.5 }
        }
      })
  }

  /// The values of all columns for a placement without replicas, whose groups get the names that the
  /// program has for them.
  public func values(of placement: ExpertPlacement) -> [Double] {
    let name = names(of: placement)
    let group = placement.groupOfExpert.map { name[Int($0)] }
    let (layers, experts) = (problem.layers, problem.experts)
    var values: [Double] = []
    values.reserveCapacity(program.columns.count)
    for place in group { values += (0..<problem.groups).map { $0 == place ? 1 : 0 } }
    for window in 0..<problem.windows {
      for layer in 0..<layers {
        var sums = [Double](repeating: 0, count: problem.groups)
        for expert in 0..<experts {
          sums[group[layer * experts + expert]] +=
            problem.work[(window * layers + layer) * experts + expert]
        }
        values.append((sums.max() ?? 0) / program.unit)
      }
    }
    for pair in 0..<layers - 1 {
      let tokens = Array(problem.countsTransitions ? problem.transition(pair) : [])
      for level in levels {
        for this in 0..<experts {
          let block = group[pair * experts + this] / level.width
          let next = (0..<experts).map { group[(pair + 1) * experts + $0] / level.width }
          switch form {
          case .products:
            for other in next {
              for at in 0..<level.blocks { values.append(block == at && other == at ? 1 : 0) }
            }
          case .compact:
            let leaving = (0..<experts).reduce(0) {
              $0 + (next[$1] == block ? 0 : tokens[this * experts + $1])
            }
            values.append(leaving * level.seconds / program.unit)
          }
        }
      }
    }
    if form == .products { values.append(1) }
    return values
  }
}

extension JointProgram {
  private static func levels(of problem: PlacementProblem) -> [Level] {
    let (inside, across) = (problem.secondsInNode, problem.secondsAcrossNodes)
    let (groups, perNode) = (problem.groups, problem.groupsPerNode)
    let all: [Level]
    if problem.nodes == 1 {
      all = [Level(name: "g", width: 1, blocks: groups, seconds: inside)]
    } else if perNode == 1 {
      all = [Level(name: "g", width: 1, blocks: groups, seconds: across)]
    } else {
      all = [
        Level(name: "g", width: 1, blocks: groups, seconds: inside),
        Level(name: "n", width: perNode, blocks: problem.nodes, seconds: across - inside),
      ]
    }
    return all.filter { $0.seconds > 0 }
  }

  private func x(_ layer: Int, _ expert: Int, _ group: Int) -> Int {
    (layer * problem.experts + expert) * problem.groups + group
  }

  /// Terms of the rows of traffic, about.
  private var termsOfTraffic: Int {
    let pairs = (problem.layers - 1) * problem.experts * problem.experts
    return levels.reduce(0) {
      $0 + pairs * (form == .products ? 2 * $1.blocks : problem.groups)
    }
  }

  /// Seconds if all tokens left their blocks.
  private var tokensMovedAtMost: Double {
    guard !levels.isEmpty else { return 0 }
    return problem.transitions.reduce(0, +) * levels.reduce(0) { $0 + $1.seconds }
  }

  /// Where experts are: once each, and no more on a group than it has slots.
  private mutating func addPlaces() {
    let (experts, groups) = (problem.experts, problem.groups)
    for layer in 0..<problem.layers {
      for expert in 0..<experts {
        for group in 0..<groups { program.addBinary("x\(layer)_\(expert)_\(group)") }
      }
    }
    if namesGroups {
      for expert in 0..<experts {
        for group in 0..<groups
        where problem.node(ofGroup: group) > expert || group % problem.groupsPerNode > expert {
          program.fix(x(0, expert, group), at: 0)
        }
      }
    }
    for place in problem.forbidden { program.fix(x(place.layer, place.expert, place.group), at: 0) }
    for place in problem.pinned { program.fix(x(place.layer, place.expert, place.group), at: 1) }
    for layer in 0..<problem.layers {
      for expert in 0..<experts {
        program.addRow(
          "one\(layer)_\(expert)", (0..<groups).map { (x(layer, expert, $0), 1) }, .equal, 1)
      }
      for group in 0..<groups {
        program.addRow(
          "slots\(layer)_\(group)", (0..<experts).map { (x(layer, $0, group), 1) },
          isFull ? .equal : .atMost, Double(problem.slotsPerGroup))
      }
    }
  }

  /// Whether groups are alike, so that the first layer may name them: its expert e is in one of the
  /// first e + 1 nodes, on one of the first e + 1 groups of it.
  private var namesGroups: Bool { problem.pinned.isEmpty && problem.forbidden.isEmpty }

  /// The program's names of a placement's groups: nodes, and groups of each node, in the order in which
  /// the first layer's experts come to them.
  private func names(of placement: ExpertPlacement) -> [Int] {
    guard namesGroups else { return Array(0..<problem.groups) }
    let perNode = problem.groupsPerNode
    var nodes: [Int] = []
    var groups = [[Int]](repeating: [], count: problem.nodes)
    // Those that the first layer leaves empty come last, in order.
    for group in placement.hosts[0].map({ $0[0] }) + Array(0..<problem.groups) {
      let node = group / perNode
      if !nodes.contains(node) { nodes.append(node) }
      if !groups[node].contains(group) { groups[node].append(group) }
    }
    var names = [Int](repeating: 0, count: problem.groups)
    for (position, node) in nodes.enumerated() {
      for (place, group) in groups[node].enumerated() { names[group] = position * perNode + place }
    }
    return names
  }

  /// Whether all slots are taken, so that sums over a block's experts are known.
  private var isFull: Bool { problem.copies == problem.slotsPerLayer }

  /// The slowest group of each window and layer.
  private mutating func addWork() {
    for window in 0..<problem.windows {
      for layer in 0..<problem.layers {
        let slowest = program.addContinuous(
          "m\(window)_\(layer)", cost: problem.windowWeights[window])
        let first = (window * problem.layers + layer) * problem.experts
        for group in 0..<problem.groups {
          let work = (0..<problem.experts).map {
            (column: x(layer, $0, group), factor: problem.work[first + $0] / program.unit)
          }
          program.addRow("work\(window)_\(layer)_\(group)", work + [(slowest, -1)], .atMost, 0)
        }
      }
    }
  }

  /// `y<pair><level>_<this>_<next>_<block>`: both experts are in the block, which saves the tokens
  /// between them the way.
  private mutating func addProducts(_ pair: Int, _ level: Level) {
    let experts = problem.experts
    let tokens = Array(problem.transition(pair))
    let first = program.columns.count
    let name = "\(pair)\(level.name)"
    for this in 0..<experts {
      for next in 0..<experts {
        let saved = tokens[this * experts + next] * level.seconds / program.unit
        for block in 0..<level.blocks {
          program.addContinuous("y\(name)_\(this)_\(next)_\(block)", cost: -saved, upper: 1)
        }
      }
    }
    let room = Double(problem.slotsPerGroup * level.width)
    let sense: IntegerProgram.Sense = isFull ? .equal : .atMost
    for expert in 0..<experts {
      for block in 0..<level.blocks {
        func y(_ this: Int, _ next: Int) -> Int {
          first + (this * experts + next) * level.blocks + block
        }
        func places(_ layer: Int) -> [(column: Int, factor: Double)] {
          (0..<level.width).map { (x(layer, expert, block * level.width + $0), -room) }
        }
        program.addRow(
          "from\(name)_\(expert)_\(block)",
          (0..<experts).map { (y(expert, $0), 1) } + places(pair), sense, 0)
        program.addRow(
          "to\(name)_\(expert)_\(block)",
          (0..<experts).map { (y($0, expert), 1) } + places(pair + 1), sense, 0)
      }
    }
  }

  /// `t<pair><level>_<expert>`: what the expert's tokens pay for leaving its block. The row of a block
  /// that the expert is not in says nothing.
  private mutating func addCompact(_ pair: Int, _ level: Level) {
    let experts = problem.experts
    let tokens = Array(problem.transition(pair))
    for expert in 0..<experts {
      let name = "\(pair)\(level.name)_\(expert)"
      let paid = program.addContinuous("t\(name)", cost: 1)
      let row = (0..<experts).map {
        tokens[expert * experts + $0] * level.seconds / program.unit
      }
      let all = row.reduce(0, +)
      for block in 0..<level.blocks {
        // paid >= sum of row x (1 - next in block) - all x (1 - expert in block)
        var terms: [(column: Int, factor: Double)] = [(paid, 1)]
        for group in block * level.width..<(block + 1) * level.width {
          terms.append((x(pair, expert, group), -all))
          for next in 0..<experts { terms.append((x(pair + 1, next, group), row[next])) }
        }
        program.addRow("leave\(name)_\(block)", terms, .atLeast, 0)
      }
    }
  }
}
