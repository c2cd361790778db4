/// Quick placements of items to begin with.
extension SearchTables {
  /// Heaviest item first to the least loaded group, in every layer for itself; of empty slots what is
  /// left over. `nil` where pinned and forbidden places leave no way.
  func packedStart() -> [Int32]? {
    var groupOfItem: [Int32] = []
    for layer in 0..<layers {
      let loads = (layer * items..<(layer + 1) * items).map { meanWork(ofItem: $0) }
      if hasPlaces || problem.spreadsCopiesOverNodes {
        guard let row = greedyLayer(layer, loads) ?? anyWay(layer) else { return nil }
        groupOfItem += row
        continue
      }
      // Empty slots own themselves.
      let owners = (0..<items).map { item in
        let expert = Int(expertOf[layer * items + item])
        return expert >= 0 ? expert : problem.experts + item
      }
      let packing = BalancedPacking(weights: loads, owners: owners, packs: groups, room: slots)
      groupOfItem += packing.packOfItem.map { Int32($0) }
    }
    return groupOfItem
  }

  func meanWork(ofItem place: Int) -> Double {
    (0..<windowVectors).reduce(0.0) {
      $0 + Double((work[place * windowVectors + $1] * windowWeights[$1]).sum())
    }
  }

  /// Where there are constraints: items with fewest groups first, each to the least loaded group that
  /// it may have; `nil` where that ends nowhere, though there may be a way.
  func greedyLayer(_ layer: Int, _ loads: [Double]) -> [Int32]? {
    let choices = (0..<items).map { item in
      (0..<groups).count { isAllowed(layer * items + item, $0) }
    }
    let order = (0..<items).sorted { (choices[$0], loads[$1], $0) < (choices[$1], loads[$0], $1) }
    var (row, load) = (
      [Int32](repeating: -1, count: items), [Double](repeating: 0, count: groups)
    )
    var room = [Int](repeating: slots, count: groups)
    for item in order {
      let group = (0..<groups).filter {
        room[$0] > 0 && isAllowed(layer * items + item, $0)
          && !meets(layer, item, $0, row) && !crowds(layer, item, $0, row)
      }.min { load[$0] < load[$1] }
      guard let group else { return nil }
      row[item] = Int32(group)
      load[group] += loads[item]
      room[group] -= 1
    }
    return row
  }

  private func anyWay(_ layer: Int) -> [Int32]? {
    var copies = [Int](repeating: 0, count: problem.experts)
    for place in layer * items..<(layer + 1) * items where expertOf[place] >= 0 {
      copies[Int(expertOf[place])] += 1
    }
    return LayerRoom(problem, layer: layer, copies: copies).hosts.flatMap { row(layer, $0) }
  }

  func isAllowed(_ place: Int, _ group: Int) -> Bool {
    !hasPlaces || allowed[place * groups + group]
  }

  /// Whether a group has another copy of the item's expert.
  private func meets(_ layer: Int, _ item: Int, _ group: Int, _ row: [Int32]) -> Bool {
    siblings(layer, item).contains { $0 != item && Int(row[$0]) == group }
  }

  /// Whether a node has its share of the expert's copies already.
  private func crowds(_ layer: Int, _ item: Int, _ group: Int, _ row: [Int32]) -> Bool {
    guard problem.spreadsCopiesOverNodes, nodes > 1 else { return false }
    let node = problem.node(ofGroup: group)
    let copies = siblings(layer, item)
    let there = copies.count {
      $0 != item && row[$0] >= 0 && problem.node(ofGroup: Int(row[$0])) == node
    }
    return there >= problem.mostInNode(copies: copies.count)
  }

  /// The items of the same expert, which stand in a row.
  private func siblings(_ layer: Int, _ item: Int) -> Range<Int> {
    let place = layer * items + item
    guard expertOf[place] >= 0, copiesOf[place] > 1 else { return item..<item + 1 }
    var first = item
    while first > 0, expertOf[layer * items + first - 1] == expertOf[place] { first -= 1 }
    return first..<first + Int(copiesOf[place])
  }

  /// The cheapest groups for a layer's items, mended so that copies keep apart; `nil` where that
  /// fails.
  func transported(_ layer: Int, _ costs: [Double]) -> [Int32]? {
    guard
      let best = LinearAssignment(
        costs: costs, rows: items, columns: groups,
        capacities: [Int](repeating: slots, count: groups))
    else { return nil }
    var row = best.columnOfRow.map { Int32($0) }
    for item in 0..<items where copiesOf[layer * items + item] > 1 {
      let group = Int(row[item])
      guard meets(layer, item, group, row) || crowds(layer, item, group, row) else { continue }
      var (other, least) = (-1, Double.infinity)
      for candidate in 0..<items where row[candidate] != row[item] {
        let target = Int(row[candidate])
        guard isAllowed(layer * items + item, target),
          isAllowed(layer * items + candidate, group),
          !meets(layer, item, target, row), !meets(layer, candidate, group, row),
          !crowds(layer, item, target, row), !crowds(layer, candidate, group, row)
        else { continue }
        let cost =
          costs[item * groups + target] + costs[candidate * groups + group]
          - costs[item * groups + group] - costs[candidate * groups + target]
        if cost < least { (other, least) = (candidate, cost) }
      }
      guard other >= 0 else { return nil }
      row.swapAt(item, other)
    }
    return row
  }

  /// Layer after layer, the way that saves most traffic from the layer before: the first layer as
  /// `start` has it, each next one a transportation problem. `nil` where constraints break it.
  func chainedStart(from start: [Int32]) -> [Int32]? {
    var groupOfItem = Array(start[..<items])
    let row = rowVectors * 8
    for layer in 1..<max(1, layers) {
      var costs = [Double](repeating: 0, count: items * groups)
      let flows =
        UnsafeRawPointer(forward).assumingMemoryBound(to: Float.self)
        + (layer - 1) * items * row
      for before in 0..<items {
        let host = Int(groupOfItem[(layer - 1) * items + before])
        let node = problem.node(ofGroup: host)
        for item in 0..<items {
          let tokens = Double(flows[before * row + item])
          costs[item * groups + host] -= tokens * Double(groupSaving)
          guard nodes > 1 else { continue }
          for group in node * problem.groupsPerNode..<(node + 1) * problem.groupsPerNode {
            costs[item * groups + group] -= tokens * Double(nodeSaving)
          }
        }
      }
      for cell in costs.indices where !isAllowed(layer * items + cell / groups, cell % groups) {
        costs[cell] = .infinity
      }
      guard let next = transported(layer, costs) else { return nil }
      groupOfItem += next
    }
    return groupOfItem
  }

  /// A placement as groups of items; `nil` where it has other copies than these tables.
  func groupOfItem(_ placement: ExpertPlacement) -> [Int32]? {
    var groupOfItem: [Int32] = []
    for layer in 0..<layers {
      guard let row = row(layer, placement.hosts[layer]) else { return nil }
      groupOfItem += row
    }
    return groupOfItem
  }

  /// A layer's groups of experts' copies as groups of items; `nil` where there are other copies.
  private func row(_ layer: Int, _ hosts: [[Int]]) -> [Int32]? {
    var room = [Int](repeating: slots, count: groups)
    var row: [Int32] = []
    for own in hosts {
      let places = layer * items + row.count..<layer * items + row.count + own.count
      guard places.upperBound <= (layer + 1) * items,
        Int(copiesOf[places.lowerBound]) == own.count
      else { return nil }
      // A pinned copy takes its own group first.
      var left = own
      for place in places {
        guard let index = left.firstIndex(where: { isAllowed(place, $0) }) else { return nil }
        let group = left.remove(at: index)
        room[group] -= 1
        row.append(Int32(group))
      }
    }
    for (group, count) in room.enumerated() {
      guard count >= 0 else { return nil }
      row += Array(repeating: Int32(group), count: count)
    }
    return row.count == items ? row : nil
  }
}
