import Foundation
import Statistics

/// Things that are drawn one after the other without putting back, each in proportion to its weight
/// among those that are left.
///
///     var urn = WeightedUrn(zipf: 0.8, count: 256)
///     let (first, second) = (urn.draw(&random), urn.draw(&random))      // never the same
///     urn.putBack()
///
/// A draw from all, repeated while it gives one that is out already, has the right distribution, and
/// is cheap unless those that are out have most of the weight; then what is left is added up. Which of
/// the two gives the answer does not depend on what the answer is, so the mixture is right as well.
struct WeightedUrn {
  private let weights: [Double]
  /// Nil where only adding up works.
  private let all: DiscreteDistribution?
  private var isOut: [Bool]
  private var out: [Int] = []
  private static let tries = 8

  /// The i-th weighs 1/(i+1)^exponent. `count` is at least 1.
  init(zipf exponent: Double, count: Int) {
    weights = (0..<count).map { pow(Double($0 + 1), -exponent) }
    all = DiscreteDistribution(weights: weights)
    isOut = [Bool](repeating: false, count: count)
  }

  /// One that is not out yet; there must be one. O(1) expected where much of the weight is left,
  /// else O(count).
  mutating func draw(_ random: inout RandomStream) -> Int {
    let drawn = cheapDraw(&random) ?? drawFromRest(&random)
    isOut[drawn] = true
    out.append(drawn)
    return drawn
  }

  /// Puts all back. O(what is out).
  mutating func putBack() {
    for index in out { isOut[index] = false }
    out.removeAll(keepingCapacity: true)
  }

  private func cheapDraw(_ random: inout RandomStream) -> Int? {
    guard let all else { return nil }
    for _ in 0..<Self.tries {
      let index = all.sample(&random)
      if !isOut[index] { return index }
    }
    return nil
  }

  private func drawFromRest(_ random: inout RandomStream) -> Int {
    var rest = 0.0
    for index in weights.indices where !isOut[index] { rest += weights[index] }
    let point = random.uniform() * rest
    var passed = 0.0
    var last = 0
    for index in weights.indices where !isOut[index] {
      passed += weights[index]
      last = index
      if point < passed { break }
    }
    return last
  }
}
