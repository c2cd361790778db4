import Placement
import Statistics
import Testing

private let solvers = IntegerSolver.Kind.allCases.compactMap { try? IntegerSolver.installed([$0]) }

/// A problem of microseconds with transitions, on nodes of 2 where there are more groups.
private func problem(
  layers: Int = 3, experts: Int = 4, groups: Int = 2, perNode: Int? = nil, slots: Int? = nil,
  windows: Int = 2, seed: UInt64
) throws -> PlacementProblem {
  var random = RandomStream(seed: seed, name: "problem")
  func numbers(_ count: Int, _ unit: Double) -> [Double] {
    (0..<count).map { _ in Double(1 + random.below(100)) * unit }
  }
  var problem = try PlacementProblem(
    layers: layers, experts: experts, groups: groups, groupsPerNode: perNode, slotsPerGroup: slots,
    work: numbers(windows * layers * experts, 1e-6))
  problem.transitions = numbers((layers - 1) * experts * experts, 1)
  problem.secondsInNode = 1e-8
  problem.secondsAcrossNodes = 4e-8
  return problem
}

/// All placements of one layer that keep the slots.
private func allLayers(_ problem: PlacementProblem) -> [[Int]] {
  var found: [[Int]] = [[]]
  for _ in 0..<problem.experts {
    found = found.flatMap { layer in
      (0..<problem.groups).compactMap { group in
        layer.count { $0 == group } < problem.slotsPerGroup ? layer + [group] : nil
      }
    }
  }
  return found
}

private func leastCost(_ problem: PlacementProblem) -> Double {
  let layers = allLayers(problem)
  var paths: [[[[Int]]]] = [[]]
  for _ in 0..<problem.layers {
    paths = paths.flatMap { path in layers.map { path + [$0.map { [$0] }] } }
  }
  return paths.map {
    PlacementCost(of: ExpertPlacement(groups: problem.groups, hosts: $0), in: problem).total
  }.min() ?? -1
}

@Test func moetunerReachesBothOptimaAndItsPlacementHasThem() throws {
  // Eight experts in clusters of 2, and seven in three of 2 and one of 1, over four layers on 4 groups.
  for (experts, seed) in [(8, 0), (8, 1), (8, 2), (7, 3), (7, 4)] as [(Int, UInt64)] {
    for perNode in [nil, 2] {
      let problem = try problem(
        layers: 4, experts: experts, groups: 4, perNode: perNode, seed: seed)
      let tuned = try MoETunerPlacement(problem)
      #expect(tuned.balance.status == .optimal && tuned.assignment.status == .optimal)
      let memory = (0..<4).map { group in
        (0..<4).reduce(0) { $0 + tuned.placement.copies(layer: $1, group: group) }
      }
      #expect(memory == [experts, experts, experts, experts])
      // What the programs say is what the placement costs.
      let work = problem.meanWork
      var distance = 0.0
      for layer in 0..<4 {
        var sums = [Double](repeating: 0, count: 4)
        for expert in 0..<experts {
          sums[tuned.placement.hosts[layer][expert][0]] += work[layer * experts + expert]
        }
        let mean = sums.reduce(0, +) / 4
        distance += sums.reduce(0) { $0 + abs($1 - mean) }
      }
      #expect(abs(distance - (tuned.balance.objective ?? -1)) < 1e-15)
      var bottleneck = problem
      bottleneck.objective = .bottleneck
      // Of the sum objective a fourth of what a pair of the four groups takes alone.
      bottleneck.secondsInNode *= 4
      bottleneck.secondsAcrossNodes *= 4
      let communication = PlacementCost(of: tuned.placement, in: bottleneck).communication
      #expect(abs(communication - (tuned.assignment.objective ?? -1)) < 1e-15)
    }
  }
}

@Test func withoutEqualMemoryThePlacementSaysSo() throws {
  // Clusters of 2 and 3 in one layer: 9 and nothing are as heavy as 3 and 3 and 3.
  let problem = try PlacementProblem(layers: 1, experts: 5, groups: 2, work: [9, 3, 3, 3, 0])
  let tuned = try MoETunerPlacement(problem)
  #expect(tuned.balance.objective == 0)
  #expect(tuned.assignment.status == .infeasible)
  #expect(tuned.assignment.remark == "5 experts in 1 layers do not divide among 2 expert groups")
  #expect(tuned.placement.hosts == [[[0], [1], [1], [1], [0]]])
}

@Test func whatMoETunerDoesNotKnowIsRefused() throws {
  func sentence(_ problem: PlacementProblem) -> String {
    do {
      _ = try MoETunerPlacement(problem)
      return ""
    } catch { return error.sentence }
  }
  var pinned = try problem(seed: 1)
  pinned.pinned = [.init(layer: 0, expert: 0, group: 0)]
  #expect(sentence(pinned) == "MoETuner knows no pinned or forbidden places")
  let few = try PlacementProblem(layers: 1, experts: 2, groups: 4, work: [1, 2])
  #expect(sentence(few) == "MoETuner needs an expert for each of 4 groups; a layer has 2")
  let redundant = try PlacementProblem(
    layers: 1, experts: 2, groups: 2, redundant: 2, work: [1, 2])
  #expect(sentence(redundant) == "MoETuner places no redundant experts")
}

// MARK: The joint program

@Test func theJointProgramCostsWhatThePlacementCosts() throws {
  var random = RandomStream(seed: 1, name: "placements")
  for (groups, perNode, slots) in [(2, nil, nil), (4, 2, 3), (4, 1, nil), (4, 2, nil)] {
    let problem = try problem(
      layers: 3, experts: 8, groups: groups, perNode: perNode, slots: slots, seed: 7)
    for form in JointProgram.Form.allCases {
      let joint = try JointProgram(problem, form: form)
      for _ in 0..<10 {
        var hosts: [[[Int]]] = []
        for _ in 0..<3 {
          var layer = (0..<8).map { $0 % groups }
          for place in stride(from: 7, to: 0, by: -1) {
            layer.swapAt(place, random.below(place + 1))
          }
          hosts.append(layer.map { [$0] })
        }
        let placement = ExpertPlacement(groups: groups, hosts: hosts)
        let values = joint.values(of: placement)
        #expect(joint.program.firstBroken(by: values) == nil)
        let objective = joint.program.objective(of: values) * joint.program.unit
        let cost = PlacementCost(of: placement, in: problem).total
        #expect(abs(objective - cost) < 1e-9 * cost)
        let renamed = joint.placement(from: values)
        #expect(joint.values(of: renamed) == values)
        #expect(abs(PlacementCost(of: renamed, in: problem).total - cost) < 1e-9 * cost)
        #expect(renamed.hosts[0][0] == [0])
      }
    }
  }
}

@Test func pinnedAndForbiddenPlacesAreFixed() throws {
  var problem = try problem(layers: 1, seed: 2)
  problem.pinned = [.init(layer: 0, expert: 1, group: 1)]
  problem.forbidden = [.init(layer: 0, expert: 2, group: 0)]
  let joint = try JointProgram(problem, form: .compact)
  let lines = joint.program.mps.split(separator: "\n")
  #expect(lines.contains(" FX BOUND x0_1_1 1"))
  #expect(lines.contains(" FX BOUND x0_2_0 0"))
  let contiguous = try ExpertPlacement.contiguous(layers: 1, experts: 4, groups: 2)
  #expect(joint.program.firstBroken(by: joint.values(of: contiguous)) == "x0_1_1")
}

@Test func whatTheJointProgramDoesNotExpressIsRefused() throws {
  func sentence(_ problem: PlacementProblem) -> String {
    do {
      _ = try JointProgram(problem, form: .products)
      return ""
    } catch { return error.sentence }
  }
  var bottleneck = try problem(seed: 1)
  bottleneck.objective = .bottleneck
  #expect(
    sentence(bottleneck)
      == "the integer program is for the sum objective with transition traffic only")
  let large = try problem(layers: 10, experts: 256, groups: 64, perNode: 8, seed: 1)
  #expect(
    sentence(large)
      == "the integer program would have 84934656 terms; at most 60000000 are built")
}

@Test(.enabled(if: !solvers.isEmpty, "no MIP solver is installed"))
func solversFindTheBestPlacementOfAll() throws {
  for problem in [
    try problem(layers: 3, experts: 4, groups: 2, seed: 3),
    try problem(layers: 2, experts: 4, groups: 4, perNode: 2, windows: 1, seed: 4),
    try problem(layers: 2, experts: 4, groups: 2, slots: 3, seed: 5),
  ] {
    let best = leastCost(problem)
    for solver in solvers {
      for form in JointProgram.Form.allCases {
        let joint = try JointProgram(problem, form: form)
        let start = try ExpertPlacement.contiguous(
          layers: problem.layers, experts: problem.experts, groups: problem.groups)
        let solution = try solver.solve(
          joint.program, seconds: 30, start: joint.values(of: start))
        #expect(solution.status == .optimal)
        let found = joint.placement(from: solution.values)
        #expect(abs(PlacementCost(of: found, in: problem).total - best) < 1e-6 * best)
        #expect(abs((solution.bound ?? -1) * joint.program.unit - best) < 1e-6 * best)
      }
    }
  }
}
