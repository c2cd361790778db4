import Hardware
import Models

/// Which of a run's kernels lie outside what their laws were fitted to.
extension Deployment {
  /// The sizes that the iterations of a workload ask for, where routing is even. A few hundred
  /// questions, not for every iteration.
  public func outsideMeasured(_ workload: Workload) -> OutsideMeasured {
    var outside = OutsideMeasured()
    let device = cluster.device
    guard let laws = KernelLaws(device, precisions, experts: expertLayout) else { return outside }
    for index in 0..<workload.batching.microbatches {
      for mix in workload.microbatch(index).extremeMixes {
        outside.add(outsideMeasured(mix, laws))
      }
    }
    return outside
  }

  private func outsideMeasured(_ mix: IterationMix, _ laws: KernelLaws) -> OutsideMeasured {
    var outside = OutsideMeasured()
    let width = parallelism.attention.tensor
    let own = share(0, of: mix.tokens, among: width).count
    func add(rows: Int, _ operators: ((Operator) -> Void) -> Void) {
      guard rows > 0 else { return }
      operators { outside.add(laws.outside($0, rows: rows)) }
    }
    var kinds: Set<AttentionKind> = []
    for layer in 0..<model.layers where kinds.insert(model.attentionKind(layer: layer)).inserted {
      add(rows: mix.tokens) {
        model.attention(layer: layer, of: mix.parts, precisions, tensorParallel: width, $0)
      }
    }
    add(rows: own) { model.gate(newTokens: own, precisions, $0) }
    add(rows: own) { model.sharedExperts(newTokens: own, precisions, $0) }
    if model.expertLayers.count < model.layers {
      add(rows: mix.tokens) {
        model.denseFeedForward(newTokens: mix.tokens, precisions, tensorParallel: width, $0)
      }
    }
    add(rows: mix.tokens) { model.embedding(newTokens: mix.tokens, precisions, $0) }
    add(rows: mix.outputs) {
      model.head(sequences: mix.outputs, precisions, tensorParallel: width, $0)
    }
    outside.add(outsideMeasured(experts: mix, laws))
    return outside
  }

  /// Of the routed experts of one device, each of which has as many rows as any other.
  private func outsideMeasured(experts mix: IterationMix, _ laws: KernelLaws) -> OutsideMeasured {
    let groups = placement.groups - placement.sharedGroups
    let rows = mix.tokens * parallelism.attention.data * model.experts.topK / groups
    let count = placement.mostCopiesOfLayer
    guard rows > 0, count > 0, model.feedForward.matrices == 3 else { return OutsideMeasured() }
    let load = GroupedLoad(counts: (0..<count).map { share($0, of: rows, among: count).count })
    let slices = parallelism.experts.tensor
    return laws.outside(
      ofExperts: load, chosen: groups == 1 ? model.experts.topK : 1, experts: count,
      hidden: model.hidden, intermediate: (model.experts.intermediate + slices - 1) / slices)
  }
}

extension Workload {
  /// The smallest and the largest iteration that may come; the same where requests do not begin and
  /// end.
  fileprivate var extremeMixes: [IterationMix] {
    guard let requests else { return [mix] }
    let longest = Double(requests.prompt + requests.output)
    return [
      IterationMix(parts: [TokenBatch(decoding: batch, context: longest)], outputs: batch),
      IterationMix(
        parts: [
          TokenBatch(
            prefilling: mostTokensPerGroup, of: batch, context: Double(requests.prompt))
        ], outputs: batch),
    ]
  }
}
