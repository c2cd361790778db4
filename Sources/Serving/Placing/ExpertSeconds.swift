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
  ///   - slots: Copies of a layer on a group.
  ///   - rows: That each slot gets in an iteration on average.
  init(_ deployment: Deployment, _ mix: IterationMix, slots: Int, rows: Double) {
    costs = StageCosts(deployment, mix)
    self.slots = slots
    let even = max(1, Int(rows.rounded()))
    others = GroupedLoad(counts: (0..<slots - 1).map { _ in even })
    base = costs.routedExperts(others, of: slots).duration.seconds
    known = (0...Int(Self.mostDrawn) * 2).map { exactly($0) }
  }

  private func exactly(_ rows: Int) -> Double {
    var load = others
    load.add(rows)
    return max(0, costs.routedExperts(load, of: slots).duration.seconds - base)
  }

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
