import Engine
import Hardware

/// What devices and their companions do beside each other.
extension StepPlanner {
  /// Appends a layer's attention; what the companion does of it runs beside what the device does
  /// meanwhile.
  mutating func appendAttention(_ step: PlanStep, of chain: Int, to graph: inout TaskGraph) {
    for device in devices {
      let group = deployment.attentionGroup(of: device)
      let cost = costs(step, of: chain, group: group).attention[step.layer]
      let own = resources.devices[device]
      guard let companion = own.companion, cost.companion.kernels > 0 else {
        let whole = cost.whole
        guard whole.kernels > 0 else { continue }
        appendTask(.attention, step, device: device, of: chain, whole, to: &graph)
        continue
      }
      let place = TaskPlace(stage: .attention, layer: step.labelLayer, device: device)
      appendTask(.attention, step, device: device, of: chain, cost.before, to: &graph)
      let core = graph.add(cost.companion, place, on: companion.processor)
      chains[chain].frontier.precede(core, of: device, in: &graph)
      var beside: TaskID?
      if cost.beside.kernels > 0 {
        let task = graph.add(cost.beside, place, on: own.processor)
        chains[chain].frontier.precede(task, of: device, in: &graph)
        beside = task
      }
      chains[chain].frontier.advance(device, to: core, beside: beside)
      appendTask(.attention, step, device: device, of: chain, cost.after, to: &graph)
    }
  }

  /// Appends the experts of a layer as `deployment.execution` shares them out between each device and
  /// its companion.
  mutating func appendSharedOutExperts(
    _ step: PlanStep, of chain: Int, _ load: RoutedLoad, to graph: inout TaskGraph
  ) {
    let costs = costs(step, of: chain)
    guard let companion = costs.companion else { return }
    let slices = deployment.parallelism.experts.tensor
    let dispatch = chains[chain].dispatch.task
    for group in 0..<deployment.placement.groups {
      let own = costs.slots(layer: step.position, group: group)
      let experts = load.experts(layer: step.position, slots: own)
      guard !experts.isEmpty else { continue }
      let times = CompanionTimes(
        costs: costs, companion: companion, count: own.count,
        tokens: costs.tokens(ofPairs: experts.reduce(0) { $0 + $1.tokens }))
      let shares = ExpertShares(experts, by: deployment.execution.experts, times)
      for device in group * slices..<(group + 1) * slices {
        var tasks = ExpertTasks(
          times, TaskPlace(stage: .experts, layer: step.labelLayer, device: device),
          resources.devices[device])
        tasks.append(shares, after: chains[chain].frontier, dispatch, to: &graph)
        chains[chain].frontier.advance(
          device, to: tasks.onDevice, beside: tasks.onCompanion)
      }
    }
    chains[chain].frontier.open(dispatch)
  }
}
