import Units

/// The operators of a layer's first half: what lets tokens see each other.
///
/// Every function hands its operators one after the other, in the order in which they run, to
/// `body`, and allocates nothing. With `tensorParallel: t` they are the work of one of t devices
/// (Megatron-LM, arXiv 1909.08053, section 3); the all-reduce after the output projection is the
/// planner's business.
extension ModelArchitecture {
  /// Normalisation, projections, rotary embedding, attention core and output projection; in a Mamba
  /// layer the state space model in their place; in a decoder that attends to an encoder both
  /// attentions.
  public func attention(
    layer: Int, of batch: TokenBatch, _ precisions: Precisions, tensorParallel: Int = 1,
    _ body: (Operator) -> Void
  ) {
    guard batch.newTokens > 0 else { return }
    body(normalization(batch.newTokens, precisions))
    if let mamba, !attends(layer: layer) {
      mambaOperators(mamba, batch, precisions, tensorParallel, body)
      return
    }
    switch attention {
    case .latent(let latent):
      latentOperators(latent, batch, precisions, tensorParallel, body)
    case .grouped(let grouped):
      groupedOperators(grouped, layer, batch, precisions, tensorParallel, body)
      if hasCrossAttention(layer: layer) {
        body(normalization(batch.newTokens, precisions))
        crossOperators(grouped, batch, precisions, tensorParallel, body)
      }
    }
  }

  /// RMS normalisation fused with the residual addition before it: reads both, writes the sum and
  /// its normalised form. About five operations an element.
  func normalization(_ tokens: Int, _ precisions: Precisions) -> Operator {
    let elements = Double(tokens) * Double(hidden)
    return Operator(
      .normalization,
      .elementwise(Elementwise(read: 2 * elements, written: 2 * elements, flops: 5 * elements)),
      precisions)
  }

  /// Rotation of pairs of elements: three operations an element (arXiv 2104.09864, eq. 34).
  private func rotaryEmbedding(_ elements: Double, _ precisions: Precisions) -> Operator {
    Operator(
      .rotaryEmbedding,
      .elementwise(Elementwise(read: elements, written: elements, flops: 3 * elements)), precisions)
  }

  private func groupedOperators(
    _ grouped: GroupedAttention, _ layer: Int, _ batch: TokenBatch, _ precisions: Precisions,
    _ tensorParallel: Int, _ body: (Operator) -> Void
  ) {
    let dimension = grouped.headDimension
    let heads = slice(grouped.heads, tensorParallel)
    let kvHeads = slice(grouped.keyValueHeads, tensorParallel)
    let tokens = batch.newTokens
    let width = (heads + 2 * kvHeads) * dimension
    body(Operator(.queryKeyValue, .gemm(GEMM(m: tokens, n: width, k: hidden)), precisions))
    if grouped.hasRotaryEmbedding {
      body(rotaryEmbedding(Double(tokens) * Double((heads + kvHeads) * dimension), precisions))
    }
    let isEncoder = isEncoder(layer: layer)
    let keyValueElements = Double(2 * kvHeads * dimension)
    let core = AttentionCore(
      phase: batch.phase, queries: Double(tokens), sequences: Double(batch.sequences),
      context: batch.context, window: window(layer: layer), isCausal: !isEncoder,
      heads: Double(heads), keyDimension: Double(dimension), valueDimension: Double(dimension),
      keyValueElements: keyValueElements,
      cacheElementsPerNewToken: isEncoder ? 0 : keyValueElements, readsCache: !isEncoder)
    body(Operator(.attentionCore, .attention(core), precisions))
    let output = GEMM(m: tokens, n: hidden, k: heads * dimension)
    body(Operator(.outputProjection, .gemm(output), precisions))
  }

  /// Attention to the encoder's output, whose keys and values are projected once, in prefill, and
  /// cached (arXiv 1706.03762, section 3.2.3).
  private func crossOperators(
    _ grouped: GroupedAttention, _ batch: TokenBatch, _ precisions: Precisions,
    _ tensorParallel: Int, _ body: (Operator) -> Void
  ) {
    let heads = slice(grouped.heads, tensorParallel)
    let kvHeads = slice(grouped.keyValueHeads, tensorParallel)
    let dimension = grouped.headDimension
    let tokens = batch.newTokens
    let query = GEMM(m: tokens, n: heads * dimension, k: hidden)
    body(Operator(.crossQuery, .gemm(query), precisions))
    var written = 0.0
    if batch.phase == .prefill {
      let source = Double(batch.sequences) * batch.sourceContext
      let keyValue = GEMM(m: Int(source.rounded()), n: 2 * kvHeads * dimension, k: hidden)
      body(Operator(.crossKeyValue, .gemm(keyValue), precisions))
      written = source * Double(2 * kvHeads * dimension) / Double(tokens)
    }
    let core = AttentionCore(
      phase: batch.phase, queries: Double(tokens), sequences: Double(batch.sequences),
      context: batch.sourceContext, isCausal: false, heads: Double(heads),
      keyDimension: Double(dimension), valueDimension: Double(dimension),
      keyValueElements: Double(2 * kvHeads * dimension), cacheElementsPerNewToken: written)
    body(Operator(.crossCore, .attention(core), precisions))
    let output = GEMM(m: tokens, n: hidden, k: heads * dimension)
    body(Operator(.crossOutput, .gemm(output), precisions))
  }
}

/// Multi-head latent attention: DeepSeek-V2 (arXiv 2405.04434), section 2.1 and appendix C.
extension ModelArchitecture {
  private func latentOperators(
    _ latent: LatentAttention, _ batch: TokenBatch, _ precisions: Precisions,
    _ tensorParallel: Int, _ body: (Operator) -> Void
  ) {
    let heads = slice(latent.heads, tensorParallel)
    latentProjections(latent, heads: heads, batch.newTokens, precisions, body)
    switch batch.phase {
    case .decode: absorbedCore(latent, heads: heads, batch, precisions, body)
    case .prefill: expandedCore(latent, heads: heads, batch, precisions, body)
    }
    let output = GEMM(m: batch.newTokens, n: hidden, k: heads * latent.valueDimension)
    body(Operator(.outputProjection, .gemm(output), precisions))
  }

  /// Queries, through their own latent where the model has one, and the latent of keys and values.
  /// Down-projections are whole on each device.
  private func latentProjections(
    _ latent: LatentAttention, heads: Int, _ tokens: Int, _ precisions: Precisions,
    _ body: (Operator) -> Void
  ) {
    let queryWidth = heads * latent.keyDimension
    if let rank = latent.queryRank {
      body(Operator(.queryDown, .gemm(GEMM(m: tokens, n: rank, k: hidden)), precisions))
      body(Operator(.queryUp, .gemm(GEMM(m: tokens, n: queryWidth, k: rank)), precisions))
    } else {
      body(Operator(.queryUp, .gemm(GEMM(m: tokens, n: queryWidth, k: hidden)), precisions))
    }
    let down = GEMM(m: tokens, n: latent.cacheElements, k: hidden)
    body(Operator(.keyValueDown, .gemm(down), precisions))
    let rotated = Double(tokens) * Double((heads + 1) * latent.rotaryDimension)
    body(rotaryEmbedding(rotated, precisions))
  }

  /// Decode: the up-projections are folded into queries and outputs, so that all heads read the one
  /// latent as if it were a single key-value head whose value is part of its key.
  private func absorbedCore(
    _ latent: LatentAttention, heads: Int, _ batch: TokenBatch, _ precisions: Precisions,
    _ body: (Operator) -> Void
  ) {
    let query = GEMM(
      m: batch.newTokens, n: latent.keyValueRank, k: latent.plainDimension, batch: heads)
    body(Operator(.absorbQuery, .gemm(query), precisions))
    let core = AttentionCore(
      phase: .decode, queries: Double(batch.newTokens), sequences: Double(batch.sequences),
      context: batch.context, heads: Double(heads), keyDimension: Double(latent.cacheElements),
      valueDimension: Double(latent.keyValueRank), keyValueElements: Double(latent.cacheElements),
      cacheElementsPerNewToken: Double(latent.cacheElements))
    body(Operator(.attentionCore, .attention(core), precisions))
    let value = GEMM(
      m: batch.newTokens, n: latent.valueDimension, k: latent.keyValueRank, batch: heads)
    body(Operator(.absorbValue, .gemm(value), precisions))
  }

  /// Prefill: keys and values of the whole context are made from the latents, those of earlier
  /// chunks too, and every head attends to its own.
  private func expandedCore(
    _ latent: LatentAttention, heads: Int, _ batch: TokenBatch, _ precisions: Precisions,
    _ body: (Operator) -> Void
  ) {
    let context = Int((Double(batch.sequences) * batch.context).rounded())
    let expandedWidth = heads * (latent.plainDimension + latent.valueDimension)
    let up = GEMM(m: context, n: expandedWidth, k: latent.keyValueRank)
    body(Operator(.keyValueUp, .gemm(up), precisions))
    let core = AttentionCore(
      phase: .prefill, queries: Double(batch.newTokens), sequences: Double(batch.sequences),
      context: batch.context, heads: Double(heads), keyDimension: Double(latent.keyDimension),
      valueDimension: Double(latent.valueDimension),
      keyValueElements: Double(expandedWidth + latent.rotaryDimension),
      cacheElementsPerNewToken: Double(latent.cacheElements), readsCache: false)
    body(Operator(.attentionCore, .attention(core), precisions))
  }
}

/// Mamba, arXiv 2312.00752, section 3.4; the scan's operations are those its reference
/// implementation counts (9 for each token, channel and state).
extension ModelArchitecture {
  private func mambaOperators(
    _ mamba: Mamba, _ batch: TokenBatch, _ precisions: Precisions, _ tensorParallel: Int,
    _ body: (Operator) -> Void
  ) {
    let inner = slice(mamba.innerDimension, tensorParallel)
    let tokens = batch.newTokens
    let channels = Double(tokens) * Double(inner)
    body(Operator(.mambaInput, .gemm(GEMM(m: tokens, n: 2 * inner, k: hidden)), precisions))
    let convolution = Elementwise(
      read: channels, written: channels, flops: 2 * Double(mamba.convolutionWidth) * channels)
    body(Operator(.mambaConvolution, .elementwise(convolution), precisions))
    let parameters = GEMM(m: tokens, n: mamba.stepRank + 2 * mamba.stateDimension, k: inner)
    body(Operator(.mambaParameters, .gemm(parameters), precisions))
    body(Operator(.mambaStep, .gemm(GEMM(m: tokens, n: inner, k: mamba.stepRank)), precisions))
    let state = Double(batch.sequences) * Double(inner * mamba.stateDimension)
    let scan = Elementwise(
      read: 3 * channels + 2 * Double(tokens * mamba.stateDimension) + state,
      written: channels + state, flops: 9 * Double(mamba.stateDimension) * channels)
    body(Operator(.mambaScan, .elementwise(scan), precisions))
    body(Operator(.mambaOutput, .gemm(GEMM(m: tokens, n: hidden, k: inner)), precisions))
  }
}
