import Testing

@testable import Statistics

@Test func aStreamRepeatsItselfForTheSameSeedAndName() {
  var first = RandomStream(seed: 1, name: "arrivals")
  var second = RandomStream(seed: 1, name: "arrivals")
  #expect((0..<100).map { _ in first.next() } == (0..<100).map { _ in second.next() })
}

@Test func streamsOfOtherNamesSeedsAndIndicesDiffer() {
  var streams = [
    RandomStream(seed: 1, name: "arrivals"), RandomStream(seed: 1, name: "lengths"),
    RandomStream(seed: 2, name: "arrivals"), RandomStream(seed: 1, name: "arrivals", index: 0),
    RandomStream(seed: 1, name: "arrivals", index: 1),
  ]
  let firsts = streams.indices.map { streams[$0].next() }
  #expect(Set(firsts).count == streams.count)
}

@Test func theStableHashIsFNV1a() {
  // Published test vectors of FNV-1a, 64 bits (draft-eastlake-fnv).
  #expect(stableHash("") == 0xCBF2_9CE4_8422_2325)
  #expect(stableHash("a") == 0xAF63_DC4C_8601_EC8C)
  #expect(stableHash("foobar") == 0x8594_4171_F739_67E8)
}

@Test func theGeneratorIsXoshiro256StarStar() {
  // By hand from the reference code with the state (1, 2, 3, 4):
  // rotl(2 * 5, 7) * 9 = 1280 * 9 = 11520; the state then is (7, 0, 262146, rotl(6, 45)), and the
  // second word being 0, the second result is 0.
  var stream = RandomStream(seed: 0, name: "")
  stream.state = (1, 2, 3, 4)
  #expect(stream.next() == 11520)
  #expect(stream.state == (7, 0, 262_146, 6 << 45))
  #expect(stream.next() == 0)
}

@Test func uniformNumbersLieInZeroToOneWithMeanOneHalf() {
  var stream = RandomStream(seed: 3, name: "uniform")
  let sample = (0..<20_000).map { _ in stream.uniform() }
  #expect(sample.allSatisfy { (0..<1).contains($0) })
  // The mean's standard deviation is 1 / sqrt(12 * 20000) = 0.002; five of them are allowed.
  #expect(abs((mean(of: sample) ?? 0) - 0.5) < 0.0102)
}

@Test func wholeNumbersBelowABoundAreEquallyLikely() {
  var stream = RandomStream(seed: 4, name: "below")
  var counts = [Int](repeating: 0, count: 6)
  for _ in 0..<60_000 { counts[stream.below(6)] += 1 }
  // Each count is binomial with mean 10000 and standard deviation sqrt(60000 * 5 / 36) = 91.
  #expect(counts.allSatisfy { abs($0 - 10_000) < 456 })
}

@Test func aDiscreteDistributionDrawsByItsWeights() throws {
  let distribution = try #require(DiscreteDistribution(weights: [1, 0, 3, 4]))
  var stream = RandomStream(seed: 5, name: "weights")
  var counts = [Int](repeating: 0, count: 4)
  for _ in 0..<80_000 { counts[distribution.sample(&stream)] += 1 }
  // Expected 10000, 0, 30000, 40000; five standard deviations of the largest are 5 * 141.
  #expect(abs(counts[0] - 10_000) < 500)
  #expect(counts[1] == 0)
  #expect(abs(counts[2] - 30_000) < 700)
}

@Test func weightsThatAreNoDistributionAreRefused() {
  #expect(DiscreteDistribution(weights: []) == nil)
  #expect(DiscreteDistribution(weights: [0, 0]) == nil)
  #expect(DiscreteDistribution(weights: [1, -1]) == nil)
  #expect(DiscreteDistribution(weights: [.infinity]) == nil)
  #expect(DiscreteDistribution(weights: [.nan, 1]) == nil)
}

@Test func quantilesAreLinearBetweenNeighbours() {
  // The median of 1, 2, 3, 10 lies halfway between 2 and 3; a quarter of the way along the three
  // gaps is 0.75 of the first: 1.75.
  #expect(quantile(0.5, of: [10, 1, 3, 2]) == 2.5)
  #expect(quantile(0.25, of: [10, 1, 3, 2]) == 1.75)
  #expect(quantile(1, of: [10, 1, 3, 2]) == 10)
  #expect(quantile(0.5, of: []) == nil)
  #expect(quantile(2, of: [1]) == nil)
  #expect(mean(of: [1, 2, 6]) == 3)
  #expect(mean(of: []) == nil)
}
