import Models
import Testing
import Traces
import Units

@testable import Serving

@Suite("Requests that begin and end")
struct RequestBatchTests {
  private func batches(
    _ admission: Batching.Admission, output: Int = 5, batch: Int = 8
  ) throws -> RequestBatches {
    var workload = try Workload(
      trace: skewedTrace(), phase: .decode, batch: batch, context: 12, routing: .asRecorded,
      batching: Batching(admission: admission))
    workload.requests = RequestLengths(prompt: 7, output: output)
    return try RequestBatches(
      RequestLengths(prompt: 7, output: output), workload, groups: 2, seed: 5)
  }

  @Test func everyPlaceBeginsOnceInTheLifeOfARequest() throws {
    var requests = try batches(.continuous)
    var replay = ReplayBatch()
    var (prompts, decoded) = (0, 0)
    for _ in 0..<5 {
      requests.beginIteration()
      requests.next(0, into: &replay, devicesPerGroup: 2)
      #expect(requests.mixes.count == 2)
      #expect(requests.outputs == 16)
      var tokens = 0
      for mix in requests.mixes {
        for part in mix.parts {
          if part.phase == .prefill { prompts += part.sequences } else { decoded += part.sequences }
        }
        tokens += mix.tokens
      }
      #expect(replay.tokens.count == tokens)
    }
    // Sixteen places, five iterations: a prompt and four decoded tokens each.
    #expect(prompts == 16)
    #expect(decoded == 16 * 4)
  }

  @Test func decodedTokensWaitWherePromptsComeFirst() throws {
    var requests = try batches(.promptsFirst)
    var replay = ReplayBatch()
    var outputs = 0
    for _ in 0..<40 {
      requests.beginIteration()
      requests.next(0, into: &replay, devicesPerGroup: 1)
      let phases = Set(requests.mixes.flatMap { $0.parts.map(\.phase) })
      #expect(phases.count == 1)
      outputs += requests.outputs
    }
    // Every iteration gives something, and those of prompts less than the whole batch.
    #expect(outputs < 40 * 16)
    #expect(outputs >= 40)
  }

  @Test func aMixCostsItsPartsWithTheirWeightsReadOnce() throws {
    let model = smallModel()
    let parts = [
      TokenBatch(prefilling: 64, of: 1, context: 64), TokenBatch(decoding: 8, context: 100),
    ]
    func operators(_ parts: [TokenBatch]) -> [Operator] {
      var found: [Operator] = []
      model.attention(layer: 1, of: parts, Precisions(.bf16)) { found.append($0) }
      return found
    }
    let mixed = operators(parts)
    let apart = parts.flatMap { operators([$0]) }
    func sum(_ all: [Operator], _ value: (Operator) -> Double) -> Double {
      all.reduce(0) { $0 + value($1) }
    }
    let flops = sum(apart) { $0.flops.value }
    #expect(abs(sum(mixed) { $0.flops.value } / flops - 1) < 1e-12)
    #expect(
      sum(mixed) { $0.weightBytes.value } == sum(operators([parts[0]])) { $0.weightBytes.value })
    #expect(mixed.count { $0.role == .attentionCore } == 2)
    #expect(mixed.count == operators([parts[0]]).count + 1)
  }

  @Test func promptsAndDecodedTokensAreDrawnFromStreamsOfTheirOwn() throws {
    // As many prompts as decoded sequences: one stream would draw the same ones for both.
    let workload = try Workload(
      trace: skewedTrace(), phase: .decode, batch: 20, context: 12, routing: .asRecorded)
    func first(_ stream: String) throws -> [Int] {
      var source = try TokenSource(workload, groups: 1, seed: 5, stream: stream)
      var batch = ReplayBatch()
      source.nextBatch(of: 0..<20, into: &batch, devicesPerGroup: 1)
      return batch.tokens.map { $0 / 50 }
    }
    #expect(try first("prompts") != first("sequences"))
    var requests = try batches(.continuous, output: 2)
    var replay = ReplayBatch()
    var (prompts, decoded): ([Int], [Int]) = ([], [])
    for _ in 0..<2 {
      requests.beginIteration()
      requests.next(0, into: &replay, devicesPerGroup: 1)
      for token in replay.tokens where token % 50 == 0 { prompts.append(token / 50) }
      for token in replay.tokens where token % 50 >= 20 { decoded.append(token / 50) }
    }
    #expect(prompts.count == 16 && decoded.count == 16)
    #expect(prompts.sorted() != decoded.sorted())
  }

  @Test func aRunCountsWhatItGives() throws {
    var workload = try Workload(
      trace: skewedTrace(), phase: .decode, batch: 8, context: 12, routing: .asRecorded,
      batching: Batching(admission: .continuous))
    workload.requests = RequestLengths(prompt: 7, output: 5)
    for threads in [1, 3] {
      var simulation = try Simulation(
        deployment(dgxH100()), workload, Measurement(warmup: 1, iterations: 4), seed: 7,
        threads: threads)
      var log = RunLog()
      try simulation.run(observer: &log)
      #expect(log.tokens == [64, 64, 64, 64])
      // Iterations with a prompt take longer than those without.
      #expect(log.ends.count == 4)
    }
  }
}
