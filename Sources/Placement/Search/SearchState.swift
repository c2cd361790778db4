/// One chain's placement, with what makes the change of cost by a swap a matter of a few look-ups.
///
/// For each item and group there is the traffic, in seconds saved, that the item would have with
/// neighbours there; so the communication changed by a swap of two items is the difference of four
/// entries (eight where nodes differ). Loads of groups are kept for each window, with the three most
/// loaded groups: the maximum after a swap is the larger of the two changed swaps.loads and the first of the
/// three that is not one of the two. An accepted swap costs a few passes over rows.
///
/// Home traffic enters by the pairs of items that tokens take together, each worth as much as the
/// groups (and nodes) saved for each such pair were when the tables were last filled, all ports taken to be
/// as busy as the mean one. What is measured then is exact: the busiest port's.
final class SearchState {
  typealias Row = SIMD8<Float>

  let tables: SearchTables
  let swaps: SwapTables

  /// Seconds of work and communication.
  var cost: Double {
    (0..<tables.layers).reduce(swaps.communication[0]) { $0 + Double(swaps.layerLoad[$1]) }
  }

  /// - Parameter groupOfItem: `[layer][item]`; slots are filled in order of items.
  init(_ tables: SearchTables, groupOfItem: [Int32]) {
    self.tables = tables
    swaps = SwapTables(tables)
    place(groupOfItem)
  }

  deinit { swaps.deallocate() }

  /// Starts anew from another placement.
  func place(_ groupOfItem: [Int32]) {
    let (items, groups, slots) = (tables.items, tables.groups, tables.slots)
    var filled = [Int](repeating: 0, count: tables.layers * groups)
    if swaps.hasReplicas {
      swaps.onGroup.update(repeating: 0, count: tables.layers * swaps.experts * groups)
    }
    if swaps.spreads {
      swaps.onNode.update(repeating: 0, count: tables.layers * swaps.experts * swaps.nodes)
    }
    for place in 0..<tables.layers * items {
      let (layer, group) = (place / items, Int(groupOfItem[place]))
      let slot = group * slots + filled[layer * groups + group]
      filled[layer * groups + group] += 1
      swaps.groupOf[place] = Int32(group)
      swaps.slotOf[place] = Int32(slot)
      swaps.itemAt[layer * items + slot] = Int32(place - layer * items)
      swaps.count(place, at: group, 1)
    }
    refill()
  }

  /// `[layer][item]`
  var groupOfItem: [Int32] {
    Array(UnsafeBufferPointer(start: swaps.groupOf, count: tables.layers * tables.items))
  }
}

// MARK: - Tables

extension SearchState {
  /// Computes every table from the placement, which also sheds what rounding has added up.
  func refill() {
    let (layers, items) = (tables.layers, tables.items)
    let (groups, nodes, vectors) = (tables.groups, tables.nodes, tables.rowVectors)
    swaps.nearGroup.update(repeating: Row(repeating: 0), count: layers * groups * vectors)
    swaps.nearNode.update(repeating: Row(repeating: 0), count: layers * nodes * vectors)
    swaps.loads.update(repeating: Row(repeating: 0), count: layers * groups * tables.windowVectors)
    if tables.hasHome { measurePairs() }
    for place in 0..<layers * items {
      let (layer, group) = (place / items, Int(swaps.groupOf[place]))
      let row = swaps.loads + (layer * groups + group) * tables.windowVectors
      let own = tables.work + place * tables.windowVectors
      for vector in 0..<tables.windowVectors { row[vector] += own[vector] }
      if tables.hasTransitions {
        if layer + 1 < layers {
          add(
            tables.forward + place * vectors, layer + 1, group, tables.groupSaving,
            tables.nodeSaving)
        }
        if layer > 0 {
          add(
            tables.backward + (place - items) * vectors, layer - 1, group, tables.groupSaving,
            tables.nodeSaving)
        }
      }
      if tables.hasHome {
        add(
          tables.together + place * vectors, layer, group, swaps.groupPair[layer],
          swaps.nodePair[layer])
      }
    }
    for layer in 0..<layers { swaps.rank(layer) }
    swaps.communication[0] = measuredCommunication()
  }

  private func add(
    _ source: UnsafeMutablePointer<Row>, _ layer: Int, _ group: Int, _ groupScale: Float,
    _ nodeScale: Float
  ) {
    let vectors = tables.rowVectors
    let near = swaps.nearGroup + (layer * tables.groups + group) * vectors
    for vector in 0..<vectors { near[vector] += source[vector] * groupScale }
    guard tables.nodes > 1 else { return }
    let node = swaps.nearNode + (layer * tables.nodes + Int(swaps.nodeOfGroup[group])) * vectors
    for vector in 0..<vectors { node[vector] += source[vector] * nodeScale }
  }

  /// What is left of communication when what stays is taken off.
  private func measuredCommunication() -> Double {
    guard tables.hasTransitions else { return tables.hasHome ? homeSeconds : 0 }
    let farthest =
      tables.nodes > 1
      ? Double(tables.groupSaving) + Double(tables.nodeSaving) : Double(tables.groupSaving)
    let moved = tables.tokensBetweenLayers * farthest - savedByStaying
    return tables.hasHome ? moved + homeSeconds : moved
  }

  /// Seconds that transitions save by staying in a group or node. Every token between two layers is
  /// near an item of each, so that without home traffic half of the tables' entries is the sum.
  private var savedByStaying: Double {
    let (items, row) = (tables.items, tables.rowVectors * 8)
    var saved = 0.0
    if !tables.hasHome {
      for place in 0..<tables.layers * items {
        let (layer, item, group) = (place / items, place % items, Int(swaps.groupOf[place]))
        saved += Double(numbers(swaps.nearGroup)[(layer * tables.groups + group) * row + item])
        guard tables.nodes > 1 else { continue }
        let node = layer * tables.nodes + Int(swaps.nodeOfGroup[group])
        saved += Double(numbers(swaps.nearNode)[node * row + item])
      }
      return saved / 2
    }
    for place in 0..<(tables.layers - 1) * items {
      let source = numbers(tables.forward) + place * row
      let group = swaps.groupOf[place]
      for next in 0..<items {
        let other = swaps.groupOf[(place / items + 1) * items + next]
        if other == group { saved += Double(source[next] * tables.groupSaving) }
        guard tables.nodes > 1,
          swaps.nodeOfGroup[Int(other)] == swaps.nodeOfGroup[Int(group)]
        else { continue }
        saved += Double(source[next] * tables.nodeSaving)
      }
    }
    return saved
  }

  private var homeSeconds: Double { measuredHome.reduce(0) { $0 + $1.seconds } }

  private var measuredHome: [(seconds: Double, groups: Double, nodes: Double, tokens: Double)] {
    guard let sets = tables.problem.setsSent else { return [] }
    let problem = tables.problem
    let shares = CopyShares(of: placement, in: problem)
    let price = HomePrice(problem)
    return (0..<tables.layers).map { layer in
      let visits = shares.visits(sets, layer, problem)
      return (
        price.seconds(price.load(visits)), visits.groups.reduce(0, +), visits.nodes.reduce(0, +),
        sets.tokens[sets.starts[layer]..<sets.starts[layer + 1]].reduce(0, +)
      )
    }
  }

  /// What a pair of items taken together is worth: seconds saved so far for each such pair.
  private func measurePairs() {
    guard let sets = tables.problem.setsSent else { return }
    let problem = tables.problem
    let measured = measuredHome
    let price = HomePrice(problem)
    let row = tables.rowVectors * 8
    for layer in 0..<tables.layers {
      var (inGroup, inNode) = (0.0, 0.0)
      for item in 0..<tables.items {
        let place = layer * tables.items + item
        let source = numbers(tables.together)
        for other in 0..<item {
          let (a, b) = (swaps.groupOf[place], swaps.groupOf[layer * tables.items + other])
          let tokens = Double(source[place * row + other])
          if a == b { inGroup += tokens }
          if swaps.nodeOfGroup[Int(a)] == swaps.nodeOfGroup[Int(b)] { inNode += tokens }
        }
      }
      let routes = measured[layer].tokens * Double(sets.topK)
      let groupsSaved = inGroup > 0 ? (routes - measured[layer].groups) / inGroup : 1
      let nodesSaved = inNode > 0 ? (routes - measured[layer].nodes) / inNode : 1
      let worth = price.tangent(groups: measured[layer].groups, nodes: measured[layer].nodes)
      swaps.groupPair[layer] = Float(groupsSaved * worth.group)
      swaps.nodePair[layer] = Float(nodesSaved * worth.node)
    }
  }

  /// The placement with each expert's groups in order.
  var placement: ExpertPlacement {
    var hosts = [[[Int]]](
      repeating: [[Int]](repeating: [], count: tables.problem.experts), count: tables.layers)
    for place in 0..<tables.layers * tables.items where tables.expertOf[place] >= 0 {
      hosts[place / tables.items][Int(tables.expertOf[place])].append(Int(swaps.groupOf[place]))
    }
    return ExpertPlacement(
      groups: tables.groups, hosts: hosts.map { layer in layer.map { $0.sorted() } })
  }
}
