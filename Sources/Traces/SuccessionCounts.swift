/// How often each expert of a layer was followed, in the next token of the same sequence, by each
/// expert of that layer: `[layer][this][next]`, and what that lets expect.
///
///     var seen = SuccessionCounts(layers: 58, experts: 256)
///     seen.add(previous.tokens, followedBy: batch.tokens, of: trace)
///     let hot = seen.likeliest(8, after: counts.expertTokens, layer: 3)
public struct SuccessionCounts: Sendable {
  public let layers: Int
  public let experts: Int
  private var pairs: [UInt32]
  /// Sums of rows, `[layer][this]`.
  private var sums: [UInt32]

  public init(layers: Int, experts: Int) {
    self.layers = layers
    self.experts = experts
    pairs = [UInt32](repeating: 0, count: layers * experts * experts)
    sums = [UInt32](repeating: 0, count: layers * experts)
  }

  /// More experts than this have no counts here: they take experts squared of memory in each layer.
  public static let mostExperts = 1024

  /// Adds the pairs of a batch and the one after it; places whose token is not the next of the same
  /// sequence are left out. O(tokens x layers x k^2).
  public mutating func add(
    _ tokens: [Int], followedBy next: [Int], of trace: RoutingTrace
  ) {
    let topK = trace.shape.topK
    let row = trace.shape.selectionsPerToken
    let (layers, experts) = (layers, experts)
    pairs.withUnsafeMutableBufferPointer { pairs in
      sums.withUnsafeMutableBufferPointer { sums in
        trace.withIDs { ids in
          for (this, next) in zip(tokens, next) where next == this + 1 {
            for layer in 0..<layers {
              let first = this * row + layer * topK
              for choice in first..<first + topK {
                let cell = layer * experts + min(ids[choice], experts - 1)
                for other in first + row..<first + row + topK {
                  pairs[cell * experts + min(ids[other], experts - 1)] += 1
                }
                sums[cell] += UInt32(truncatingIfNeeded: topK)
              }
            }
          }
        }
      }
    }
  }

  /// The experts of a layer that most tokens are expected to choose next, likeliest first and of
  /// equally likely ones the first; fewer where fewer were ever seen to follow. O(experts^2).
  ///
  /// - Parameter expertTokens: What was chosen last, `[layer][expert]`.
  public func likeliest(_ count: Int, after expertTokens: [UInt32], layer: Int) -> [Int] {
    var expected = [Double](repeating: 0, count: experts)
    for this in 0..<experts {
      let cell = layer * experts + this
      guard expertTokens[cell] > 0, sums[cell] > 0 else { continue }
      let weight = Double(expertTokens[cell]) / Double(sums[cell])
      for next in 0..<experts {
        expected[next] += weight * Double(pairs[cell * experts + next])
      }
    }
    let order = (0..<experts).filter { expected[$0] > 0 }
      .sorted { (expected[$0], $1) > (expected[$1], $0) }
    return Array(order.prefix(count))
  }
}
