import Models
import Serving

extension LeastWork {
  /// What requests with n output tokens ask for as many tokens as there are places: each place begins one
  /// with probability 1/n, and decodes one with probability (n - 1)/n, at any of its n - 1 ages. All places
  /// begin at once, and all decode at once.
  ///
  /// So it is where requests begin together, and no admission reads fewer weights. Of a places that begin
  /// and d that decode in one pass, a + d <= N, the experts with tokens are a concave function f(p a + d)
  /// of their tokens: at least a/N f(p N) + d/N f(N), and a and d add up to the same over all passes.
  /// Budgets, prompts by themselves and room in the cache make passes smaller and more; where microbatches
  /// differ, the largest has the fewest passes for its tokens. What else is read once for a pass is such a
  /// function, too. A request that lost its cache has a longer prompt in place of a token, after an
  /// iteration without it.
  func passes(of lengths: RequestLengths) -> [Pass] {
    let places = workload.places(ofMicrobatch: workload.batching.microbatches - 1).count
    let count = Double(workload.batch) / Double(places)
    let prompts = TokenBatch(
      prefilling: places * lengths.prompt, of: places, context: Double(lengths.prompt))
    let begins = count / Double(lengths.output)
    let begun = Share(
      mix: IterationMix(parts: [prompts], outputs: places), groups: groups, times: begins,
      weights: begins)
    guard lengths.output > 1 else { return [Pass(shares: [begun], times: begins)] }
    let decodes = count - begins
    let contexts = self.contexts(of: lengths)
    let decoded = contexts.map { context, share in
      Share(
        mix: IterationMix(
          parts: [TokenBatch(decoding: places, context: context)], outputs: places),
        groups: groups, times: decodes * share, weights: decodes * share)
    }
    return [Pass(shares: decoded, times: decodes), Pass(shares: [begun], times: begins)]
  }

  /// Tokens that a decoded sequence has, p + 1 to p + n - 1, and the share of each mean: where a window
  /// hides some of them, what is below it and what is above, because a mean of both would see more.
  private func contexts(of lengths: RequestLengths) -> [(context: Double, share: Double)] {
    let (first, last) = (lengths.prompt + 1, lengths.prompt + lengths.output - 1)
    let windows = deployment.model.layers(of: .decode).map { deployment.model.window(layer: $0) }
    guard let window = windows.min(), Double(first) < window, window < Double(last) else {
      return [(Double(first + last) / 2, 1)]
    }
    let below = Int(window) - first + 1
    let share = Double(below) / Double(last - first + 1)
    return [
      (Double(first + Int(window)) / 2, share), (Double(Int(window) + 1 + last) / 2, 1 - share),
    ]
  }
}
