import Testing
import Units

@testable import Models

/// One layer of Mixtral 8x7B in bf16, four decoded tokens at context 1024, with a pencil:
/// hidden 4096, 32 heads and 8 key-value heads of 128, 8 experts of width 14336, top 2.
@Suite struct MixtralByHandTests {
  let model: ModelArchitecture
  let precisions = Precisions(.bf16)

  init() throws { model = try ModelCatalogue.shared.get().named("mixtral-8x7b").architecture }

  func operators(_ emit: ((Operator) -> Void) -> Void) -> [Operator.Role: Operator] {
    var found: [Operator.Role: Operator] = [:]
    emit { found[$0.role] = $0 }
    return found
  }

  @Test func attentionDoesTheWorkOfItsMatricesAndKeys() throws {
    let batch = TokenBatch(decoding: 4, context: 1024)
    let found = operators { model.attention(layer: 0, of: batch, precisions, $0) }
    // (32 + 2 x 8) heads x 128 = 6144 columns: 2 x 4 x 6144 x 4096
    #expect(found[.queryKeyValue]?.flops == 201_326_592)
    // 4 x 1024 pairs x 2 x 32 heads x (128 + 128)
    #expect(found[.attentionCore]?.flops == 67_108_864)
    // Cache: 4 x 1024 tokens x 2 x 8 x 128 elements read and 4 x 2048 written, x 2 bytes
    #expect(found[.attentionCore]?.cacheBytes == Bytes(16_777_216 + 16_384))
    // Queries in and results out: 2 x 4 x 32 x 128 elements x 2 bytes
    #expect(found[.attentionCore]?.activationBytes == 65_536)
    #expect(found[.attentionCore]?.family == .attentionDecode)
    // 2 x 4 x 4096 x 4096
    #expect(found[.outputProjection]?.flops == 134_217_728)
    #expect(found[.outputProjection]?.weightBytes == Bytes(4096 * 4096 * 2))
  }

  @Test func weightsInMemoryAreAsManyBytesAsParametersSay() {
    // 46.7e9 parameters in two bytes.
    #expect(abs(model.weightBytes(precisions).value - 2 * Double(model.parameters.total)) < 1)
  }

  @Test func expertsReadTheWeightsOfThoseThatHaveTokens() throws {
    // 4 tokens x top 2 = 8 pairs on 5 experts.
    let found = operators { model.routedExperts(tokens: 8, activeExperts: 5, precisions, $0) }
    // Gate and up: 2 x 8 x 28672 x 4096; down: 2 x 8 x 4096 x 14336
    #expect(found[.expertUp]?.flops == 1_879_048_192)
    #expect(found[.expertDown]?.flops == 939_524_096)
    // 5 x 28672 x 4096 x 2 bytes of weights; 8 x (4096 + 28672) x 2 bytes of activations
    #expect(found[.expertUp]?.weightBytes == 1_174_405_120)
    #expect(found[.expertUp]?.activationBytes == 524_288)
    #expect(found[.expertUp]?.family == .groupedGEMM)
  }

  @Test func theGateIsARouterAChoiceAndACopy() throws {
    let found = operators { model.gate(newTokens: 4, precisions, $0) }
    #expect(found[.router]?.flops == FLOPs(2 * 4 * 8 * 4096))
    // One read and two copies of four tokens.
    #expect(found[.permutation]?.bytes == Bytes((1 + 2) * 4 * 4096 * 2))
    #expect(found[.topK] != nil)
  }

  @Test func aWholePromptHasHalfTheSquareOfPairs() {
    // 1 + 2 + ... + 512 for each of two sequences.
    let batch = TokenBatch(prefilling: 1024, of: 2, context: 512)
    let found = operators { model.attention(layer: 0, of: batch, precisions, $0) }
    let pairs = Double(2 * 512 * 513 / 2)
    #expect(found[.attentionCore]?.flops == FLOPs(2 * pairs * 32 * 256))
    #expect(found[.attentionCore]?.family == .attentionPrefill)
  }
}
