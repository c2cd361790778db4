import Hardware
import Models
import Units

/// What the attention of one layer takes on one device, as far as a companion does not take its core.
struct AttentionCost {
  /// All that comes before cores that the companion runs; everything where it runs none.
  private(set) var before = KernelSequence()
  /// Cores that the companion runs.
  private(set) var companion = KernelSequence()
  /// What the device runs meanwhile.
  private(set) var beside = KernelSequence()
  /// What needs the companion's results.
  private(set) var after = KernelSequence()
  /// Queries, keys and values of decoded tokens on their way to a companion that has the KV cache, and
  /// what it makes of them on its way back.
  private(set) var toCompanion = Bytes.zero
  private(set) var fromCompanion = Bytes.zero
  /// Prompts' keys and values on their way to that cache.
  private(set) var promptCache = Bytes.zero

  /// Everything, where the companion runs none of it.
  var whole: KernelSequence {
    var sum = before
    sum.add(beside)
    sum.add(after)
    return sum
  }

  /// Adds the next operator of the layer.
  ///
  /// - Parameter rows: Tokens that an elementwise kernel passes over.
  mutating func add(
    _ kernel: Operator, rows: Int, _ kernels: KernelCostModel, _ other: CompanionCosts?,
    _ policy: ExpertExecution.Attention
  ) {
    let cost = kernels.cost(of: kernel, rows: rows)
    guard policy != .device, let other else { return before.add(cost) }
    guard case .attention(let core) = kernel.shape else {
      // What prompts' keys and values are made of waits for no decoded token.
      if kernel.role == .keyValueUp {
        beside.add(cost)
      } else if companion.kernels == 0 {
        before.add(cost)
      } else {
        after.add(cost)
      }
      return
    }
    let output = kernel.precisions.outputs.bytes
    let cached = Bytes(core.cacheElementsWritten * kernel.precisions.kvCache.bytes)
    guard core.phase == .decode else {
      promptCache = promptCache + cached
      return beside.add(cost)
    }
    let there = other.cost(of: kernel)
    let isSooner = policy == .companion || there.duration < cost.duration
    // Attention to an encoder's output needs the results of the first core: it stays on the device.
    if isSooner && after.kernels == 0 && companion.kernels == 0 {
      companion.add(there)
      toCompanion = toCompanion + cached + Bytes(core.queryElements * output)
      fromCompanion = fromCompanion + Bytes(core.outputElements * output)
    } else if companion.kernels == 0 {
      before.add(cost)
    } else {
      after.add(cost)
    }
  }
}
