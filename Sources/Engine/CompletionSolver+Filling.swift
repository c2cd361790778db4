/// Progressive filling from where the stack stands to the last flow.
extension CompletionSolver {
  mutating func fill() {
    guard risingCount > 0 else { return }
    listLevels()
    while risingCount > 0, let lowest = levels.lowest {
      if lowest.item >= links.count + links.cellCount {
        levels.removeLowest()
        askPorts(behind: lowest.item - links.count - links.cellCount)
        continue
      }
      let level = self.level(of: lowest.item)
      if level == .infinity {
        levels.removeLowest()
      } else if level > levels.second {
        levels.raiseLowest(to: level)
      } else {
        levels.removeLowest()
        stop(lowest.item, at: level)
      }
    }
  }

  /// What each link's level is at least, and each cap's. Items from `links.count` on are cells, and
  /// after these come all the ports behind a trunk as one.
  private mutating func listLevels() {
    levels.removeAll()
    for index in links.trunks.indices {
      let trunk = Int(links.trunks[index])
      guard !links.isFull[trunk] else { continue }
      levels.append(trunkLevel(trunk), trunk)
      levels.append(guards.leastBound(behind: trunk), links.count + links.cellCount + trunk)
    }
    for index in guards.unguarded.indices {
      let port = Int(guards.unguarded[index])
      if !links.isFull[port] { levels.append(guards.bound(of: port), port) }
    }
    for index in links.cappedCells.indices {
      let cell = Int(links.cappedCells[index])
      if cellRises[cell] > 0, cellCount[cell] > 0 {
        levels.append(links.cellCap[cell], links.count + cell)
      }
    }
    levels.arrange()
  }

  private mutating func askPorts(behind trunk: Int) {
    guard !links.isFull[trunk] else { return }
    var next = guards.firstPort(behind: trunk)
    while let port = next {
      if !links.isFull[port] { levels.insert(guards.bound(of: port), port) }
      next = guards.port(after: port)
    }
  }

  /// The level at which a link is full, or a cell at its cap, as things stand; infinite where nothing
  /// rises.
  private func level(of item: Int) -> Double {
    if item >= links.count {
      let cell = item - links.count
      return cellRises[cell] > 0 && cellCount[cell] > 0 ? links.cellCap[cell] : .infinity
    }
    return links.isTrunk[item] ? trunkLevel(item) : portLevel(item)
  }

  private func trunkLevel(_ link: Int) -> Double {
    guard links.trunkCount[link] > 0 else { return .infinity }
    return max(0, links.capacity[link] - links.used[link]) / links.trunkTotal[link]
  }

  /// Sums over the lanes what their cells take, and what rises. O(lanes of the port).
  private func portLevel(_ link: Int) -> Double {
    var used = links.used[link]
    var rising = 0.0
    for lane in links.lanes(of: link) {
      let cell = Int(links.laneCell[lane])
      used += laneAmount[lane] * cellRate[cell]
      rising += laneAmount[lane] * cellRises[cell]
    }
    return rising > 0 ? max(0, links.capacity[link] - used) / rising : .infinity
  }

  private mutating func stop(_ item: Int, at level: Double) {
    filling.beginStep(item)
    if item >= links.count {
      stopCell(item - links.count, at: level)
      return
    }
    links.isFull[item] = true
    if links.isTrunk[item] {
      for index in links.cells(on: item) {
        let cell = Int(links.cellOnTrunk[index])
        if cellRises[cell] > 0 { stopCell(cell, at: level) }
      }
      return
    }
    for lane in links.lanes(of: item)
    where laneCount[lane] > 0 && cellRises[Int(links.laneCell[lane])] > 0 {
      let first = Int(links.laneStart[lane])
      for place in first..<first + Int(laneUndone[lane]) {
        let flow = Int(links.flowInLane[place])
        if stoppedBy[flow] < 0 { stopFlow(flow, at: level, by: item) }
      }
    }
  }

  private mutating func stopCell(_ cell: Int, at level: Double) {
    stepOfCell[cell] = Int32(filling.stepCount - 1)
    cellRate[cell] = cellCount[cell] > 0 ? level : 0
    cellRises[cell] = 0
    risingCount -= Int(cellCount[cell])
    let count = Double(cellCount[cell])
    for entry in links.trunks(of: cell) {
      let link = Int(links.trunk[entry])
      let amount = links.trunkAmount[entry] * count
      filling.note(links.used[link])
      links.used[link] += amount * level
      links.trunkAmount(-amount, -cellCount[cell], to: link)
    }
    filling.cells.append(Int32(cell))
  }

  /// What a full port gives is not counted on it: nobody asks until the step is undone.
  private mutating func stopFlow(_ flow: Int, at level: Double, by port: Int) {
    let cell = Int(links.cellOf[flow])
    if members.contains(flow) {
      remaining[flow] = max(0, members.doneAt(flow) - cellServed[cell])
      members.remove(flow, of: cell)
    }
    stoppedBy[flow] = Int32(filling.stepCount - 1)
    cellCount[cell] -= 1
    risingCount -= 1
    for entry in links.trunks(of: cell) {
      let link = Int(links.trunk[entry])
      filling.note(links.used[link])
      links.used[link] += links.trunkAmount[entry] * level
      links.trunkAmount(-links.trunkAmount[entry], -1, to: link)
    }
    for entry in links.ports(of: flow) {
      let link = Int(links.portLink[entry])
      if link == port { continue }
      filling.note(links.used[link])
      links.used[link] += links.portAmount[entry] * level
      takeFromLane(Int(links.portLane[entry]), links.portAmount[entry])
    }
    filling.addFlow(flow, remaining: remaining[flow], rate: level, size: links.size[flow])
  }

  // MARK: Undoing

  /// Undoes steps, the last first, until so many are left.
  mutating func undo(downTo count: Int) {
    while filling.stepCount > count {
      let step = filling.takeStep()
      while filling.cells.count > step.firstCell { letCellRise(Int(filling.cells.removeLast())) }
      while filling.flowCount > step.firstFlow {
        let (flow, left) = filling.takeFlow()
        letFlowRise(flow, left, stoppedBy: step.item)
      }
      if step.item < links.count { links.isFull[step.item] = false }
    }
  }

  private mutating func letCellRise(_ cell: Int) {
    let count = Double(cellCount[cell])
    for entry in links.trunks(of: cell).reversed() {
      let link = Int(links.trunk[entry])
      links.used[link] = filling.takeNote()
      links.trunkAmount(links.trunkAmount[entry] * count, cellCount[cell], to: link)
    }
    cellRate[cell] = 0
    cellRises[cell] = 1
    risingCount += Int(cellCount[cell])
  }

  private mutating func letFlowRise(_ flow: Int, _ left: Double, stoppedBy port: Int) {
    let cell = Int(links.cellOf[flow])
    for entry in links.ports(of: flow).reversed() {
      let link = Int(links.portLink[entry])
      if link == port { continue }
      links.used[link] = filling.takeNote()
      laneAmount[Int(links.portLane[entry])] += links.portAmount[entry]
      laneCount[Int(links.portLane[entry])] += 1
    }
    for entry in links.trunks(of: cell).reversed() {
      let link = Int(links.trunk[entry])
      links.used[link] = filling.takeNote()
      links.trunkAmount(links.trunkAmount[entry], 1, to: link)
    }
    cellCount[cell] += 1
    risingCount += 1
    stoppedBy[flow] = -1
    remaining[flow] = left
    loose.append(Int32(flow))
  }
}
