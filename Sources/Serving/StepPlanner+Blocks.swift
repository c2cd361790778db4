import Engine
import Fabric
import Hardware
import Units

/// The ways of weights that devices read from others, and what is on them.
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
/// done. By the fabric's `ports` all reads of a layer are one task, as an exchange is; by its `flows` each
/// two devices' are.
extension StepPlanner {
  mutating func appendBlocks(
    _ step: PlanStep, of chain: Int, _ load: RoutedLoad, to graph: inout TaskGraph
  ) {
    guard let work = load.blocks?.work else { return }
    let costs = costs(step, of: chain)
    let each = deployment.model.expertBytes(deployment.precisions)
    let dispatch = chains[chain].dispatch.task
    let before = dispatch.map { [$0] } ?? devices.compactMap { chains[chain].frontier[$0] }
    let ends = appendReads(
      work, layer: step.position, label: step.labelLayer, after: before, to: &graph)
    for device in devices {
      let cell = step.position * work.devices + device
      let sequence = costs.routedExperts(work.loads[cell], of: work.experts[cell])
      guard sequence.kernels > 0 else { continue }
      let read = work.reads(layer: step.position, by: device).reduce(0) { $0 + Int($1) }
      appendTask(
        .experts, step, device: device, of: chain, sequence, elsewhere: each * Double(read),
        after: dispatch, to: &graph)
      let call = chains[chain].frontier[device]
      chains[chain].frontier.advance(device, to: call, beside: ends[device])
    }
    chains[chain].frontier.open(dispatch)
  }

  /// What a device reads from another.
  private struct WeightRead {
    var reader: Int
    var holder: Int
    var weights: Bytes
    /// The part that the reader writes into its memory.
    var kept: Bytes
  }

  /// Appends the reads of a layer with experts.
  ///
  /// - Parameters:
  ///   - layer: By its place among those with experts.
  ///   - label: The layer that results know it by.
  /// - Returns: What is done when a device's are, by device; nil for one without any.
  mutating func appendReads(
    _ work: BlockWork, layer: Int, label: Int, after starts: [TaskID], to graph: inout TaskGraph
  ) -> [TaskID?] {
    var ends = [TaskID?](repeating: nil, count: devices.count)
    var all: [WeightRead] = []
    for device in devices {
      let place = TaskPlace(stage: .weightReads, layer: label, device: device)
      let own = reads(of: work, layer: layer, by: device)
      guard deployment.fabric.fidelity == .flows, own.count > 0 else {
        all += own
        continue
      }
      let tasks = own.map { appendRead([$0], place, after: starts, to: &graph) }
      ends[device] = tasks[0]
      guard tasks.count > 1 else { continue }
      let join = graph.addTask(place.label(.latency))
      for task in tasks { if let task { graph.add(join, after: task) } }
      ends[device] = join
    }
    guard !all.isEmpty else { return ends }
    let place = TaskPlace(
      stage: .weightReads, layer: label, device: Int(TaskLabel.everyDevice))
    let task = appendRead(all, place, after: starts, to: &graph)
    for read in all { ends[read.reader] = task }
    return ends
  }

  private func reads(of work: BlockWork, layer: Int, by device: Int) -> [WeightRead] {
    let each = deployment.model.expertBytes(deployment.precisions)
    let experts = work.reads(layer: layer, by: device)
    let sum = experts.reduce(0) { $0 + Int($1) }
    guard sum > 0 else { return [] }
    let kept = Double(work.kept[layer * work.devices + device]) / Double(sum)
    return experts.indices.filter { experts[$0] > 0 }.map {
      let weights = each * Double(experts[$0])
      return WeightRead(
        reader: device, holder: $0 - experts.startIndex, weights: weights, kept: weights * kept)
    }
  }

  /// Appends some reads as one task.
  private mutating func appendRead(
    _ reads: [WeightRead], _ place: TaskPlace, after starts: [TaskID], to graph: inout TaskGraph
  ) -> TaskID? {
    guard var ways = weightWays else { return nil }
    // There is one copy at a time.
    weightWays = nil
    defer { weightWays = ways }
    ways.traffic.removeAll()
    var memories = [Bytes](repeating: .zero, count: devices.count)
    var kept = Bytes.zero
    // A command goes to each holder before its bytes come.
    var request = SimTime.zero
    for read in reads {
      ways.traffic.add(read.weights, from: read.holder, to: read.reader)
      request = max(request, ways.routes.latency(from: read.reader, to: read.holder))
      memories[read.holder] = memories[read.holder] + read.weights
      memories[read.reader] = memories[read.reader] + read.kept
      kept = kept + read.kept
    }
    let memory = deployment.cluster.device.memory
    let busiest = (memories.max() ?? .zero) / memory.bandwidth
    var label = place.label(of: ways.traffic, latency: request + ways.traffic.wayLatency)
    if let link = ways.traffic.busiestLink, busiest > link.time { label = place.label(.memory) }
    // The call has the energy of reading the weights, out of whichever memory.
    let task = ways.traffic.appendTask(
      label, startUp: request, energy: kept * memory.energyPerByte, to: &graph)
    for (device, bytes) in memories.enumerated() {
      graph.demand(bytes, of: resources.devices[device].memory)
    }
    for start in starts { graph.add(task, after: start) }
    return task
  }
}
