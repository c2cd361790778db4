import Models

/// One step of the way that each microbatch takes through the model.
struct PlanStep {
  enum Work {
    /// A stage of each device for itself.
    case kernels(Stage)
    /// Attention whose core the companion runs for decoded tokens: what comes before that, with the
    /// prompts' cores, and what comes after.
    case attentionInput
    case attentionOutput
    /// Within attention groups, so many times.
    case tensorExchange(passes: Int)
    case dispatch
    /// The routed experts, or all of them where shared ones have devices of their own.
    case experts
    case combine
    /// Of all devices, with the keys and values of their tokens.
    case contextGather
  }

  /// Which tokens go through, and what they cost.
  enum Pass {
    /// All of the iteration.
    case model
    /// The same in the prediction layer, which makes the first guesses.
    case firstGuess
    /// One of each sequence in the prediction layer, for a further guess.
    case furtherGuess
  }

  var work: Work
  var pass: Pass
  /// Of the model; -1 for none. A prediction layer costs what the last layer with experts costs.
  var layer: Int
  /// The layer's place among those with experts; of another layer, and of what comes behind a layer's
  /// experts' sum, how many of those are before it.
  var position = 0

  /// The layer that results know the step by: a prediction layer is none of the model's.
  var labelLayer: Int { pass == .model ? layer : -1 }

  var isExchange: Bool {
    switch work {
    case .tensorExchange, .dispatch, .combine, .contextGather: true
    case .kernels, .attentionInput, .attentionOutput, .experts: false
    }
  }
}

extension PlanStep {
  /// The steps of an iteration, cut where a device goes on with another microbatch: behind every
  /// exchange, which needs no kernels while it is under way; with streams where another stream takes
  /// over, so that each stream has the whole of one microbatch's layer before the next one's.
  static func parts(_ deployment: Deployment, _ workload: Workload) -> [[PlanStep]] {
    var program = ProgramWriter(deployment)
    program.writeModel(workload.phase)
    for guess in 0..<(workload.speculation?.tokens ?? 0) {
      program.writeGuess(isFirst: guess == 0)
    }
    if deployment.execution.streamed != nil { return streamedParts(program.steps) }
    let streams = workload.batching.streams
    var parts: [[PlanStep]] = []
    var isCut = true
    for step in program.steps {
      if let streams, let last = parts.last?.last {
        isCut = step.stream(streams) != last.stream(streams)
      }
      if isCut { parts.append([]) }
      parts[parts.count - 1].append(step)
      isCut = streams == nil && step.isExchange
    }
    return parts
  }

  /// The model's own steps, without guesses.
  static func model(_ deployment: Deployment) -> [PlanStep] {
    var program = ProgramWriter(deployment)
    program.writeModel(.decode)
    return program.steps
  }

  /// Whose step it is; exchanges within attention groups are attention's.
  private func stream(_ streams: Batching.Streams) -> KernelStream {
    switch work {
    case .kernels(let stage): KernelStream(stage, streams)
    case .attentionInput, .attentionOutput: .attention
    case .dispatch, .experts, .combine: .experts
    case .tensorExchange, .contextGather: .attention
    }
  }
}

/// Writes down step after step.
private struct ProgramWriter {
  private let deployment: Deployment
  private let slicesAttention: Bool
  /// Whether a layer's attention waits for a companion while the device goes on with other work.
  private let splitsAttention: Bool
  private var pass = PlanStep.Pass.model
  private(set) var steps: [PlanStep] = []

  init(_ deployment: Deployment) {
    self.deployment = deployment
    slicesAttention = deployment.parallelism.attention.tensor > 1
    splitsAttention =
      deployment.execution.streamed != nil && deployment.execution.attention == .companion
  }

  private mutating func add(_ work: PlanStep.Work, layer: Int = -1, position: Int = 0) {
    steps.append(PlanStep(work: work, pass: pass, layer: layer, position: position))
  }

  mutating func writeModel(_ phase: Phase) {
    add(.kernels(.embedding))
    let layers = deployment.model.layers(of: phase)
    var position = deployment.model.expertLayers.count { $0 < layers.lowerBound }
    for layer in layers {
      if deployment.model.hasExperts(layer: layer) {
        writeExpertLayer(layer, position: position)
        position += 1
      } else {
        for work in attention(layer) { add(work, layer: layer, position: position) }
        let exchange = PlanStep.Work.tensorExchange(passes: 2)
        if slicesAttention { add(exchange, layer: layer, position: position) }
        add(.kernels(.denseFeedForward), layer: layer, position: position)
        if slicesAttention { add(exchange, layer: layer, position: position) }
      }
    }
    // An encoder's output is read by the decoder's layers; no token comes of it.
    if layers.upperBound == deployment.model.layers { add(.kernels(.head)) }
    if deployment.exchange.residence == .transition { add(.contextGather) }
  }

  /// One pass through the prediction layer.
  mutating func writeGuess(isFirst: Bool) {
    let layers = deployment.model.expertLayers
    guard let last = layers.last else { return }
    pass = isFirst ? .firstGuess : .furtherGuess
    add(.kernels(.embedding))
    writeExpertLayer(last, position: layers.count - 1)
    add(.kernels(.head))
  }

  private func attention(_ layer: Int) -> [PlanStep.Work] {
    splitsAttention && deployment.model.attends(layer: layer)
      ? [.attentionInput, .attentionOutput] : [.kernels(.attention)]
  }

  private mutating func writeExpertLayer(_ layer: Int, position: Int) {
    let sharesAlone = deployment.placement.sharedGroups > 0
    let overlaps = deployment.exchange.overlap == .sharedExperts
    let exchange: [PlanStep.Work] = slicesAttention ? [.tensorExchange(passes: 1)] : []
    var work: [PlanStep.Work] = attention(layer) + exchange + [.kernels(.gate)]
    if !overlaps && !sharesAlone { work.append(.kernels(.sharedExperts)) }
    work.append(.dispatch)
    if overlaps { work.append(.kernels(.sharedExperts)) }
    work += [.experts, .combine, .kernels(.weightedSum)]
    for work in work { add(work, layer: layer, position: position) }
    for work in exchange { add(work, layer: layer, position: position + 1) }
  }
}
