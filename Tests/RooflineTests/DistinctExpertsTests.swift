import Roofline
import Testing

@Suite("Distinct experts")
struct DistinctExpertsTests {
  @Test("are as many as hand arithmetic says")
  func byHand() {
    // One token with k = 2 of 8 chooses 2; two independent ones 8 (1 - 0.75^2) = 3.5.
    let even = [Double](repeating: 0.25, count: 8)
    #expect(abs(DistinctExperts.expected(probabilities: even, tokens: 1) - 2) < 1e-12)
    #expect(abs(DistinctExperts.expected(probabilities: even, tokens: 2) - 3.5) < 1e-12)
    #expect(DistinctExperts.expected(probabilities: even, tokens: 0) == 0)
    // One that all choose, one that nobody does.
    #expect(DistinctExperts.expected(probabilities: [1, 0], tokens: 5) == 1)
    // Two copies share an expert's tokens: 2 (1 - (1 - 0.25)^2) of what both see of two tokens.
    let copies = DistinctExperts.expected(probabilities: [0.5], tokens: 2, copies: [2])
    #expect(abs(copies - 2 * (1 - 0.75 * 0.75)) < 1e-12)
  }

  @Test("grow with tokens up to all of them")
  func growth() {
    let skewed = (1...64).map { 6 / Double($0) / 4.744 }.map { min(1, $0) }
    var last = 0.0
    for tokens in [1.0, 2, 8, 64, 1024, 1e6] {
      let expected = DistinctExperts.expected(probabilities: skewed, tokens: tokens)
      #expect(expected > last && expected <= 64)
      last = expected
    }
    #expect(last > 63.99)
  }
}
