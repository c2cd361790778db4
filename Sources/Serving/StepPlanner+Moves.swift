import Engine
import Traces
import Units

/// Tokens that do not return to their own device between layers.
///
/// What a layer does for its tokens, each device does for those that it has then; how many these are is
/// another number in every layer. Where experts are sliced, tokens are on a group, whose devices slice their
/// attention as well; between attention and experts each has those that it owns (``TokenMoves``). An
/// iteration ends with everybody giving all others the keys and values of the tokens that it had: the next
/// one may bring their sequences to any device, so each slice goes to the devices with the same slice.
extension StepPlanner {
  /// Appends one task a device that has tokens.
  mutating func appendKernels(
    _ stage: Stage, _ step: PlanStep, of chain: Int, _ moves: TokenMoves, to graph: inout TaskGraph
  ) {
    // Results are added up where tokens go on from.
    let layer = stage == .weightedSum ? step.position + 1 : step.position
    let isOfGroup = stage == .attention || stage == .denseFeedForward
    for device in devices {
      // A group of so many tokens has equally many for each device; the first one's are as its own here.
      let tokens =
        isOfGroup
        ? moves.held(layer: layer, group: device / moves.slices)
        : moves.held(layer: layer, device: device) * moves.slices
      guard tokens > 0 else { continue }
      let sequence = costs(ofTokens: tokens, of: chain).kernels(of: stage, step)[0]
      guard sequence.kernels > 0 else { continue }
      appendTask(stage, step, device: device, of: chain, sequence, to: &graph)
    }
  }

  /// Appends a layer's dispatch or combine.
  mutating func appendMoves(
    _ moves: TokenMoves, _ stage: Stage, _ step: PlanStep, of chain: Int, to graph: inout TaskGraph
  ) -> TaskID? {
    let isReturn = stage == .combine
    let copy = isReturn ? deployment.combinedCopy : deployment.dispatchedCopy
    traffic.removeAll()
    traffic.protocolShares = collective(of: stage).shares
    traffic.messageBytes = deployment.protocols.tokenwise == nil ? nil : copy
    for source in devices {
      for target in devices {
        let copies =
          isReturn
          ? moves.combined(layer: step.position, from: source, to: target)
          : moves.dispatched(layer: step.position, from: source, to: target)
        traffic.add(copy * Double(copies), from: source, to: target)
      }
    }
    return appendExchange(stage, step, of: chain, to: &graph)
  }

  /// Reduces and scatters (or gathers) the tokens of each group among its devices, as where they return
  /// home: each sends every other what it owns, `passes` times.
  mutating func appendTensorExchange(
    _ step: PlanStep, passes: Int, of chain: Int, _ moves: TokenMoves, to graph: inout TaskGraph
  ) {
    let each = deployment.precisions.outputs.bytes * Double(deployment.model.hidden * passes)
    traffic.removeAll()
    traffic.protocolShares = collective(of: .tensorExchange).shares
    traffic.messageBytes = nil
    for device in devices {
      let bytes = Bytes(each * Double(moves.held(layer: step.position, device: device)))
      let first = device / moves.slices * moves.slices
      for other in first..<first + moves.slices { traffic.add(bytes, from: device, to: other) }
    }
    chains[chain].frontier.close(appendExchange(.tensorExchange, step, of: chain, to: &graph))
  }

  mutating func appendContextGather(
    _ step: PlanStep, of chain: Int, _ moves: TokenMoves, to graph: inout TaskGraph
  ) {
    traffic.removeAll()
    traffic.protocolShares = collective(of: .contextGather).shares
    traffic.messageBytes = nil
    let bytes = devices.map { contextBytes(moves, device: $0) }
    for source in devices {
      for target in stride(from: source % moves.slices, to: devices.upperBound, by: moves.slices) {
        traffic.add(bytes[source], from: source, to: target)
      }
    }
    let task = appendExchange(.contextGather, step, of: chain, to: &graph)
    chains[chain].frontier.close(task)
  }

  /// Keys and values, or its slice of them, of all layers' new tokens that a device had.
  private func contextBytes(_ moves: TokenMoves, device: Int) -> Bytes {
    let model = deployment.model
    var bytes = Bytes.zero
    var position = model.expertPositions(of: .decode).lowerBound
    for layer in model.layers(of: .decode) {
      let each = model.keyValueBytesPerToken(
        layer: layer, deployment.precisions.kvCache, tensorParallel: moves.slices)
      bytes = bytes + each * Double(moves.held(layer: position, group: device / moves.slices))
      if model.hasExperts(layer: layer) { position += 1 }
    }
    return bytes
  }
}
