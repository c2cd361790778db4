import Units

/// The operators of a layer's second half, of the embedding and of the head. Like those of
/// attention they go to `body` in the order in which they run.
extension ModelArchitecture {
  /// Normalisation, router, choice of experts, and the copy of each token for each of its experts.
  ///
  /// The router is not quantised, see ``Precisions/unquantized``.
  public func gate(
    newTokens tokens: Int, _ precisions: Precisions, _ body: (Operator) -> Void
  ) {
    guard tokens > 0, experts.count > 0 else { return }
    body(normalization(tokens, precisions))
    let unquantized = Precisions(precisions.unquantized)
    let router = GEMM(m: tokens, n: experts.count, k: hidden)
    body(Operator(.router, .gemm(router), unquantized))
    // Softmax: subtract, exponentiate, sum, divide, and the maximum before; then k passes for the
    // k largest. Each choice is an id and a weight.
    let scores = Double(tokens) * Double(experts.count)
    let chosen = Double(tokens) * Double(experts.topK)
    let choice = Elementwise(
      read: scores, written: 2 * chosen, flops: scores * Double(5 + experts.topK))
    body(Operator(.topK, .elementwise(choice), unquantized))
    let copy = Copy(
      read: Double(tokens) * Double(hidden), written: chosen * Double(hidden))
    body(Operator(.permutation, .copy(copy), precisions))
  }

  /// The experts of a device: gate and up in one launch, activation, down.
  ///
  /// - Parameters:
  ///   - pairs: (token, expert) pairs that the device's experts get.
  ///   - activeExperts: How many of them get at least one.
  ///   - tensorSlices: Into how many devices each expert is cut.
  public func routedExperts(
    tokens pairs: Int, activeExperts: Int, _ precisions: Precisions, tensorSlices: Int = 1,
    _ body: (Operator) -> Void
  ) {
    guard pairs > 0 else { return }
    let width = slice(experts.intermediate, tensorSlices)
    let up = GroupedGEMM(
      tokens: pairs, activeExperts: activeExperts, n: (feedForward.matrices - 1) * width, k: hidden)
    body(Operator(.expertUp, .groupedGEMM(up), precisions))
    body(activation(.expertActivation, pairs, width, precisions))
    let down = GroupedGEMM(tokens: pairs, activeExperts: activeExperts, n: hidden, k: width)
    body(Operator(.expertDown, .groupedGEMM(down), precisions))
  }

  /// The weighted sum of what a token's experts returned: one multiplication and one addition for
  /// each element of each of its `topK` results.
  public func combination(
    newTokens tokens: Int, _ precisions: Precisions, _ body: (Operator) -> Void
  ) {
    guard tokens > 0, experts.count > 0 else { return }
    let elements = Double(tokens) * Double(hidden)
    let results = elements * Double(experts.topK)
    let sum = Elementwise(read: results, written: elements, flops: 2 * results)
    body(Operator(.combination, .elementwise(sum), precisions))
  }

  /// The shared experts of a layer, as one network of their joint width, and the dense network
  /// beside the experts where the model has one (Arctic). Nothing for models without either.
  public func sharedExperts(
    newTokens tokens: Int, _ precisions: Precisions, tensorParallel: Int = 1,
    _ body: (Operator) -> Void
  ) {
    guard tokens > 0 else { return }
    if experts.sharedIntermediate > 0 {
      let width = slice(experts.sharedIntermediate, tensorParallel)
      let up = GEMM(m: tokens, n: (feedForward.matrices - 1) * width, k: hidden)
      body(Operator(.sharedExpertUp, .gemm(up), precisions))
      body(activation(.sharedExpertActivation, tokens, width, precisions))
      let down = GEMM(m: tokens, n: hidden, k: width)
      body(Operator(.sharedExpertDown, .gemm(down), precisions))
    }
    if experts.residualIntermediate > 0 {
      let width = slice(experts.residualIntermediate, tensorParallel)
      denseOperators(tokens, width, precisions, body)
    }
  }

  /// Normalisation and feed-forward network of a layer without experts.
  public func denseFeedForward(
    newTokens tokens: Int, _ precisions: Precisions, tensorParallel: Int = 1,
    _ body: (Operator) -> Void
  ) {
    guard tokens > 0 else { return }
    body(normalization(tokens, precisions))
    denseOperators(tokens, slice(feedForward.intermediate, tensorParallel), precisions, body)
  }

  private func denseOperators(
    _ tokens: Int, _ width: Int, _ precisions: Precisions, _ body: (Operator) -> Void
  ) {
    let up = GEMM(m: tokens, n: (feedForward.matrices - 1) * width, k: hidden)
    body(Operator(.feedForwardUp, .gemm(up), precisions))
    body(activation(.feedForwardActivation, tokens, width, precisions))
    let down = GEMM(m: tokens, n: hidden, k: width)
    body(Operator(.feedForwardDown, .gemm(down), precisions))
  }

  /// Gated: reads gate and up, writes their product (SiLU about four operations, the product one).
  /// Plain: reads and writes one (ReLU or GELU, counted like SiLU).
  private func activation(
    _ role: Operator.Role, _ tokens: Int, _ width: Int, _ precisions: Precisions
  ) -> Operator {
    let elements = Double(tokens) * Double(width)
    let work = Elementwise(
      read: Double(feedForward.matrices - 1) * elements, written: elements,
      flops: Double(feedForward.matrices + 2) * elements)
    return Operator(role, .elementwise(work), precisions)
  }

  /// Lookup of the tokens' rows.
  public func embedding(
    newTokens tokens: Int, _ precisions: Precisions, _ body: (Operator) -> Void
  ) {
    guard tokens > 0 else { return }
    let elements = Double(tokens) * Double(hidden)
    let unquantized = Precisions(precisions.unquantized)
    body(Operator(.embedding, .copy(Copy(read: elements, written: elements)), unquantized))
  }

  /// What a prediction layer begins with: the lookup of the tokens that follow, the normalisation of
  /// their rows and of the vectors that the layers before made, and the matrix that makes one vector
  /// of both (DeepSeek-V3, arXiv 2412.19437, equation 21).
  public func predictionInput(
    newTokens tokens: Int, _ precisions: Precisions, _ body: (Operator) -> Void
  ) {
    guard tokens > 0 else { return }
    embedding(newTokens: tokens, precisions, body)
    body(normalization(tokens, precisions))
    body(normalization(tokens, precisions))
    let projection = GEMM(m: tokens, n: hidden, k: 2 * hidden)
    body(Operator(.predictionInput, .gemm(projection), precisions))
  }

  /// Last normalisation and logits of the sequences that need a token; prompts need one each, for
  /// their last position.
  public func head(
    sequences: Int, _ precisions: Precisions, tensorParallel: Int = 1, _ body: (Operator) -> Void
  ) {
    guard sequences > 0 else { return }
    body(normalization(sequences, precisions))
    let logits = GEMM(m: sequences, n: slice(vocabulary, tensorParallel), k: hidden)
    body(Operator(.head, .gemm(logits), Precisions(precisions.unquantized)))
  }
}
