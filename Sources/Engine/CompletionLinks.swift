/// The network of a ``CompletionSolver``: which flow crosses what, and how much of it is taken. The
/// arrays of ``FlowCells`` in raw memory.
struct CompletionLinks: ~Copyable {
  let count: Int
  let cellCount: Int
  let trunks: Slab<Int32>
  let capacity: Slab<Double>
  let isTrunk: Slab<Bool>
  let isFull: Slab<Bool>
  /// What has been given to flows and cells that were stopped; on a port, to flows only.
  let used: Slab<Double>
  /// Amounts and number of flows that rise on each trunk.
  let trunkTotal: Slab<Double>
  let trunkCount: Slab<Int32>
  /// Amounts of all flows that are not done, on each port.
  let portTotal: Slab<Double>
  /// In bytes.
  let size: Slab<Double>
  let cellOf: Slab<Int32>
  let cellCap: Slab<Double>
  /// The cells with a cap.
  let cappedCells: Slab<Int32>
  let trunk: Slab<Int32>
  let trunkAmount: Slab<Double>
  let cellOnTrunk: Slab<Int32>
  let laneCell: Slab<Int32>
  let laneStart: Slab<Int32>
  let flowInLane: Slab<Int32>
  let portLane: Slab<Int32>
  let portAmount: Slab<Double>
  let portLink: Slab<Int32>
  private let trunkStart: Slab<Int32>
  private let cellsOfTrunk: Slab<Int32>
  private let lanesOfPort: Slab<Int32>
  private let portStart: Slab<Int32>
  /// Where in its lane each entry's flow lies, and which entry each place belongs to.
  private let placeOfEntry: Slab<Int32>
  private let entryOfPlace: Slab<Int32>

  init(_ flows: SimultaneousFlows, _ cells: borrowing FlowCells) {
    count = flows.linkCount
    cellCount = cells.cellCount
    let isWide = cells.isTrunk
    trunks = Slab(isWide.indices.filter { isWide[$0] }.map { Int32($0) })
    capacity = Slab(flows.capacities)
    isTrunk = Slab(cells.isTrunk)
    isFull = Slab(repeating: false, count: count)
    used = Slab(repeating: 0, count: count)
    trunkTotal = Slab(repeating: 0, count: count)
    trunkCount = Slab(repeating: 0, count: count)
    portTotal = Slab(repeating: 0, count: count)
    size = Slab(flows.sizes)
    cellOf = Slab(cells.cellOf)
    cellCap = Slab(cells.cellCap)
    let caps = cells.cellCap
    cappedCells = Slab(caps.indices.filter { caps[$0] < .infinity }.map { Int32($0) })
    trunk = Slab(cells.trunk)
    trunkAmount = Slab(cells.trunkAmount)
    trunkStart = Slab(cells.trunkStart)
    cellsOfTrunk = Slab(cells.cellsOfTrunk)
    cellOnTrunk = Slab(cells.cellOnTrunk)
    lanesOfPort = Slab(cells.lanesOfPort)
    laneCell = Slab(cells.laneCell)
    laneStart = Slab(cells.laneStart)
    flowInLane = Slab(cells.flowInLane)
    portStart = Slab(cells.portStart)
    portLane = Slab(cells.portLane)
    portAmount = Slab(cells.portAmount)
    portLink = Slab(cells.portLink)
    placeOfEntry = Slab(cells.portPlace)
    entryOfPlace = Slab(repeating: 0, count: cells.portPlace.count)
    for entry in 0..<placeOfEntry.capacity {
      entryOfPlace[Int(placeOfEntry[entry])] = Int32(entry)
    }
  }

  func trunks(of cell: Int) -> Range<Int> { Int(trunkStart[cell])..<Int(trunkStart[cell + 1]) }
  func cells(on link: Int) -> Range<Int> { Int(cellsOfTrunk[link])..<Int(cellsOfTrunk[link + 1]) }
  func lanes(of link: Int) -> Range<Int> { Int(lanesOfPort[link])..<Int(lanesOfPort[link + 1]) }
  func ports(of flow: Int) -> Range<Int> { Int(portStart[flow])..<Int(portStart[flow + 1]) }

  /// Adds to what rises on a trunk. The last flow leaves nothing behind, not even rounding.
  func trunkAmount(_ amount: Double, _ flows: Int32, to link: Int) {
    trunkCount[link] += flows
    trunkTotal[link] = trunkCount[link] == 0 ? 0 : trunkTotal[link] + amount
  }

  /// Moves an entry's flow to another place of its lane, and the one that was there to its own.
  func swapInLane(_ entry: Int, withPlace place: Int) {
    let other = Int(entryOfPlace[place])
    let own = Int(placeOfEntry[entry])
    let flow = flowInLane[own]
    flowInLane[own] = flowInLane[place]
    flowInLane[place] = flow
    entryOfPlace[own] = Int32(other)
    entryOfPlace[place] = Int32(entry)
    placeOfEntry[other] = Int32(own)
    placeOfEntry[entry] = Int32(place)
  }
}
