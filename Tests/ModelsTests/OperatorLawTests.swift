import Testing
import Units

@testable import Models

@Suite struct OperatorLawTests {
  let catalogue: ModelCatalogue
  let precisions = Precisions(.bf16)

  init() throws { catalogue = try ModelCatalogue.shared.get() }

  /// All operators of a forward pass of one device.
  func forward(
    _ model: ModelArchitecture, _ batch: TokenBatch, tensorParallel: Int = 1
  ) -> [Operator] {
    var found: [Operator] = []
    let tokens = batch.newTokens
    for layer in 0..<model.layers {
      model.attention(layer: layer, of: batch, precisions, tensorParallel: tensorParallel) {
        found.append($0)
      }
      if model.hasExperts(layer: layer) {
        model.gate(newTokens: tokens, precisions) { found.append($0) }
        model.sharedExperts(newTokens: tokens, precisions, tensorParallel: tensorParallel) {
          found.append($0)
        }
        model.routedExperts(
          tokens: tokens * model.experts.topK, activeExperts: model.experts.count, precisions,
          tensorSlices: tensorParallel
        ) { found.append($0) }
        model.combination(newTokens: tokens, precisions) { found.append($0) }
      } else {
        model.denseFeedForward(newTokens: tokens, precisions, tensorParallel: tensorParallel) {
          found.append($0)
        }
      }
    }
    model.head(sequences: tokens, precisions, tensorParallel: tensorParallel) { found.append($0) }
    return found
  }

  func matrixFLOPs(_ operators: [Operator]) -> Double {
    operators.filter { $0.family == .gemm || $0.family == .groupedGEMM }
      .reduce(0) { $0 + $1.flops.value }
  }

  /// Each active weight is one multiplication and one addition for each token; the embedding is
  /// looked up. Latent attention, absorbed or expanded, uses the same matrices. Mamba counts
  /// weights outside its matrices (convolution, A, D, biases): below 0.1 % of the model.
  @Test(arguments: Row.all, Phase.allCases)
  func matrixWorkIsTwiceTheActiveParameters(row: Row, phase: Phase) throws {
    let model = try catalogue.named(row.name).architecture
    let batch =
      phase == .decode
      ? TokenBatch(decoding: 64, context: 100, sourceContext: 64)
      : TokenBatch(prefilling: 64, of: 1, context: 64, sourceContext: 64)
    var weights = Double(model.parameters.active)
    if !model.hasTiedEmbeddings { weights -= Double(model.embeddingParameters) }
    if phase == .decode { weights -= Double(cachedCrossWeights(model)) }
    let expected = 2 * 64 * weights
    let work = matrixFLOPs(forward(model, batch))
    #expect(abs(work - expected) <= (model.mamba == nil ? 1e-12 : 1e-3) * expected)
  }

  /// Keys and values of the encoder's output are projected in prefill only.
  func cachedCrossWeights(_ model: ModelArchitecture) -> Int {
    guard case .grouped(let grouped) = model.attention, model.encoderLayers > 0 else { return 0 }
    return (model.layers - model.encoderLayers) * model.hidden
      * 2 * grouped.keyValueHeads * grouped.headDimension
  }

  /// But for what every device keeps whole: latent down-projections and routers.
  @Test(arguments: ["mixtral-8x7b", "llama3-70b", "gpt-oss-20b", "opt-66b"], [2, 4, 8])
  func cuttingALayerIntoTSlicesDividesItsWorkByT(name: String, slices: Int) throws {
    let model = try catalogue.named(name).architecture
    let batch = TokenBatch(decoding: 32, context: 512)
    func work(_ t: Int) -> Double {
      forward(model, batch, tensorParallel: t)
        .filter { ![.elementwise, .copy].contains($0.family) && $0.role != .router }
        .reduce(0) { $0 + $1.flops.value }
    }
    #expect(abs(work(slices) * Double(slices) / work(1) - 1) < 1e-12)
  }

  @Test(arguments: ["mixtral-8x7b", "deepseek-v3", "jamba-v0.1"])
  func slicesOfWeightsAddUpToAtLeastTheWhole(name: String) throws {
    let model = try catalogue.named(name).architecture
    for t in [2, 3, 8, 16] {
      for layer in 0..<model.layers {
        let whole = model.attentionParameters(layer: layer)
        #expect(t * model.attentionParameters(layer: layer, tensorParallel: t) >= whole)
      }
      #expect(t * model.expertParameters(tensorSlices: t) >= model.expertParameters())
    }
  }

  @Test func matrixWorkIsLinearInTokens() throws {
    let model = try catalogue.named("deepseek-v3").architecture
    let once = matrixFLOPs(forward(model, TokenBatch(decoding: 128, context: 4096)))
    let thrice = matrixFLOPs(forward(model, TokenBatch(decoding: 384, context: 4096)))
    #expect(thrice == 3 * once)
  }

  @Test func aChunkedPromptCostsTheCoreOfTheWholePrompt() {
    func pairs(_ new: Double, _ context: Double, window: Double = .infinity) -> Double {
      AttentionCore(
        phase: .prefill, queries: new, sequences: 1, context: context, window: window, heads: 1,
        keyDimension: 1, valueDimension: 1, keyValueElements: 1, cacheElementsPerNewToken: 0
      ).pairs
    }
    for window in [.infinity, 1000, 700, 300, 128, 1] {
      let whole = pairs(1000, 1000, window: window)
      #expect(pairs(400, 400, window: window) + pairs(600, 1000, window: window) == whole)
      // Position by position: min(p, window).
      #expect((1...1000).reduce(0) { $0 + min(Double($1), window) } == whole)
    }
  }

  /// gpt-oss: even layers see 128 tokens, odd layers all.
  @Test func aWindowBoundsWhatIsReadAndKept() throws {
    let model = try catalogue.named("gpt-oss-20b").architecture
    let batch = TokenBatch(decoding: 1, context: 10_000)
    func core(_ layer: Int) -> Double {
      var read = 0.0
      model.attention(layer: layer, of: batch, precisions) { operation in
        if case .attention(let core) = operation.shape { read = core.contextTokensRead }
      }
      return read
    }
    #expect(core(0) == 128)
    #expect(core(1) == 10_000)
    // 12 layers keep 10,000 tokens and 12 keep 128, each 2 x 8 x 64 elements of 2 bytes.
    #expect(model.keyValueBytes(context: 10_000, .bf16) == Bytes(12 * (10_000 + 128) * 2048))
  }

  /// DeepSeek-V3, one decoded token at context 1000: 128 heads score 576 elements (512 + 64) and sum
  /// 512; the cache is read once for all heads, 576 elements a token.
  @Test func absorbedLatentAttentionReadsOneVectorForEachToken() throws {
    let model = try catalogue.named("deepseek-v3").architecture
    var found: Operator?
    model.attention(layer: 5, of: TokenBatch(decoding: 1, context: 1000), precisions) {
      if $0.role == .attentionCore { found = $0 }
    }
    #expect(found?.flops == FLOPs(2 * 1000 * 128 * (576 + 512)))
    #expect(found?.cacheBytes == Bytes((1000 + 1) * 576 * 2))
  }

  @Test func aContextHoldsAtLeastItsNewTokens() {
    #expect(TokenBatch(decoding: 4, context: 0).context == 1)
    #expect(TokenBatch(prefilling: 100, of: 2, context: 7).context == 50)
    #expect(TokenBatch(decoding: 0, context: 0).context == 0)
  }

  @Test func nothingIsDoneForNoTokens() throws {
    let model = try catalogue.named("deepseek-v2").architecture
    let none = TokenBatch(decoding: 0, context: 0)
    #expect(forward(model, none).isEmpty)
  }

  /// 4-bit weights under bf16 activations: a quarter of the bytes, the rate of bf16; the router and
  /// the head stay as they were.
  @Test func quantisingWeightsChangesTheirBytesAndNotTheArithmetic() throws {
    let model = try catalogue.named("mixtral-8x7b").architecture
    let quantised = Precisions(weights: .int4, activations: .bf16, kvCache: .fp8)
    var plain: [Operator] = []
    var small: [Operator] = []
    model.routedExperts(tokens: 8, activeExperts: 5, precisions) { plain.append($0) }
    model.routedExperts(tokens: 8, activeExperts: 5, quantised) { small.append($0) }
    #expect(plain.map(\.weightBytes) == small.map { $0.weightBytes * 4 })
    #expect(small.allSatisfy { $0.precision == .bf16 })
    #expect(model.gateBytes(quantised) == model.gateBytes(precisions))
    #expect(model.headBytes(quantised) == model.headBytes(precisions))
  }

  /// NLLB: an encoder layer sees all of the source both ways and caches nothing; a decoder layer
  /// attends to itself and to the source.
  @Test func encodersSeeBothWaysAndDecodersAlsoSeeTheEncoder() throws {
    let model = try catalogue.named("nllb-moe-54b").architecture
    var cores: [Operator] = []
    func attend(_ layer: Int, _ batch: TokenBatch) {
      cores = []
      model.attention(layer: layer, of: batch, precisions) {
        if case .attention = $0.shape { cores.append($0) }
      }
    }
    attend(0, TokenBatch(prefilling: 100, of: 1, context: 100))
    #expect(cores.map(\.flops) == [FLOPs(2 * 100 * 100 * 16 * 256)])
    #expect(cores.map(\.cacheBytes) == [.zero])
    attend(24, TokenBatch(decoding: 1, context: 10, sourceContext: 100))
    #expect(cores.map(\.role) == [.attentionCore, .crossCore])
    #expect(cores.map(\.flops) == [FLOPs(2 * 10 * 16 * 256), FLOPs(2 * 100 * 16 * 256)])
    // The source's keys and values are read, 2 x 16 x 128 elements of 2 bytes each.
    #expect(cores.last?.cacheBytes == Bytes(100 * 4096 * 2))
  }

  /// Arctic's dense network of width 7168 runs beside the experts of every layer.
  @Test func aResidualNetworkRunsBesideTheExperts() throws {
    let model = try catalogue.named("snowflake-arctic").architecture
    var work = 0.0
    model.sharedExperts(newTokens: 1, precisions) { operation in
      if operation.family == .gemm { work += operation.flops.value }
    }
    #expect(work == Double(2 * 3 * 7168 * 7168))
  }
}
