/// Swap descent on the exact measure of home traffic, after a search by pairs: a set of experts that a
/// token takes costs as many groups and nodes as it touches, which no sum over pairs can say.
///
/// Without redundant copies only: with them a token's choice makes the sets random.
struct HomeDescent {
  private let state: SearchState
  private let sets: ExpertSets
  /// Sets that have an item: `[layer][item]` into ``setsOfItem``.
  private var starts: [Int] = [0]
  private var setsOfItem: [Int32] = []
  private let groupSeconds: Double
  private let nodeSeconds: Double

  /// `nil` without home traffic or with redundant copies.
  init?(_ state: SearchState) {
    let tables = state.tables
    guard tables.hasHome, !tables.hasReplicas, let sets = tables.problem.sets else { return nil }
    self.state = state
    self.sets = sets
    let price = HomePrice(tables.problem)
    (groupSeconds, nodeSeconds) = (price.perGroup, price.perNode)
    for layer in 0..<tables.layers {
      var lists = [[Int32]](repeating: [], count: tables.items)
      for set in sets.starts[layer]..<sets.starts[layer + 1] {
        // Item and expert have the same number where no expert has copies.
        for place in set * sets.topK..<(set + 1) * sets.topK {
          lists[Int(sets.members[place])].append(Int32(set))
        }
      }
      for list in lists {
        setsOfItem += list
        starts.append(setsOfItem.count)
      }
    }
  }

  /// Seconds of home traffic that a swap adds. O(sets with one of the two x k).
  func change(_ layer: Int, _ this: Int, _ other: Int) -> Double {
    move(layer, this, past: other) + move(layer, other, past: this)
  }

  /// What the sets with `item` and without `other` cost more when it goes to the other's group.
  private func move(_ layer: Int, _ item: Int, past other: Int) -> Double {
    let groupOf = state.swaps.groupOf + layer * state.tables.items
    let nodeOf = state.swaps.nodeOfGroup
    let (from, to) = (groupOf[item], groupOf[other])
    let (fromNode, toNode) = (nodeOf[Int(from)], nodeOf[Int(to)])
    let index = layer * state.tables.items + item
    var seconds = 0.0
    for entry in starts[index]..<starts[index + 1] {
      let set = Int(setsOfItem[entry])
      var (isHere, isThere, isInNode, isAway, hasBoth) = (false, false, false, false, false)
      for place in set * sets.topK..<(set + 1) * sets.topK {
        let member = Int(sets.members[place])
        if member == item { continue }
        if member == other { hasBoth = true }
        let group = groupOf[member]
        let node = nodeOf[Int(group)]
        isHere = isHere || group == from
        isThere = isThere || group == to
        isInNode = isInNode || node == fromNode
        isAway = isAway || node == toNode
      }
      if hasBoth { continue }
      var change = 0.0
      if isHere != isThere { change += isHere ? groupSeconds : -groupSeconds }
      if fromNode != toNode, isInNode != isAway { change += isInNode ? nodeSeconds : -nodeSeconds }
      seconds += change * sets.tokens[set]
    }
    return seconds
  }

  /// Takes swaps that make the exact cost less, of those that the pairs do not think much worse.
  ///
  /// - Parameter margin: seconds by which a swap may look worse by the pairs and still be measured.
  func descend(layers: [Int], margin: Double, passes: Int = 4) {
    let swaps = state.swaps
    let items = state.tables.items
    let least = 1e-7 * max(state.cost, .leastNormalMagnitude) / Double(state.tables.layers)
    for _ in 0..<passes {
      var isDone = true
      for layer in layers {
        for this in 0..<items {
          for other in this &+ 1..<max(items, this &+ 1) {
            let first = layer * items
            guard swaps.groupOf[first + this] != swaps.groupOf[first + other] else { continue }
            guard swaps.change(layer, this, other) < margin else { continue }
            let exact = self.exact(layer, this, other)
            guard exact < -least, swaps.maySwap(layer, this, other) else { continue }
            swaps.swap(layer, this, other)
            isDone = false
          }
        }
      }
      if isDone { return }
    }
  }

  /// What a swap adds to the exact cost.
  func exact(_ layer: Int, _ this: Int, _ other: Int) -> Double {
    let swaps = state.swaps
    let load = Double(swaps.loadAfter(layer, this, other) - swaps.layerLoad[layer])
    let transition = Double(swaps.transitionChange(layer, this, other))
    return load + transition + change(layer, this, other)
  }
}
