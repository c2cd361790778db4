import Foundation
import Hardware
import Statistics

/// The synthetic routings that benchmarks of expert layers name by a word.
///
///     let (load, foreign) = ExpertsRouting.powerLaw(1.01, .rankByRank).loads(shape)
///
/// ai-dynamo/aiconfigurator (collector/helper.py) says how its tables' routings come about; this
/// follows the description, not the random numbers. The first device's experts are measured, and
/// power laws give it the share of the device with most rows.
enum ExpertsRouting: Hashable, Sendable {
  /// Each token's experts are spread evenly, the next token takes the next ones.
  case balanced
  /// Shares of the rows with a density like x^-exponent.
  case powerLaw(exponent: Double, correction: Correction)

  /// How rows that rounding left over are given out.
  enum Correction: Hashable, Sendable {
    /// One to each device in turn, to its expert with fewest.
    case rankByRank
    /// One to each expert in turn, from those with fewest: on paper even, but experts without rows
    /// are neighbours, so that few tokens meet on one device. Until version 0.14.
    case fewestFirst
  }

  struct Shape: Hashable {
    var tokens: Int
    var experts: Int
    var chosen: Int
    var devices: Int
  }

  /// So many draws are averaged, where benchmarks average five.
  static let draws = 8

  /// Rows of the measured device's experts, and of all others.
  ///
  /// O(draws x experts log experts), whatever the tokens where the routing is balanced.
  func loads(_ shape: Shape) -> (load: GroupedLoad, foreign: GroupedLoad) {
    let here = shape.experts / shape.devices
    switch self {
    case .balanced:
      let counts = Self.balancedCounts(shape)
      return (GroupedLoad(counts: counts[..<here]), GroupedLoad(counts: counts[here...]))
    case .powerLaw(let exponent, let correction):
      var loads: [GroupedLoad] = []
      var foreign: [GroupedLoad] = []
      for draw in 0..<Self.draws {
        var stream = RandomStream(seed: 0, name: "power law \(shape)", index: draw)
        let counts = Self.drawnCounts(shape, exponent, correction, &stream)
        let sums = (0..<shape.devices).map { counts[$0 * here..<($0 + 1) * here].reduce(0, +) }
        let most = sums.indices.max { (sums[$0], -$0) < (sums[$1], -$1) } ?? 0
        let first = most * here
        loads.append(GroupedLoad(counts: counts[first..<first + here]))
        var rest = GroupedLoad(counts: counts[..<first])
        for count in counts[(first + here)...] { rest.add(count) }
        foreign.append(rest)
      }
      return (GroupedLoad(mean: loads), GroupedLoad(mean: foreign))
    }
  }

  private static func balancedCounts(_ shape: Shape) -> [Int] {
    let (experts, tokens) = (shape.experts, shape.tokens)
    let stride = (experts + shape.chosen - 1) / shape.chosen
    guard tokens >= stride else {
      var counts = [Int](repeating: 0, count: experts)
      for token in 0..<tokens {
        for choice in 0..<shape.chosen {
          counts[(token * stride / tokens + choice * stride) % experts] += 1
        }
      }
      return counts
    }
    // Each choice of as many tokens as there are experts passes all of them; the rest of the tokens
    // begin at the choice's place and take one expert more each.
    let rest = tokens % experts
    var counts = [Int](repeating: tokens / experts * shape.chosen, count: experts)
    var changes = [Int](repeating: 0, count: experts + 1)
    for choice in 0..<shape.chosen where rest > 0 {
      let first = choice * stride % experts
      let end = first + rest
      changes[first] += 1
      changes[min(end, experts)] -= 1
      if end > experts {
        changes[0] += 1
        changes[end - experts] -= 1
      }
    }
    var more = 0
    for expert in 0..<experts {
      more += changes[expert]
      counts[expert] += more
    }
    return counts
  }

  private static func drawnCounts(
    _ shape: Shape, _ exponent: Double, _ correction: Correction, _ stream: inout RandomStream
  ) -> [Int] {
    let rows = shape.tokens * shape.chosen
    // Few rows are spread wider, so that experts without any are many.
    let range =
      rows > shape.experts ? (1.0, max(1.0, 0.8 * Double(shape.tokens))) : (0.01, 2.0)
    let shares = (0..<shape.experts).map { _ in
      power(exponent, range.0, range.1, stream.uniform())
    }
    let scale = Double(rows) / shares.reduce(0, +)
    var counts = shares.map { min(shape.tokens, Int(($0 * scale).rounded(.toNearestOrEven))) }
    switch correction {
    case .rankByRank: correctRankByRank(&counts, to: rows, shape)
    case .fewestFirst: correctFewestFirst(&counts, to: rows, shape)
    }
    return counts
  }

  /// The value below which a share `part` of a density like x^-exponent between two values lies.
  private static func power(
    _ exponent: Double, _ low: Double, _ high: Double, _ part: Double
  ) -> Double {
    let rest = 1 - exponent
    guard abs(rest) > 1e-9 else { return low * pow(high / low, part) }
    return pow(pow(low, rest) + (pow(high, rest) - pow(low, rest)) * part, 1 / rest)
  }

  private static func correctRankByRank(_ counts: inout [Int], to rows: Int, _ shape: Shape) {
    var missing = rows - counts.reduce(0, +)
    let here = shape.experts / shape.devices
    var isMoving = true
    while missing != 0 && isMoving {
      isMoving = false
      for device in 0..<shape.devices where missing != 0 {
        let range = device * here..<(device + 1) * here
        if missing > 0 {
          guard let least = range.min(by: { counts[$0] < counts[$1] }), counts[least] < shape.tokens
          else { continue }
          counts[least] += 1
          missing -= 1
        } else {
          guard let most = range.max(by: { counts[$0] < counts[$1] }), counts[most] > 0 else {
            continue
          }
          counts[most] -= 1
          missing += 1
        }
        isMoving = true
      }
    }
  }

  private static func correctFewestFirst(_ counts: inout [Int], to rows: Int, _ shape: Shape) {
    var missing = rows - counts.reduce(0, +)
    // Descending, and neighbours stay neighbours; walked from its end.
    let order = counts.indices.sorted { (-counts[$0], $0) < (-counts[$1], $1) }
    var step = 0
    while missing > 0 && step < rows * shape.experts {
      let expert = order[shape.experts - 1 - step % shape.experts]
      step += 1
      guard counts[expert] < shape.tokens else { continue }
      counts[expert] += 1
      missing -= 1
    }
    step = 0
    while missing < 0 && step < rows * shape.experts {
      let expert = order[shape.experts - 1 - step % shape.experts]
      step += 1
      if counts[expert] > 0 {
        counts[expert] -= 1
      } else if let most = counts.indices.max(by: { counts[$0] < counts[$1] }) {
        counts[most] -= 1
      }
      missing += 1
    }
  }
}
