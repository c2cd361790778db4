/// The experts that tokens take together: for each layer distinct sets and the tokens of one
/// iteration that take them. Of a trace with few experts all sets, of one with many a sample.
public struct ExpertSets: Sendable, Hashable {
  /// Experts in a set.
  public let topK: Int
  /// Where each layer's sets begin, and in the end their number: `layers + 1` entries.
  public let starts: [Int]
  /// `[set][k]`
  public let members: [UInt16]
  /// Tokens of one iteration, `[set]`.
  public let tokens: [Double]

  public init(topK: Int, starts: [Int], members: [UInt16], tokens: [Double]) {
    precondition(starts.last == tokens.count && members.count == tokens.count * topK)
    self.topK = topK
    self.starts = starts
    self.members = members
    self.tokens = tokens
  }

  public var layers: Int { starts.count - 1 }

  /// Each expert by itself, as often as it is taken. O(sets x k + layers x experts).
  ///
  /// - Parameter experts: Of a layer.
  func apart(experts: Int) -> ExpertSets {
    var (starts, members, counts): ([Int], [UInt16], [Double]) = ([0], [], [])
    for layer in 0..<layers {
      let own = tokensOfExperts(layer: layer, experts: experts)
      for (expert, count) in own.enumerated() where count > 0 {
        members.append(UInt16(expert))
        counts.append(count)
      }
      starts.append(counts.count)
    }
    return ExpertSets(topK: 1, starts: starts, members: members, tokens: counts)
  }

  /// Tokens that take each expert of a layer.
  func tokensOfExperts(layer: Int, experts: Int) -> [Double] {
    var counts = [Double](repeating: 0, count: experts)
    for set in starts[layer]..<starts[layer + 1] {
      for member in members[set * topK..<(set + 1) * topK] { counts[Int(member)] += tokens[set] }
    }
    return counts
  }

  /// Tokens that take both of two different experts of a layer, `[this][other]`, symmetric with a
  /// diagonal of zeros. O(sets x k^2 + experts^2).
  public func coactivation(layer: Int, experts: Int) -> [Double] {
    var pairs = [Double](repeating: 0, count: experts * experts)
    for set in starts[layer]..<starts[layer + 1] {
      for this in set * topK..<(set + 1) * topK {
        for other in set * topK..<(set + 1) * topK where other != this {
          pairs[Int(members[this]) * experts + Int(members[other])] += tokens[set]
        }
      }
    }
    return pairs
  }
}
