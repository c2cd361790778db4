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
/// it does not hold come meanwhile: out of the memory of whoever holds them, over the ways between the
/// two, into the device's own memory, out of which the call reads them like any others. Nothing
/// that follows begins before both are done. By the fabric's `ports` all reads of a device in a layer
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
      appendTask(.experts, step, device: device, of: chain, sequence, after: dispatch, to: &graph)
      let call = chains[chain].frontier[device]
      let reads = work.reads(layer: step.position, by: device)
      let place = TaskPlace(stage: .weightReads, layer: step.labelLayer, device: device)
      let end = appendReads(reads, place, after: start, to: &graph)
      chains[chain].frontier.advance(device, to: call, beside: end)
    }
    chains[chain].frontier.open(dispatch)
  }

  /// - Parameter reads: Experts, by who holds them.
  /// - Returns: What is done when all are; nil where there are none.
  mutating func appendReads(
    _ reads: ArraySlice<Int32>, _ place: TaskPlace, after start: TaskID?,
    to graph: inout TaskGraph
  ) -> TaskID? {
    let holders = reads.indices.filter { reads[$0] > 0 }
      .map { Holder(device: $0 - reads.startIndex, experts: Double(reads[$0])) }
    guard deployment.fabric.fidelity == .flows, holders.count > 1 else {
      return holders.isEmpty ? nil : appendRead(from: holders, place, after: start, to: &graph)
    }
    let tasks = holders.map { appendRead(from: [$0], place, after: start, to: &graph) }
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
    from holders: [Holder], _ place: TaskPlace, after start: TaskID?, to graph: inout TaskGraph
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
    for holder in holders {
      ways.traffic.add(each * holder.experts, from: holder.device, to: place.device)
      request = max(request, ways.routes.latency(from: place.device, to: holder.device))
    }
    let all = ways.traffic.bytesSent
    var bound = TaskBound(ways.traffic.bound(latency: request + ways.traffic.wayLatency))
    if let link = ways.traffic.busiestLink, all / memory.bandwidth > link.time { bound = .memory }
    let task = ways.traffic.appendTask(
      place.label(bound), startUp: request, energy: all * memory.energyPerByte * 2, to: &graph)
    for holder in holders {
      graph.demand(each * holder.experts, of: resources.devices[holder.device].memory)
    }
    graph.demand(all, of: resources.devices[place.device].memory)
    if let start { graph.add(task, after: start) }
    return task
  }
}
