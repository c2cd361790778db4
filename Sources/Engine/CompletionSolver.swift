/// Steps from one completion to the next for ``SimultaneousFlows``.
///
/// At each instant the rates are found by progressive filling: the link that is full at the lowest
/// level stops the flows on it, then the next one, until every flow has stopped. What was stopped,
/// and what it changed, lies on a stack (``filling``). When a flow is done, only the steps from the
/// one that had stopped it on are undone and taken again: no earlier step knew of it, for a link
/// that it is on is full no sooner for its leaving.
///
/// A trunk stops whole cells (``FlowCells``): their flows have one rate, so the cell counts the bytes
/// that each of them has been served, and a heap knows which flow is done first. A port stops
/// flows one by one; these have their remaining bytes in the rows of the stack, next to their rates.
///
/// How full a port is follows from its lanes when somebody asks. That is seldom: a link's level never
/// falls while others fill, so a heap of levels that were true earlier says which link to ask
/// (``LevelHeap``).
///
/// With f flows stopped one by one, c cells, r steps taken anew and l lanes a port, an instant costs
/// O(links + c + f + r (l + log links)).
struct CompletionSolver: ~Copyable {
  let links: CompletionLinks
  /// Bytes served to each flow that has been with its cell from the beginning.
  let cellServed: Slab<Double>
  /// Bytes per second of the flows that the cell was stopped with; zero while it rises.
  let cellRate: Slab<Double>
  /// 1 while the cell rises, 0 when it has been stopped.
  let cellRises: Slab<Double>
  /// Flows of the cell that have not been stopped one by one.
  let cellCount: Slab<Int32>
  /// Amounts and flows of each lane that have not been stopped one by one.
  let laneAmount: Slab<Double>
  let laneCount: Slab<Int32>
  /// Flows of each lane that are not done: the first so many of its flows.
  let laneUndone: Slab<Int32>
  var members: CellMembers
  var filling: FillingStack
  var guards: PortGuards
  var levels: LevelHeap
  /// Bytes that a flow still has to get, where it is neither with its cell nor on the stack.
  let remaining: Slab<Double>
  /// The step of the filling that stopped a flow on its own, or -1.
  let stoppedBy: Slab<Int32>
  let stepOfCell: Slab<Int32>
  /// Flows that have been stopped on their own and are so no longer.
  var loose = FlatArray<Int32>()
  /// Flows that are done at this instant.
  var done = FlatArray<Int32>()
  /// Flows that rise.
  var risingCount = 0
  var ends: [Double]
  private(set) var instants = 0

  /// Completions that differ by rounding are one.
  static var slack: Double { 1e-12 }

  init(_ flows: SimultaneousFlows) {
    let cells = FlowCells(flows)
    links = CompletionLinks(flows, cells)
    cellServed = Slab(repeating: 0, count: cells.cellCount)
    cellRate = Slab(repeating: 0, count: cells.cellCount)
    cellRises = Slab(repeating: 1, count: cells.cellCount)
    cellCount = Slab(cells.cellSize)
    stepOfCell = Slab(repeating: -1, count: cells.cellCount)
    laneAmount = Slab(repeating: 0, count: cells.laneCell.count)
    laneCount = Slab(repeating: 0, count: cells.laneCell.count)
    laneUndone = Slab(repeating: 0, count: cells.laneCell.count)
    members = CellMembers(flows, cells)
    filling = FillingStack()
    guards = PortGuards(linkCount: flows.linkCount)
    levels = LevelHeap(capacity: 2 * flows.linkCount + cells.cellCount)
    remaining = Slab(flows.sizes)
    stoppedBy = Slab(repeating: -1, count: flows.flowCount)
    ends = [Double](repeating: .infinity, count: flows.flowCount)
    risingCount = flows.flowCount
    count(flows)
  }

  /// Counts what is on each link, and leaves out flows that need no time.
  private mutating func count(_ flows: SimultaneousFlows) {
    for flow in 0..<flows.flowCount {
      let cell = Int(links.cellOf[flow])
      for entry in links.ports(of: flow) {
        let lane = Int(links.portLane[entry])
        laneAmount[lane] += links.portAmount[entry]
        laneCount[lane] += 1
        laneUndone[lane] += 1
        links.portTotal[Int(links.portLink[entry])] += links.portAmount[entry]
      }
      for entry in links.trunks(of: cell) {
        links.trunkAmount(links.trunkAmount[entry], 1, to: Int(links.trunk[entry]))
      }
    }
    for flow in 0..<flows.flowCount {
      let isUnlimited = flows.row(flow).isEmpty && flows.caps[flow] == .infinity
      if flows.sizes[flow] == 0 || isUnlimited { finish(flow, at: 0) }
    }
    for port in 0..<links.count where !links.isTrunk[port] {
      guards.setBound(portBound(port), of: port)
      if !guards.isGuarded(port) { findGuard(of: port) }
    }
    guards.listUnguarded(links)
  }

  /// - Returns: The end of each flow in seconds.
  mutating func run() -> [Double] {
    var now = 0.0
    while true {
      fill()
      rejoin()
      let step = timeToNextEnd()
      guard step < .infinity else { return ends }
      now += step
      instants += 1
      advance(by: step)
      undo(downTo: firstStepThatStopped())
      for index in done.indices { finish(Int(done[index]), at: now) }
      done.removeAll()
    }
  }

  /// The first step that stopped one of the flows that are done now.
  private func firstStepThatStopped() -> Int {
    var first = filling.stepCount
    for index in done.indices {
      let flow = Int(done[index])
      let own = stoppedBy[flow]
      first = min(first, Int(own >= 0 ? own : stepOfCell[Int(links.cellOf[flow])]))
    }
    return first
  }

  /// Flows that were stopped on their own and are now stopped with their cells join them.
  private mutating func rejoin() {
    for index in loose.indices {
      let flow = Int(loose[index])
      guard stoppedBy[flow] < 0, ends[flow] == .infinity, !members.contains(flow) else { continue }
      let cell = Int(links.cellOf[flow])
      members.add(flow, doneAt: cellServed[cell] + remaining[flow], to: cell)
    }
    loose.removeAll()
  }

  private func timeToNextEnd() -> Double {
    var least = filling.timeToNextEnd()
    for cell in 0..<cellRate.capacity {
      guard let next = members.next(of: cell) else { continue }
      least = min(least, max(0, next - cellServed[cell]) / cellRate[cell])
    }
    return least
  }

  /// Lets time pass, and notes the flows that are done at its end.
  private mutating func advance(by step: Double) {
    filling.advance(by: step, done: &done)
    for cell in 0..<cellRate.capacity {
      let served = cellServed[cell] + cellRate[cell] * step
      cellServed[cell] = served
      while let next = members.next(of: cell), next <= served * (1 + Self.slack) {
        done.append(members.takeNext(of: cell))
      }
    }
  }

  /// Takes a flow that rises out of everything.
  private mutating func finish(_ flow: Int, at now: Double) {
    let cell = Int(links.cellOf[flow])
    ends[flow] = now
    risingCount -= 1
    cellCount[cell] -= 1
    if members.contains(flow) { members.remove(flow, of: cell) }
    for entry in links.trunks(of: cell) {
      links.trunkAmount(-links.trunkAmount[entry], -1, to: Int(links.trunk[entry]))
    }
    for entry in links.ports(of: flow) { finish(entry) }
  }

  private mutating func finish(_ entry: Int) {
    let lane = Int(links.portLane[entry])
    let port = Int(links.portLink[entry])
    takeFromLane(lane, links.portAmount[entry])
    laneUndone[lane] -= 1
    links.swapInLane(entry, withPlace: Int(links.laneStart[lane] + laneUndone[lane]))
    links.portTotal[port] -= links.portAmount[entry]
    guards.setBound(portBound(port), of: port)
    guard laneUndone[lane] == 0, !guards.isGuarded(port) else { return }
    findGuard(of: port)
    guards.listUnguarded(links)
  }

  /// The last flow leaves nothing behind, not even rounding.
  func takeFromLane(_ lane: Int, _ amount: Double) {
    laneCount[lane] -= 1
    laneAmount[lane] = laneCount[lane] == 0 ? 0 : laneAmount[lane] - amount
  }
}
