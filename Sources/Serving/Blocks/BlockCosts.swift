import Hardware
import Models
import Units

/// What the allocator takes a block to cost: the device's rooflines, of which each part counts by itself.
struct BlockCosts {
  /// One expert's weights.
  var expertBytes: Bytes
  /// Arithmetic of one token in one expert.
  var perToken: Seconds
  /// Of the weights out of a device's own memory.
  var fromMemory: Seconds

  init(expertBytes: Bytes, perToken: Seconds, fromMemory: Seconds) {
    self.expertBytes = expertBytes
    self.perToken = perToken
    self.fromMemory = fromMemory
  }

  init(_ deployment: Deployment) {
    let kernels = KernelCostModel(deployment.cluster.device, for: deployment.precisions)
    expertBytes = deployment.model.expertBytes(deployment.precisions)
    fromMemory = expertBytes / kernels.achievableBandwidth
    // Many tokens, so that nothing is rounded to a tile.
    let tokens = 4096
    var arithmetic = Seconds.zero
    deployment.model.routedExperts(tokens: tokens, activeExperts: 1, deployment.precisions) {
      let cost = kernels.cost(flops: $0.flops, bytes: $0.bytes, precision: $0.precision)
      arithmetic = arithmetic + cost.tensorTime
    }
    perToken = arithmetic / Double(tokens)
  }
}
