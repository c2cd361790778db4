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
  /// How much likelier than by chance a token of a class chooses an expert,
  /// `[layer][class][parent expert]`.
  let lift: [[Double]]
  /// Twice as many as sets of top-k experts that do not overlap. With more classes their sets overlap
  /// so much that one expert says little of its class, and so of the next layer; with fewer, a class
  /// is less like what was recorded.
  let classes: Int
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
    entropyDrop = transitions?.entropyDrop ?? 0
    classes = min(
      recordedExperts,
      max(2, (2 * recordedExperts + recorded.shape.topK - 1) / recorded.shape.topK))
    lift = classLift(
      layers: layers, classes: classes,
      pairs: transitions.map { found in (0..<recordedLayers - 1).map { found.lift(from: $0) } },
      experts: recordedExperts)
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

/// The lift of every class at every layer. Class z has an *anchor* expert in each layer: in the first
/// one of a spread of experts, in the next the one that follows it most, each expert being the anchor of one class.
/// What follows the anchor of the layer before is what the class prefers; in the first layer, what
/// comes before the anchor of the second.
private func classLift(
  layers: [Int], classes: Int, pairs: [[Double]]?, experts: Int
) -> [[Double]] {
  let even = [Double](repeating: 1, count: classes * experts)
  guard let pairs else { return layers.map { _ in even } }
  var anchors = spread(classes, over: pairs[layers[0] == 0 ? 0 : layers[0] - 1], experts)
  var result: [[Double]] = []
  for index in 1..<max(layers.count, 2) {
    guard index < layers.count else { return [even] }
    let (from, to) = (layers[index - 1], layers[index])
    let pair = from < to ? pairs[from] : transposed(pairs[to], experts)
    let next = matched(pair, experts)
    if index == 1 {
      let back = transposed(pair, experts)
      result.append(anchors.flatMap { row(next[$0], of: back, experts) })
    }
    result.append(anchors.flatMap { row($0, of: pair, experts) })
    anchors = anchors.map { next[$0] }
  }
  return result
}

/// Experts as unlike each other as possible: each is the one whose nearest neighbour among those
/// before it is farthest, by the logarithms of what follows them (Gonzalez, "Clustering to minimize
/// the maximum intercluster distance", 1985).
private func spread(_ count: Int, over lift: [Double], _ experts: Int) -> [Int] {
  let logs = lift.map { log($0) }
  var chosen = [0]
  var distance = [Double](repeating: .infinity, count: experts)
  while chosen.count < count {
    let last = chosen[chosen.count - 1]
    var farthest = (distance: -1.0, expert: 0)
    for expert in 0..<experts {
      var square = 0.0
      for next in 0..<experts {
        let difference = logs[expert * experts + next] - logs[last * experts + next]
        square += difference * difference
      }
      distance[expert] = min(distance[expert], square)
      if distance[expert] > farthest.distance, !chosen.contains(expert) {
        farthest = (distance[expert], expert)
      }
    }
    chosen.append(farthest.expert)
  }
  return chosen
}

private func row(_ index: Int, of matrix: [Double], _ size: Int) -> ArraySlice<Double> {
  matrix[index * size..<(index + 1) * size]
}

/// A partner among the columns for each row, largest entries first.
private func matched(_ matrix: [Double], _ size: Int) -> [Int] {
  var partner = [Int](repeating: -1, count: size)
  var isTaken = [Bool](repeating: false, count: size)
  let order = matrix.indices.sorted { (matrix[$0], $1) > (matrix[$1], $0) }
  for place in order where partner[place / size] < 0 && !isTaken[place % size] {
    partner[place / size] = place % size
    isTaken[place % size] = true
  }
  return partner
}

private func transposed(_ matrix: [Double], _ size: Int) -> [Double] {
  (0..<size * size).map { matrix[$0 % size * size + $0 / size] }
}

func normalised(_ weights: [Double]) -> [Double] {
  let total = weights.reduce(0, +)
  return weights.map { $0 / total }
}
