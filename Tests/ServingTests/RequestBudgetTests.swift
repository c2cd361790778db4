import Models
import Testing
import Traces
import Units

@testable import Serving

@Suite("Requests within a budget and a cache")
struct RequestBudgetTests {
  private func batches(
    _ batching: Batching, prompt: Int = 7, output: Int = 5, batch: Int = 8, cacheTokens: Int? = nil,
    count: Int? = nil
  ) throws -> RequestBatches {
    let workload = try Workload(
      trace: skewedTrace(), phase: .decode, batch: batch, context: prompt + output,
      routing: .asRecorded, batching: batching)
    return try RequestBatches(
      RequestLengths(prompt: prompt, output: output, count: count), workload, groups: 1,
      cacheTokens: cacheTokens, seed: 5)
  }

  /// Decoded tokens and prompts' tokens of each iteration.
  private func iterations(
    _ count: Int, _ requests: inout RequestBatches, microbatches: Int = 1
  ) -> [(decoded: Int, prompts: Int, starting: Int)] {
    var replay = ReplayBatch()
    return (0..<count).map { _ in
      requests.beginIteration()
      var sum = (decoded: 0, prompts: 0, starting: 0)
      for microbatch in 0..<microbatches {
        requests.next(microbatch, into: &replay, devicesPerGroup: 1)
        var tokens = 0
        for part in requests.mixes[0].parts {
          tokens += part.newTokens
          if part.phase == .decode {
            sum.decoded += part.newTokens
          } else {
            sum.prompts += part.newTokens
            sum.starting += part.sequences
          }
        }
        #expect(replay.tokens.count == tokens)
      }
      return sum
    }
  }

  @Test func microbatchesShareOutTheRequests() throws {
    var requests = try batches(Batching(microbatches: 3, admission: .continuous))
    let found = iterations(5, &requests, microbatches: 3)
    // Eight places, five iterations: a prompt and four decoded tokens each.
    #expect(found.reduce(0) { $0 + $1.starting } == 8)
    #expect(found.reduce(0) { $0 + $1.decoded } == 8 * 4)
  }

  @Test func decodedTokensComeFirstAndPromptsTakeWhatTheBudgetLeaves() throws {
    var requests = try batches(Batching(admission: .continuous, budget: 18))
    var tokens = 0
    for (index, iteration) in iterations(200, &requests).enumerated() {
      #expect(iteration.decoded + iteration.prompts <= 18)
      #expect(iteration.prompts == 7 * iteration.starting)
      if index >= 100 { tokens += iteration.decoded + iteration.starting }
    }
    // 18 tokens are at most 18/11 requests an iteration, of 5 tokens each; whole prompts waste some.
    #expect(tokens <= 818)
    #expect(tokens >= 500)
  }

  /// The largest batch of a budget: everybody who is in work has a token in every iteration, or, where
  /// prompts go by themselves, in every one that decodes; one request more gives no token more where both
  /// share the budget.
  @Test(arguments: [18, 19, 25, 40, 61], [1, 2])
  func theLargestBatchKeepsGoing(budget: Int, microbatches: Int) throws {
    let deployment = try streamed(host())
    for admission in [Batching.Admission.continuous, .promptsFirst] {
      let batching = Batching(
        microbatches: microbatches, admission: admission, budget: budget * microbatches)
      var workload = try Workload(
        trace: skewedTrace(), phase: .decode, batch: 1, context: 12, routing: .asRecorded,
        batching: batching)
      workload.requests = RequestLengths(prompt: 7, output: 5)
      let largest = workload.largestBatch(on: deployment, most: 1000).sequences
      var requests = try batches(batching, batch: largest)
      let found = iterations(400, &requests, microbatches: microbatches)[200...]
      switch admission {
      case .continuous:
        for iteration in found { #expect(iteration.decoded + iteration.starting == largest) }
        var more = try batches(batching, batch: largest + microbatches)
        let tokens = iterations(400, &more, microbatches: microbatches)[200...]
          .reduce(0) { $0 + $1.decoded + $1.starting }
        #expect(tokens <= 200 * largest)
      default:
        #expect(largest == budget * microbatches)
        #expect(found.contains { $0.decoded > 0 })
        for iteration in found where iteration.decoded > 0 { #expect(iteration.decoded == largest) }
      }
    }
  }

  @Test func allBeginTogetherAndEndTogether() throws {
    var requests = try batches(Batching(admission: .together, budget: 21))
    // Three prompts an iteration: 3, 3 and 2; then four tokens of each of eight.
    let found = iterations(14, &requests)
    for cycle in [0, 7] {
      #expect(found[cycle..<cycle + 7].map(\.starting) == [3, 3, 2, 0, 0, 0, 0])
      #expect(found[cycle..<cycle + 7].map(\.decoded) == [0, 0, 0, 8, 8, 8, 8])
    }
  }

  @Test func aFullCacheTakesFromThoseThatCameLast() throws {
    // Eight requests of 7 to 11 tokens need 72 on average; 60 hold five or six of them.
    var requests = try batches(Batching(admission: .continuous), cacheTokens: 60)
    let found = iterations(400, &requests)
    #expect(requests.preemptions > 0)
    // Some prompts are longer than 7: the tokens that had been generated go through again.
    #expect(found.contains { $0.prompts > 7 * $0.starting })
    // Everybody gets on: in 400 iterations about 60/9 places have a token in each.
    let given = found.reduce(0) { $0 + $1.decoded + $1.starting }
    #expect(given > 400 * 4)
    for iteration in found { #expect(iteration.decoded * 8 <= 60) }
  }

  @Test(arguments: [Batching.Admission.together, .promptsFirst], [24, 29, 40, 60])
  func whoWaitsForTheCacheHoldsNobodyUp(admission: Batching.Admission, cacheTokens: Int) throws {
    for seed in 0..<4 {
      var requests = try batches(
        Batching(microbatches: 2, admission: admission), batch: 5 + seed, cacheTokens: cacheTokens)
      let found = iterations(200, &requests, microbatches: 2)
      // Each microbatch has room for one request at least, and so gives tokens for ever.
      #expect(found[100...].reduce(0) { $0 + $1.decoded + $1.starting } > 50, "\(seed)")
    }
  }

  @Test func roomForAllPreemptsNobody() throws {
    var requests = try batches(Batching(admission: .continuous), cacheTokens: 8 * 12)
    let limited = iterations(50, &requests)
    var free = try batches(Batching(admission: .continuous))
    let unlimited = iterations(50, &free)
    #expect(requests.preemptions == 0)
    #expect(limited.map(\.decoded) == unlimited.map(\.decoded))
    #expect(limited.map(\.prompts) == unlimited.map(\.prompts))
  }

  @Test(arguments: [Batching.Admission.continuous, .together, .promptsFirst])
  func countedRequestsEnd(admission: Batching.Admission) throws {
    var requests = try batches(Batching(admission: admission), count: 20)
    #expect(requests.unfinished == 20)
    var given = 0
    for iteration in iterations(40, &requests) { given += iteration.decoded + iteration.starting }
    // Each has five tokens, and then there is nothing left to do.
    #expect(given == 20 * 5)
    #expect(requests.unfinished == 0)
    // Eight at a time, five iterations each; where all begin at once the last four go by themselves.
    var again = try batches(Batching(admission: admission), count: 20)
    _ = iterations(14, &again)
    #expect(again.unfinished > 0)
    _ = iterations(1, &again)
    #expect(again.unfinished == 0)
  }

  @Test func aRunEndsWithItsRequests() throws {
    var workload = try Workload(
      trace: skewedTrace(), phase: .decode, batch: 8, context: 12, routing: .asRecorded,
      batching: Batching(microbatches: 2, admission: .continuous, budget: 100))
    workload.requests = RequestLengths(prompt: 7, output: 5, count: 9)
    var simulation = try Simulation(
      streamed(host()), workload, Measurement(warmup: 0, iterations: 50), seed: 7)
    var log = RunLog()
    try simulation.run(observer: &log)
    // Eight, then one alone, in a group of its own.
    #expect(log.tokens == [8, 8, 8, 8, 8, 1, 1, 1, 1, 1])
    #expect(simulation.unfinishedRequests == 0)
  }

  @Test func aRunOfGroupsCountsWhatItGives() throws {
    var workload = try Workload(
      trace: skewedTrace(), phase: .decode, batch: 8, context: 12, routing: .asRecorded,
      batching: Batching(microbatches: 2, admission: .continuous, budget: 100))
    workload.requests = RequestLengths(prompt: 7, output: 5)
    var simulation = try Simulation(
      streamed(host()), workload, Measurement(warmup: 1, iterations: 4), seed: 7)
    var log = RunLog()
    try simulation.run(observer: &log)
    #expect(log.tokens == [8, 8, 8, 8])
  }
}
