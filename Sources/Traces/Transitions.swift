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
    var coverage = 0.0
    for layer in 0..<layers - 1 {
      let matrix = Array(matrix(layer))
      let covered = (0..<experts).reduce(0.0) { sum, this in
        let row = matrix[this * experts..<(this + 1) * experts].sorted(by: >)
        return sum + row.prefix(candidates).reduce(0.0) { $0 + Double($1) }
      }
      let total = matrix.reduce(0.0) { $0 + Double($1) }
      if total > 0 { coverage += covered / total }
    }
    let (entropy, conditional) = entropies()
    return .init(
      entropy: entropy, conditionalEntropy: conditional, coverage: coverage / Double(layers - 1))
  }

  /// Bits that an expert tells of the next layer's.
  var entropyDrop: Double {
    let (entropy, conditional) = entropies()
    return entropy - conditional
  }

  /// H(next) and H(next | this), averaged over layers.
  private func entropies() -> (next: Double, conditional: Double) {
    var sums = (next: 0.0, conditional: 0.0)
    pairs.withUnsafeBufferPointer { pairs in
      var next = [Double](repeating: 0, count: experts)
      for layer in 0..<layers - 1 {
        for index in 0..<experts { next[index] = 0 }
        var (total, rowBits) = (0.0, 0.0)
        for this in 0..<experts {
          let row = UnsafeBufferPointer(
            rebasing: pairs[
              (layer * experts + this) * experts..<(layer * experts + this + 1) * experts])
          // H of a row of counts n with the sum s is log2 s - (sum of n log2 n) / s.
          var (sum, weighted) = (0.0, 0.0)
          for (expert, count) in row.enumerated() where count > 0 {
            let count = Double(count)
            next[expert] += count
            sum += count
            weighted += count * log2(count)
          }
          guard sum > 0 else { continue }
          total += sum
          rowBits += sum * log2(sum) - weighted
        }
        guard total > 0 else { continue }
        let weighted = next.reduce(0) { $1 > 0 ? $0 + $1 * log2($1) : $0 }
        sums.next += log2(total) - weighted / total
        sums.conditional += rowBits / total
      }
    }
    let layerPairs = Double(layers - 1)
    return (sums.next / layerPairs, sums.conditional / layerPairs)
  }

  /// Adds the pairs of some tokens.
  mutating func add(_ ids: UnsafeBufferPointer<UInt16>, topK: Int) {
    let experts = experts
    let layers = layers
    pairs.withUnsafeMutableBufferPointer { pairs in
      guard let base = pairs.baseAddress, let first = ids.baseAddress else { return }
      // Layers outside, so that one matrix at a time is in the cache.
      for layer in 0..<layers &- 1 {
        let matrix = base + layer &* experts &* experts
        var this = first + layer &* topK
        let end = first + ids.count
        while this < end {
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
          this += layers &* topK
        }
      }
    }
  }
}

extension RoutingTrace {
  private static let transitionBlock = 512

  /// The transitions of up to `limit` tokens, evenly spaced; `nil` for a single layer or more experts
  /// than a matrix of them should have.
  func transitions(tokens limit: Int) -> Transitions? {
    guard shape.layers > 1, shape.experts <= Transitions.mostExperts else { return nil }
    var transitions = Transitions(layers: shape.layers, experts: shape.experts)
    let count = max(1, min(limit, tokens))
    let row = shape.selectionsPerToken
    var block: [UInt16] = []
    block.reserveCapacity(Self.transitionBlock * row)
    withIDs { ids in
      for index in 0..<count {
        let (high, low) = UInt64(index).multipliedFullWidth(by: UInt64(tokens))
        let token = Int(UInt64(count).dividingFullWidth((high, low)).quotient)
        ids.append(token: token, row: row, to: &block)
        if block.count == Self.transitionBlock * row || index == count - 1 {
          block.withUnsafeBufferPointer { transitions.add($0, topK: shape.topK) }
          block.removeAll(keepingCapacity: true)
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
