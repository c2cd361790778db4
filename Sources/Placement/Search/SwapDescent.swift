/// Descent by swaps on an exact measure that takes more than a few look-ups.
protocol SwapDescent {
  var state: SearchState { get }
  /// What a swap of two items of a layer adds to the exact cost.
  func change(_ layer: Int, _ this: Int, _ other: Int) -> Double
  /// About how many steps that takes, each of a few look-ups.
  func steps(_ layer: Int, _ this: Int, _ other: Int) -> Int
  /// Whether a swap could make the layer cheaper, at less work; `true` where that is not known.
  func mayGain(_ layer: Int, _ this: Int, _ other: Int) -> Bool
  /// About how many steps that takes.
  var stepsOfGlance: Int { get }
  /// Carries a swap out, in the state too.
  mutating func swap(_ layer: Int, _ this: Int, _ other: Int)
}

extension SwapDescent {
  /// Takes swaps that make the exact cost less, of those that the pairs do not think much worse.
  ///
  /// - Parameters:
  ///   - margin: Seconds by which a swap may look worse by the pairs and still be measured.
  ///   - mostSteps: Of all swaps measured together; what is left is divided among layers. Each pass goes on
  ///     with the items that the one before did not come to.
  mutating func descend(
    layers: [Int], margin: Double, passes: Int = 4, mostSteps: Int = .max
  ) {
    let swaps = state.swaps
    let items = swaps.items
    let least = 1e-7 * max(state.cost, .leastNormalMagnitude) / Double(swaps.layers)
    var (stepsLeft, next) = (mostSteps, [Int](repeating: 0, count: swaps.layers))
    for pass in 0..<passes {
      var isDone = true
      for (rank, layer) in layers.enumerated() {
        let groupOf = swaps.groupOf + layer * items
        var own = stepsLeft / ((passes - pass) * layers.count - rank)
        stepsLeft -= own
        var tried = 0
        while tried < items, own > 0 {
          let this = (next[layer] + tried) % items
          tried += 1
          for other in this &+ 1..<max(items, this &+ 1)
          where groupOf[this] != groupOf[other] {
            guard swaps.change(layer, this, other) < margin, swaps.maySwap(layer, this, other)
            else { continue }
            own -= stepsOfGlance
            guard mayGain(layer, this, other) else { continue }
            own -= steps(layer, this, other)
            guard change(layer, this, other) < -least else { continue }
            swap(layer, this, other)
            isDone = false
          }
        }
        if tried < items { isDone = false }
        next[layer] = (next[layer] + tried) % items
        stepsLeft += own
      }
      if isDone || stepsLeft <= 0 { return }
    }
  }
}
