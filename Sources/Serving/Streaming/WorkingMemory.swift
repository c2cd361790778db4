import Models
import Units

extension Workload {
  /// New tokens of an attention group's largest microbatch.
  var mostTokensOfMicrobatch: Int {
    let parts = batching.microbatches
    let all = (mostTokensPerGroup + parts - 1) / parts
    return requests == nil ? all : min(all, batching.budgetOfMicrobatch ?? all)
  }
}

extension ModelArchitecture {
  /// What a layer's kernels keep of a token in the device's memory at a time: the residual stream and its
  /// normalised form, with either queries, keys, values and attention's output, or the rows of its experts
  /// (or of the dense network), what their matrices make of them, and their results.
  func workingBytesPerToken(_ precisions: Precisions) -> Bytes {
    var attentionValues = hidden
    switch attention {
    case .grouped(let grouped):
      attentionValues += (2 * grouped.heads + 2 * grouped.keyValueHeads) * grouped.headDimension
    case .latent(let latent):
      attentionValues +=
        latent.heads * (latent.keyDimension + latent.valueDimension) + latent.cacheElements
    }
    // Each matrix but the last one makes the intermediate width, and so does the activation.
    let rows = experts.topK * (2 * hidden + feedForward.matrices * experts.intermediate)
    let shared = 2 * hidden + feedForward.matrices * experts.sharedIntermediate
    let dense = 2 * hidden + feedForward.matrices * feedForward.intermediate
    let widest = max(attentionValues, rows, shared, dense)
    return Bytes(Double(2 * hidden + widest) * precisions.outputs.bytes)
  }
}
