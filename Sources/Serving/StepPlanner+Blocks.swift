import Engine
import Fabric
import Hardware
import Units

/// The ways of weights that a device reads from others, and what is on them.
struct WeightWays {
  var traffic: ExchangeTraffic
  let routes: RouteTable

  init(_ resources: ClusterResources, _ routes: RouteTable, factors: [Double]) {
    traffic = ExchangeTraffic(resources, routes, factors: factors)
    self.routes = routes
  }
}

/// Experts that are computed block by block.
///
/// A device's blocks are one call, which begins when their tokens are there. The weights of experts that
/// it does not hold come meanwhile: out of the memory of whoever holds them and over the ways between the
/// two. They go through the device's cache, and into its memory only where they are kept as duplicates; the
/// call takes no less time than with weights of its own. Nothing that follows begins before both are
/// done. By the fabric's `ports` all reads of a device in a layer
/// are one task; by its `flows` each two devices' are.
extension StepPlanner {
  mutating func appendBlocks(
    _ step: PlanStep, of chain: Int, _ load: RoutedLoad, to graph: inout TaskGraph
  ) {
    guard let work = load.blocks?.work else { return }
    let costs = costs(step, of: chain)
    let dispatch = chains[chain].dispatch.task
    for device in devices {
      let cell = step.position * work.devices + device
      let sequence = costs.routedExperts(work.loads[cell], of: work.experts[cell])
      guard sequence.kernels > 0 else { continue }
      let start = dispatch ?? chains[chain].frontier[device]
      let reads = work.reads(layer: step.position, by: device)
      let experts = reads.reduce(0) { $0 + Int($1) }
      let each = deployment.model.expertBytes(deployment.precisions)
      appendTask(
        .experts, step, device: device, of: chain, sequence, elsewhere: each * Double(experts),
        after: dispatch, to: &graph)
      let call = chains[chain].frontier[device]
      let place = TaskPlace(stage: .weightReads, layer: step.labelLayer, device: device)
      let end = appendReads(
        reads, place, kept: Double(work.kept[cell]) / Double(max(1, experts)), after: start,
        to: &graph)
      chains[chain].frontier.advance(device, to: call, beside: end)
    }
    chains[chain].frontier.open(dispatch)
  }

  /// - Parameters:
  ///   - reads: Experts, by who holds them.
  ///   - kept: The part of them that is kept as duplicates.
  /// - Returns: What is done when all are; nil where there are none.
  mutating func appendReads(
    _ reads: ArraySlice<Int32>, _ place: TaskPlace, kept: Double = 0, after start: TaskID?,
    to graph: inout TaskGraph
  ) -> TaskID? {
    let holders = reads.indices.filter { reads[$0] > 0 }
      .map { Holder(device: $0 - reads.startIndex, experts: Double(reads[$0])) }
    guard deployment.fabric.fidelity == .flows, holders.count > 1 else {
      guard !holders.isEmpty else { return nil }
      return appendRead(from: holders, place, kept: kept, after: start, to: &graph)
    }
    let tasks = holders.map {
      appendRead(from: [$0], place, kept: kept, after: start, to: &graph)
    }
    let all = graph.addTask(place.label(.latency))
    for task in tasks { if let task { graph.add(all, after: task) } }
    return all
  }

  /// Who sends the weights of so many experts.
  private struct Holder {
    var device: Int
    var experts: Double
  }

  private mutating func appendRead(
    from holders: [Holder], _ place: TaskPlace, kept: Double, after start: TaskID?,
    to graph: inout TaskGraph
  ) -> TaskID? {
    guard var ways = weightWays else { return nil }
    // There is one copy at a time.
    weightWays = nil
    defer { weightWays = ways }
    let each = deployment.model.expertBytes(deployment.precisions)
    let memory = deployment.cluster.device.memory
    ways.traffic.removeAll()
    // A command goes to each before its bytes come.
    var request = SimTime.zero
    var most = Bytes.zero
    for holder in holders {
      ways.traffic.add(each * holder.experts, from: holder.device, to: place.device)
      most = max(most, each * holder.experts)
      request = max(request, ways.routes.latency(from: place.device, to: holder.device))
    }
    let written = ways.traffic.bytesSent * kept
    var bound = TaskBound(ways.traffic.bound(latency: request + ways.traffic.wayLatency))
    if let link = ways.traffic.busiestLink, max(most, written) / memory.bandwidth > link.time {
      bound = .memory
    }
    // The call has the energy of reading the weights, out of whichever memory.
    let task = ways.traffic.appendTask(
      place.label(bound), startUp: request, energy: written * memory.energyPerByte, to: &graph)
    for holder in holders {
      graph.demand(each * holder.experts, of: resources.devices[holder.device].memory)
    }
    graph.demand(written, of: resources.devices[place.device].memory)
    if let start { graph.add(task, after: start) }
    return task
  }
}
