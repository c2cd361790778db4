import Models
import Statistics
import Traces

/// Requests with a beginning and an end, closed loop: when one has its last token another takes its
/// place.
public struct RequestLengths: Hashable, Sendable {
  /// Tokens of a prompt.
  public var prompt: Int
  /// Tokens that are generated, the one that ends the prompt's iteration among them.
  public var output: Int

  public init(prompt: Int, output: Int) {
    self.prompt = prompt
    self.output = output
  }
}

/// Puts the iterations of such requests together.
///
/// A place's request is as old at the beginning as chance has it, 0 to `output` - 1 tokens, so that
/// requests end one by one and not all at a time. Draws of ages are from the stream "ages", of the
/// sequences that stand for prompts from "prompts", for generated tokens from "sequences".
struct RequestBatches {
  private let lengths: RequestLengths
  private let admission: Batching.Admission
  private let groups: Int
  private let batch: Int
  /// Tokens that each place's request has been given, `[group][place]`; none before its prompt.
  private var ages: [Int]
  private var prompts: TokenSource
  private var decoded: TokenSource
  /// Of the iteration made last, `[group]`.
  private(set) var mixes: [IterationMix] = []

  init(
    _ lengths: RequestLengths, _ workload: Workload, groups: Int, seed: UInt64
  ) throws(ServingError) {
    self.lengths = lengths
    admission = workload.batching.admission
    self.groups = groups
    batch = workload.batch
    var random = RandomStream(seed: seed, name: "ages")
    ages = (0..<groups * workload.batch).map { _ in random.below(lengths.output) }
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

  /// Tokens that the iteration made last gives.
  var outputs: Int { mixes.reduce(0) { $0 + $1.outputs } }

  /// The tokens of the next iteration, each group's dealt in equal runs to its devices.
  mutating func next(into replay: inout ReplayBatch, devicesPerGroup: Int) {
    replay.removeAll()
    mixes.removeAll(keepingCapacity: true)
    let promptsOnly = admission == .promptsFirst && ages.contains(0)
    for group in 0..<groups {
      var tokens: [Int] = []
      var (starting, running, context) = (0, 0, 0)
      for place in group * batch..<(group + 1) * batch {
        if ages[place] == 0 {
          prompts.take(lengths.prompt, from: place, into: &tokens)
          starting += 1
        } else if !promptsOnly {
          decoded.take(1, from: place, into: &tokens)
          running += 1
          context += lengths.prompt + ages[place]
        } else {
          continue
        }
        ages[place] = (ages[place] + 1) % lengths.output
      }
      mixes.append(mix(starting: starting, running: running, context: context))
      for device in 0..<devicesPerGroup {
        replay.appendRank(tokens[share(device, of: tokens.count, among: devicesPerGroup)])
      }
    }
  }

  /// - Parameter context: Summed over the running requests, their new tokens among it.
  private func mix(starting: Int, running: Int, context: Int) -> IterationMix {
    var mix = IterationMix(parts: [], outputs: starting + running)
    if starting > 0 {
      mix.parts.append(
        TokenBatch(
          prefilling: starting * lengths.prompt, of: starting, context: Double(lengths.prompt)))
    }
    if running > 0 {
      mix.parts.append(
        TokenBatch(decoding: running, context: Double(context) / Double(running)))
    }
    return mix
  }
}
