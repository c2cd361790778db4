import Hardware
import Models
import Units

/// What a device's companion takes for its work, and what lies on the way to it.
struct CompanionCosts {
  let companion: Node.Companion
  private let kernels: KernelCostModel
  private let model: ModelArchitecture
  private let precisions: Precisions
  private let slices: Int
  private let deviceMemory: Device.Memory
  /// One expert, as far as it is on one device.
  let expertBytes: Bytes
  /// A token's vector on its way there, and back.
  private let vectorBytes: (there: Bytes, back: Bytes)

  /// Nil where nothing runs on a companion.
  init?(_ deployment: Deployment) {
    guard deployment.execution.usesCompanion, let companion = deployment.cluster.node.companion
    else { return nil }
    self.companion = companion
    kernels = KernelCostModel(companion.processor)
    model = deployment.model
    precisions = deployment.precisions
    slices = deployment.parallelism.experts.tensor
    deviceMemory = deployment.cluster.device.memory
    expertBytes = model.expertBytes(precisions, tensorSlices: slices)
    let hidden = Double(model.hidden)
    vectorBytes = (
      Bytes(hidden * deployment.exchange.dispatch.bytes),
      Bytes(hidden * deployment.exchange.combine.bytes)
    )
  }

  func cost(of kernel: Operator) -> KernelCost { kernels.cost(of: kernel) }

  /// Experts one after the other, each by itself.
  func sequence(of experts: [ExpertShares.Expert]) -> KernelSequence {
    var sequence = KernelSequence()
    for expert in experts {
      model.routedExperts(
        tokens: expert.tokens, activeExperts: 1, precisions, tensorSlices: slices
      ) { sequence.add(kernels.cost(of: $0)) }
    }
    return sequence
  }

  /// Vectors that go to experts of the companion's memory and come back. A token's vector goes there
  /// once, and what its experts there made of it comes back as one sum (MoNDE, equation 2).
  ///
  /// - Parameter tokens: Of the device: more than these are not sent.
  func vectors(
    of experts: [ExpertShares.Expert], tokens: Int
  ) -> (there: Bytes, back: Bytes) {
    let rows = Double(min(tokens, experts.reduce(0) { $0 + $1.tokens }))
    return (vectorBytes.there * rows, vectorBytes.back * rows)
  }

  /// What an expert takes on the way to the device.
  var fetchTime: Seconds {
    guard let port = companion.port else { return .zero }
    let rate = min(port.effectiveBandwidth, companion.processor.memory.bandwidth)
    return Seconds(port.latency) + expertBytes / rate
  }

  /// What reading an expert there and writing it to the device's memory takes.
  var fetchEnergy: Joules {
    let each = companion.processor.memory.energyPerByte + deviceMemory.energyPerByte
    return expertBytes * each
  }
}

/// The times of a layer's experts on one device and its companion.
struct CompanionTimes: ExpertTimes {
  let costs: StageCosts
  let companion: CompanionCosts
  /// Experts that the device has, with tokens or without.
  let count: Int
  /// Tokens that the device has in the layer.
  let tokens: Int

  func deviceTime(of experts: [ExpertShares.Expert]) -> SimTime {
    guard companion.companion.port != nil else {
      return costs.routedExperts(GroupedLoad(counts: experts.map(\.tokens)), of: count).duration
    }
    // Each computes when it is there and the one before is done.
    var copied = Seconds.zero
    var done = SimTime.zero
    for expert in experts {
      copied = copied + companion.fetchTime
      let load = GroupedLoad(counts: CollectionOfOne(expert.tokens))
      done = max(done, SimTime(roundingUp: copied)) + costs.routedExperts(load, of: 1).duration
    }
    return done
  }

  func companionTime(of experts: [ExpertShares.Expert]) -> SimTime {
    guard !experts.isEmpty else { return .zero }
    let work = companion.sequence(of: experts).duration
    guard let port = companion.companion.port else { return work }
    let vectors = companion.vectors(of: experts, tokens: tokens)
    return port.latency * 2 + work
      + SimTime(roundingUp: (vectors.there + vectors.back) / port.effectiveBandwidth)
  }

  var deviceShare: Double {
    guard let port = companion.companion.port else { return 0 }
    let link = port.effectiveBandwidth.value
    return link / (link + companion.companion.processor.memory.bandwidth.value)
  }
}
