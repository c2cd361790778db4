import Engine
import Models
import Units

/// Weights on their way from host memory to a device that does not hold them.
///
/// The device's kernels of an iteration are cut in parts (``PlanStep/streamedParts(_:)``). Each part needs
/// one unit of weights, which all microbatches use. There are two buffers, so that a unit's copy begins
/// when the one before it has come and every microbatch is done with the unit before that; copies follow
/// each other without a pause where kernels allow it. Where a companion runs attention's core, the last
/// part of an iteration and the first one of the next are one unit: the device goes on from one to the
/// other.
///
/// An iteration's graph ends with the iteration, the stream does not: while the last part's kernels run,
/// the first copy of the next iteration begins, as far as it comes in the time that those take alone; the
/// rest of it is the next iteration's. So every iteration copies the model once, but the very first one,
/// which also copies what it begins with.
struct WeightStream {
  /// In the order of the iteration's parts; the first one's is the last one's as well, where these share.
  let units: [Bytes]
  /// Whether the first part works with what the iteration before has copied for its last one.
  let beginsWithOld: Bool
  /// Of the next copy, what has come before the iteration began.
  private(set) var ahead = Bytes.zero
  /// Whether nothing was copied so far.
  private(set) var isCold = true

  /// Of this iteration: the last copy, and the last kernel of each part so far.
  private(set) var lastCopy: TaskID?
  private var ends: [TaskID?] = []
  /// What the kernels of the part under way take alone.
  private var partTime = SimTime.zero
  /// The copy that the next kernel waits for.
  private(set) var awaited: TaskID?
  private var lastKernel: TaskID?

  init(_ deployment: Deployment, _ parts: [[PlanStep]]) {
    beginsWithOld = deployment.execution.attention == .companion && parts.count > 1
    var steps = parts
    if beginsWithOld, let last = steps.popLast() { steps[0] = last + steps[0] }
    units = steps.map { deployment.streamedWeights(of: $0) }
  }

  /// What the iteration begins with, besides what has come already; nil where that is all.
  var firstUnit: Bytes? { isCold && beginsWithOld ? units[0] : nil }

  /// What is copied for a part of the iteration, and the kernel that must be done before; nil where the
  /// part has its weights.
  func copy(forPart part: Int) -> (bytes: Bytes, after: TaskID?)? {
    let first = beginsWithOld ? 1 : 0
    guard part >= first else { return nil }
    let unit = units[part % units.count]
    let bytes = part == first ? unit - ahead : unit
    return bytes > .zero ? (bytes, part >= 2 ? ends[part - 2] : nil) : nil
  }

  /// What of the next iteration's first copy comes while the last part runs, over a link of `bandwidth`.
  func copyAhead(_ bandwidth: Bandwidth) -> (bytes: Bytes, after: TaskID?)? {
    let unit = units[(beginsWithOld ? 1 : 0) % units.count]
    let bytes = min(unit, Bytes(bandwidth.value * Seconds(partTime).value))
    return bytes > .zero ? (bytes, ends.count >= 2 ? ends[ends.count - 2] : nil) : nil
  }

  mutating func beginIteration() {
    lastCopy = nil
    awaited = nil
    lastKernel = nil
    ends.removeAll(keepingCapacity: true)
  }

  mutating func beginPart() { partTime = .zero }

  /// - Parameter isAwaited: By the part that begins; else it is for the next iteration.
  mutating func note(copy: TaskID, isAwaited: Bool) {
    lastCopy = copy
    if isAwaited { awaited = copy }
  }

  /// The copy that a kernel has to wait for; those behind it wait for the kernel.
  mutating func takeAwaited() -> TaskID? {
    defer { awaited = nil }
    return awaited
  }

  mutating func note(kernel: TaskID, taking time: SimTime) {
    lastKernel = kernel
    partTime += time
  }

  mutating func endPart() { ends.append(lastKernel) }

  mutating func endIteration(ahead bytes: Bytes) {
    ahead = bytes
    isCold = false
  }
}

extension Deployment {
  /// The weights that a unit's steps need. A head that is the token table has it from a lookup in its unit,
  /// and else needs it there once more: nothing else is kept from the iteration's first unit to its last.
  fileprivate func streamedWeights(of steps: [PlanStep]) -> Bytes {
    let sum = steps.reduce(Bytes.zero) { $0 + streamedWeights(of: $1) }
    guard model.hasTiedEmbeddings, steps.contains(where: { $0.isKernels(of: .head) }),
      !steps.contains(where: { $0.isKernels(of: .embedding) })
    else { return sum }
    return sum + model.embeddingBytes(precisions)
  }

  /// The weights that a step needs on the device: all of a layer's experts, whoever is chosen.
  fileprivate func streamedWeights(of step: PlanStep) -> Bytes {
    switch step.work {
    case .kernels(.embedding): model.embeddingBytes(precisions)
    case .kernels(.attention): model.attentionBytes(layer: step.layer, precisions)
    case .attentionInput:
      model.attentionBytes(layer: step.layer, precisions) - outputWeights(layer: step.layer)
    case .attentionOutput: outputWeights(layer: step.layer)
    case .kernels(.gate): model.gateBytes(precisions)
    case .kernels(.sharedExperts): model.sharedExpertBytes(precisions)
    case .kernels(.denseFeedForward): model.denseFeedForwardBytes(precisions)
    case .kernels(.head): model.headBytes(precisions)
    case .experts:
      model.expertBytes(precisions) * Double(placement.copies(layer: step.position, group: 0))
    case .kernels, .tensorExchange, .dispatch, .combine, .contextGather: .zero
    }
  }

  /// Weights of attention behind its core.
  private func outputWeights(layer: Int) -> Bytes {
    var (sum, isBehind) = (Bytes.zero, false)
    let token = TokenBatch(decoding: 1, context: 1)
    model.attention(layer: layer, of: token, precisions) { kernel in
      if isBehind { sum = sum + kernel.weightBytes }
      if case .attention = kernel.shape { isBehind = true }
    }
    return sum
  }

  /// What streamed weights take in host memory: the model's, once.
  public var streamedModelBytes: Bytes { model.weightBytes(precisions) }

  /// What an iteration copies to the device: the model, and a token table that is the head, too, once more
  /// where the first of the units does not have both. Zero where weights are not streamed.
  public var streamedBytesOfIteration: Bytes {
    guard execution.streamed != nil else { return .zero }
    return WeightStream(self, layerSteps).units.reduce(.zero, +)
  }

  /// The same by layer of the model, and last what belongs to no layer.
  public var streamedLayerBytes: [Bytes] {
    var layers = [Bytes](repeating: .zero, count: model.layers + 1)
    for step in layerSteps.joined() {
      let layer = step.layer >= 0 ? step.layer : model.layers
      layers[layer] = layers[layer] + streamedWeights(of: step)
    }
    return layers
  }

  /// The weights of the two layers that are on the device at a time, at most.
  public var streamBufferBytes: Bytes {
    let stream = WeightStream(self, layerSteps)
    return (stream.units.max() ?? .zero) * 2
  }

  private var layerSteps: [[PlanStep]] { PlanStep.streamedParts(PlanStep.model(self)) }
}

extension PlanStep {
  fileprivate func isKernels(of stage: Stage) -> Bool {
    if case .kernels(stage) = work { true } else { false }
  }
}
