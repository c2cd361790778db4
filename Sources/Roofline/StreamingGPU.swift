import Hardware
import Models
import Units

/// What one GPU does of prompts' and generated tokens that go through a model together, with weights
/// in place and decode attention elsewhere: T_GPU of ``MoELens``, by the kernels' costs.
///
///     let gpu = StreamingGPU(device, model, precisions, prompt: 98, output: 32)
///     gpu.saturation(pass: delta).rate
///
/// MoE-Lens profiles the GPU, fits a straight line through time over tokens, and takes the number of
/// tokens at which it meets the time of the weights' transfer (n_real); so does this, on the cost model
/// and without the line.
public struct StreamingGPU: Sendable {
  private let kernels: KernelCostModel
  private let model: ModelArchitecture
  private let precisions: Precisions
  private let prompt: Int
  private let output: Int

  public init(
    _ device: Device, _ model: ModelArchitecture, _ precisions: Precisions, prompt: Int, output: Int
  ) {
    kernels = KernelCostModel(device, for: precisions)
    self.model = model
    self.precisions = precisions
    self.prompt = prompt
    self.output = output
  }

  /// One pass with `sequences` that begin and as many at each of their ages: sequences x (prompt +
  /// output) tokens. O(kinds of layers x operators).
  public func time(beginning sequences: Int) -> Seconds {
    let begun = TokenBatch(
      prefilling: sequences * prompt, of: sequences, context: Double(prompt))
    let decoded = TokenBatch(
      decoding: sequences * output, context: Double(prompt) + Double(output) / 2)
    let tokens = sequences * (prompt + output)
    var sum = Seconds.zero
    func add(_ kernel: Operator) {
      if case .attention(let core) = kernel.shape, core.phase == .decode { return }
      let cost = kernels.cost(of: kernel, rows: tokens)
      sum = sum + Seconds(cost.launchLatency) + cost.time
    }
    func layer(_ layer: Int) -> Seconds {
      let before = sum
      model.attention(layer: layer, of: [begun, decoded], precisions, add)
      if model.hasExperts(layer: layer) {
        model.gate(newTokens: tokens, precisions, add)
        model.routedExperts(
          tokens: tokens * model.experts.topK, activeExperts: model.experts.count, precisions, add)
        model.combination(newTokens: tokens, precisions, add)
        model.sharedExperts(newTokens: tokens, precisions, add)
      } else {
        model.denseFeedForward(newTokens: tokens, precisions, add)
      }
      defer { sum = before }
      return sum - before
    }
    var known: [Kind: Seconds] = [:]
    var layers = Seconds.zero
    for index in 0..<model.layers {
      let kind = Kind(
        attention: model.attentionKind(layer: index), hasExperts: model.hasExperts(layer: index))
      let time = known[kind] ?? layer(index)
      known[kind] = time
      layers = layers + time
    }
    model.embedding(newTokens: tokens, precisions, add)
    model.head(sequences: sequences * (output + 1), precisions, add)
    return layers + sum
  }

  private struct Kind: Hashable {
    var attention: AttentionKind
    var hasExperts: Bool
  }

  /// The most tokens that are done in `pass`, in whole sequences, and the rate that makes; of one
  /// sequence's where not even these are done in it. O(log tokens) passes.
  public func saturation(pass: Seconds) -> (tokens: Tokens, rate: TokenRate) {
    func tokens(_ sequences: Int) -> Tokens { Tokens(sequences * (prompt + output)) }
    var low = 1
    guard time(beginning: 1) < pass else { return (tokens(1), tokens(1) / time(beginning: 1)) }
    var high = 2
    // No pass takes so long that 2^40 tokens would do.
    while time(beginning: high) < pass, high * (prompt + output) < 1 << 40 { high *= 2 }
    low = high / 2
    while high - low > 1 {
      let middle = (low + high) / 2
      if time(beginning: middle) < pass { low = middle } else { high = middle }
    }
    return (tokens(low), tokens(low) / time(beginning: low))
  }
}
