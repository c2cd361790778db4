import Placement
import Testing
import Traces

/// Two layers of four experts, two of them for each token.
private func trace(_ sequences: [[[UInt16]]]) throws -> RoutingTrace {
  var first = 0
  var described: [TraceSequence] = []
  for (index, tokens) in sequences.enumerated() {
    described.append(
      TraceSequence(
        name: "\(index)", firstToken: first, prefillTokens: 1, decodeTokens: tokens.count - 1))
    first += tokens.count
  }
  return try RoutingTrace(
    shape: RoutingShape(model: "tiny", layerIDs: [0, 1], experts: 4, topK: 2), origin: .recorded,
    provenance: "a test", sequences: described, selections: sequences.flatMap { $0.flatMap { $0 } })
}

@Test func aProfileCountsWindowsSuccessionsAndSets() throws {
  let trace = try trace([[[0, 1, 2, 3], [1, 0, 2, 0]], [[0, 2, 3, 1], [0, 1, 0, 2]]])
  let profile = try RoutingProfile(of: trace, windows: 2, windowing: .consecutive)
  #expect(profile.windowTokens == [2, 2])
  #expect(profile.expertTokens == [2, 2, 0, 0, 1, 0, 2, 1, 2, 1, 1, 0, 1, 1, 1, 1])
  // From expert 0: to 2 and 3, to 2 and 0, to 3 and 1, to 0 and 2, each worth a half.
  #expect(Array(profile.transitions[0..<4]) == [1, 0.5, 1.5, 1])
  #expect(profile.transitions.reduce(0, +) == 8)
  // Layer 0 takes {0, 1} three times and {0, 2} once.
  #expect(profile.sets.starts == [0, 2, 5])
  #expect(Array(profile.sets.members[..<4]) == [0, 1, 0, 2] && profile.sets.tokens[0] == 3)
  let decode = try RoutingProfile(of: trace, phase: .decode, windows: 8)
  #expect(decode.tokens == 2 && decode.windowTokens == [1, 1])
}

@Test func shuffledWindowsHaveTheSameRequestsInAnotherOrder() throws {
  // Request r takes expert r % 4 and the next, so that windows of a trace sorted by r differ.
  let trace = try trace(
    (0..<40).map { r in
      let expert = UInt16(r / 10)
      return [[expert, (expert + 1) % 4, 0, 1], [expert, (expert + 1) % 4, 0, 1]]
    })
  let sorted = try RoutingProfile(of: trace, windows: 4, windowing: .consecutive)
  let shuffled = try RoutingProfile(of: trace, windows: 4)
  #expect(shuffled.windowTokens == sorted.windowTokens)
  #expect(shuffled.transitions == sorted.transitions && shuffled.sets == sorted.sets)
  // A window of the sorted trace knows two experts, one of the shuffled all four.
  #expect(sorted.expertTokens[..<4] == [20, 20, 0, 0])
  #expect(shuffled.expertTokens[..<4].allSatisfy { $0 > 0 })
  #expect(try RoutingProfile(of: trace, windows: 4).expertTokens == shuffled.expertTokens)
}

@Test func halvesHaveAllRequestsByTwos() throws {
  // Every request has an expert pair of its own weight, so that counts tell who is in a half.
  let trace = try trace(
    (0..<9).map { r in
      [[UInt16]](repeating: [UInt16(r % 4), UInt16((r + 1) % 4), 0, 1], count: r + 2)
    })
  let whole = try RoutingProfile(of: trace, windows: 1)
  let halves = try RoutingProfile(of: trace, windows: 5, windowing: .halves(seed: 3))
  #expect(halves.windowTokens.count == 6)
  let table = 8
  for pair in stride(from: 0, to: 6, by: 2) {
    let sums = (0..<table).map {
      halves.expertTokens[pair * table + $0] + halves.expertTokens[(pair + 1) * table + $0]
    }
    #expect(sums == whole.expertTokens)
    #expect(halves.windowTokens[pair] + halves.windowTokens[pair + 1] == whole.tokens)
    // Whole requests of 2 to 10 tokens: nearly half.
    #expect(abs(halves.windowTokens[pair] - whole.tokens / 2) <= 10)
  }
  #expect(halves.expertTokens[..<table] != halves.expertTokens[(2 * table)..<(3 * table)])
  #expect(
    try RoutingProfile(of: trace, windows: 5, windowing: .halves(seed: 3)).expertTokens
      == halves.expertTokens)
  let one = try RoutingProfile(of: trace, sequences: [4], windows: 2, windowing: .halves(seed: 3))
  #expect(one.windowTokens == [6])
}

@Test func aProfilesProblemIsScaledToAnIteration() throws {
  let trace = try trace([[[0, 1, 2, 3], [1, 0, 2, 0]], [[0, 2, 3, 1]]])
  let profile = try RoutingProfile(of: trace, windows: 2, windowing: .consecutive)
  let problem = try profile.problem(groups: 2, iterationTokens: 10) { _, _, tokens in 2 * tokens }
  // Every window is an iteration of its own: 10 tokens with two experts, 2 seconds each.
  for window in 0..<2 {
    for layer in 0..<2 {
      let first = (window * 2 + layer) * 4
      let seconds = problem.work[first..<first + 4].reduce(0, +)
      #expect(abs(seconds - 40) < 1e-12)
    }
  }
  #expect(abs(problem.transitions.reduce(0, +) - 20) < 1e-12)
  let tokens = try #require(problem.sets?.tokens)
  #expect(abs(tokens.reduce(0, +) - 20) < 1e-12)
  #expect(abs(problem.windowWeights[0] - 2 / 3.0) < 1e-15)
}

@Test func splitsAreDisjointWholeAndSeeded() throws {
  let trace = try trace((0..<20).map { _ in [[0, 1, 2, 3], [0, 1, 2, 3]] })
  let parts = try RoutingProfile.split(trace, share: 0.5)
  #expect(parts.profiled.count == 10 && parts.heldOut.count == 10)
  #expect((parts.profiled + parts.heldOut).sorted() == Array(0..<20))
  #expect(try RoutingProfile.split(trace, share: 0.5).profiled == parts.profiled)
  #expect(try RoutingProfile.split(trace, share: 0.5, seed: 1).profiled != parts.profiled)
}

@Test func aTraceThatIsTooShortIsSaid() throws {
  func sentence(_ body: () throws -> Void) throws -> String? {
    do { try body() } catch let error as PlacementProblemError { return error.sentence }
    return nil
  }
  let trace = try trace([[[0, 1, 2, 3], [0, 1, 2, 3]]])
  #expect(
    try sentence { _ = try RoutingProfile.split(trace, share: 0.5) }
      == "a share of 0.5 divides 1 request with 2 tokens into all and none: some must be profiled, "
      + "and some kept to judge by")
  _ = try RoutingProfile(of: trace)
  #expect(
    try sentence { _ = try RoutingProfile(of: trace, phase: .decode) }
      == "a profile of 1 token of 1 request is too short: it has 2 choices in a layer of 4 experts")
}
