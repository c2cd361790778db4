import Foundation
import Statistics

/// The settings that make a generator's output like its model: found by ``TraceGenerator/fit``.
struct GeneratorSettings {
  /// The exponent on the recorded lift: 0 makes all classes alike, 1 keeps them as far apart as the
  /// experts that they are named for, more exaggerates, to make up for what is copied or redrawn.
  var sharpness = 1.0
  /// How much a token follows the one before it, 0 to 1: the chance c that it keeps its class, and,
  /// since no class is left behind at once, a chance of c^2 / 2 that a selection is copied.
  var prefillFollowing = 0.3
  var decodeFollowing = 0.3
  /// The share of a layer's selections that each expert should have, `[layer][expert]`: its
  /// popularity, corrected by what trials gave it.
  var weights: [[Double]]
}

/// Draws tokens. A token has a *class*, often that of the token before, which says how likely each
/// expert of each layer is; each selection is, with some chance, one of those of the token before at
/// the same layer, else a draw from the class. A selection that is there already is drawn again.
///
/// Classes, rather than a chain from layer to layer, because that is what recorded traces look like:
/// in DeepSeek-V2-Lite, gpt-oss-20b and OLMoE two experts of one token tell about as much of each
/// other (0.5 to 0.8 bits) one layer apart as in the same layer, and 12 layers apart still 0.54 to
/// 0.66 of that. A class is therefore redrawn at 2 % of layers.
struct TraceGenerator: Sendable {
  let shape: RoutingShape
  let settings: GeneratorSettings
  private let classes: Int
  private let tables: PackedTables

  init(_ model: TraceModel, settings: GeneratorSettings) {
    shape = model.shape
    self.settings = settings
    classes = model.classes
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
    var walkers = sequences.map {
      Walker(stream: RandomStream(seed: seed, name: name, index: $0), tokenClass: 0)
    }
    walkers.withUnsafeMutableBufferPointer { walkers in
      for token in 0..<tokens {
        let following =
          token == 0
          ? 0 : token < prefillTokens ? settings.prefillFollowing : settings.decodeFollowing
        let copies = UInt32(following * following / 2 * 65_536)
        for index in 0..<walkers.count {
          walkers[index].beginToken(following: following, classes: classes)
        }
        for layer in 0..<shape.layers {
          let offset = token * row + layer * shape.topK
          for index in 0..<walkers.count {
            draw(
              ids + (index * tokens * row + offset), layer: layer, copies: copies, row: row,
              &walkers[index])
          }
        }
      }
    }
  }

  /// A sequence's state.
  private struct Walker {
    var stream: RandomStream
    var tokenClass: Int

    mutating func beginToken(following: Double, classes: Int) {
      if stream.uniform() >= following { tokenClass = stream.below(classes) }
    }
  }

  /// The chance, in 65536ths, that a class is redrawn from one layer to the next.
  private static let redraw: UInt64 = 1_311

  /// One token's experts at one layer. `place[-row]` is the token before.
  @inline(__always)
  private func draw(
    _ place: UnsafeMutablePointer<UInt16>, layer: Int, copies: UInt32, row: Int,
    _ walker: inout Walker
  ) {
    let topK = shape.topK
    let experts = shape.experts
    let classBits = walker.stream.next()
    if layer > 0, classBits & 0xFFFF < Self.redraw {
      walker.tokenClass = scaled(classBits, to: classes)
    }
    let table = tables.row(layer, walker.tokenClass)
    var chosen = 0
    var refusals = 0
    while chosen < topK {
      let bits = walker.stream.next()
      let expert: UInt16
      if refusals > 4 &* topK {
        // A peaked distribution has too few likely experts left: take any.
        expert = UInt16(truncatingIfNeeded: scaled(bits, to: experts))
      } else if UInt32(truncatingIfNeeded: bits & 0xFFFF) < copies {
        expert = place[scaled(bits, to: topK) &- row]
      } else {
        let column = scaled(bits, to: experts)
        let entry = table[column]
        let isKept = UInt32(truncatingIfNeeded: bits >> 16) & 0xFFFF < entry & 0xFFFF
        expert =
          isKept ? UInt16(truncatingIfNeeded: column) : UInt16(truncatingIfNeeded: entry >> 16)
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

/// A whole number in 0 ..< `bound`, from the upper 32 of random bits; `bound` is below 2^31, and its
/// bias, at most `bound` in 2^32, does not matter here.
@inline(__always)
private func scaled(_ bits: UInt64, to bound: Int) -> Int {
  Int(truncatingIfNeeded: ((bits >> 32) &* UInt64(bound)) >> 32)
}

/// The weights whose draws without replacement choose each of a class's experts as often as its share
/// of the selections says, none more often than in nine of ten tokens: what is above that goes to
/// the others in proportion.
///
/// An expert chosen with probability p has, in a race of exponential clocks, the rate -ln(1 - p)
/// (Rosen, "Asymptotic theory for successive sampling", Annals of Mathematical Statistics 43, 1972).
private func drawWeights(shares: [Double], topK: Int) -> [Double] {
  let most = 0.9
  guard topK < Int(most * Double(shares.count)) else { return shares }
  var isFull = [Bool](repeating: false, count: shares.count)
  var scale = 0.0
  for _ in 0..<16 {
    let full = isFull.reduce(0) { $1 ? $0 + most : $0 }
    let rest = zip(shares, isFull).reduce(0) { $1.1 ? $0 : $0 + $1.0 }
    guard rest > 0 else { break }
    scale = (Double(topK) - full) / rest
    var hasChanged = false
    for expert in shares.indices where !isFull[expert] && scale * shares[expert] > most {
      isFull[expert] = true
      hasChanged = true
    }
    if !hasChanged { break }
  }
  return zip(shares, isFull).map { -log(1 - ($1 ? most : min(scale * $0, most))) }
}

/// Alias tables, `[layer][class][expert]`, of 16-bit thresholds (lower half) and aliases (upper half):
/// a layer of 256 experts and 22 classes takes 22 KiB. A probability is met to 2^-16 of an expert's
/// even share. Sendable because nothing is written after `init`.
private final class PackedTables: @unchecked Sendable {
  private let experts: Int
  private let classes: Int
  private let base: UnsafeMutablePointer<UInt32>

  init(_ model: TraceModel, settings: GeneratorSettings) {
    experts = model.shape.experts
    classes = model.classes
    let count = model.shape.layers * classes * experts
    base = .allocate(capacity: count)
    base.initialize(repeating: 0xFFFF, count: count)
    for layer in 0..<model.shape.layers {
      let balanced = Self.balancedLift(model, layer: layer, settings)
      for tokenClass in 0..<classes {
        let shares = zip(settings.weights[layer], model.parent[layer]).map { weight, parent in
          weight * balanced[tokenClass * model.parentExperts + parent]
        }
        let weights = drawWeights(shares: shares, topK: model.shape.topK)
        guard let distribution = DiscreteDistribution(weights: weights) else { continue }
        let entries = base + (layer * classes + tokenClass) * experts
        for expert in 0..<experts {
          entries[expert] = distribution.alias[expert] << 16 | distribution.threshold[expert] >> 16
        }
      }
    }
  }

  /// The lift to the power of the sharpness, its columns and rows scaled (Sinkhorn and Knopp, 1967)
  /// so that the classes together, each as likely, choose experts by their weights.
  private static func balancedLift(
    _ model: TraceModel, layer: Int, _ settings: GeneratorSettings
  ) -> [Double] {
    let (classes, size) = (model.classes, model.parentExperts)
    var matrix = model.lift[layer].map { pow($0, settings.sharpness) }
    var weights = [Double](repeating: 0, count: size)
    for (expert, parent) in model.parent[layer].enumerated() {
      weights[parent] += settings.weights[layer][expert]
    }
    for _ in 0..<20 {
      for row in 0..<classes {
        var sum = 0.0
        for column in 0..<size { sum += matrix[row * size + column] * weights[column] }
        guard sum > 0 else { continue }
        for column in 0..<size { matrix[row * size + column] /= sum }
      }
      for column in 0..<size {
        var sum = 0.0
        for row in 0..<classes { sum += matrix[row * size + column] }
        guard sum > 0 else { continue }
        for row in 0..<classes { matrix[row * size + column] *= Double(classes) / sum }
      }
    }
    return matrix
  }

  @inline(__always)
  func row(_ layer: Int, _ tokenClass: Int) -> UnsafePointer<UInt32> {
    UnsafePointer(base + (layer &* classes &+ tokenClass) &* experts)
  }

  deinit { base.deallocate() }
}
