import Testing

@testable import Models

@Suite struct PrecisionTests {
  /// W4A16 kernels convert weights to the activations' precision before they multiply.
  @Test func theWiderOperandSetsThePrecisionOfAMultiplication() {
    #expect(Precision.bf16.multiplied(by: .int4) == .bf16)
    #expect(Precision.fp8.multiplied(by: .bf16) == .bf16)
    #expect(Precision.fp8.multiplied(by: .fp8) == .fp8)
  }

  @Test func sumsAreWrittenInSixteenBitsOrMore() {
    #expect(Precisions(.fp8).outputs == .bf16)
    #expect(Precisions(.fp32).outputs == .fp32)
  }
}
