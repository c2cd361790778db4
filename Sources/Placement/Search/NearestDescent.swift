import Foundation
import Statistics

/// Swap descent, and annealing, where tokens return home and take the nearest of an expert's copies: on the
/// ports that each home's tokens cross, and on the work that they bring to each copy, both exact. A search by
/// pairs knows even shares only.
struct NearestDescent: SwapDescent {
  let state: SearchState
  private let problem: PlacementProblem
  private let sets: ExpertSets
  private let setsOfExpert: SetsOfExpert
  private let price: HomePrice
  private var layers: [Layer] = []

  /// What a layer's placement comes to.
  private struct Layer {
    /// `[expert]`, in order.
    var hosts: [[Int]]
    /// The group that a home's tokens go to, as a bit: `[expert][home]`.
    var targets: [UInt64]
    /// The bit of experts with one copy, which all homes go to; none of others. `[expert]`
    var single: [UInt64]
    /// Tokens that take each expert.
    let tokens: [Double]
    /// Tokens of each home that visit each group, `[home][group]`, and each node.
    var visits: [Double]
    var nodeVisits: [Double]
    var measures: Measures
  }

  private struct Measures {
    var ports: HomePorts
    /// Seconds of work, `[window][group]`.
    var loads: [Double]
    var seconds = 0.0
  }

  /// An expert's new places, and where each home's tokens went before.
  private struct Move {
    var expert: Int
    var hosts: [Int]
    var old: [UInt64]
    var targets: [UInt64]
  }

  /// What a swap makes of a layer.
  private struct Swap {
    var moves: [Move]
    /// Visits more than before, of the same shapes.
    var visits: [Double]
    var nodeVisits: [Double]
    var measures: Measures
  }

  /// Groups that tokens visit are the bits of a word.
  private static let mostGroups = 64
  private static let mostGlancesPerPair = 16

  static func appliesTo(_ problem: PlacementProblem) -> Bool {
    problem.traffic == .home && problem.sets != nil && problem.hasReplicas
      && problem.replicaChoice == .nearest && problem.groups <= mostGroups
  }

  /// `nil` where it does not apply, or the state's placement is not admitted.
  init?(_ state: SearchState) {
    let problem = state.tables.problem
    guard Self.appliesTo(problem), let sets = problem.setsSent else { return nil }
    self.state = state
    self.problem = problem
    self.sets = sets
    setsOfExpert = SetsOfExpert(sets, experts: problem.experts)
    price = HomePrice(problem)
    let placement = state.placement
    guard problem.admits(placement) else { return nil }
    let shares = CopyShares(of: placement, in: problem)
    for number in 0..<problem.layers {
      let hosts = placement.hosts[number]
      let targets = hosts.flatMap { bits($0) }
      var layer = Layer(
        hosts: hosts, targets: targets, single: hosts.map { single($0) },
        tokens: sets.tokensOfExperts(layer: number, experts: problem.experts),
        visits: [Double](repeating: 0, count: problem.groups * problem.groups),
        nodeVisits: [Double](repeating: 0, count: problem.groups * problem.nodes),
        measures: Measures(
          ports: HomePorts(problem),
          loads: (0..<problem.windows).flatMap {
            shares.loads(
              number, problem.work, problem.workPerCopy,
              first: $0 * problem.layers * problem.experts)
          }))
      addVisits(number, &layer)
      layer.measures.ports = ports(layer.visits, layer.nodeVisits)
      measure(&layer.measures)
      layers.append(layer)
    }
  }

  private func addVisits(_ number: Int, _ layer: inout Layer) {
    let (groups, nodes) = (problem.groups, problem.nodes)
    for set in sets.starts[number]..<sets.starts[number + 1] {
      let members = sets.members[set * sets.topK..<(set + 1) * sets.topK]
      let tokens = sets.tokens[set] / Double(groups)
      for home in 0..<groups {
        var visited = members.reduce(UInt64(0)) { $0 | layer.targets[Int($1) * groups + home] }
        for node in 0..<nodes where visited & mask(ofNode: node) != 0 {
          layer.nodeVisits[home * nodes + node] += tokens
        }
        while visited != 0 {
          layer.visits[home * groups + visited.trailingZeroBitCount] += tokens
          visited &= visited - 1
        }
      }
    }
  }

  private func mask(ofNode node: Int) -> UInt64 {
    (UInt64.max >> UInt64(64 - problem.groupsPerNode)) << UInt64(node * problem.groupsPerNode)
  }

  private func ports(_ visits: [Double], _ nodeVisits: [Double]) -> HomePorts {
    var ports = HomePorts(problem)
    add(visits, nodeVisits, to: &ports)
    return ports
  }

  private func add(_ visits: [Double], _ nodeVisits: [Double], to ports: inout HomePorts) {
    for home in 0..<problem.groups {
      for group in 0..<problem.groups where visits[home * problem.groups + group] != 0 {
        ports.add(visits[home * problem.groups + group], from: home, to: group)
      }
      for node in 0..<problem.nodes where nodeVisits[home * problem.nodes + node] != 0 {
        ports.add(nodeVisits[home * problem.nodes + node], from: home, toNode: node)
      }
    }
  }

  private func bits(_ hosts: [Int]) -> [UInt64] {
    problem.nearestGroups(hosts).map { 1 << UInt64($0) }
  }

  private func single(_ hosts: [Int]) -> UInt64 { hosts.count == 1 ? 1 << UInt64(hosts[0]) : 0 }

  private func measure(_ measures: inout Measures) {
    measures.seconds = seconds(measures.ports) + work(measures.loads)
  }

  private func seconds(_ ports: HomePorts) -> Double {
    price.seconds(ports.load)
  }

  /// Seconds of the slowest groups.
  private func work(_ loads: [Double]) -> Double {
    (0..<problem.windows).reduce(0) { sum, window in
      let first = window * problem.groups
      return sum + problem.windowWeights[window]
        * (loads[first..<first + problem.groups].max() ?? 0)
    }
  }

  func mayGain(_ layer: Int, _ this: Int, _ other: Int) -> Bool {
    leastChange(layer, moves(layer, this, other)) < 0
  }

  /// By the clock, on 16 groups and on 64.
  var stepsOfGlance: Int { 1500 + 2 * problem.groups * problem.groups }

  /// What a swap adds to the layer's seconds at least: as much as if the tokens of its experts left their groups
  /// and came to no others. O(groups^2).
  private func leastChange(_ number: Int, _ moves: [Move]) -> Double {
    guard !moves.isEmpty else { return 0 }
    let (groups, nodes) = (problem.groups, problem.nodes)
    var (visits, nodeVisits) = (layers[number].visits, layers[number].nodeVisits)
    for move in moves {
      let tokens = layers[number].tokens[move.expert] / Double(groups)
      for home in 0..<groups where move.old[home] != move.targets[home] {
        let cell = home * groups + move.old[home].trailingZeroBitCount
        visits[cell] = max(0, visits[cell] - tokens)
        let from = problem.node(ofGroup: move.old[home].trailingZeroBitCount)
        guard from != problem.node(ofGroup: move.targets[home].trailingZeroBitCount) else {
          continue
        }
        nodeVisits[home * nodes + from] = max(0, nodeVisits[home * nodes + from] - tokens)
      }
    }
    return work(loads(number, moves)) + seconds(ports(visits, nodeVisits))
      - layers[number].measures.seconds
  }

  /// Sets with one of the two, times groups.
  func steps(_ layer: Int, _ this: Int, _ other: Int) -> Int {
    let experts = state.swaps.expertOf + layer * state.swaps.items
    return problem.groups
      * (setsOfExpert.count(Int(experts[this]), in: layer)
        + setsOfExpert.count(Int(experts[other]), in: layer))
  }

  /// O(sets with one of the two x groups x their experts with copies).
  func change(_ layer: Int, _ this: Int, _ other: Int) -> Double {
    guard let swap = swapped(layer, moves(layer, this, other)) else { return 0 }
    return swap.measures.seconds - layers[layer].measures.seconds
  }

  mutating func swap(_ number: Int, _ this: Int, _ other: Int) {
    if let swap = swapped(number, moves(number, this, other)) { take(swap, number) }
    state.swaps.swap(number, this, other)
  }

  private mutating func take(_ swap: Swap, _ number: Int) {
    for move in swap.moves {
      layers[number].hosts[move.expert] = move.hosts
      layers[number].single[move.expert] = single(move.hosts)
      let first = move.expert * problem.groups
      for home in 0..<problem.groups {
        layers[number].targets[first + home] = move.targets[home]
      }
    }
    for (cell, tokens) in swap.visits.enumerated() { layers[number].visits[cell] += tokens }
    for (cell, tokens) in swap.nodeVisits.enumerated() {
      layers[number].nodeVisits[cell] += tokens
    }
    layers[number].measures = swap.measures
  }

  /// Where a swap takes the experts of two items, those of empty slots left out; none where it changes nothing
  /// or is not allowed.
  private func moves(_ number: Int, _ this: Int, _ other: Int) -> [Move] {
    let swaps = state.swaps
    guard swaps.maySwap(number, this, other) else { return [] }
    let first = number * swaps.items
    let (from, to) = (Int(swaps.groupOf[first + this]), Int(swaps.groupOf[first + other]))
    let (one, two) = (Int(swaps.expertOf[first + this]), Int(swaps.expertOf[first + other]))
    guard one != two else { return [] }
    return [(one, from, to), (two, to, from)].filter { $0.0 >= 0 }.map { expert, old, new in
      let hosts = (layers[number].hosts[expert].filter { $0 != old } + [new]).sorted()
      return Move(
        expert: expert, hosts: hosts,
        old: Array(
          layers[number].targets[expert * problem.groups..<(expert + 1) * problem.groups]),
        targets: bits(hosts))
    }
  }

  private func loads(_ number: Int, _ moves: [Move]) -> [Double] {
    var loads = layers[number].measures.loads
    for move in moves {
      addWork(of: move.expert, number, layers[number].hosts[move.expert], move.old, &loads, -1)
      addWork(of: move.expert, number, move.hosts, move.targets, &loads, 1)
    }
    return loads
  }

  /// What moves make of the layer; `nil` where there are none.
  private func swapped(_ number: Int, _ moves: [Move]) -> Swap? {
    guard !moves.isEmpty else { return nil }
    var swap = Swap(
      moves: moves, visits: [Double](repeating: 0, count: layers[number].visits.count),
      nodeVisits: [Double](repeating: 0, count: layers[number].nodeVisits.count),
      measures: layers[number].measures)
    swap.measures.loads = loads(number, moves)
    moveTokens(number, &swap)
    add(swap.visits, swap.nodeVisits, to: &swap.measures.ports)
    measure(&swap.measures)
    return swap
  }

  /// Proposes any swaps and takes those that the temperature lets pass (Metropolis), each layer by itself, as
  /// nothing joins them; each ends at the best that it has been.
  ///
  /// - Parameters:
  ///   - temperatures: Seconds: where it begins and ends.
  ///   - mostSteps: Of all layers together, as ``steps(_:_:_:)`` counts them; temperatures fall over them.
  mutating func anneal(
    layers movable: [Int], _ random: inout RandomStream, temperatures: (start: Double, end: Double),
    mostSteps: Int
  ) {
    for layer in movable {
      anneal(layer, &random, temperatures, mostSteps: mostSteps / movable.count)
    }
  }

  private mutating func anneal(
    _ number: Int, _ random: inout RandomStream, _ temperatures: (start: Double, end: Double),
    mostSteps: Int
  ) {
    let items = state.swaps.items
    let groupOf = state.swaps.groupOf + number * items
    var (best, since) = (layers[number], [(this: Int, other: Int)]())
    // Small layers are gone through long before the steps are used up.
    let mostSteps = min(mostSteps, Self.mostGlancesPerPair * items * items * stepsOfGlance)
    var used = 0
    while used < mostSteps, temperatures.start > 0 {
      used += stepsOfGlance
      let (this, other) = (random.below(items), random.below(items))
      let limit =
        temperatures.start
        * pow(temperatures.end / temperatures.start, Double(used) / Double(mostSteps))
        * Double(exponentials[random.below(exponentials.count)])
      guard groupOf[this] != groupOf[other] else { continue }
      let moves = moves(number, this, other)
      guard !moves.isEmpty, leastChange(number, moves) <= limit else { continue }
      used += steps(number, this, other)
      guard let swap = swapped(number, moves),
        swap.measures.seconds - layers[number].measures.seconds <= limit
      else { continue }
      take(swap, number)
      state.swaps.swap(number, this, other)
      since.append((this, other))
      if layers[number].measures.seconds < best.measures.seconds {
        (best, since) = (layers[number], [])
      }
    }
    for (this, other) in since.reversed() { state.swaps.swap(number, this, other) }
    layers[number] = best
  }

  private func moveTokens(_ number: Int, _ swap: inout Swap) {
    let (groups, topK) = (problem.groups, sets.topK)
    let (one, two) = (swap.moves[0].expert, swap.moves.count > 1 ? swap.moves[1].expert : -1)
    // Homes whose tokens go elsewhere, and where they went and go for each of the two.
    let homes = (0..<groups).filter { home in
      swap.moves.contains { $0.old[home] != $0.targets[home] }
    }
    func words(_ move: Int, _ path: KeyPath<Move, [UInt64]>) -> [UInt64] {
      homes.map { move < swap.moves.count ? swap.moves[move][keyPath: path][$0] : 0 }
    }
    let (oldOne, newOne) = (words(0, \.old), words(0, \.targets))
    let (oldTwo, newTwo) = (words(1, \.old), words(1, \.targets))
    // First targets of the set's other experts with copies.
    var copied = [Int](repeating: 0, count: topK)
    let nodes = price.sendsOnceToNode ? (0..<problem.nodes).map { mask(ofNode: $0) } : []
    let allHomes = Double(groups)
    swap.visits.withUnsafeMutableBufferPointer { visits in
      swap.nodeVisits.withUnsafeMutableBufferPointer { nodeVisits in
        copied.withUnsafeMutableBufferPointer { copied in
          layers[number].targets.withUnsafeBufferPointer { targets in
            layers[number].single.withUnsafeBufferPointer { single in
              sets.members.withUnsafeBufferPointer { members in
                setsOfExpert.forEach(of: one, two, in: number, sets) { set in
                  // What does not depend on the home, or on the swap.
                  var (fixed, count, hasOne, hasTwo): (UInt64, Int, UInt64, UInt64) = (0, 0, 0, 0)
                  for place in set &* topK..<(set &+ 1) &* topK {
                    let member = Int(members[place])
                    if member == one {
                      hasOne = .max
                    } else if member == two {
                      hasTwo = .max
                    } else if single[member] != 0 {
                      fixed |= single[member]
                    } else {
                      copied[count] = member &* groups
                      count &+= 1
                    }
                  }
                  let tokens = sets.tokens[set] / allHomes
                  for (index, home) in homes.enumerated() {
                    var rest = fixed
                    for index in 0..<count { rest |= targets[copied[index] &+ home] }
                    let old = rest | (hasOne & oldOne[index]) | (hasTwo & oldTwo[index])
                    let new = rest | (hasOne & newOne[index]) | (hasTwo & newTwo[index])
                    var left = old & ~new
                    while left != 0 {
                      visits[home &* groups &+ left.trailingZeroBitCount] -= tokens
                      left &= left &- 1
                    }
                    var entered = new & ~old
                    while entered != 0 {
                      visits[home &* groups &+ entered.trailingZeroBitCount] += tokens
                      entered &= entered &- 1
                    }
                    guard old != new else { continue }
                    for (node, mask) in nodes.enumerated() {
                      let (was, isThere) = (old & mask != 0, new & mask != 0)
                      guard was != isThere else { continue }
                      nodeVisits[home &* nodes.count &+ node] += isThere ? tokens : -tokens
                    }
                  }
                }
              }
            }
          }
        }
      }
    }
  }

  /// Adds, or takes off, what an expert's copies work.
  private func addWork(
    of expert: Int, _ number: Int, _ hosts: [Int], _ targets: [UInt64], _ loads: inout [Double],
    _ sign: Double
  ) {
    for group in hosts {
      let bit: UInt64 = 1 << UInt64(group)
      let homes = targets.reduce(0) { $1 == bit ? $0 + 1 : $0 }
      let share = Double(homes) / Double(problem.groups)
      for window in 0..<problem.windows {
        let cell = (window * problem.layers + number) * problem.experts + expert
        loads[window * problem.groups + group] += sign * problem.seconds(cell, share: share)
      }
    }
  }
}
