/// Which placements the problem is about.
extension PlacementProblem {
  /// Whether a placement is of the problem's shape, with its copies, each expert's on different groups, no
  /// group with more than its slots, copies where they are pinned and none where they are forbidden, and
  /// spread over nodes where that is asked for.
  ///
  /// O(layers x copies + pinned and forbidden places).
  public func admits(_ placement: ExpertPlacement) -> Bool { objection(to: placement) == nil }

  /// Why a placement is not admitted, to end a sentence with; `nil` where it is.
  func objection(to placement: ExpertPlacement) -> String? {
    guard placement.layers == layers, placement.experts == experts, placement.groups == groups
    else {
      return "it has \(placement.layers) layers of \(placement.experts) experts on "
        + "\(placement.groups) groups, not \(layers) of \(experts) on \(groups)"
    }
    for (layer, hosts) in placement.hosts.enumerated() {
      if let objection = objection(to: hosts, layer) { return objection }
    }
    return misplaced(in: placement)
  }

  /// Which expert of a placement of the problem's layers and experts is not where it must be, is where it
  /// must not be, or has copies in one node that are to be in several, to end a sentence with; `nil` where
  /// none is.
  public func misplaced(in placement: ExpertPlacement) -> String? {
    func has(_ place: Place) -> Bool {
      (0..<layers).contains(place.layer) && (0..<experts).contains(place.expert)
        && placement.hosts[place.layer][place.expert].contains(place.group)
    }
    if let place = pinned.first(where: { !has($0) }) {
      return "expert \(place.expert) of layer \(place.layer) is not on group \(place.group), "
        + "where it is pinned"
    }
    if let place = forbidden.first(where: has) {
      return "expert \(place.expert) of layer \(place.layer) is on group \(place.group), "
        + "where it is forbidden"
    }
    for (layer, hosts) in placement.hosts.enumerated() {
      for (expert, own) in hosts.enumerated() {
        guard let node = crowdedNode(own) else { continue }
        return "expert \(expert) of layer \(layer) has too many of its copies in "
          + "node \(node): they are to be spread over nodes"
      }
    }
    return nil
  }

  private func objection(to hosts: [[Int]], _ layer: Int) -> String? {
    guard hosts.count == experts else { return "layer \(layer) has \(hosts.count) experts" }
    var held = [Int](repeating: 0, count: groups)
    for (expert, own) in hosts.enumerated() {
      guard !own.isEmpty, own.allSatisfy((0..<groups).contains) else {
        return "expert \(expert) of layer \(layer) is on no group that there is"
      }
      guard Set(own).count == own.count else {
        return "expert \(expert) of layer \(layer) is twice on one group"
      }
      for group in own { held[group] += 1 }
    }
    let sum = held.reduce(0, +)
    guard sum == copies else { return "layer \(layer) has \(sum) copies, not \(copies)" }
    return overfull(held, layer)
  }

  /// The first group with more copies of a layer than it has slots for, to end a sentence with; `nil` where
  /// none has.
  public func overfull(in placement: ExpertPlacement) -> String? {
    for (layer, hosts) in placement.hosts.enumerated() {
      var held = [Int](repeating: 0, count: groups)
      for group in hosts.joined() { held[group] += 1 }
      if let objection = overfull(held, layer) { return objection }
    }
    return nil
  }

  private func overfull(_ held: [Int], _ layer: Int) -> String? {
    guard let full = held.firstIndex(where: { $0 > slotsPerGroup }) else { return nil }
    return "group \(full) has \(held[full]) copies of layer \(layer), "
      + "more than its \(slotsPerGroup) slots"
  }

  /// The most copies of an expert that a node may hold where they are spread.
  func mostInNode(copies: Int) -> Int { (copies + nodes - 1) / nodes }

  /// A node with more of an expert's copies than its share of them, where they are to be spread.
  private func crowdedNode(_ hosts: [Int]) -> Int? {
    guard spreadsCopiesOverNodes, hosts.count > 1 else { return nil }
    var held = [Int](repeating: 0, count: nodes)
    for group in hosts { held[node(ofGroup: group)] += 1 }
    return held.firstIndex { $0 > mostInNode(copies: hosts.count) }
  }
}
