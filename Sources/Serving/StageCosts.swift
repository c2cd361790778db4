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

    subscript(device: Int) -> KernelSequence { positions[device % positions.count] }
  }

  /// Of a device's own share of tokens.
  private(set) var gate = Cost()
  private(set) var sharedExperts = Cost()
  private(set) var weightedSum = Cost()
  /// Of a group's tokens, which each of its devices looks up for itself.
  private(set) var embedding = Cost()
  /// `[layer]`, of a group's tokens on one of its devices.
  private(set) var attention: [Cost] = []
  private(set) var denseFeedForward = Cost()
  private(set) var head = Cost()
  /// What a device sends to each other device of its group in one pass, by its position there.
  private(set) var tensorExchangeBytes: [Bytes] = []

  /// The weights of one expert, or of a slice of it.
  let expertBytes: Bytes

  private let kernels: KernelCostModel
  private let model: ModelArchitecture
  private let precisions: Precisions
  private let slices: Int
  /// Rows of each token that a device's experts get in one call; 1 where an exchange brings each of a
  /// token's rows by itself.
  private let chosen: Int
  /// Slots of each layer and expert group: `[layer * groups + group]`.
  private var slotsOfGroup: [[Int32]] = []
  private let groups: Int

  init(_ deployment: Deployment, _ workload: Workload) {
    kernels = KernelCostModel(deployment.cluster.device, for: deployment.precisions)
    model = deployment.model
    precisions = deployment.precisions
    slices = deployment.parallelism.experts.tensor
    expertBytes = model.expertBytes(precisions, tensorSlices: slices)
    groups = deployment.placement.groups
    chosen = groups == 1 ? model.experts.topK : 1
    let width = deployment.parallelism.attention.tensor
    let tokens = workload.tokensPerGroup
    perPosition(tokens: tokens, width: width)
    perGroup(workload, tokens: tokens, width: width)
    listSlots(deployment)
  }

  private mutating func perPosition(tokens: Int, width: Int) {
    let output = precisions.outputs.bytes * Double(model.hidden)
    for position in 0..<width {
      let own = share(position, of: tokens, among: width).count
      gate.positions.append(
        sequence(rows: own) { body in
          model.gate(newTokens: own, precisions) {
            if !callGathers || $0.role != .permutation { body($0) }
          }
        })
      sharedExperts.positions.append(
        sequence(rows: own) { model.sharedExperts(newTokens: own, precisions, $0) })
      weightedSum.positions.append(
        callSums
          ? KernelSequence()
          : sequence(rows: own) { model.combination(newTokens: own, precisions, $0) })
      tensorExchangeBytes.append(Bytes(Double(own) * output))
    }
  }

  private mutating func perGroup(_ workload: Workload, tokens: Int, width: Int) {
    let batch = TokenBatch(
      phase: workload.phase, newTokens: tokens, sequences: workload.batch,
      context: Double(workload.context))
    attention = (0..<model.layers).map { layer in
      Cost(
        positions: [
          sequence(rows: tokens) {
            model.attention(layer: layer, of: batch, precisions, tensorParallel: width, $0)
          }
        ])
    }
    embedding.positions = [
      sequence(rows: tokens) { model.embedding(newTokens: tokens, precisions, $0) }
    ]
    denseFeedForward.positions = [
      sequence(rows: tokens) {
        model.denseFeedForward(newTokens: tokens, precisions, tensorParallel: width, $0)
      }
    ]
    head.positions = [
      sequence(rows: workload.batch) {
        model.head(sequences: workload.batch, precisions, tensorParallel: width, $0)
      }
    ]
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
    kernels.laws?.hasExperts == true && model.feedForward.matrices == 3
  }

  /// Whether that call has all rows of its tokens, so that no sum is left to do after it.
  private var callSums: Bool { callGathers && groups == 1 && slices == 1 }

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
    guard callGathers else { return sequence(rows: pairs, work) }
    let call = kernels.cost(
      ofExperts: load, chosen: chosen, experts: count, hidden: model.hidden,
      intermediate: (model.experts.intermediate + slices - 1) / slices, work)
    guard let call else { return sequence(rows: pairs, work) }
    var sequence = KernelSequence()
    sequence.add(call)
    return sequence
  }

  private func sequence(
    rows: Int, _ operators: ((Operator) -> Void) -> Void
  ) -> KernelSequence {
    var sequence = KernelSequence()
    operators { sequence.add(kernels.cost(of: $0, rows: rows)) }
    return sequence
  }
}
