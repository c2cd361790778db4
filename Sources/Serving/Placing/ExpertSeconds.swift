import Foundation
import Hardware
import Models
import Statistics
import Units

/// What the tokens of one expert cost the device that holds it, beside the device's other experts.
///
/// A placement adds up such seconds, and a device's call is no such sum: it takes what its arithmetic or
/// its memory takes longer for, and rows fill tiles. So they are a plane through what a run would take for
/// calls around a device's even share, least squares of as many drawn calls as ``draws``: each row costs so
/// much, and each expert with any row so much more. Drawn are calls with a device's experts, with half of
/// them, one more, or any number between, whose rows together are 0.75 to 1.5 of the even share and differ
/// between experts as exponential numbers do. (The difference that one expert makes to a call of even
/// shares is another number wherever a tile or the arithmetic happens to be full there, and a search finds
/// those places.) An expert that gets r rows of an iteration on average has any with the probability
/// 1 - exp(-r).
struct ExpertSeconds {
  static let draws = 256

  private let perRow: Double
  private let perExpert: Double

  /// - Parameters:
  ///   - groups: That share a layer's experts; redundant copies are not among the others, so that
  ///     placements with and without are told the same.
  ///   - tokens: Of an iteration.
  init(_ deployment: Deployment, _ mix: IterationMix, groups: Int, tokens: Int) {
    let costs = StageCosts(deployment, mix)
    let experts = deployment.model.experts
    let slots = max(1, (experts.count + groups - 1) / groups)
    let even = Double(tokens * experts.topK * slots) / Double(experts.count)
    var random = RandomStream(seed: 0, name: "calls around the even share")
    let calls = (0..<Self.draws).map { _ in
      let active = (slots + 1) / 2 + random.below(slots + 2 - (slots + 1) / 2)
      let total = even * (0.75 + 0.75 * random.uniform())
      let weights = (0..<active).map { _ in -log(1 - random.uniform()) }
      let sum = weights.reduce(0, +)
      return GroupedLoad(counts: weights.map { Int((total * $0 / sum).rounded()) })
    }
    let seconds = calls.map { costs.routedExperts($0, of: slots + 1).duration.seconds }
    let plane = Plane(calls.map(\.rows), calls.map(\.active), seconds)
    (perRow, perExpert) = (plane.first, plane.second)
  }

  /// The plane nearest to some points, by its two slopes, neither below 0.
  private struct Plane {
    var first = 0.0
    var second = 0.0

    init(_ x: [Double], _ y: [Double], _ z: [Double]) {
      func covariance(_ a: [Double], _ b: [Double]) -> Double {
        let count = Double(a.count)
        let (meanOfA, meanOfB) = (a.reduce(0, +) / count, b.reduce(0, +) / count)
        return zip(a, b).reduce(0) { $0 + ($1.0 - meanOfA) * ($1.1 - meanOfB) } / count
      }
      let (xx, yy, xy) = (covariance(x, x), covariance(y, y), covariance(x, y))
      let (xz, yz) = (covariance(x, z), covariance(y, z))
      let determinant = xx * yy - xy * xy
      if determinant > 1e-9 * xx * yy {
        first = (xz * yy - yz * xy) / determinant
        second = (yz * xx - xz * xy) / determinant
      }
      if first < 0 || determinant <= 1e-9 * xx * yy { (first, second) = (0, yy > 0 ? yz / yy : 0) }
      if second < 0 { (first, second) = (xx > 0 ? max(0, xz / xx) : 0, 0) }
    }
  }

  /// Of those, what a copy costs that gets a part of the rows only: the reading of its weights. Two
  /// copies of half the rows cost so much more than one.
  func perCopy(_ rows: Double) -> Double { max(0, 2 * self[rows / 2] - self[rows]) }

  /// - Parameter rows: The mean of an iteration.
  subscript(rows: Double) -> Double { perRow * rows + perExpert * (1 - exp(-rows)) }
}
