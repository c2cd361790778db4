import Foundation
import Statistics

/// What synthesis takes from a recorded trace, as the targets of a trace of another shape.
///
/// Every synthetic layer has a recorded *parent* layer and every synthetic expert a recorded parent
/// expert in it. Parents of consecutive layers are consecutive: where the synthetic trace is deeper
/// they run to and fro over the recorded layers (0, 1, ..., 25, 24, ..., 0, 1, ...), where the
/// transitions back are the recorded pairs read the other way.
struct TraceModel {
  let shape: RoutingShape
  /// The share of a layer's selections that falls on an expert, `[layer][expert]`.
  let popularity: [[Double]]
  /// How much likelier than by chance expert `next` follows `this`, `[layer][this][next]`; it
  /// depends on parents only, so it is kept for them.
  let lift: [[Double]]
  let parent: [[Int]]
  let parentExperts: Int
  let prefillReuse: Double?
  let decodeReuse: Double?
  /// Bits that an expert tells of the next layer's, on average.
  let entropyDrop: Double

  /// - Throws: ``TraceError/impossibleShape(detail:)`` where the recorded trace is too wide.
  init(
    of recorded: RoutingTrace, as shape: RoutingShape, stream: inout RandomStream
  ) throws(TraceError) {
    guard max(shape.experts, recorded.shape.experts) <= Transitions.mostExperts else {
      throw .impossibleShape(
        detail: "synthesis handles up to \(Transitions.mostExperts) experts in a layer")
    }
    self.shape = shape
    parentExperts = recorded.shape.experts
    let recordedLayers = recorded.shape.layers
    let recordedExperts = recorded.shape.experts
    let layers = (0..<shape.layers).map { toAndFro($0, over: recordedLayers) }
    let loads = recorded.expertTokens(in: 0..<recorded.tokens)
    let recordedPopularity = (0..<recordedLayers).map { layer in
      loads[layer * recordedExperts..<(layer + 1) * recordedExperts].map { Double($0) + 0.5 }
    }
    let parent = layers.map { layer in
      parents(of: shape.experts, among: recordedPopularity[layer], stream: &stream)
    }
    self.parent = parent
    popularity = layers.indices.map { layer in
      normalised(parent[layer].map { recordedPopularity[layers[layer]][$0] })
    }
    let transitions = recorded.transitions(tokens: 60_000)
    entropyDrop = transitions.map { $0.statistics().entropyDrop } ?? 0
    lift = (0..<max(0, shape.layers - 1)).map { layer in
      guard let transitions else {
        return [Double](
          repeating: 1, count: recorded.shape.experts * recorded.shape.experts)
      }
      let (from, to) = (layers[layer], layers[layer + 1])
      let matrix = transitions.lift(from: min(from, to))
      return from < to ? matrix : transposed(matrix, recorded.shape.experts)
    }
    (prefillReuse, decodeReuse) = recorded.reuse()
  }
}

extension Transitions {
  /// The count of each pair over what chance would make it, from one layer to the next; half a
  /// count is added everywhere, so that what was not seen is unlikely rather than impossible.
  fileprivate func lift(from layer: Int) -> [Double] {
    let counts = matrix(layer).map { Double($0) + 0.5 }
    var this = [Double](repeating: 0, count: experts)
    var next = this
    for row in 0..<experts {
      for column in 0..<experts {
        this[row] += counts[row * experts + column]
        next[column] += counts[row * experts + column]
      }
    }
    let total = this.reduce(0, +)
    return counts.indices.map { index in
      counts[index] * total / (this[index / experts] * next[index % experts])
    }
  }
}

/// 0, 1, ..., n-1, n-2, ..., 1, 0, 1, ...
private func toAndFro(_ index: Int, over count: Int) -> Int {
  guard count > 1 else { return 0 }
  let place = index % (2 * count - 2)
  return place < count ? place : 2 * count - 2 - place
}

/// A recorded expert for each synthetic one. As many: itself. More: each recorded one about equally
/// often, in random order. Fewer: evenly spaced by popularity.
private func parents(
  of experts: Int, among popularity: [Double], stream: inout RandomStream
) -> [Int] {
  let recorded = popularity.count
  if experts == recorded { return Array(0..<experts) }
  let ranked = (0..<recorded).sorted { (popularity[$0], $0) > (popularity[$1], $1) }
  var chosen = (0..<experts).map { ranked[$0 * recorded / experts] }
  chosen.shuffle(using: &stream)
  return chosen
}

private func transposed(_ matrix: [Double], _ size: Int) -> [Double] {
  (0..<size * size).map { matrix[$0 % size * size + $0 / size] }
}

func normalised(_ weights: [Double]) -> [Double] {
  let total = weights.reduce(0, +)
  return weights.map { $0 / total }
}
