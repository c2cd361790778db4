import Units

/// How many weights the parts of a model have, and what they and the KV cache take.
///
/// With `tensorParallel: t` a count is what the fullest of t devices holds: heads and intermediate
/// widths are divided (Megatron-LM, arXiv 1909.08053); key-value heads are divided until each
/// device has one; the latent down-projections and the router are kept whole on each.
extension ModelArchitecture {
  /// The totals that model cards state.
  public struct Parameters: Hashable, Sendable {
    /// All weights.
    public var total: Int
    /// Weights that one token passes: everything but the experts it is not sent to. Embedding and
    /// head count; published figures sometimes leave them out.
    public var active: Int
  }

  public var parameters: Parameters {
    var total = embeddingParameters + (hasTiedEmbeddings ? 0 : headParameters())
    var active = total
    for layer in 0..<layers {
      let always = attentionParameters(layer: layer) + alwaysActiveFeedForward(layer: layer)
      total += always
      active += always
      if hasExperts(layer: layer) {
        total += experts.count * expertParameters()
        active += experts.topK * expertParameters()
      }
    }
    return Parameters(total: total, active: active)
  }

  private func alwaysActiveFeedForward(layer: Int) -> Int {
    hasExperts(layer: layer)
      ? gateParameters + sharedExpertParameters() : denseFeedForwardParameters()
  }

  /// The token table.
  public var embeddingParameters: Int { vocabulary * hidden }

  /// The matrix that makes logits. Where it is tied it is the token table itself.
  public func headParameters(tensorParallel: Int = 1) -> Int {
    slice(vocabulary, tensorParallel) * hidden
  }

  /// The router of a layer with experts.
  public var gateParameters: Int { experts.count * hidden }

  /// One expert of one layer.
  public func expertParameters(tensorSlices: Int = 1) -> Int {
    feedForward.matrices * hidden * slice(experts.intermediate, tensorSlices)
  }

  /// All shared experts of one layer and, where there is one, the dense network beside them.
  public func sharedExpertParameters(tensorParallel: Int = 1) -> Int {
    feedForward.matrices * hidden
      * (slice(experts.sharedIntermediate, tensorParallel)
        + slice(experts.residualIntermediate, tensorParallel))
  }

  /// The feed-forward network of a layer without experts.
  public func denseFeedForwardParameters(tensorParallel: Int = 1) -> Int {
    feedForward.matrices * hidden * slice(feedForward.intermediate, tensorParallel)
  }

  /// Attention, or what stands in its place, in one layer. Grouped: h d (2 heads + 2 kvHeads), twice
  /// that in a decoder that also attends to an encoder. Latent: DeepSeek-V2, section 2.1.
  public func attentionParameters(layer: Int, tensorParallel: Int = 1) -> Int {
    if let mamba, !attends(layer: layer) {
      return mambaParameters(mamba, tensorParallel: tensorParallel)
    }
    switch attention {
    case .grouped(let grouped):
      let heads = slice(grouped.heads, tensorParallel)
      let kvHeads = slice(grouped.keyValueHeads, tensorParallel)
      let once = hidden * grouped.headDimension * 2 * (heads + kvHeads)
      return hasCrossAttention(layer: layer) ? 2 * once : once
    case .latent(let latent):
      let heads = slice(latent.heads, tensorParallel)
      let query =
        latent.queryRank.map { $0 * (hidden + heads * latent.keyDimension) }
        ?? hidden * heads * latent.keyDimension
      let down = hidden * latent.cacheElements
      let up = latent.keyValueRank * heads * (latent.plainDimension + latent.valueDimension)
      return query + down + up + heads * latent.valueDimension * hidden
    }
  }

  /// Input and gate, convolution with bias, step and state projections, A, D and output (Mamba,
  /// section 3.4 and its reference implementation).
  private func mambaParameters(_ mamba: Mamba, tensorParallel: Int) -> Int {
    let inner = slice(mamba.innerDimension, tensorParallel)
    let state = mamba.stateDimension
    let projections = 2 * hidden + mamba.stepRank + 2 * state + mamba.stepRank + hidden
    return inner * (projections + mamba.convolutionWidth + 1 + 1 + state + 1)
  }
}

extension ModelArchitecture {
  /// Attention, or what stands in its place, of one layer in memory.
  public func attentionBytes(
    layer: Int, _ precisions: Precisions, tensorParallel: Int = 1
  ) -> Bytes {
    bytes(attentionParameters(layer: layer, tensorParallel: tensorParallel), precisions.weights)
  }

  /// The router of a layer in memory; it is not quantised.
  public func gateBytes(_ precisions: Precisions) -> Bytes {
    bytes(gateParameters, precisions.unquantized)
  }

  /// One expert of one layer in memory.
  public func expertBytes(_ precisions: Precisions, tensorSlices: Int = 1) -> Bytes {
    bytes(expertParameters(tensorSlices: tensorSlices), precisions.weights)
  }

  /// The shared experts of one layer in memory, and the dense network beside them.
  public func sharedExpertBytes(_ precisions: Precisions, tensorParallel: Int = 1) -> Bytes {
    bytes(sharedExpertParameters(tensorParallel: tensorParallel), precisions.weights)
  }

  /// The feed-forward network of a layer without experts in memory.
  public func denseFeedForwardBytes(_ precisions: Precisions, tensorParallel: Int = 1) -> Bytes {
    bytes(denseFeedForwardParameters(tensorParallel: tensorParallel), precisions.weights)
  }

  /// The token table in memory; it is not quantised.
  public func embeddingBytes(_ precisions: Precisions) -> Bytes {
    bytes(embeddingParameters, precisions.unquantized)
  }

  /// The head in memory beside the token table: nothing where the two are one. Not quantised.
  public func headBytes(_ precisions: Precisions, tensorParallel: Int = 1) -> Bytes {
    hasTiedEmbeddings
      ? .zero : bytes(headParameters(tensorParallel: tensorParallel), precisions.unquantized)
  }

  /// The matrix that a prediction layer begins with, beside what it has as any layer has.
  public func predictionInputBytes(_ precisions: Precisions) -> Bytes {
    bytes(2 * hidden * hidden, precisions.weights)
  }

  private func bytes(_ parameters: Int, _ precision: Precision) -> Bytes {
    Bytes(Double(parameters) * precision.bytes)
  }

  /// What one token adds to the KV cache of one layer. The cross-attention of an encoder-decoder
  /// model keeps as much again for each source token; Mamba layers and encoders keep nothing.
  public func keyValueBytesPerToken(
    layer: Int, _ precision: Precision, tensorParallel: Int = 1
  ) -> Bytes {
    guard attends(layer: layer), !isEncoder(layer: layer) else { return .zero }
    return Bytes(Double(cacheElements(tensorParallel: tensorParallel)) * precision.bytes)
  }

  /// What one token adds to the KV cache of all layers, as if no layer had a window.
  public func keyValueBytesPerToken(_ precision: Precision, tensorParallel: Int = 1) -> Bytes {
    var sum = Bytes.zero
    for layer in 0..<layers {
      sum = sum + keyValueBytesPerToken(layer: layer, precision, tensorParallel: tensorParallel)
    }
    return sum
  }

  /// What a sequence of `context` tokens keeps in the KV cache of all layers; layers with a window
  /// keep no more than the window.
  public func keyValueBytes(
    context: Double, _ precision: Precision, tensorParallel: Int = 1
  ) -> Bytes {
    var sum = Bytes.zero
    for layer in 0..<layers {
      let kept = min(context, window(layer: layer))
      let each = keyValueBytesPerToken(layer: layer, precision, tensorParallel: tensorParallel)
      sum = sum + each * kept
    }
    return sum
  }

  /// What a sequence keeps in layers without attention, whatever its length: the state and the
  /// convolution's window of every channel (Mamba, arXiv 2312.00752, section 3.4).
  public func stateBytes(_ precisions: Precisions, tensorParallel: Int = 1) -> Bytes {
    guard let mamba else { return .zero }
    let inner = slice(mamba.innerDimension, tensorParallel)
    let elements = inner * (mamba.stateDimension + mamba.convolutionWidth)
    let layersWithState = (0..<layers).count { !attends(layer: $0) }
    return Bytes(Double(layersWithState * elements) * precisions.outputs.bytes)
  }

  /// All weights in memory; embedding, router and head are not quantised.
  public func weightBytes(_ precisions: Precisions) -> Bytes {
    var sum = embeddingBytes(precisions) + headBytes(precisions)
    for layer in 0..<layers {
      sum = sum + attentionBytes(layer: layer, precisions)
      guard hasExperts(layer: layer) else {
        sum = sum + denseFeedForwardBytes(precisions)
        continue
      }
      sum = sum + expertBytes(precisions) * Double(experts.count)
      sum = sum + gateBytes(precisions) + sharedExpertBytes(precisions)
    }
    return sum
  }

  /// Keys a query of the layer sees at most; infinity without a window.
  public func window(layer: Int) -> Double {
    guard case .grouped(let grouped) = attention, let window = grouped.window,
      grouped.windowedLayers.contains(layer)
    else { return .infinity }
    return Double(window)
  }

  /// Elements of one token in one layer's cache on one device.
  func cacheElements(tensorParallel: Int) -> Int {
    switch attention {
    case .grouped(let grouped):
      2 * slice(grouped.keyValueHeads, tensorParallel) * grouped.headDimension
    case .latent(let latent): latent.cacheElements
    }
  }
}
