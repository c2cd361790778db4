import Foundation
import Hardware
import Models
import Units

/// What the tokens of one expert cost the device that holds it, beside the device's other experts.
///
/// A placement adds up such seconds, so they are the difference that the expert makes to a call in
/// which every other slot has its even share of rows: T(others and n rows) - T(others), by the same
/// costs as a run's. An expert that gets r rows of an iteration on average gets n of them with the
/// probability of Poisson's distribution, so that an expert which is rarely chosen costs a read of its
/// weights as often as it is chosen. Where r is above ``mostDrawn`` n is r.
struct ExpertSeconds {
  /// Means up to this are spread over the numbers that are likely.
  static let mostDrawn = 256.0

  private let costs: StageCosts
  private let slots: Int
  private let others: GroupedLoad
  private let base: Double
  /// Seconds of 0, 1, ... rows.
  private var known: [Double] = []

  /// - Parameters:
  ///   - groups: That share a layer's experts; redundant copies are not among the others, so that
  ///     placements with and without are told the same.
  ///   - tokens: Of an iteration.
  init(_ deployment: Deployment, _ mix: IterationMix, groups: Int, tokens: Int) {
    costs = StageCosts(deployment, mix)
    let experts = deployment.model.experts
    slots = max(1, (experts.count + groups - 1) / groups)
    let even = max(1, Int((Double(tokens * experts.topK) / Double(experts.count)).rounded()))
    others = GroupedLoad(counts: (0..<slots - 1).map { _ in even })
    base = costs.routedExperts(others, of: slots).duration.seconds
    known = (0...Int(Self.mostDrawn) * 2).map { exactly($0) }
  }

  private func exactly(_ rows: Int) -> Double {
    var load = others
    load.add(rows)
    return max(0, costs.routedExperts(load, of: slots).duration.seconds - base)
  }

  /// Of those, what a copy costs that gets a part of the rows only: the reading of its weights. Two
  /// copies of half the rows cost so much more than one.
  func perCopy(_ rows: Double) -> Double { max(0, 2 * self[rows / 2] - self[rows]) }

  /// - Parameter rows: The mean of an iteration.
  subscript(rows: Double) -> Double {
    guard rows > 0 else { return 0 }
    guard rows <= Self.mostDrawn else { return exactly(Int(rows.rounded())) }
    var probability = exp(-rows)
    var sum = 0.0
    for count in 1..<known.count {
      probability *= rows / Double(count)
      sum += probability * known[count]
    }
    return sum
  }
}
