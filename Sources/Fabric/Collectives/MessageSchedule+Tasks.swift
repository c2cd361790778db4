import Engine
import Units

extension MessageSchedule {
  /// Appends every step as a task of its own: a message demands the links of its route.
  ///
  /// Ranks are devices. Steps that wait for nothing begin after the first phase's start-up; a message
  /// of a later phase takes that one's.
  ///
  /// - Parameter label: Of every task.
  /// - Throws: ``FabricError/noSwitch(device:)``.
  func appendTasks(
    _ label: TaskLabel, startUps: [SimTime], _ depths: [Int32], on resources: ClusterResources,
    _ routes: RouteTable, _ shares: ProtocolShares, to graph: inout TaskGraph
  ) throws(FabricError) {
    let network = resources.network
    let factors = network.links.map { shares.wireFactor(of: $0.kind) }
    let start = graph.addTask(label, latency: startUps.first ?? .zero)
    let first = graph.taskCount
    for (index, step) in steps.enumerated() {
      let phase = Int(depths[index]) - 1
      let own = phase > 0 && step.kind != .join ? startUps[phase] : .zero
      switch step.kind {
      case .join:
        graph.addTask(label)
      case .copy:
        graph.addTask(label, latency: own)
        graph.demand(Bytes(2 * step.bytes), of: resources.devices[Int(step.source)].memory)
      case .message where step.source == Self.network || step.target == Self.network:
        let isOut = step.source == Self.network
        let link = try network.switchLink(
          isOut ? .outOf : .into, of: Int(isOut ? step.target : step.source))
        graph.addTask(label, latency: own + network.links[link].latency)
        graph.demand(Bytes(step.bytes * factors[link]), of: resources.links[link])
      case .message:
        let ends = (Int(step.source), Int(step.target))
        graph.addTask(label, latency: own + routes.latency(from: ends.0, to: ends.1))
        routes.forEachHop(from: ends.0, to: ends.1) { link, share in
          graph.demand(Bytes(step.bytes * share * factors[link]), of: resources.links[link])
          if let rate = resources.messages[link] {
            graph.demand(Messages(step.messages * share), of: rate)
          }
        }
      }
    }
    var waits = [Bool](repeating: false, count: steps.count)
    for wait in self.waits {
      waits[wait.step.position] = true
      graph.add(
        TaskID(index: first + wait.step.position), after: TaskID(index: first + wait.other.position)
      )
    }
    for (index, isHeld) in waits.enumerated() where !isHeld {
      graph.add(TaskID(index: first + index), after: start)
    }
  }
}
