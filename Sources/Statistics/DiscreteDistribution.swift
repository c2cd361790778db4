/// A distribution over 0 ..< n from which one draw costs the same whatever n is.
///
///     let popularity = DiscreteDistribution(weights: [1, 2, 5])
///     let expert = popularity?.sample(&stream)
///
/// The alias method: Walker, "New fast method for generating discrete random numbers", 1974; tables
/// built in O(n) after Vose, "A linear algorithm for generating random numbers with a given
/// distribution", IEEE TSE 17, 1991. Each column holds a threshold of 32 bits, so a probability is
/// met to about 2^-32 / n.
public struct DiscreteDistribution: Sendable {
  /// Column i gives i when a 32-bit draw is below `threshold[i]`, else `alias[i]`.
  public let threshold: [UInt32]
  public let alias: [UInt32]

  /// `nil` where the weights are empty, negative, not finite, or all zero.
  public init?(weights: [Double]) {
    let total = weights.reduce(0, +)
    guard !weights.isEmpty, weights.count < 1 << 31, total.isFinite, total > 0,
      weights.allSatisfy({ $0 >= 0 })
    else { return nil }
    let scale = Double(weights.count) / total
    var height = weights.map { $0 * scale }
    var threshold = [UInt32](repeating: .max, count: weights.count)
    var alias = weights.indices.map { UInt32($0) }
    var small = height.indices.filter { height[$0] < 1 }
    var large = height.indices.filter { height[$0] >= 1 }
    while let low = small.popLast(), let high = large.last {
      threshold[low] = UInt32(min(height[low] * 0x1p32, 0x1p32 - 1))
      alias[low] = UInt32(high)
      height[high] -= 1 - height[low]
      if height[high] < 1 { small.append(large.removeLast()) }
    }
    self.threshold = threshold
    self.alias = alias
  }

  /// The number of outcomes.
  public var count: Int { threshold.count }

  /// One outcome, in 0 ..< ``count``. O(1), one draw from the stream.
  public func sample(_ stream: inout RandomStream) -> Int {
    let bits = stream.next()
    let column = Int((UInt64(UInt32(truncatingIfNeeded: bits >> 32)) &* UInt64(count)) >> 32)
    return UInt32(truncatingIfNeeded: bits) < threshold[column] ? column : Int(alias[column])
  }
}
