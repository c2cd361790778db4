/// Swap descent on the exact measure of home traffic, after a search by pairs: a set of experts that a
/// token takes costs as many groups and nodes as it touches, and a layer as long as its busiest port, which
/// no sum over pairs can say.
///
/// Of evenly shared copies; ``NearestDescent`` is for the others.
struct HomeDescent: SwapDescent {
  let state: SearchState
  private let sets: ExpertSets
  private let setsOfExpert: SetsOfExpert
  private let price: HomePrice
  /// The part of an expert's tokens that go to a group, `[layer][expert][group]`, and to a node where a token
  /// is sent there once.
  private var held: [Double]
  private var heldOfNode: [Double]
  /// Tokens that visit a group, `[layer][group]`, and what counts by node.
  private var visits: [Double] = []
  private var outletVisits: [Double] = []
  /// Seconds of home traffic, `[layer]`.
  private var seconds: [Double] = []

  private var experts: Int { state.swaps.experts }
  private var groups: Int { state.swaps.groups }
  private var outlets: Int { price.outlets }
  private func outlet(of group: Int) -> Int { price.outlet(of: group) }

  /// `nil` without home traffic, and where copies are not shared evenly.
  init?(_ state: SearchState) {
    let (tables, problem) = (state.tables, state.tables.problem)
    guard tables.hasHome, let sets = problem.setsSent,
      !tables.hasReplicas || problem.replicaChoice == .even
    else { return nil }
    self.state = state
    self.sets = sets
    setsOfExpert = SetsOfExpert(sets, experts: problem.experts)
    price = HomePrice(problem)
    let placement = state.placement
    let shares = CopyShares(of: placement, in: problem)
    held = [Double](repeating: 0, count: problem.layers * problem.experts * problem.groups)
    heldOfNode = [Double](
      repeating: 0,
      count: price.sendsOnceToNode ? problem.layers * problem.experts * problem.nodes : 0)
    for layer in 0..<problem.layers {
      for (expert, hosts) in placement.hosts[layer].enumerated() {
        let place = layer * problem.experts + expert
        for group in hosts {
          held[place * problem.groups + group] = 1 / Double(hosts.count)
          if price.sendsOnceToNode {
            heldOfNode[place * problem.nodes + problem.node(ofGroup: group)] +=
              1 / Double(hosts.count)
          }
        }
      }
      let own = shares.visits(sets, layer, problem)
      visits += own.groups
      outletVisits += price.outletVisits(own)
      seconds.append(price.seconds(price.load(own)))
    }
  }

  /// Seconds that a swap adds to the exact cost. O(sets with one of the two x k).
  func change(_ layer: Int, _ this: Int, _ other: Int) -> Double {
    let swaps = state.swaps
    let load = Double(swaps.loadAfter(layer, this, other) - swaps.layerLoad[layer])
    let transition = Double(swaps.transitionChange(layer, this, other))
    return load + transition + after(layer, this, other, gains(layer, this, other))
      - seconds[layer]
  }

  /// Sets with one of the two.
  func steps(_ layer: Int, _ this: Int, _ other: Int) -> Int {
    let experts = state.swaps.expertOf + layer * state.swaps.items
    return setsOfExpert.count(Int(experts[this]), in: layer)
      + setsOfExpert.count(Int(experts[other]), in: layer)
  }

  /// Whether a swap could make the layer faster: not where the slowest groups stay as they are.
  func mayGain(_ layer: Int, _ this: Int, _ other: Int) -> Bool {
    let swaps = state.swaps
    if swaps.hasTransitions || price.handles || price.portsMeetNodes { return true }
    let first = layer * swaps.items
    let (from, to) = (Int(swaps.groupOf[first + this]), Int(swaps.groupOf[first + other]))
    if swaps.loadAfter(layer, this, other) < swaps.layerLoad[layer] { return true }
    let own = visits[layer * groups..<(layer + 1) * groups]
    let most = own.max() ?? 0
    if own[layer * groups + from] == most || own[layer * groups + to] == most { return true }
    guard price.needsOutlets else { return false }
    let ways = outletVisits[layer * outlets..<(layer + 1) * outlets]
    let busiest = ways.max() ?? 0
    return ways[layer * outlets + outlet(of: from)] == busiest
      || ways[layer * outlets + outlet(of: to)] == busiest
  }

  /// A few look-ups.
  var stepsOfGlance: Int { 1 }

  mutating func swap(_ layer: Int, _ this: Int, _ other: Int) {
    let swaps = state.swaps
    let gains = gains(layer, this, other)
    seconds[layer] = after(layer, this, other, gains)
    let (from, to) = groupsOf(layer, this, other)
    visits[layer * groups + from] += gains.from
    visits[layer * groups + to] += gains.to
    outletVisits[layer * outlets + outlet(of: from)] += gains.fromOutlet
    outletVisits[layer * outlets + outlet(of: to)] += gains.toOutlet
    for (item, old, new) in [(this, from, to), (other, to, from)] {
      let place = layer * swaps.items + item
      guard swaps.expertOf[place] >= 0 else { continue }
      let expert = layer * experts + Int(swaps.expertOf[place])
      let share = 1 / Double(swaps.copiesOf[place])
      held[expert * groups + old] = 0
      held[expert * groups + new] = share
      guard price.sendsOnceToNode else { continue }
      heldOfNode[expert * outlets + outlet(of: old)] -= share
      heldOfNode[expert * outlets + outlet(of: new)] += share
    }
    swaps.swap(layer, this, other)
  }

  private func groupsOf(_ layer: Int, _ this: Int, _ other: Int) -> (from: Int, to: Int) {
    let first = state.swaps.groupOf + layer * state.swaps.items
    return (Int(first[this]), Int(first[other]))
  }

  /// Seconds of the layer's home traffic after a swap.
  private func after(_ layer: Int, _ this: Int, _ other: Int, _ gains: Gains) -> Double {
    let (from, to) = groupsOf(layer, this, other)
    let (here, there) = (outlet(of: from), outlet(of: to))
    return price.seconds(
      price.load(
        ofGroup: { group in
          visits[layer * groups + group]
            + (group == from ? gains.from : group == to ? gains.to : 0)
        },
        ofOutlet: { outlet in
          outletVisits[layer * outlets + outlet]
            + (outlet == here ? gains.fromOutlet : outlet == there ? gains.toOutlet : 0)
        }))
  }

  /// Tokens that visit the two groups, and their outlets, more after a swap; of one outlet all in the first.
  private struct Gains {
    var from = 0.0
    var to = 0.0
    var fromOutlet = 0.0
    var toOutlet = 0.0
  }

  private func gains(_ layer: Int, _ this: Int, _ other: Int) -> Gains {
    let swaps = state.swaps
    let (from, to) = groupsOf(layer, this, other)
    let (here, there) = (outlet(of: from), outlet(of: to))
    let (a, b) = (layer * swaps.items + this, layer * swaps.items + other)
    let (one, two) = (Int(swaps.expertOf[a]), Int(swaps.expertOf[b]))
    let (shareOfOne, shareOfTwo) = (1 / Double(swaps.copiesOf[a]), 1 / Double(swaps.copiesOf[b]))
    let countsNodes = price.sendsOnceToNode && here != there
    var gains = Gains()
    // Copies of one expert, or nothing at all, for one another.
    if one == two { return gains }
    /// The chances that a set's tokens miss a group or node, before and after, that loses a share of one
    /// expert for a share of the other.
    func missed(
      _ set: Int, _ held: UnsafeBufferPointer<Double>, _ width: Int, _ index: Int, _ leaving: Int,
      _ lost: Double, _ coming: Int, _ won: Double
    ) -> (before: Double, after: Double) {
      var (before, after) = (1.0, 1.0)
      for place in set * sets.topK..<(set + 1) * sets.topK {
        let member = Int(sets.members[place])
        let share = held[(layer * experts + member) * width + index]
        before *= 1 - share
        after *= 1 - (member == leaving ? share - lost : member == coming ? share + won : share)
      }
      return (before, after)
    }
    held.withUnsafeBufferPointer { held in
      heldOfNode.withUnsafeBufferPointer { heldOfNode in
        setsOfExpert.forEach(of: one, two, in: layer, sets) { set in
          let tokens = sets.tokens[set]
          let losing = missed(set, held, groups, from, one, shareOfOne, two, shareOfTwo)
          let winning = missed(set, held, groups, to, two, shareOfTwo, one, shareOfOne)
          gains.from += tokens * (losing.before - losing.after)
          gains.to += tokens * (winning.before - winning.after)
          guard countsNodes else { return }
          let left = missed(set, heldOfNode, outlets, here, one, shareOfOne, two, shareOfTwo)
          let entered = missed(set, heldOfNode, outlets, there, two, shareOfTwo, one, shareOfOne)
          gains.fromOutlet += tokens * (left.before - left.after)
          gains.toOutlet += tokens * (entered.before - entered.after)
        }
      }
    }
    if !price.sendsOnceToNode {
      (gains.fromOutlet, gains.toOutlet) =
        here == there ? (gains.from + gains.to, 0) : (gains.from, gains.to)
    }
    return gains
  }
}

/// The sets that have an expert.
struct SetsOfExpert {
  private let experts: Int
  /// Where those of an expert begin, `[layer][expert]`, and in the end their number.
  private var starts: [Int] = [0]
  private var numbers: [Int32] = []

  init(_ sets: ExpertSets, experts: Int) {
    self.experts = experts
    for layer in 0..<sets.layers {
      var lists = [[Int32]](repeating: [], count: experts)
      for set in sets.starts[layer]..<sets.starts[layer + 1] {
        for place in set * sets.topK..<(set + 1) * sets.topK {
          lists[Int(sets.members[place])].append(Int32(set))
        }
      }
      for list in lists {
        numbers += list
        starts.append(numbers.count)
      }
    }
  }

  /// How many there are.
  func count(_ expert: Int, in layer: Int) -> Int { range(expert, layer).count }

  private func range(_ expert: Int, _ layer: Int) -> Range<Int> {
    expert < 0 ? 0..<0 : starts[layer * experts + expert]..<starts[layer * experts + expert + 1]
  }

  /// Calls `body` with each set that has one of two experts, once; -1 is none.
  @inline(__always)
  func forEach(
    of one: Int, _ two: Int, in layer: Int, _ sets: ExpertSets, _ body: (Int) -> Void
  ) {
    for entry in range(one, layer) { body(Int(numbers[entry])) }
    for entry in range(two, layer) {
      let set = Int(numbers[entry])
      let members = set * sets.topK..<(set + 1) * sets.topK
      if !members.contains(where: { Int(sets.members[$0]) == one }) { body(set) }
    }
  }
}
