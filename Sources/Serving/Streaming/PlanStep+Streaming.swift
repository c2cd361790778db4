/// The steps of an iteration whose weights are streamed.
extension PlanStep {
  /// Cuts them where the device needs the next weights: between two layers, or, where a companion runs
  /// the core of attention, between what leads to the core and what follows it, so that the device goes
  /// on with the other microbatches meanwhile.
  static func streamedParts(_ steps: [PlanStep]) -> [[PlanStep]] {
    var parts: [[PlanStep]] = [[]]
    for step in steps {
      let last = parts.count - 1
      if step.beginsPart(after: parts[last]) {
        parts.append([step])
      } else {
        parts[last].append(step)
      }
    }
    return parts
  }

  private func beginsPart(after steps: [PlanStep]) -> Bool {
    switch work {
    case .attentionOutput: true
    case .kernels(.attention): steps.contains { $0.work.isWholeAttention }
    default: false
    }
  }
}

extension PlanStep.Work {
  fileprivate var isWholeAttention: Bool {
    if case .kernels(.attention) = self { true } else { false }
  }
}
