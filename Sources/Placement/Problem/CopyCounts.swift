/// How many copies experts get where they are pinned, forbidden or apart.
extension PlacementProblem {
  /// Copies of each expert by load, like ``replicaCounts(work:copies:most:)``, each copy where it has room beside
  /// all others, `[layer][expert]`.
  ///
  /// Where copies need not spread over nodes, counts that have room are those of a polymatroid (Edmonds,
  /// "Submodular functions, matroids, and certain polyhedra", 1970): an expert without room for one more gets
  /// none later, and handing copies out in any order ends at as many. Where they spread, three copies of an expert
  /// may have no room and four have some, as a node's share of four may be larger. It then gets several at once; where
  /// copies are left over, one expert after the other is tried with a larger share from the beginning. Where that
  /// too leaves some over, there may be a way all the same.
  ///
  /// O(experts x groups) for each copy that is handed out or has no room; of a layer O(copies x experts x groups)
  /// where all find room.
  ///
  /// - Throws: ``PlacementProblemError/unplaceable(layer:experts:groups:slots:spreads:)`` where not even the
  ///   fewest copies have room, else ``PlacementProblemError/misfit(_:)``.
  func copyCounts() throws(PlacementProblemError) -> [[Int]] {
    let (work, pinned) = (meanWork, pinnedGroups)
    let hasAnyWay = self.pinned.isEmpty && forbidden.isEmpty && !spreadsCopiesOverNodes
    var counts: [[Int]] = []
    for layer in 0..<layers {
      let own = work[layer * experts..<(layer + 1) * experts]
      if hasAnyWay {
        let most = [Int](repeating: groups, count: experts)
        counts.append(replicaCounts(work: own, copies: copies, most: most))
      } else {
        let least = pinned[layer].map { fewestCopies(pinned: $0) }
        counts.append(try copyCounts(layer, Array(own), least: least))
      }
    }
    return counts
  }

  private func copyCounts(
    _ layer: Int, _ work: [Double], least: [Int]
  ) throws(PlacementProblemError) -> [Int] {
    let needed = least.reduce(0, +)
    guard needed <= copies else {
      throw .misfit("pinned places need \(needed) copies in layer \(layer), which has \(copies)")
    }
    let room = LayerRoom(self, layer: layer, copies: least)
    if let (experts, groups) = room.blocked {
      throw .unplaceable(
        layer: layer, experts: experts, groups: groups, slots: slotsPerGroup,
        spreads: spreadsCopiesOverNodes)
    }
    let grown = grown(room, work)
    if hasAll(grown) { return grown.copies }
    if let counts = countsWithLargerShare(than: grown, from: room, work) { return counts }
    let placed = grown.copies.reduce(0, +)
    throw .misfit(
      spreadsCopiesOverNodes
        ? "no room was found for \(copies) copies of layer \(layer), apart over nodes beside pinned and forbidden "
          + "places; there is some for \(placed)"
        : "pinned and forbidden places leave no room for more than \(placed) copies of layer \(layer), which has "
          + "\(copies)")
  }

  private func hasAll(_ room: LayerRoom) -> Bool { room.copies.reduce(0, +) == copies }

  /// One after the other for the expert whose copies have most work, of those that have room for more.
  private func grown(_ room: LayerRoom, _ work: [Double]) -> LayerRoom {
    var room = room
    var left = copies - room.copies.reduce(0, +)
    var isFull = [Bool](repeating: false, count: experts)
    while left > 0 {
      var (heaviest, most) = (-1, -Double.infinity)
      for expert in 0..<experts where !isFull[expert] {
        let each = work[expert] / Double(room.copies[expert])
        if each > most { (heaviest, most) = (expert, each) }
      }
      guard heaviest >= 0 else { break }
      guard let (next, step) = grown(room, heaviest, left) else {
        isFull[heaviest] = true
        continue
      }
      // Where it may now have more in a node, others may have its place in another.
      if mostInNode(copies: next.copies[heaviest]) > mostInNode(copies: room.copies[heaviest]) {
        isFull = [Bool](repeating: false, count: experts)
      }
      room = next
      left -= step
    }
    return room
  }

  /// With a copy more of an expert, or as many more as make each node's share larger by one; `nil` where
  /// neither has room.
  private func grown(
    _ room: LayerRoom, _ expert: Int, _ left: Int
  ) -> (room: LayerRoom, step: Int)? {
    let steps = spreadsCopiesOverNodes ? [1, stepToLargerShare(room.copies[expert])] : [1]
    for step in steps where step <= left {
      var next = room
      if next.add(step, to: expert) { return (next, step) }
    }
    return nil
  }

  /// The counts of all copies where some expert has a larger share of a node from the beginning than where
  /// copies were left over; `nil` where none ends with all.
  private func countsWithLargerShare(
    than grown: LayerRoom, from start: LayerRoom, _ work: [Double]
  ) -> [Int]? {
    guard spreadsCopiesOverNodes else { return nil }
    for (expert, count) in grown.copies.enumerated() {
      let step = count + stepToLargerShare(count) - start.copies[expert]
      var room = start
      guard start.copies.reduce(step, +) <= copies, room.add(step, to: expert) else { continue }
      room = self.grown(room, work)
      if hasAll(room) { return room.copies }
    }
    return nil
  }

  private func stepToLargerShare(_ count: Int) -> Int { nodes - (count - 1) % nodes }
}
