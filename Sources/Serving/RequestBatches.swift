import Models
import Statistics
import Traces

/// Requests with a beginning and an end, closed loop: when one has its last token another takes its
/// place, as long as there are some.
public struct RequestLengths: Hashable, Sendable {
  /// Tokens of a prompt.
  public var prompt: Int
  /// Tokens that are generated, the one that ends the prompt's iteration among them.
  public var output: Int
  /// All that there are, none of which has begun when the run begins and which end it when they have
  /// ended; nil where there is always another one.
  public var count: Int?

  public init(prompt: Int, output: Int, count: Int? = nil) {
    self.prompt = prompt
    self.output = output
    self.count = count
  }
}

/// Puts the iterations of such requests together.
///
/// A place's request is as old at the beginning as chance has it, 0 to `output` - 1 tokens, so that
/// requests end one by one and not all at a time; where they begin together, or are counted, all are 0.
/// Draws of ages are from the stream "ages", of the sequences that stand for prompts from "prompts",
/// for generated tokens from "sequences".
///
/// Each microbatch has places of its own and an equal part of the batching's budget and of the KV cache.
/// It decodes first and takes prompts in while there is budget and cache. Where the cache has no room for
/// the next token of all its requests, those that were taken in last lose what they have there, and go
/// through anew, prompt and generated tokens together, before others begin (preemption by recomputation,
/// as in vLLM, arXiv 2309.06180, section 4.5).
struct RequestBatches {
  private let lengths: RequestLengths
  private let admission: Batching.Admission
  private let groups: Int
  private let batch: Int
  private let microbatches: Int
  /// Of a microbatch of a group; `Int.max` without a limit.
  private let budget: Int
  private let cacheTokens: Int
  /// `[group][place]`.
  private var places: [RequestPlace]
  private var admitted = 0
  /// Requests that have not begun.
  private var toCome: Int
  private var promptsOnly = false
  private var prompts: TokenSource
  private var decoded: TokenSource
  /// Of the microbatch made last, `[group]`.
  private(set) var mixes: [IterationMix] = []
  /// Of all microbatches of the iteration so far.
  private(set) var mixesOfIteration: [IterationMix] = []
  /// Tokens that the iteration under way gives so far.
  private(set) var outputs = 0
  /// Requests that lost their part of the cache so far.
  private(set) var preemptions = 0

  /// - Parameter cacheTokens: For which the KV cache of each group has room; nil where all have.
  init(
    _ lengths: RequestLengths, _ workload: Workload, groups: Int, cacheTokens: Int? = nil,
    seed: UInt64
  ) throws(ServingError) {
    self.lengths = lengths
    admission = workload.batching.admission
    self.groups = groups
    batch = workload.batch
    microbatches = workload.batching.microbatches
    budget = workload.batching.budgetOfMicrobatch ?? .max
    self.cacheTokens = cacheTokens.map { $0 / workload.batching.microbatches } ?? .max
    var random = RandomStream(seed: seed, name: "ages")
    let isTogether = admission == .together || lengths.count != nil
    toCome = lengths.count ?? .max
    places = (0..<groups * workload.batch).map { _ in
      RequestPlace(age: isTogether ? 0 : random.below(lengths.output))
    }
    decoded = try TokenSource(workload, groups: groups, seed: seed)
    // Where a trace has no prompts its decoded tokens stand for them.
    let hasPrompts = workload.trace.sequences.contains { $0.prefillTokens > 0 }
    var reading = workload
    reading.phase = hasPrompts ? .prefill : .decode
    reading.context = lengths.prompt
    prompts = try TokenSource(reading, groups: groups, seed: seed, stream: "prompts")
  }

  var drawsWithReplacement: Bool {
    decoded.drawsWithReplacement || prompts.drawsWithReplacement
  }

  /// Requests that have not ended; `Int.max` or so where there is always another one.
  var unfinished: Int {
    let begun = places.count { $0.age > 0 }
    return toCome > Int.max - begun ? .max : toCome + begun
  }

  /// Comes before the microbatches of each iteration.
  mutating func beginIteration() {
    outputs = 0
    mixesOfIteration.removeAll(keepingCapacity: true)
    promptsOnly =
      switch admission {
      case .promptsFirst, .together: canAdmit
      case .static, .continuous: false
      }
  }

  /// Whether any request that waits may go through now; else those that have the cache must end first.
  private var canAdmit: Bool {
    (0..<groups).contains { group in
      (0..<microbatches).contains { microbatch in
        let own = share(microbatch, of: batch, among: microbatches)
        let range = group * batch + own.lowerBound..<group * batch + own.upperBound
        let next =
          range.first { places[$0].waits(isBegun: true) }
          ?? range.first { places[$0].waits(isBegun: false) && toCome > 0 }
        guard let next else { return false }
        let length = lengths.prompt + places[next].age
        return length <= budget && length <= cacheTokens - cachedTokens(range)
      }
    }
  }

  /// Tokens that are in the cache when all who run have their next one.
  private func cachedTokens(_ range: Range<Int>) -> Int {
    range.reduce(0) { $0 + (places[$1].isRunning ? lengths.prompt + places[$1].age : 0) }
  }

  /// The tokens of one microbatch, each group's dealt in equal runs to its devices.
  mutating func next(
    _ microbatch: Int, into replay: inout ReplayBatch, devicesPerGroup: Int
  ) {
    replay.removeAll()
    mixes.removeAll(keepingCapacity: true)
    for group in 0..<groups {
      let own = share(microbatch, of: batch, among: microbatches)
      let range = group * batch + own.lowerBound..<group * batch + own.upperBound
      var tokens: [Int] = []
      var mix = MixTally()
      var cached = preempt(range)
      if !promptsOnly {
        for place in range where places[place].isRunning {
          decoded.take(1, from: place, into: &tokens)
          mix.addDecoded(context: lengths.prompt + places[place].age)
          places[place].advance()
        }
      }
      // Those that lost their part of the cache come before others.
      admission: for isBegun in [true, false] {
        for place in range where places[place].waits(isBegun: isBegun) {
          guard isBegun || toCome > 0 else { break admission }
          let length = lengths.prompt + places[place].age
          guard length <= budget - tokens.count, length <= cacheTokens - cached else {
            break admission
          }
          prompts.take(length, from: place, into: &tokens)
          mix.addPrompt(of: length)
          cached += length
          admitted += 1
          if !isBegun { toCome -= 1 }
          places[place].begin(admitted)
        }
      }
      for place in range { places[place].endIteration(at: lengths.output) }
      mixes.append(mix.mix)
      mixesOfIteration.append(mix.mix)
      outputs += mix.mix.outputs
      for device in 0..<devicesPerGroup {
        replay.appendRank(tokens[share(device, of: tokens.count, among: devicesPerGroup)])
      }
    }
  }

  /// Takes the cache from the requests that were taken in last, until there is room for the others'.
  ///
  /// - Returns: Tokens that are in the cache when all who run have their next one.
  private mutating func preempt(_ range: Range<Int>) -> Int {
    var cached = cachedTokens(range)
    while cached > cacheTokens {
      let running = range.filter { places[$0].isRunning }
      guard running.count > 1,
        let last = running.max(by: { places[$0].admitted < places[$1].admitted })
      else { break }
      cached -= lengths.prompt + places[last].age
      places[last].preempt()
      preemptions += 1
    }
    return cached
  }
}

/// One place and the request that has it.
private struct RequestPlace {
  /// Tokens that the request has been given; none before its prompt.
  private(set) var age: Int
  /// Whether its keys and values are in the cache.
  private var isCached: Bool
  /// Whether the iteration under way brought it in.
  private var isNew = false
  /// When it was taken in, by count.
  private(set) var admitted = 0

  init(age: Int) {
    self.age = age
    isCached = age > 0
  }

  /// Whether an iteration decodes it.
  var isRunning: Bool { isCached && !isNew }

  /// - Parameter isBegun: Whether it was taken in before and lost its part of the cache.
  func waits(isBegun: Bool) -> Bool { !isCached && (age > 0) == isBegun }

  mutating func advance() { age += 1 }

  mutating func begin(_ number: Int) {
    isCached = true
    isNew = true
    admitted = number
    age += 1
  }

  mutating func preempt() { isCached = false }

  mutating func endIteration(at output: Int) {
    isNew = false
    guard age >= output else { return }
    age = 0
    isCached = false
  }
}

/// Adds up the requests of one microbatch of a group.
private struct MixTally {
  private var starting = 0
  private var promptTokens = 0
  private var running = 0
  /// Summed over the running requests, their new tokens among it.
  private var context = 0

  mutating func addDecoded(context length: Int) {
    running += 1
    context += length
  }

  mutating func addPrompt(of tokens: Int) {
    starting += 1
    promptTokens += tokens
  }

  var mix: IterationMix {
    var mix = IterationMix(parts: [], outputs: starting + running)
    if starting > 0 {
      mix.parts.append(
        TokenBatch(
          prefilling: promptTokens, of: starting, context: Double(promptTokens) / Double(starting)))
    }
    if running > 0 {
      mix.parts.append(
        TokenBatch(decoding: running, context: Double(context) / Double(running)))
    }
    return mix
  }
}
