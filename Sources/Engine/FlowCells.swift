/// Flows grouped for ``CompletionSolver``.
///
/// Links are divided into trunks, which many flows cross, and the rest, which are called ports. Flows
/// that cross the same trunks with the same amounts and have the same cap form a cell: whatever
/// fills a trunk stops whole cells. What a port carries of one cell is a lane.
///
/// Any division gives the same rates. This one takes as trunks as many of the links with the most
/// flows as leaves eight flows a cell: the links between switches of a network, say.
struct FlowCells: ~Copyable {
  private(set) var cellCount = 0
  let isTrunk: [Bool]
  private(set) var cellOf: [Int32]
  private(set) var cellCap: [Double] = []
  private(set) var cellSize: [Int32] = []
  /// Cell c crosses `trunk[k]` with `trunkAmount[k]` for k in `trunkStart[c]..<trunkStart[c + 1]`.
  private(set) var trunkStart: [Int32] = [0]
  private(set) var trunk: [Int32] = []
  private(set) var trunkAmount: [Double] = []
  /// The cells on trunk j are `cellOnTrunk[k]` for k in `cellsOfTrunk[j]..<cellsOfTrunk[j + 1]`.
  private(set) var cellsOfTrunk: [Int32] = []
  private(set) var cellOnTrunk: [Int32] = []
  /// The lanes of port j are `lanesOfPort[j]..<lanesOfPort[j + 1]`.
  private(set) var lanesOfPort: [Int32] = []
  private(set) var laneCell: [Int32] = []
  /// The flows of lane l are `flowInLane[k]` for k in `laneStart[l]..<laneStart[l + 1]`.
  private(set) var laneStart: [Int32] = []
  private(set) var flowInLane: [Int32] = []
  /// Flow i crosses ports in entries `portStart[i]..<portStart[i + 1]`: which lane, its place among
  /// the lane's flows, and how much.
  private(set) var portStart: [Int32] = [0]
  private(set) var portLane: [Int32] = []
  private(set) var portPlace: [Int32] = []
  private(set) var portAmount: [Double] = []
  private(set) var portLink: [Int32] = []

  init(_ flows: SimultaneousFlows) {
    isTrunk = Self.trunks(of: flows)
    cellOf = [Int32](repeating: 0, count: flows.flowCount)
    findCells(flows)
    listCellsOfTrunks(flows.linkCount)
    listPorts(flows)
    listLanes(flows.linkCount)
  }

  func trunks(of cell: Int) -> Range<Int> { Int(trunkStart[cell])..<Int(trunkStart[cell + 1]) }
  func cells(on link: Int) -> Range<Int> { Int(cellsOfTrunk[link])..<Int(cellsOfTrunk[link + 1]) }
  func lanes(of link: Int) -> Range<Int> { Int(lanesOfPort[link])..<Int(lanesOfPort[link + 1]) }
  func flows(in lane: Int) -> Range<Int> { Int(laneStart[lane])..<Int(laneStart[lane + 1]) }
  func ports(of flow: Int) -> Range<Int> { Int(portStart[flow])..<Int(portStart[flow + 1]) }

  // MARK: Trunks

  /// Takes the links with the most flows, by powers of two, while there are eight flows a cell.
  private static func trunks(of flows: SimultaneousFlows) -> [Bool] {
    var users = [Int](repeating: 0, count: flows.linkCount)
    for link in flows.links { users[Int(link)] += 1 }
    var chosen = [Bool](repeating: false, count: flows.linkCount)
    var chosenCount = 0
    var least = 1
    while let most = users.max(), 2 * least <= most { least *= 2 }
    while least > 1 {
      let wider = users.map { $0 >= least }
      let count = wider.count { $0 }
      least /= 2
      guard count > chosenCount else { continue }
      guard 8 * cellCount(flows, wider) <= flows.flowCount else { break }
      chosen = wider
      chosenCount = count
    }
    return chosen
  }

  private static func cellCount(_ flows: SimultaneousFlows, _ isTrunk: [Bool]) -> Int {
    var seen = Set<UInt64>()
    for flow in 0..<flows.flowCount { seen.insert(fingerprint(of: flow, flows, isTrunk)) }
    return seen.count
  }

  /// A number that is the same for flows of one cell and almost always another for others.
  private static func fingerprint(
    of flow: Int, _ flows: SimultaneousFlows, _ isTrunk: [Bool]
  ) -> UInt64 {
    func mixed(_ hash: UInt64, _ value: UInt64) -> UInt64 {
      let product = (hash ^ value) &* 0x9e37_79b9_7f4a_7c15
      return product ^ (product >> 29)
    }
    var hash = mixed(1, flows.caps[flow].bitPattern)
    for entry in flows.row(flow) where isTrunk[Int(flows.links[entry])] {
      hash = mixed(mixed(hash, UInt64(flows.links[entry])), flows.amounts[entry].bitPattern)
    }
    return hash
  }

  // MARK: Cells

  /// Numbers the cells in the order of their first flows.
  private mutating func findCells(_ flows: SimultaneousFlows) {
    var first: [UInt64: Int] = [:]
    /// Another cell with the same fingerprint, or -1.
    var next: [Int] = []
    for flow in 0..<flows.flowCount {
      let hash = Self.fingerprint(of: flow, flows, isTrunk)
      var cell = first[hash] ?? -1
      while cell >= 0, !isFlow(flow, like: cell, flows) { cell = next[cell] }
      if cell < 0 {
        cell = cellCount
        next.append(first[hash] ?? -1)
        first[hash] = cell
        addCell(like: flow, flows)
      }
      cellOf[flow] = Int32(cell)
      cellSize[cell] += 1
    }
  }

  private mutating func addCell(like flow: Int, _ flows: SimultaneousFlows) {
    for entry in flows.row(flow) where isTrunk[Int(flows.links[entry])] {
      trunk.append(flows.links[entry])
      trunkAmount.append(flows.amounts[entry])
    }
    trunkStart.append(Int32(trunk.count))
    cellCap.append(flows.caps[flow])
    cellSize.append(0)
    cellCount += 1
  }

  private func isFlow(_ flow: Int, like cell: Int, _ flows: SimultaneousFlows) -> Bool {
    guard flows.caps[flow] == cellCap[cell] else { return false }
    let range = trunks(of: cell)
    var index = range.lowerBound
    for entry in flows.row(flow) where isTrunk[Int(flows.links[entry])] {
      guard index < range.upperBound, trunk[index] == flows.links[entry],
        trunkAmount[index] == flows.amounts[entry]
      else { return false }
      index += 1
    }
    return index == range.upperBound
  }

  private mutating func listCellsOfTrunks(_ linkCount: Int) {
    let sorted = Self.sort(trunk, below: linkCount)
    cellsOfTrunk = sorted.start
    var cellOfEntry = [Int32](repeating: 0, count: trunk.count)
    for cell in 0..<cellCount {
      for entry in trunks(of: cell) { cellOfEntry[entry] = Int32(cell) }
    }
    cellOnTrunk = sorted.order.map { cellOfEntry[Int($0)] }
  }

  // MARK: Lanes

  private mutating func listPorts(_ flows: SimultaneousFlows) {
    for flow in 0..<flows.flowCount {
      for entry in flows.row(flow) where !isTrunk[Int(flows.links[entry])] {
        portLink.append(flows.links[entry])
        portAmount.append(flows.amounts[entry])
      }
      portStart.append(Int32(portLink.count))
    }
  }

  /// Sorts crossings of ports by port, then cell, then flow.
  private mutating func listLanes(_ linkCount: Int) {
    var flowOfEntry = [Int32](repeating: 0, count: portLink.count)
    var cellOfEntry = flowOfEntry
    for flow in cellOf.indices {
      for entry in ports(of: flow) {
        flowOfEntry[entry] = Int32(flow)
        cellOfEntry[entry] = cellOf[flow]
      }
    }
    let byCell = Self.sort(cellOfEntry, below: cellCount).order
    let byLink = Self.sort(byCell.map { portLink[Int($0)] }, below: linkCount)
    portLane = flowOfEntry
    portPlace = flowOfEntry
    var link = 0
    for (place, index) in byLink.order.enumerated() {
      let entry = Int(byCell[Int(index)])
      let isNewLink = place == Int(byLink.start[Int(portLink[entry])])
      while link <= Int(portLink[entry]) {
        lanesOfPort.append(Int32(laneCell.count))
        link += 1
      }
      if isNewLink || laneCell.last != cellOfEntry[entry] {
        laneCell.append(cellOfEntry[entry])
        laneStart.append(Int32(place))
      }
      flowInLane.append(flowOfEntry[entry])
      portLane[entry] = Int32(laneCell.count - 1)
      portPlace[entry] = Int32(place)
    }
    while lanesOfPort.count <= linkCount { lanesOfPort.append(Int32(laneCell.count)) }
    laneStart.append(Int32(flowInLane.count))
  }

  /// Counting sort: the positions of `keys` by key, and where each key begins.
  private static func sort(_ keys: [Int32], below count: Int) -> (start: [Int32], order: [Int32]) {
    var start = [Int32](repeating: 0, count: count + 1)
    for key in keys { start[Int(key) + 1] += 1 }
    for key in 0..<count { start[key + 1] += start[key] }
    var next = start
    var order = [Int32](repeating: 0, count: keys.count)
    for (position, key) in keys.enumerated() {
      order[Int(next[Int(key)])] = Int32(position)
      next[Int(key)] += 1
    }
    return (start, order)
  }
}
