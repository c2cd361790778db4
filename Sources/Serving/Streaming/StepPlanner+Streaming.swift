import Engine
import Fabric
import Hardware
import Units

/// A device that does not hold the model: copies of weights, and attention over a KV cache in host memory.
extension StepPlanner {
  /// Appends the copy that a part of the iteration waits for.
  mutating func beginStreamedPart(_ part: Int, to graph: inout TaskGraph) {
    guard var stream = weightStream else { return }
    weightStream = nil
    defer { weightStream = stream }
    if part == 0 {
      stream.beginIteration()
      if let bytes = stream.firstUnit {
        stream.note(copy: appendCopy(bytes, part, stream, after: nil, to: &graph), isAwaited: true)
      }
    }
    stream.beginPart()
    guard let (bytes, kernel) = stream.copy(forPart: part) else { return }
    let copy = appendCopy(bytes, part, stream, after: kernel, to: &graph)
    stream.note(copy: copy, isAwaited: true)
  }

  /// Appends what is copied for the next iteration while the last part runs.
  mutating func endStreamedIteration(_ graph: inout TaskGraph) {
    guard var stream = weightStream else { return }
    weightStream = nil
    defer { weightStream = stream }
    guard let port = deployment.cluster.node.companion?.port,
      let (bytes, kernel) = stream.copyAhead(port.effectiveBandwidth)
    else { return stream.endIteration(ahead: .zero) }
    let copy = appendCopy(bytes, stream.beginsWithOld ? 1 : 0, stream, after: kernel, to: &graph)
    stream.note(copy: copy, isAwaited: false)
    stream.endIteration(ahead: bytes)
  }

  /// Appends a copy of weights behind the one before it, in the pieces that the copy engine makes of it.
  ///
  /// - Returns: The last piece.
  private func appendCopy(
    _ bytes: Bytes, _ part: Int, _ stream: WeightStream, after kernel: TaskID?,
    to graph: inout TaskGraph
  ) -> TaskID {
    let chunk = copyQueue?.chunk ?? bytes
    let pieces = max(1, (bytes / chunk - 1e-9).rounded(.up))
    let latency = deployment.cluster.node.companion?.port?.latency ?? .zero
    var last = appendPiece(bytes * (1 / pieces), part, latency: latency, to: &graph)
    if let before = stream.lastCopy { graph.add(last, after: before) }
    if let kernel { graph.add(last, after: kernel) }
    for _ in 1..<Int(pieces) {
      let piece = appendPiece(bytes * (1 / pieces), part, latency: .zero, to: &graph)
      graph.add(piece, after: last)
      last = piece
    }
    return last
  }

  /// Reads host memory, passes the link and writes the device's memory.
  private func appendPiece(
    _ bytes: Bytes, _ part: Int, latency: SimTime, to graph: inout TaskGraph
  ) -> TaskID {
    let device = 0
    let place = TaskPlace(stage: .weightStream, layer: layer(ofPart: part), device: device)
    let own = resources.devices[device]
    let energy =
      (deployment.cluster.node.companion?.processor.memory.energyPerByte ?? .zero)
      + deployment.cluster.device.memory.energyPerByte
    let piece = graph.addTask(
      place.label(.companionLink), latency: latency, energy: bytes * energy)
    if let way = own.companion?.way {
      graph.demand(bytes, of: way.from)
      if let queue = copyQueue { graph.takeTurn(at: way.from, precedence: queue.weightPrecedence) }
    }
    if let memory = own.companion?.memory { graph.demand(bytes, of: memory) }
    graph.demand(bytes, of: own.memory)
    return piece
  }

  /// Nil where copies share the link fairly.
  private var copyQueue: CopyQueue? {
    switch deployment.execution.streamed?.copies {
    case nil: CopyQueue()
    case .queued(let queue)?: queue
    case .fair?: nil
    }
  }

  /// Appends what comes before attention's core, with the core of prompts, and the way of decoded tokens
  /// to the companion, which runs theirs, and back.
  mutating func appendAttentionInput(_ step: PlanStep, of chain: Int, to graph: inout TaskGraph) {
    for device in devices {
      let group = deployment.attentionGroup(of: device)
      let cost = costs(step, of: chain, group: group).attention[step.layer]
      guard cost.before.kernels > 0, let companion = resources.devices[device].companion else {
        continue
      }
      appendTask(.attention, step, device: device, of: chain, cost.before, to: &graph)
      let before = chains[chain].frontier[device]
      var place = TaskPlace(stage: .vectorTransfer, layer: step.labelLayer, device: device)
      var last = before
      var core: TaskID?
      if cost.companion.kernels > 0 {
        let there = appendMove(cost.toCompanion, place, companion, isBack: false, to: &graph)
        if let before { graph.add(there, after: before) }
        place.stage = .companionAttention
        let task = graph.add(cost.companion, place, on: companion.processor)
        graph.add(task, after: there)
        place.stage = .vectorTransfer
        let back = appendMove(cost.fromCompanion, place, companion, isBack: true, to: &graph)
        graph.add(back, after: task)
        last = there
        core = back
      }
      if cost.promptCache > .zero {
        let store = appendMove(cost.promptCache, place, companion, isBack: false, to: &graph)
        if let last { graph.add(store, after: last) }
      }
      if cost.beside.kernels > 0 {
        appendTask(.attention, step, device: device, of: chain, cost.beside, to: &graph)
      }
      chains[chain].frontier.advance(
        device, to: chains[chain].frontier[device], beside: core)
    }
  }

  /// Appends what needs the core's results.
  mutating func appendAttentionOutput(_ step: PlanStep, of chain: Int, to graph: inout TaskGraph) {
    for device in devices {
      let group = deployment.attentionGroup(of: device)
      let after = costs(step, of: chain, group: group).attention[step.layer].after
      guard after.kernels > 0 else { continue }
      appendTask(.attention, step, device: device, of: chain, after, to: &graph)
    }
  }

  /// Appends vectors on the link between a device and its companion, in whose memory they end or begin.
  private func appendMove(
    _ bytes: Bytes, _ place: TaskPlace, _ companion: CompanionResources, isBack: Bool,
    to graph: inout TaskGraph
  ) -> TaskID {
    let latency = deployment.cluster.node.companion?.port?.latency ?? .zero
    let task = graph.addTask(
      place.label(isBack ? .companionLink : .linkToCompanion), latency: latency)
    if let way = companion.way {
      let link = isBack ? way.from : way.to
      graph.demand(bytes, of: link)
      if let queue = copyQueue { graph.takeTurn(at: link, precedence: queue.vectorPrecedence) }
    }
    graph.demand(bytes, of: companion.memory)
    return task
  }
}
