import Foundation

/// How often each expert of a layer was chosen together with each expert of the next layer by the
/// same token: `[layer][this][next]`, for all layers but the last.
struct Transitions {
  let layers: Int
  let experts: Int
  /// `(layers - 1) * experts * experts`
  private(set) var pairs: [UInt32]

  /// The counts of one pair of layers, `[this][next]`.
  func matrix(_ layer: Int) -> ArraySlice<UInt32> {
    pairs[layer * experts * experts..<(layer + 1) * experts * experts]
  }

  static let mostExperts = 1024

  init(layers: Int, experts: Int) {
    self.layers = layers
    self.experts = experts
    pairs = [UInt32](repeating: 0, count: (layers - 1) * experts * experts)
  }

  func statistics() -> TraceStatistics.NextLayer {
    let candidates = max(1, Int((0.2 * Double(experts)).rounded()))
    var (entropy, conditional, coverage) = (0.0, 0.0, 0.0)
    for layer in 0..<layers - 1 {
      let matrix = Array(matrix(layer))
      var next = [Double](repeating: 0, count: experts)
      var (total, rowEntropies, covered) = (0.0, 0.0, 0.0)
      for this in 0..<experts {
        let row = matrix[this * experts..<(this + 1) * experts].map { Double($0) }
        for (expert, count) in row.enumerated() { next[expert] += count }
        let sum = row.reduce(0, +)
        total += sum
        rowEntropies += sum * bits(of: row, sum: sum)
        covered += row.sorted(by: >).prefix(candidates).reduce(0, +)
      }
      guard total > 0 else { continue }
      entropy += bits(of: next, sum: total)
      conditional += rowEntropies / total
      coverage += covered / total
    }
    let pairs = Double(layers - 1)
    return .init(
      entropy: entropy / pairs, conditionalEntropy: conditional / pairs, coverage: coverage / pairs)
  }

  /// Adds the pairs of some tokens.
  mutating func add(_ ids: UnsafeBufferPointer<UInt16>, topK: Int) {
    let experts = experts
    let layers = layers
    pairs.withUnsafeMutableBufferPointer { pairs in
      guard let base = pairs.baseAddress, var this = ids.baseAddress else { return }
      let end = this + ids.count
      while this < end {
        var matrix = base
        for _ in 0..<layers &- 1 {
          let next = this + topK
          var choice = 0
          while choice < topK {
            // A damaged id is counted as the last expert rather than followed.
            let row = matrix + clamped(this[choice], experts) &* experts
            var other = 0
            while other < topK {
              row[clamped(next[other], experts)] &+= 1
              other &+= 1
            }
            choice &+= 1
          }
          this = next
          matrix += experts &* experts
        }
        this += topK
      }
    }
  }
}

extension RoutingTrace {
  /// The transitions of up to `limit` tokens, evenly spaced; `nil` for a single layer or more experts
  /// than a matrix of them should have.
  func transitions(tokens limit: Int) -> Transitions? {
    guard shape.layers > 1, shape.experts <= Transitions.mostExperts else { return nil }
    var transitions = Transitions(layers: shape.layers, experts: shape.experts)
    let count = max(1, min(limit, tokens))
    withExtendedLifetime(storage) {
      for index in 0..<count {
        let token = Int(UInt64(index) * UInt64(tokens) / UInt64(count))
        ids.forEachBlock(tokens: token..<token + 1, row: shape.selectionsPerToken) { ids, _ in
          transitions.add(ids, topK: shape.topK)
        }
      }
    }
    return transitions
  }
}

@inline(__always)
private func clamped(_ id: UInt16, _ experts: Int) -> Int {
  Int(id) < experts ? Int(id) : experts &- 1
}

/// The entropy of counts, in bits.
private func bits(of counts: [Double], sum: Double) -> Double {
  guard sum > 0 else { return 0 }
  var bits = 0.0
  for count in counts where count > 0 { bits -= count / sum * log2(count / sum) }
  return bits
}
