/// Swap descent where tokens return home and take the nearest of an expert's copies: on the ports that
/// each home's tokens cross, and on the work that they bring to each copy, both exact. A search by pairs
/// knows even shares only.
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
    var measures: Measures
  }

  private struct Measures {
    var ports: HomePorts
    /// Seconds of work, `[window][group]`.
    var loads: [Double]
    var seconds = 0.0
  }

  /// A swap's new places.
  private struct Swap {
    var experts: [(expert: Int, hosts: [Int], targets: [UInt64])] = []
    var measures: Measures
  }

  /// Groups that tokens visit are the bits of a word.
  private static let mostGroups = 64

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
      var measures = Measures(
        ports: NearestVisits(sets, number, placement, problem).ports,
        loads: (0..<problem.windows).flatMap {
          shares.loads(
            number, problem.work, problem.workPerCopy,
            first: $0 * problem.layers * problem.experts)
        })
      measure(&measures)
      layers.append(
        Layer(
          hosts: hosts, targets: hosts.flatMap { bits($0) }, single: hosts.map { single($0) },
          measures: measures))
    }
  }

  private func bits(_ hosts: [Int]) -> [UInt64] {
    problem.nearestGroups(hosts).map { 1 << UInt64($0) }
  }

  private func single(_ hosts: [Int]) -> UInt64 { hosts.count == 1 ? 1 << UInt64(hosts[0]) : 0 }

  private func measure(_ measures: inout Measures) {
    measures.seconds = price.seconds(measures.ports.load)
    for window in 0..<problem.windows {
      var most = 0.0
      for group in 0..<problem.groups {
        most = max(most, measures.loads[window * problem.groups + group])
      }
      measures.seconds += problem.windowWeights[window] * most
    }
  }

  func mayGain(_ layer: Int, _ this: Int, _ other: Int) -> Bool { true }

  /// Sets with one of the two, times groups.
  func steps(_ layer: Int, _ this: Int, _ other: Int) -> Int {
    let experts = state.swaps.expertOf + layer * state.swaps.items
    return problem.groups
      * (setsOfExpert.count(Int(experts[this]), in: layer)
        + setsOfExpert.count(Int(experts[other]), in: layer))
  }

  /// O(sets with one of the two x groups x their experts with copies).
  func change(_ layer: Int, _ this: Int, _ other: Int) -> Double {
    guard let swap = swapped(layer, this, other) else { return 0 }
    return swap.measures.seconds - layers[layer].measures.seconds
  }

  mutating func swap(_ layer: Int, _ this: Int, _ other: Int) {
    if let swap = swapped(layer, this, other) {
      for (expert, hosts, targets) in swap.experts {
        layers[layer].hosts[expert] = hosts
        layers[layer].single[expert] = single(hosts)
        let first = expert * problem.groups
        for home in 0..<problem.groups { layers[layer].targets[first + home] = targets[home] }
      }
      layers[layer].measures = swap.measures
    }
    state.swaps.swap(layer, this, other)
  }

  /// What a swap makes of the layer; `nil` where it changes nothing or is not allowed.
  private func swapped(_ number: Int, _ this: Int, _ other: Int) -> Swap? {
    let swaps = state.swaps
    guard swaps.maySwap(number, this, other) else { return nil }
    let first = number * swaps.items
    let (from, to) = (Int(swaps.groupOf[first + this]), Int(swaps.groupOf[first + other]))
    let (one, two) = (Int(swaps.expertOf[first + this]), Int(swaps.expertOf[first + other]))
    guard one != two else { return nil }
    var swap = Swap(measures: layers[number].measures)
    for (expert, old, new) in [(one, from, to), (two, to, from)] where expert >= 0 {
      let before = layers[number].hosts[expert]
      let hosts = (before.filter { $0 != old } + [new]).sorted()
      let targets = bits(hosts)
      let range = expert * problem.groups..<(expert + 1) * problem.groups
      addWork(of: expert, number, before, layers[number].targets[range], &swap.measures, -1)
      addWork(of: expert, number, hosts, targets[...], &swap.measures, 1)
      swap.experts.append((expert, hosts, targets))
    }
    moveTokens(number, one, two, &swap)
    measure(&swap.measures)
    return swap
  }

  private func moveTokens(_ number: Int, _ one: Int, _ two: Int, _ swap: inout Swap) {
    let (groups, topK) = (problem.groups, sets.topK)
    let nowhere = [UInt64](repeating: 0, count: groups)
    func new(_ expert: Int) -> [UInt64] {
      swap.experts.first { $0.expert == expert }?.targets ?? nowhere
    }
    let (newOne, newTwo) = (new(one), new(two))
    var ports = swap.measures.ports
    // First targets of the set's other experts with copies.
    var copied = [Int](repeating: 0, count: topK)
    layers[number].targets.withUnsafeBufferPointer { targets in
      layers[number].single.withUnsafeBufferPointer { single in
        sets.members.withUnsafeBufferPointer { members in
          setsOfExpert.forEach(of: one, two, in: number, sets) { set in
            // What does not depend on the home, or on the swap.
            var (fixed, count, hasOne, hasTwo): (UInt64, Int, Bool, Bool) = (0, 0, false, false)
            for place in set * topK..<(set + 1) * topK {
              let member = Int(members[place])
              if member == one {
                hasOne = true
              } else if member == two {
                hasTwo = true
              } else if single[member] != 0 {
                fixed |= single[member]
              } else {
                copied[count] = member * groups
                count += 1
              }
            }
            let tokens = sets.tokens[set] / Double(groups)
            for home in 0..<groups {
              var old = fixed
              for index in 0..<count { old |= targets[copied[index] + home] }
              var new = old
              if hasOne {
                old |= targets[one * groups + home]
                new |= newOne[home]
              }
              if hasTwo {
                old |= targets[two * groups + home]
                new |= newTwo[home]
              }
              if old != new { move(tokens, from: home, old, new, in: &ports) }
            }
          }
        }
      }
    }
    swap.measures.ports = ports
  }

  /// Takes a home's tokens from some groups to others.
  @inline(__always)
  private func move(
    _ tokens: Double, from home: Int, _ old: UInt64, _ new: UInt64, in ports: inout HomePorts
  ) {
    var changed = old ^ new
    while changed != 0 {
      let group = changed.trailingZeroBitCount
      changed &= changed - 1
      ports.add(new >> UInt64(group) & 1 == 1 ? tokens : -tokens, from: home, to: group)
    }
    guard price.sendsOnceToNode else { return }
    let all = UInt64.max >> UInt64(64 - problem.groupsPerNode)
    for node in 0..<problem.nodes {
      let mask = all << UInt64(node * problem.groupsPerNode)
      guard (old & mask == 0) != (new & mask == 0) else { continue }
      ports.add(new & mask == 0 ? -tokens : tokens, from: home, toNode: node)
    }
  }

  /// Adds, or takes off, what an expert's copies work.
  private func addWork(
    of expert: Int, _ number: Int, _ hosts: [Int], _ targets: ArraySlice<UInt64>,
    _ measures: inout Measures, _ sign: Double
  ) {
    for group in hosts {
      let bit: UInt64 = 1 << UInt64(group)
      let homes = targets.reduce(0) { $1 == bit ? $0 + 1 : $0 }
      let share = Double(homes) / Double(problem.groups)
      for window in 0..<problem.windows {
        let cell = (window * problem.layers + number) * problem.experts + expert
        measures.loads[window * problem.groups + group] +=
          sign * problem.seconds(cell, share: share)
      }
    }
  }
}
