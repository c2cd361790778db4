import Foundation
import Statistics

/// The settings that make a generator's output like its model: found by ``TraceGenerator/fit``.
struct GeneratorSettings {
  /// The exponent on the recorded lift: 0 ignores the layer before, 1 follows one of its experts as
  /// recorded, more exaggerates to make up for the selections that are copied or redrawn.
  var sharpness = 1.0
  /// The chance that a selection is tried from the token before.
  var prefillCopies = 0.2
  var decodeCopies = 0.2
  /// The weight of each expert in a draw, `[layer][expert]`: its popularity, corrected for drawing
  /// without replacement.
  var weights: [[Double]]
}

/// Draws tokens: for each token and layer, one *anchor* among the experts of the layer before; then
/// each selection is, with some chance, one of those of the token before at the same layer, else a
/// draw from what follows the anchor. A selection that is there already is drawn again.
struct TraceGenerator: @unchecked Sendable {
  let shape: RoutingShape
  let settings: GeneratorSettings
  /// Alias tables packed for the inner loop: `[layer][anchor][expert]`, the layer 0 with a single
  /// row. Upper 16 bits: the alias; lower 16: the threshold.
  private let tables: PackedTables

  init(_ model: TraceModel, settings: GeneratorSettings) {
    shape = model.shape
    self.settings = settings
    tables = PackedTables(model, settings: settings)
  }

  /// Fills `ids`, `[sequence][token][layer][k]`, with whole sequences of equal length.
  ///
  /// Each sequence draws from a stream of its own, so the result does not depend on how sequences
  /// are divided among calls and threads. Layers are the middle loop: the tables of one layer stay
  /// in the cache while all sequences pass.
  func generate(
    sequences: Range<Int>, prefillTokens: Int, tokens: Int, seed: UInt64, name: String,
    into ids: UnsafeMutablePointer<UInt16>
  ) {
    let row = shape.selectionsPerToken
    var streams = sequences.map { RandomStream(seed: seed, name: name, index: $0) }
    streams.withUnsafeMutableBufferPointer { streams in
      for token in 0..<tokens {
        let chance =
          token == 0 ? 0 : token < prefillTokens ? settings.prefillCopies : settings.decodeCopies
        let copies = UInt32(min(max(chance, 0), 0.999) * 65_536)
        for layer in 0..<shape.layers {
          let offset = token * row + layer * shape.topK
          for index in 0..<sequences.count {
            draw(
              ids + (index * tokens * row + offset), layer: layer, copies: copies, row: row,
              &streams[index])
          }
        }
      }
    }
  }

  /// One token's experts at one layer. `place[-row]` is the token before, `place[-topK]` the layer
  /// before.
  @inline(__always)
  private func draw(
    _ place: UnsafeMutablePointer<UInt16>, layer: Int, copies: UInt32, row: Int,
    _ stream: inout RandomStream
  ) {
    let topK = shape.topK
    let experts = shape.experts
    var anchor = 0
    if layer > 0 {
      anchor = Int(place[Int((stream.next() >> 32) &* UInt64(topK) >> 32) &- topK])
    }
    let table = tables.row(layer, anchor)
    var chosen = 0
    var refusals = 0
    while chosen < topK {
      let bits = stream.next()
      var expert: UInt16
      if refusals > 4 * topK {
        // A peaked distribution has too few likely experts left: take any.
        expert = UInt16(truncatingIfNeeded: (bits >> 32) &* UInt64(experts) >> 32)
      } else if bits & 0xFFFF < copies {
        expert = place[Int((bits >> 32) &* UInt64(topK) >> 32) &- row]
      } else {
        let column = Int((bits >> 32) &* UInt64(experts) >> 32)
        let entry = table[column]
        let isKept = UInt32(truncatingIfNeeded: bits >> 16) & 0xFFFF < entry & 0xFFFF
        expert = isKept ? UInt16(truncatingIfNeeded: column) : UInt16(entry >> 16)
      }
      var earlier = 0
      while earlier < chosen, place[earlier] != expert { earlier &+= 1 }
      if earlier < chosen {
        refusals &+= 1
      } else {
        place[chosen] = expert
        chosen &+= 1
      }
    }
  }
}

/// Alias tables of 16-bit thresholds: half the memory, so that a layer of 256 experts takes 256 KiB
/// and stays in the second-level cache. A probability is met to 2^-16 of an expert's even share.
private final class PackedTables: @unchecked Sendable {
  private let experts: Int
  private let base: UnsafeMutablePointer<UInt32>

  init(_ model: TraceModel, settings: GeneratorSettings) {
    let (layers, experts) = (model.shape.layers, model.shape.experts)
    let rows = 1 + (layers - 1) * experts
    self.experts = experts
    base = .allocate(capacity: rows * experts)
    base.initialize(repeating: 0xFFFF, count: rows * experts)
    fill(row: 0, weights: settings.weights[0])
    for layer in 1..<max(layers, 1) {
      let balanced = Self.balancedLift(model, layer: layer, settings)
      for this in 0..<model.parentExperts {
        let weights = (0..<experts).map { next in
          settings.weights[layer][next]
            * balanced[this * model.parentExperts + model.parent[layer][next]]
        }
        // Experts with the same parent share its row's values.
        let rows = (0..<experts).filter { model.parent[layer - 1][$0] == this }
        guard let first = rows.first else { continue }
        fill(row: 1 + (layer - 1) * experts + first, weights: weights)
        for other in rows.dropFirst() {
          (base + (1 + (layer - 1) * experts + other) * experts).update(
            from: base + (1 + (layer - 1) * experts + first) * experts, count: experts)
        }
      }
    }
  }

  /// The lift to the power of the sharpness, scaled in columns and rows (Sinkhorn) so that following
  /// anchors of the layer's popularity gives the next layer's.
  private static func balancedLift(
    _ model: TraceModel, layer: Int, _ settings: GeneratorSettings
  ) -> [Double] {
    let size = model.parentExperts
    var matrix = model.lift[layer - 1].map { pow($0, settings.sharpness) }
    var this = [Double](repeating: 0, count: size)
    var next = this
    for (expert, parent) in model.parent[layer - 1].enumerated() {
      this[parent] += model.popularity[layer - 1][expert]
    }
    for (expert, parent) in model.parent[layer].enumerated() {
      next[parent] += settings.weights[layer][expert]
    }
    for _ in 0..<20 {
      for row in 0..<size {
        var sum = 0.0
        for column in 0..<size { sum += matrix[row * size + column] * next[column] }
        guard sum > 0 else { continue }
        for column in 0..<size { matrix[row * size + column] /= sum }
      }
      for column in 0..<size {
        var sum = 0.0
        for row in 0..<size { sum += matrix[row * size + column] * this[row] }
        guard sum > 0 else { continue }
        for row in 0..<size { matrix[row * size + column] /= sum }
      }
    }
    return matrix
  }

  private func fill(row: Int, weights: [Double]) {
    guard let distribution = DiscreteDistribution(weights: weights) else { return }
    let entries = base + row * experts
    for expert in 0..<experts {
      entries[expert] = distribution.alias[expert] << 16 | distribution.threshold[expert] >> 16
    }
  }

  @inline(__always)
  func row(_ layer: Int, _ anchor: Int) -> UnsafePointer<UInt32> {
    let row = layer == 0 ? 0 : 1 &+ (layer &- 1) &* experts &+ anchor
    return UnsafePointer(base + row &* experts)
  }

  deinit { base.deallocate() }
}
