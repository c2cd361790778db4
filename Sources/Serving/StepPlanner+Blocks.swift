import Engine
import Fabric
import Hardware
import Units

/// Experts that are computed block by block.
///
/// A device's blocks are one call, which begins when their tokens are there. The weights of experts that
/// it does not hold come meanwhile: out of the memory of whoever holds them, over the ways between the
/// two, into the device's own memory, out of which the call reads them like any others. Nothing
/// that follows begins before both are done. By the fabric's `ports` all reads of a device in a layer
/// are one task; by its `flows` each two devices' are.
extension StepPlanner {
  mutating func appendBlocks(
    layer: Int, position: Int, _ work: BlockWork, after dispatch: TaskID?,
    to graph: inout TaskGraph
  ) {
    for device in devices {
      let cell = position * work.devices + device
      let sequence = costs.routedExperts(work.loads[cell], of: work.experts[cell])
      guard sequence.kernels > 0 else { continue }
      let start = dispatch ?? last[device]
      appendTask(.experts, layer: layer, device: device, sequence, after: dispatch, to: &graph)
      let reads = work.reads(layer: position, by: device)
      guard reads.contains(where: { $0 > 0 }) else { continue }
      // Done when the call and the reads are.
      let ends = appendReads(layer: layer, reads, by: device, after: start, to: &graph)
      let bound = TaskBound.latency.rawValue
      let join = graph.addTask(
        TaskLabel(stage: Stage.experts.rawValue, bound: bound, layer: layer, device: device))
      for task in ends { graph.add(join, after: task) }
      if let call = last[device] { graph.add(join, after: call) }
      last[device] = join
    }
    lastExchange = dispatch
  }

  private mutating func appendReads(
    layer: Int, _ reads: ArraySlice<Int32>, by device: Int, after start: TaskID?,
    to graph: inout TaskGraph
  ) -> [TaskID] {
    var tasks: [TaskID] = []
    var holders: [(device: Int, experts: Double)] = []
    for (holder, experts) in reads.enumerated() where experts > 0 {
      holders.append((holder, Double(experts)))
      guard deployment.fabric.fidelity == .flows else { continue }
      tasks.append(appendRead(layer: layer, holders, by: device, after: start, to: &graph))
      holders.removeAll()
    }
    if !holders.isEmpty {
      tasks.append(appendRead(layer: layer, holders, by: device, after: start, to: &graph))
    }
    return tasks
  }

  private mutating func appendRead(
    layer: Int, _ holders: [(device: Int, experts: Double)], by device: Int,
    after start: TaskID?, to graph: inout TaskGraph
  ) -> TaskID {
    weightReads.removeAll()
    var request = SimTime.zero
    var longest = Seconds.zero
    let memory = deployment.cluster.device.memory
    for holder in holders {
      let bytes = costs.expertBytes * holder.experts
      weightReads.add(bytes, from: holder.device, to: device)
      longest = max(longest, bytes / memory.bandwidth)
      if let routes { request = max(request, routes.latency(from: device, to: holder.device)) }
    }
    let all = weightReads.bytesSent
    longest = max(longest, all / memory.bandwidth)
    var bound = TaskBound(weightReads.bound(latency: request + weightReads.wayLatency))
    if let link = weightReads.busiestLink, longest > link.time { bound = .memory }
    let label = TaskLabel(
      stage: Stage.weightReads.rawValue, bound: bound.rawValue, layer: layer, device: device)
    let task = weightReads.appendTask(
      label, startUp: request, energy: all * memory.energyPerByte * 2, to: &graph)
    for holder in holders {
      graph.demand(
        costs.expertBytes * holder.experts, of: resources.devices[holder.device].memory)
    }
    graph.demand(all, of: resources.devices[device].memory)
    if let start { graph.add(task, after: start) }
    return task
  }
}
