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

  private let kernels: KernelCostModel
  private let model: ModelArchitecture
  private let precisions: Precisions
  private let slices: Int
  /// Slots of each layer and expert group: `[layer * groups + group]`.
  private var slotsOfGroup: [[Int32]] = []
  private let groups: Int

  init(_ deployment: Deployment, _ workload: Workload) {
    kernels = KernelCostModel(deployment.cluster.device)
    model = deployment.model
    precisions = deployment.precisions
    slices = deployment.parallelism.experts.tensor
    groups = deployment.placement.groups
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
      gate.positions.append(sequence { model.gate(newTokens: own, precisions, $0) })
      sharedExperts.positions.append(
        sequence { model.sharedExperts(newTokens: own, precisions, $0) })
      weightedSum.positions.append(sequence { model.combination(newTokens: own, precisions, $0) })
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
          sequence {
            model.attention(layer: layer, of: batch, precisions, tensorParallel: width, $0)
          }
        ])
    }
    embedding.positions = [sequence { model.embedding(newTokens: tokens, precisions, $0) }]
    denseFeedForward.positions = [
      sequence {
        model.denseFeedForward(newTokens: tokens, precisions, tensorParallel: width, $0)
      }
    ]
    head.positions = [
      sequence {
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

  func slots(layer: Int, group: Int) -> [Int32] { slotsOfGroup[layer * groups + group] }

  /// The routed experts of one device, of which `active` share `pairs` (token, expert) pairs.
  func routedExperts(pairs: Int, active: Int) -> KernelSequence {
    sequence {
      model.routedExperts(
        tokens: pairs, activeExperts: active, precisions, tensorSlices: slices, $0)
    }
  }

  private func sequence(_ operators: ((Operator) -> Void) -> Void) -> KernelSequence {
    var sequence = KernelSequence()
    operators { sequence.add(kernels.cost(of: $0)) }
    return sequence
  }
}
