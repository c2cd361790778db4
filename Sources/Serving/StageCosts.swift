import Hardware
import Models
import Units

/// What each stage costs a device, worked out once where it is the same in every iteration.
///
/// Devices of an attention group all see the group's tokens in attention; after it each has its own
/// share of them, which differ by at most one token.
struct StageCosts {
  /// A stage's kernels on each device: devices repeat with the attention group's width.
  struct Cost {
    /// For each position in an attention group; one entry where the position does not matter.
    var positions: [KernelSequence] = []

    subscript(device: Int) -> KernelSequence {
      positions.isEmpty ? KernelSequence() : positions[device % positions.count]
    }
  }

  /// Of a device's own share of tokens.
  private(set) var gate = Cost()
  private(set) var sharedExperts = Cost()
  private(set) var weightedSum = Cost()
  /// Of a group's tokens, which each of its devices looks up for itself.
  private(set) var embedding = Cost()
  /// `[layer]`, of a group's tokens on one of its devices.
  private(set) var attention: [AttentionCost] = []
  /// The same in one piece.
  private var wholeAttention: [Cost] = []
  private(set) var denseFeedForward = Cost()
  private(set) var head = Cost()
  /// What a guess begins with, and the head over its last positions.
  private(set) var predictionInput = Cost()
  private(set) var predictionHead = Cost()
  /// What a device sends to each other device of its group in one pass, by its position there.
  private(set) var tensorExchangeBytes: [Bytes] = []

  /// Nil where nothing runs on companions.
  let companion: CompanionCosts?
  private let attentionPolicy: ExpertExecution.Attention
  /// Of the kernels in each stream: ``KernelStream``.
  private let kernels: KernelCostModel
  private let expertKernels: KernelCostModel
  private let model: ModelArchitecture
  private let precisions: Precisions
  private let slices: Int
  /// Rows of each token that a device's experts get in one call; 1 where an exchange brings each of a
  /// token's rows by itself.
  private let chosen: Int
  /// Slots of each layer and expert group: `[layer * groups + group]`.
  private var slotsOfGroup: [[Int32]] = []
  private let groups: Int
  /// Whether a device's experts may be several calls, on it and elsewhere.
  private let sharesExperts: Bool
  /// Devices of an attention group.
  private let width: Int
  /// Expert groups that hold the shared experts for all; 0 where each device has its own.
  private let sharedRanks: Int

  /// - Parameter streams: Of the device's compute units, where kernels have not all of them.
  init(_ deployment: Deployment, _ mix: IterationMix, streams: Batching.Streams? = nil) {
    let device = deployment.cluster.device
    kernels = KernelCostModel(
      device, for: deployment.precisions, units: streams.map { $0[.attention] })
    expertKernels = KernelCostModel(
      device, for: deployment.precisions, units: streams.map { $0[.experts] },
      experts: deployment.expertLayout)
    companion = CompanionCosts(deployment)
    attentionPolicy = deployment.execution.attention
    sharedRanks = deployment.placement.sharedGroups
    model = deployment.model
    precisions = deployment.precisions
    slices = deployment.parallelism.experts.tensor
    groups = deployment.placement.groups
    sharesExperts = deployment.execution.experts.usesCompanion
    chosen = groups == 1 && !sharesExperts ? model.experts.topK : 1
    width = deployment.parallelism.attention.tensor
    update(mix)
    listSlots(deployment)
  }

  /// Costs another mix. O(kinds of layers x operators).
  mutating func update(_ mix: IterationMix) {
    perPosition(tokens: mix.tokens)
    perGroup(mix)
  }

  private mutating func perPosition(tokens: Int) {
    gate.positions.removeAll(keepingCapacity: true)
    sharedExperts.positions.removeAll(keepingCapacity: true)
    weightedSum.positions.removeAll(keepingCapacity: true)
    tensorExchangeBytes.removeAll(keepingCapacity: true)
    let output = precisions.outputs.bytes * Double(model.hidden)
    for position in 0..<width {
      let own = share(position, of: tokens, among: width).count
      gate.positions.append(
        sequence(rows: own, by: expertKernels) { body in
          model.gate(newTokens: own, precisions) {
            if !callGathers || $0.role != .permutation { body($0) }
          }
        })
      if sharedRanks == 0 { sharedExperts.positions.append(sharedExpertKernels(tokens: own)) }
      weightedSum.positions.append(
        callSums
          ? KernelSequence()
          : sequence(rows: own, by: expertKernels) {
            model.combination(newTokens: own, precisions, $0)
          })
      tensorExchangeBytes.append(Bytes(Double(own) * output))
    }
  }

  private mutating func perGroup(_ mix: IterationMix) {
    let tokens = mix.tokens
    var ofKind: [AttentionKind: AttentionCost] = [:]
    attention = (0..<model.layers).map { layer in
      let kind = model.attentionKind(layer: layer)
      if let known = ofKind[kind] { return known }
      var cost = AttentionCost()
      model.attention(layer: layer, of: mix.parts, precisions, tensorParallel: width) {
        cost.add($0, rows: tokens, kernels, companion, attentionPolicy)
      }
      ofKind[kind] = cost
      return cost
    }
    wholeAttention = attention.map { Cost(positions: [$0.whole]) }
    embedding.positions = [
      sequence(rows: tokens, by: kernels) { model.embedding(newTokens: tokens, precisions, $0) }
    ]
    denseFeedForward.positions = [
      sequence(rows: tokens, by: kernels) {
        model.denseFeedForward(newTokens: tokens, precisions, tensorParallel: width, $0)
      }
    ]
    head.positions = [headKernels(positions: mix.outputs)]
    predictionInput.positions = [
      sequence(rows: tokens, by: kernels) {
        model.predictionInput(newTokens: tokens, precisions, $0)
      }
    ]
    predictionHead.positions = [headKernels(positions: mix.sequences)]
  }

  private func headKernels(positions: Int) -> KernelSequence {
    sequence(rows: positions, by: kernels) {
      model.head(sequences: positions, precisions, tensorParallel: width, $0)
    }
  }

  /// The shared experts of one layer on one device, cut into `slices`.
  func sharedExpertKernels(tokens: Int, slices: Int = 1) -> KernelSequence {
    sequence(rows: tokens, by: expertKernels) {
      model.sharedExperts(newTokens: tokens, precisions, tensorParallel: slices, $0)
    }
  }

  /// Slots are numbered in a layer by expert, then by replica, as `ExpertSlots` numbers them.
  private mutating func listSlots(_ deployment: Deployment) {
    slotsOfGroup = Array(repeating: [], count: deployment.placement.layers * groups)
    for (layer, experts) in deployment.placement.hosts.enumerated() {
      for (slot, group) in experts.joined().enumerated() {
        slotsOfGroup[layer * groups + group].append(Int32(slot))
      }
    }
  }

  /// Whether a device's routed experts are one call, which gathers their rows without a copy before.
  private var callGathers: Bool {
    expertKernels.laws?.hasExperts == true && model.feedForward.matrices == 3
  }

  /// Whether that call has all rows of its tokens, so that no sum is left to do after it.
  private var callSums: Bool { callGathers && groups == 1 && slices == 1 && !sharesExperts }

  /// A stage of each device for itself, on one step of its way.
  func kernels(of stage: Stage, _ step: PlanStep) -> Cost {
    switch stage {
    case .embedding: step.pass == .model ? embedding : predictionInput
    case .attention: wholeAttention[step.layer]
    case .gate: gate
    case .sharedExperts: sharedExperts
    case .weightedSum: weightedSum
    case .denseFeedForward: denseFeedForward
    case .head: step.pass == .model ? head : predictionHead
    case .tensorExchange, .dispatch, .experts, .combine, .expertTransfer, .vectorTransfer,
      .weightReads, .contextGather, .weightStream, .companionAttention:
      Cost()
    }
  }

  func slots(layer: Int, group: Int) -> [Int32] { slotsOfGroup[layer * groups + group] }

  /// The routed experts of one device, which have `load`; `count` with rows or without.
  ///
  /// One call where gated experts were measured, which gathers its rows itself and adds up those of
  /// a token; else a grouped multiplication up, the activation, and one down.
  func routedExperts(_ load: GroupedLoad, of count: Int) -> KernelSequence {
    let pairs = Int(load.rows)
    guard pairs > 0 else { return KernelSequence() }
    let work = { (body: (Operator) -> Void) in
      model.routedExperts(
        tokens: pairs, activeExperts: Int(load.active), precisions, tensorSlices: slices, body)
      if callSums { model.combination(newTokens: pairs / chosen, precisions, body) }
    }
    guard callGathers else { return sequence(rows: pairs, by: expertKernels, work) }
    let call = expertKernels.cost(
      ofExperts: load, chosen: chosen, experts: count, hidden: model.hidden,
      intermediate: (model.experts.intermediate + slices - 1) / slices, work)
    guard let call else { return sequence(rows: pairs, by: expertKernels, work) }
    var sequence = KernelSequence()
    sequence.add(call)
    return sequence
  }

  /// Tokens whose rows of `pairs` are on a device: no more than the group or the cluster has.
  func tokens(ofPairs pairs: Int) -> Int {
    groups == 1 ? pairs / max(1, model.experts.topK) : pairs
  }

  private func sequence(
    rows: Int, by kernels: KernelCostModel, _ operators: ((Operator) -> Void) -> Void
  ) -> KernelSequence {
    var sequence = KernelSequence()
    operators { sequence.add(kernels.cost(of: $0, rows: rows)) }
    return sequence
  }
}
