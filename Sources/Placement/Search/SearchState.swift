/// One chain's placement, with what makes the change of cost by a swap a matter of a few look-ups.
///
/// For each item and group there is the traffic, in seconds saved, that the item would have with
/// neighbours there; so the communication changed by a swap of two items is the difference of four
/// entries (eight where nodes differ). Loads of groups are kept for each window, with the three most
/// loaded groups: the maximum after a swap is the larger of the two changed loads and the first of the
/// three that is not one of the two. An accepted swap costs a few passes over rows.
///
/// Home traffic enters by the pairs of items that tokens take together, each worth as much as the
/// groups (and nodes) saved for each such pair were in the exact measure when the tables were last
/// filled.
final class SearchState {
  typealias Row = SIMD8<Float>

  let tables: SearchTables
  /// `[layer][item]`
  private(set) var groupOf: UnsafeMutablePointer<Int32>
  /// `[layer][slot]`, slots of group 0 first.
  private(set) var itemAt: UnsafeMutablePointer<Int32>
  private(set) var slotOf: UnsafeMutablePointer<Int32>
  /// Seconds saved, `[layer][group][item]` and `[layer][node][item]`.
  private let nearGroup: UnsafeMutablePointer<Row>
  private let nearNode: UnsafeMutablePointer<Row>
  /// `[layer][group][window]`
  private let loads: UnsafeMutablePointer<Row>
  /// The three most loaded groups of each layer and window: `[layer][window vector][3]`.
  private let topLoad: UnsafeMutablePointer<Row>
  private let topGroup: UnsafeMutablePointer<SIMD8<Int32>>
  /// Seconds of the slowest group, `[layer]`.
  private(set) var layerLoad: [Double]
  /// What a pair of items taken together saves, `[layer]`.
  private var groupPair: [Float]
  private var nodePair: [Float]
  /// Copies of an expert on a group, `[layer][expert][group]`, and on a node; empty without replicas.
  private var onGroup: [Int8]
  private var onNode: [Int8]
  private let mostOnNode: [Int8]
  let groupNode: [Int32]
  /// Seconds of communication; of home traffic as last measured, changed by the pairs since.
  private(set) var communication = 0.0

  var cost: Double { layerLoad.reduce(0, +) + communication }

  /// - Parameter groupOfItem: `[layer][item]`; slots are filled in order of items.
  init(_ tables: SearchTables, groupOfItem: [Int32]) {
    self.tables = tables
    let (layers, items, groups, nodes) = (tables.layers, tables.items, tables.groups, tables.nodes)
    groupOf = .allocate(capacity: layers * items)
    itemAt = .allocate(capacity: layers * items)
    slotOf = .allocate(capacity: layers * items)
    nearGroup = .allocate(capacity: layers * groups * tables.rowVectors)
    nearNode = .allocate(capacity: layers * nodes * tables.rowVectors)
    loads = .allocate(capacity: layers * groups * tables.windowVectors)
    topLoad = .allocate(capacity: layers * tables.windowVectors * 3)
    topGroup = .allocate(capacity: layers * tables.windowVectors * 3)
    layerLoad = [Double](repeating: 0, count: layers)
    groupPair = [Float](repeating: 0, count: layers)
    nodePair = [Float](repeating: 0, count: layers)
    groupNode = (0..<groups).map { Int32(tables.problem.node(ofGroup: $0)) }
    let hasReplicas = tables.copiesOf.contains { $0 > 1 }
    onGroup = [Int8](
      repeating: 0, count: hasReplicas ? layers * tables.problem.experts * groups : 0)
    let spreads = hasReplicas && tables.problem.spreadsCopiesOverNodes && nodes > 1
    onNode = [Int8](repeating: 0, count: spreads ? layers * tables.problem.experts * nodes : 0)
    mostOnNode = spreads ? tables.copiesOf.map { Int8((Int($0) + nodes - 1) / nodes) } : []
    place(groupOfItem)
  }

  deinit {
    groupOf.deallocate()
    itemAt.deallocate()
    slotOf.deallocate()
    nearGroup.deallocate()
    nearNode.deallocate()
    loads.deallocate()
    topLoad.deallocate()
    topGroup.deallocate()
  }

  /// Starts anew from another placement.
  func place(_ groupOfItem: [Int32]) {
    let (items, groups, slots) = (tables.items, tables.groups, tables.slots)
    var filled = [Int](repeating: 0, count: tables.layers * groups)
    for index in onGroup.indices { onGroup[index] = 0 }
    for index in onNode.indices { onNode[index] = 0 }
    for place in 0..<tables.layers * items {
      let (layer, group) = (place / items, Int(groupOfItem[place]))
      let slot = group * slots + filled[layer * groups + group]
      filled[layer * groups + group] += 1
      groupOf[place] = Int32(group)
      slotOf[place] = Int32(slot)
      itemAt[layer * items + slot] = Int32(place - layer * items)
      count(place, at: group, 1)
    }
    refill()
  }

  /// `[layer][item]`
  var groupOfItem: [Int32] {
    Array(UnsafeBufferPointer(start: groupOf, count: tables.layers * tables.items))
  }

  private func count(_ place: Int, at group: Int, _ change: Int8) {
    guard !onGroup.isEmpty, tables.expertOf[place] >= 0 else { return }
    let expert = place / tables.items * tables.problem.experts + Int(tables.expertOf[place])
    onGroup[expert * tables.groups + group] += change
    if !onNode.isEmpty { onNode[expert * tables.nodes + Int(groupNode[group])] += change }
  }
}

// MARK: - Tables

extension SearchState {
  /// Computes every table from the placement, which also sheds what rounding has added up.
  func refill() {
    let (layers, items) = (tables.layers, tables.items)
    let (groups, nodes, vectors) = (tables.groups, tables.nodes, tables.rowVectors)
    nearGroup.update(repeating: Row(repeating: 0), count: layers * groups * vectors)
    nearNode.update(repeating: Row(repeating: 0), count: layers * nodes * vectors)
    loads.update(repeating: Row(repeating: 0), count: layers * groups * tables.windowVectors)
    if tables.hasHome { measurePairs() }
    for place in 0..<layers * items {
      let (layer, group) = (place / items, Int(groupOf[place]))
      let row = loads + (layer * groups + group) * tables.windowVectors
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
        add(tables.together + place * vectors, layer, group, groupPair[layer], nodePair[layer])
      }
    }
    for layer in 0..<layers { rank(layer) }
    communication = measuredCommunication()
  }

  private func add(
    _ source: UnsafeMutablePointer<Row>, _ layer: Int, _ group: Int, _ groupScale: Float,
    _ nodeScale: Float
  ) {
    let vectors = tables.rowVectors
    let near = nearGroup + (layer * tables.groups + group) * vectors
    for vector in 0..<vectors { near[vector] += source[vector] * groupScale }
    guard tables.nodes > 1 else { return }
    let node = nearNode + (layer * tables.nodes + Int(groupNode[group])) * vectors
    for vector in 0..<vectors { node[vector] += source[vector] * nodeScale }
  }

  /// Finds the three most loaded groups of a layer's windows.
  private func rank(_ layer: Int) {
    let (groups, vectors) = (tables.groups, tables.windowVectors)
    var total: Float = 0
    for vector in 0..<vectors {
      var first = Row(repeating: -1)
      var second = first
      var third = first
      var firstGroup = SIMD8<Int32>(repeating: -1)
      var secondGroup = firstGroup
      var thirdGroup = firstGroup
      for group in 0..<groups {
        let load = loads[(layer * groups + group) * vectors + vector]
        let name = SIMD8<Int32>(repeating: Int32(truncatingIfNeeded: group))
        let beatsThird = load .> third
        third.replace(with: load, where: beatsThird)
        thirdGroup.replace(with: name, where: beatsThird)
        let beatsSecond = third .> second
        (second, third) = (
          second.replacing(with: third, where: beatsSecond),
          third.replacing(with: second, where: beatsSecond)
        )
        (secondGroup, thirdGroup) = (
          secondGroup.replacing(with: thirdGroup, where: beatsSecond),
          thirdGroup.replacing(with: secondGroup, where: beatsSecond)
        )
        let beatsFirst = second .> first
        (first, second) = (
          first.replacing(with: second, where: beatsFirst),
          second.replacing(with: first, where: beatsFirst)
        )
        (firstGroup, secondGroup) = (
          firstGroup.replacing(with: secondGroup, where: beatsFirst),
          secondGroup.replacing(with: firstGroup, where: beatsFirst)
        )
      }
      let place = (layer * vectors + vector) * 3
      topLoad[place] = first
      topLoad[place + 1] = second
      topLoad[place + 2] = third
      topGroup[place] = firstGroup
      topGroup[place + 1] = secondGroup
      topGroup[place + 2] = thirdGroup
      total += (first * tables.windowWeights[vector]).sum()
    }
    layerLoad[layer] = Double(total)
  }

  /// What is left of the two parts of communication when what stays is taken off.
  private func measuredCommunication() -> Double {
    let problem = tables.problem
    var seconds = 0.0
    if tables.hasTransitions {
      // Each pair of layers is in the tables of both.
      var (total, saved) = (0.0, 0.0)
      for pair in 0..<tables.layers - 1 {
        total += problem.transition(pair).reduce(0, +)
        let rows = tables.rowVectors * 8
        for item in 0..<tables.items {
          let place = pair * tables.items + item
          let source = UnsafeRawPointer(tables.forward + place * tables.rowVectors)
            .assumingMemoryBound(to: Float.self)
          let group = groupOf[place]
          for next in 0..<min(tables.items, rows) {
            let other = groupOf[(pair + 1) * tables.items + next]
            if other == group {
              saved += Double(source[next]) * problem.secondsAcrossNodes
            } else if groupNode[Int(other)] == groupNode[Int(group)] {
              saved += Double(source[next] * tables.nodeSaving)
            }
          }
        }
      }
      seconds += total * problem.secondsAcrossNodes - saved
    }
    return tables.hasHome ? seconds + homeSeconds : seconds
  }

  private var homeSeconds: Double { measuredHome.reduce(0) { $0 + $1.seconds } }

  private var measuredHome: [(seconds: Double, groups: Double, nodes: Double, tokens: Double)] {
    guard let sets = tables.problem.sets else { return [] }
    let problem = tables.problem
    let shares = CopyShares(of: placement, in: problem)
    let groupsLeft = 1 - 1 / Double(problem.groups)
    let nodesLeft = 1 - 1 / Double(problem.nodes)
    return (0..<tables.layers).map { layer in
      let (groups, nodes) = shares.distinct(sets, layer, problem)
      let across = nodes * nodesLeft
      return (
        across * problem.secondsAcrossNodes
          + (groups * groupsLeft - across) * problem.secondsInNode,
        groups, nodes, sets.tokens[sets.starts[layer]..<sets.starts[layer + 1]].reduce(0, +)
      )
    }
  }

  /// What a pair of items taken together is worth: seconds saved so far for each such pair.
  private func measurePairs() {
    guard let sets = tables.problem.sets else { return }
    let problem = tables.problem
    let measured = measuredHome
    let row = tables.rowVectors * 8
    for layer in 0..<tables.layers {
      var (inGroup, inNode) = (0.0, 0.0)
      for item in 0..<tables.items {
        let place = layer * tables.items + item
        let source = UnsafeRawPointer(tables.together).assumingMemoryBound(to: Float.self)
        for other in 0..<item {
          let (a, b) = (groupOf[place], groupOf[layer * tables.items + other])
          let tokens = Double(source[place * row + other])
          if a == b { inGroup += tokens }
          if groupNode[Int(a)] == groupNode[Int(b)] { inNode += tokens }
        }
      }
      let routes = measured[layer].tokens * Double(sets.topK)
      let groupsSaved = inGroup > 0 ? (routes - measured[layer].groups) / inGroup : 1
      let nodesSaved = inNode > 0 ? (routes - measured[layer].nodes) / inNode : 1
      groupPair[layer] = Float(
        groupsSaved * (1 - 1 / Double(problem.groups)) * problem.secondsInNode)
      nodePair[layer] = Float(
        nodesSaved * (1 - 1 / Double(problem.nodes))
          * (problem.secondsAcrossNodes - problem.secondsInNode))
    }
  }

  /// The placement with each expert's groups in order.
  var placement: ExpertPlacement {
    var hosts = [[[Int]]](
      repeating: [[Int]](repeating: [], count: tables.problem.experts), count: tables.layers)
    for place in 0..<tables.layers * tables.items where tables.expertOf[place] >= 0 {
      hosts[place / tables.items][Int(tables.expertOf[place])].append(Int(groupOf[place]))
    }
    return ExpertPlacement(
      groups: tables.groups, hosts: hosts.map { layer in layer.map { $0.sorted() } })
  }
}

// MARK: - Swaps

extension SearchState {
  /// Whether two items of a layer, on different groups, may change places.
  @inline(__always)
  func maySwap(_ layer: Int, _ this: Int, _ other: Int) -> Bool {
    if onGroup.isEmpty && tables.allowed.isEmpty { return true }
    let (a, b) = (layer * tables.items + this, layer * tables.items + other)
    return may(a, moveTo: Int(groupOf[b]), from: Int(groupOf[a]))
      && may(b, moveTo: Int(groupOf[a]), from: Int(groupOf[b]))
      && (tables.expertOf[a] != tables.expertOf[b])
  }

  private func may(_ place: Int, moveTo group: Int, from: Int) -> Bool {
    if !tables.allowed.isEmpty, !tables.allowed[place * tables.groups + group] { return false }
    guard !onGroup.isEmpty, tables.expertOf[place] >= 0, tables.copiesOf[place] > 1 else {
      return true
    }
    let expert = place / tables.items * tables.problem.experts + Int(tables.expertOf[place])
    if onGroup[expert * tables.groups + group] > 0 { return false }
    if onNode.isEmpty || groupNode[group] == groupNode[from] { return true }
    return onNode[expert * tables.nodes + Int(groupNode[group])] < mostOnNode[place]
  }

  /// Seconds of communication that a swap adds.
  @inline(__always)
  func communicationChange(_ layer: Int, _ this: Int, _ other: Int) -> Float {
    let (items, row) = (tables.items, tables.rowVectors &* 8)
    let from = Int(groupOf[layer &* items &+ this])
    let to = Int(groupOf[layer &* items &+ other])
    let near =
      UnsafeRawPointer(nearGroup).assumingMemoryBound(to: Float.self)
      + layer &* tables.groups &* row
    let (here, there) = (near + from &* row, near + to &* row)
    var change = (here[this] - there[this]) + (there[other] - here[other])
    var pair: Float = 0
    if tables.hasHome {
      pair =
        UnsafeRawPointer(tables.together).assumingMemoryBound(to: Float.self)[
          (layer &* items &+ this) &* row &+ other]
      change += 2 * pair * groupPair[layer]
    }
    guard tables.nodes > 1, groupNode[from] != groupNode[to] else { return change }
    let nodes =
      UnsafeRawPointer(nearNode).assumingMemoryBound(to: Float.self)
      + layer &* tables.nodes &* row
    let (home, away) = (nodes + Int(groupNode[from]) &* row, nodes + Int(groupNode[to]) &* row)
    change += (home[this] - away[this]) + (away[other] - home[other])
    if tables.hasHome { change += 2 * pair * nodePair[layer] }
    return change
  }

  /// Seconds that the slowest group takes after a swap, the mean over windows.
  @inline(__always)
  func loadAfter(_ layer: Int, _ this: Int, _ other: Int) -> Float {
    let (items, vectors) = (tables.items, tables.windowVectors)
    let (a, b) = (layer &* items &+ this, layer &* items &+ other)
    let (from, to) = (groupOf[a], groupOf[b])
    let base = loads + layer &* tables.groups &* vectors
    var total: Float = 0
    for vector in 0..<vectors {
      let change = tables.work[b &* vectors &+ vector] - tables.work[a &* vectors &+ vector]
      let here = base[Int(from) &* vectors &+ vector] + change
      let there = base[Int(to) &* vectors &+ vector] - change
      let top = (layer &* vectors &+ vector) &* 3
      let isFirstTouched = (topGroup[top] .== from) .| (topGroup[top] .== to)
      let isSecondTouched = (topGroup[top &+ 1] .== from) .| (topGroup[top &+ 1] .== to)
      let later = topLoad[top &+ 1].replacing(with: topLoad[top &+ 2], where: isSecondTouched)
      let others = topLoad[top].replacing(with: later, where: isFirstTouched)
      let changed = here.replacing(with: there, where: there .> here)
      let slowest = changed.replacing(with: others, where: others .> changed)
      total += (slowest * tables.windowWeights[vector]).sum()
    }
    return total
  }

  /// What a swap adds to ``cost``.
  func change(_ layer: Int, _ this: Int, _ other: Int) -> Double {
    Double(communicationChange(layer, this, other))
      + Double(loadAfter(layer, this, other)) - layerLoad[layer]
  }

  /// Carries a swap out.
  func swap(_ layer: Int, _ this: Int, _ other: Int) {
    let (items, vectors) = (tables.items, tables.rowVectors)
    let (a, b) = (layer * items + this, layer * items + other)
    communication += Double(communicationChange(layer, this, other))
    let (from, to) = (Int(groupOf[a]), Int(groupOf[b]))
    if tables.hasTransitions {
      if layer + 1 < tables.layers {
        shift(
          tables.forward + a * vectors, tables.forward + b * vectors, layer + 1, from, to,
          tables.groupSaving, tables.nodeSaving)
      }
      if layer > 0 {
        shift(
          tables.backward + (a - items) * vectors, tables.backward + (b - items) * vectors,
          layer - 1, from, to, tables.groupSaving, tables.nodeSaving)
      }
    }
    if tables.hasHome {
      shift(
        tables.together + a * vectors, tables.together + b * vectors, layer, from, to,
        groupPair[layer], nodePair[layer])
    }
    let base = loads + layer * tables.groups * tables.windowVectors
    for vector in 0..<tables.windowVectors {
      let change =
        tables.work[b * tables.windowVectors + vector]
        - tables.work[a * tables.windowVectors + vector]
      base[from * tables.windowVectors + vector] += change
      base[to * tables.windowVectors + vector] -= change
    }
    rank(layer)
    if !onGroup.isEmpty {
      count(a, at: from, -1)
      count(b, at: to, -1)
      count(a, at: to, 1)
      count(b, at: from, 1)
    }
    (groupOf[a], groupOf[b]) = (groupOf[b], groupOf[a])
    (slotOf[a], slotOf[b]) = (slotOf[b], slotOf[a])
    itemAt[layer * items + Int(slotOf[a])] = Int32(this)
    itemAt[layer * items + Int(slotOf[b])] = Int32(other)
  }

  /// A layer's neighbours after the first item left `from` for `to` and the second the other way.
  private func shift(
    _ first: UnsafeMutablePointer<Row>, _ second: UnsafeMutablePointer<Row>, _ layer: Int,
    _ from: Int, _ to: Int, _ groupScale: Float, _ nodeScale: Float
  ) {
    let vectors = tables.rowVectors
    let here = nearGroup + (layer * tables.groups + from) * vectors
    let there = nearGroup + (layer * tables.groups + to) * vectors
    if groupScale != 0 {
      var vector = 0
      while vector < vectors {
        let moved = (first[vector] - second[vector]) * groupScale
        here[vector] -= moved
        there[vector] += moved
        vector &+= 1
      }
    }
    guard tables.nodes > 1, groupNode[from] != groupNode[to] else { return }
    let home = nearNode + (layer * tables.nodes + Int(groupNode[from])) * vectors
    let away = nearNode + (layer * tables.nodes + Int(groupNode[to])) * vectors
    var vector = 0
    while vector < vectors {
      let moved = (first[vector] - second[vector]) * nodeScale
      home[vector] -= moved
      away[vector] += moved
      vector &+= 1
    }
  }

  /// The most loaded group of a layer in a window.
  @inline(__always)
  func hottestGroup(_ layer: Int, window: Int) -> Int {
    max(0, Int(topGroup[(layer &* tables.windowVectors &+ window &>> 3) &* 3][window & 7]))
  }
}
