import Models
import Units

extension MoELens {
  /// A model by its own operators, whatever its experts and its attention are like.
  ///
  /// O(layers x operators).
  public init(
    _ model: ModelArchitecture, _ precisions: Precisions, prompt: Double, output: Double,
    host: Host
  ) {
    var weights = Weights(model)
    weights.bytes = precisions.weights.bytes
    self.init(
      weights: weights, model: model.weightBytes(precisions),
      cacheBytesPerToken: model.keyValueBytesPerToken(precisions.kvCache), prompt: prompt,
      output: output, host: host)
    operationsPerToken =
      model.layerOperations(precisions)
      + model.headOperations(precisions) * (output / (prompt + output))
    operationsPerCacheElement = model.operationsPerCacheElement(precisions)
  }
}

extension MoELens.Weights {
  /// A model as far as the paper's equations see it: latent attention as heads that share one key-value
  /// head.
  public init(_ model: ModelArchitecture) {
    let shared =
      switch model.attention {
      case .grouped(let grouped): Double(grouped.heads) / Double(grouped.keyValueHeads)
      case .latent(let latent): Double(latent.heads)
      }
    self.init(
      hidden: Double(model.hidden), intermediate: Double(model.experts.intermediate),
      experts: Double(model.experts.count), topK: Double(model.experts.topK),
      headsPerKeyValueHead: shared)
  }
}

extension ModelArchitecture {
  /// Of one token's multiplications with the weights of all layers.
  fileprivate func layerOperations(_ precisions: Precisions) -> FLOPs {
    let token = TokenBatch(decoding: 1, context: 1)
    var sum = FLOPs.zero
    func add(_ kernel: Operator) {
      if kernel.weightBytes > .zero { sum = sum + kernel.flops }
    }
    for layer in 0..<layers {
      attention(layer: layer, of: token, precisions, add)
      guard hasExperts(layer: layer) else {
        denseFeedForward(newTokens: 1, precisions, add)
        continue
      }
      gate(newTokens: 1, precisions, add)
      routedExperts(tokens: experts.topK, activeExperts: experts.topK, precisions, add)
      sharedExperts(newTokens: 1, precisions, add)
    }
    return sum
  }

  fileprivate func headOperations(_ precisions: Precisions) -> FLOPs {
    var sum = FLOPs.zero
    head(sequences: 1, precisions) { if $0.weightBytes > .zero { sum = sum + $0.flops } }
    return sum
  }

  /// Of a decoded token with each element of its keys and values, alike in all layers that have some.
  fileprivate func operationsPerCacheElement(_ precisions: Precisions) -> Double {
    guard let layer = (0..<layers).first(where: { attends(layer: $0) && !isEncoder(layer: $0) })
    else { return 0 }
    var each = 0.0
    attention(layer: layer, of: TokenBatch(decoding: 1, context: 1), precisions) { kernel in
      guard kernel.role == .attentionCore, case .attention(let core) = kernel.shape else { return }
      each = core.flops.value / core.keyValueElementsRead
    }
    return each
  }
}
