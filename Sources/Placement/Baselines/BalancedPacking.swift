/// Items into packs of a limited number of items, so that the heaviest pack is light: heaviest item
/// first, each into the lightest pack that has room (Graham's longest processing time rule with a
/// limit of cardinality). Items of one owner go to different packs.
struct BalancedPacking {
  let packs: Int
  let room: Int
  private(set) var loads: [Double]
  /// Owners of the items in each pack.
  private var owners: [[Int]]
  /// `[item]`
  private(set) var packOfItem: [Int]
  private var itemsOfPack: [[Int]]

  /// O(items x (packs + log items)).
  ///
  /// - Parameter owners: of each item; no owner has more items than there are packs, and there is room
  ///   for all items.
  init(weights: [Double], owners ownerOfItem: [Int], packs: Int, room: Int) {
    precondition(weights.count <= packs * room)
    self.packs = packs
    self.room = room
    loads = [Double](repeating: 0, count: packs)
    owners = [[Int]](repeating: [], count: packs)
    itemsOfPack = [[Int]](repeating: [], count: packs)
    packOfItem = [Int](repeating: -1, count: weights.count)
    let order = weights.indices.sorted { (weights[$1], $0) < (weights[$0], $1) }
    for item in order { place(item, weights, ownerOfItem) }
  }

  private mutating func place(_ item: Int, _ weights: [Double], _ ownerOfItem: [Int]) {
    let owner = ownerOfItem[item]
    var best = -1
    for pack in 0..<packs
    where itemsOfPack[pack].count < room && !owners[pack].contains(owner) {
      if best < 0 || loads[pack] < loads[best] { best = pack }
    }
    if best >= 0 {
      put(item, best, weights[item], owner)
      return
    }
    // Every pack with room has the owner already. One that has not is full, of different owners, and
    // so has an item whose owner the pack with room lacks: that item makes way.
    guard let open = (0..<packs).first(where: { itemsOfPack[$0].count < room }) else { return }
    for pack in 0..<packs where !owners[pack].contains(owner) {
      guard
        let place = itemsOfPack[pack].indices.last(where: {
          !owners[open].contains(owners[pack][$0])
        })
      else { continue }
      let (other, otherOwner) = (
        itemsOfPack[pack].remove(at: place), owners[pack].remove(at: place)
      )
      loads[pack] -= weights[other]
      put(other, open, weights[other], otherOwner)
      put(item, pack, weights[item], owner)
      return
    }
  }

  private mutating func put(_ item: Int, _ pack: Int, _ weight: Double, _ owner: Int) {
    packOfItem[item] = pack
    itemsOfPack[pack].append(item)
    owners[pack].append(owner)
    loads[pack] += weight
  }
}

/// How many copies each expert gets: one each, then one after the other for the expert whose copies
/// have most work, the first of equal ones.
///
/// - Parameter most: copies of each expert.
func replicaCounts(work: ArraySlice<Double>, copies: Int, most: [Int]) -> [Int] {
  var counts = [Int](repeating: 1, count: work.count)
  for _ in 0..<max(0, copies - counts.count) {
    var (best, heaviest) = (-1, -Double.infinity)
    for (expert, seconds) in work.enumerated() where counts[expert] < most[expert] {
      let each = seconds / Double(counts[expert])
      if each > heaviest { (best, heaviest) = (expert, each) }
    }
    guard best >= 0 else { break }
    counts[best] += 1
  }
  return counts
}
