import Statistics

/// Tokens between every two groups, for the objective in which the slowest pair of groups counts.
///
/// A swap changes two rows of one matrix and two columns of another; the change of cost takes
/// O(items + groups^2), unlike the constant time of the sum.
struct BottleneckFlows {
  private let state: SearchState
  /// `[pair of layers][from][to]`
  private var flows: [Float]
  /// Seconds of the slowest pair of groups, `[pair of layers]`.
  private var slowest: [Float]
  /// Seconds for each token, `[from][to]`.
  private let seconds: [Float]
  private var forwardChange: [Float]
  private var backwardChange: [Float]

  private var groups: Int { state.tables.groups }
  private var items: Int { state.tables.items }

  init(_ state: SearchState) {
    self.state = state
    let (tables, groups) = (state.tables, state.tables.groups)
    seconds = (0..<groups * groups).map {
      Float(tables.problem.secondsPerToken(from: $0 / groups, to: $0 % groups))
    }
    flows = [Float](repeating: 0, count: max(0, tables.layers - 1) * groups * groups)
    slowest = [Float](repeating: 0, count: max(0, tables.layers - 1))
    forwardChange = [Float](repeating: 0, count: groups)
    backwardChange = forwardChange
    refill()
  }

  /// Seconds of work and communication.
  var cost: Double {
    let work = (0..<state.tables.layers).reduce(0.0) { $0 + Double(state.swaps.layerLoad[$1]) }
    return slowest.reduce(work) { $0 + Double($1) }
  }

  /// Computes the flows from the state's placement.
  mutating func refill() {
    let (tables, row) = (state.tables, state.tables.rowVectors * 8)
    for index in flows.indices { flows[index] = 0 }
    for pair in slowest.indices {
      for this in 0..<items {
        let source = numbers(tables.forward) + (pair * items + this) * row
        let from = Int(state.swaps.groupOf[pair * items + this])
        for next in 0..<items {
          let to = Int(state.swaps.groupOf[(pair + 1) * items + next])
          flows[(pair * groups + from) * groups + to] += source[next]
        }
      }
      slowest[pair] = slowestPair(pair)
    }
  }

  private func slowestPair(_ pair: Int) -> Float {
    let first = pair * groups * groups
    return (0..<groups * groups).reduce(0) { max($0, flows[first + $1] * seconds[$1]) }
  }

  /// What a swap adds to ``cost``.
  mutating func change(_ layer: Int, _ this: Int, _ other: Int) -> Float {
    let swaps = state.swaps
    let (from, to) = groupsOf(layer, this, other)
    var change = swaps.loadAfter(layer, this, other) - swaps.layerLoad[layer]
    sumChanges(layer, this, other)
    if layer < slowest.count {
      var most: Float = 0
      let first = layer * groups * groups
      for cell in 0..<groups * groups {
        let (row, column) = (cell / groups, cell % groups)
        let moved =
          row == from ? forwardChange[column] : row == to ? -forwardChange[column] : 0
        most = max(most, (flows[first + cell] + moved) * seconds[cell])
      }
      change += most - slowest[layer]
    }
    if layer > 0 {
      var most: Float = 0
      let first = (layer - 1) * groups * groups
      for cell in 0..<groups * groups {
        let (row, column) = (cell / groups, cell % groups)
        let moved = column == from ? backwardChange[row] : column == to ? -backwardChange[row] : 0
        most = max(most, (flows[first + cell] + moved) * seconds[cell])
      }
      change += most - slowest[layer - 1]
    }
    return change
  }

  mutating func swap(_ layer: Int, _ this: Int, _ other: Int) {
    let (from, to) = groupsOf(layer, this, other)
    sumChanges(layer, this, other)
    for group in 0..<groups {
      if layer < slowest.count {
        flows[(layer * groups + from) * groups + group] += forwardChange[group]
        flows[(layer * groups + to) * groups + group] -= forwardChange[group]
      }
      if layer > 0 {
        flows[((layer - 1) * groups + group) * groups + from] += backwardChange[group]
        flows[((layer - 1) * groups + group) * groups + to] -= backwardChange[group]
      }
    }
    state.swaps.swap(layer, this, other)
    if layer < slowest.count { slowest[layer] = slowestPair(layer) }
    if layer > 0 { slowest[layer - 1] = slowestPair(layer - 1) }
  }

  private func groupsOf(_ layer: Int, _ this: Int, _ other: Int) -> (Int, Int) {
    let first = state.swaps.groupOf + layer * items
    return (Int(first[this]), Int(first[other]))
  }

  /// Tokens that the first item's group gains to and from each group when the second item comes for
  /// the first.
  private mutating func sumChanges(_ layer: Int, _ this: Int, _ other: Int) {
    let (tables, row) = (state.tables, state.tables.rowVectors * 8)
    for group in 0..<groups { (forwardChange[group], backwardChange[group]) = (0, 0) }
    if layer < slowest.count {
      let rows = numbers(tables.forward) + layer * items * row
      for next in 0..<items {
        let group = Int(state.swaps.groupOf[(layer + 1) * items + next])
        forwardChange[group] += rows[other * row + next] - rows[this * row + next]
      }
    }
    if layer > 0 {
      let rows = numbers(tables.backward) + (layer - 1) * items * row
      for before in 0..<items {
        let group = Int(state.swaps.groupOf[(layer - 1) * items + before])
        backwardChange[group] += rows[other * row + before] - rows[this * row + before]
      }
    }
  }

  /// Takes random swaps as ``SearchState/anneal(_:trials:)`` does; half of the proposals are to the
  /// group of a strong partner.
  mutating func anneal(_ annealing: inout Annealing, trials: Int) {
    let swaps = state.swaps
    for trial in 0..<trials {
      let layer = annealing.layers[annealing.random.below(annealing.layers.count)]
      let this = annealing.random.below(items)
      var other = annealing.random.below(items)
      let draw = annealing.random.uniform()
      let partner = Int(
        swaps.partners[(layer * items + this) * 8 + annealing.random.below(8)])
      if trial & 1 == 0, partner >= 0 {
        let slot = Int(swaps.groupOf[partner]) * swaps.slots + other % swaps.slots
        other = Int(swaps.itemAt[layer * items + slot])
      }
      let (from, to) = groupsOf(layer, this, other)
      guard from != to, swaps.maySwap(layer, this, other) else { continue }
      let temperature = annealing.cooling.temperature(after: annealing.done + trial & ~1023)
      let limit = Float(temperature) * exponentials[Int(draw * 1024)]
      if change(layer, this, other) <= limit { swap(layer, this, other) }
    }
    annealing.done += trials
  }

  /// Takes swaps that make the cost less until there is none.
  mutating func descend(layers: [Int]) {
    let least = Float(1e-6 * cost / Double(state.tables.layers))
    for _ in 0..<100 {
      var isDone = true
      for layer in layers {
        for this in 0..<items {
          for other in 0..<this {
            let (from, to) = groupsOf(layer, this, other)
            guard from != to, change(layer, this, other) < -least,
              state.swaps.maySwap(layer, this, other)
            else { continue }
            swap(layer, this, other)
            isDone = false
          }
        }
      }
      if isDone { return }
    }
  }

  /// The mean size of change by random swaps.
  mutating func meanChange(_ random: inout RandomStream, layers: [Int]) -> Double {
    var (sum, count) = (0.0, 0)
    for _ in 0..<1000 {
      let layer = layers[random.below(layers.count)]
      let (this, other) = (random.below(items), random.below(items))
      let (from, to) = groupsOf(layer, this, other)
      guard from != to, state.swaps.maySwap(layer, this, other) else { continue }
      sum += Double(abs(change(layer, this, other)))
      count += 1
    }
    return count > 0 ? sum / Double(count) : 0
  }
}
