/// Looks for the Z that proves most, starting from none: alternating directions between
/// {0 <= Y <= 1} and {capped singular values} (Douglas-Rachford splitting; Boyd and others,
/// "Distributed optimization and statistical learning via the alternating direction method of
/// multipliers", 2011), whose multiplier is Z. In units in which a step is 1.
final class TrafficSearch {
  private let size: Int
  private let slots: Int
  private let effort: TrafficBound.Effort
  /// Tokens of one unit.
  private let unit: Double
  private let total: Double
  private let traffic: FloatMatrix
  /// X, the side of the singular values, and what Z is in units: S.
  private let point: FloatMatrix
  private let dual: FloatMatrix
  private let best: FloatMatrix
  private let sum: FloatMatrix
  private let transpose: FloatMatrix
  private let projection: SpectralProjection
  private let share: Float
  private static let relaxation: Float = 1.6

  init(_ certificate: TrafficCertificate, effort: TrafficBound.Effort) {
    size = certificate.size
    slots = certificate.slots
    self.effort = effort
    let padded = (size + 7) / 8 * 8
    let matrix = { [size] in FloatMatrix(rows: padded, columns: size) }
    traffic = matrix()
    point = matrix()
    dual = matrix()
    best = matrix()
    sum = matrix()
    transpose = matrix()
    share = Float(slots) / Float(size)
    let tokens = certificate.total
    // The largest step that was fast in trials with 4 to 64 slots.
    unit = 0.4 * tokens / Double(size * slots)
    total = tokens / unit
    for row in 0..<size {
      for column in 0..<size {
        traffic[row, column] = Float(certificate.traffic[row * size + column] / unit)
        point[row, column] = share
      }
    }
    let rank = certificate.groups - 1
    projection = SpectralProjection(
      size: size, rank: rank, cap: Float(slots),
      triplets: Self.triplets(rank: rank, size: size),
      left: Self.directions(certificate.left, size: size),
      right: Self.directions(certificate.right, size: size))
  }

  /// How many singular triplets to follow: more than can be left over, because the projection spreads
  /// what it keeps over more than it may keep whole. Fewer prove less, in less time: on 64 groups of five
  /// slots, six for each group in place of two are half as much time again for a 0.2 % higher bound.
  private static func triplets(rank: Int, size: Int) -> Int { min(size, max(96, 2 * rank)) }

  /// The constant direction and that of balance.
  private static func directions(_ balance: BalanceDirection, size: Int) -> FloatMatrix {
    let result = FloatMatrix(rows: balance.unit.isEmpty ? 1 : 2, columns: size)
    for column in 0..<size {
      result[0, column] = 1 / Float(size).squareRoot()
      if !balance.unit.isEmpty { result[1, column] = Float(balance.unit[column]) }
    }
    return result
  }

  /// The best Z found, in tokens, `[this][next]`.
  func run() -> [Double] {
    var (lowest, lowestBefore) = (total, total)
    var isKept = false
    for iteration in 1...max(1, effort.mostIterations) {
      let isMeasured = iteration % 5 == 0 || iteration == effort.mostIterations
      reflect()
      projection.project(sum, transpose: transpose, to: point)
      let value = advance(isMeasured: isMeasured)
      guard isMeasured else { continue }
      if value < lowest || !isKept {
        lowest = min(lowest, value)
        isKept = true
        best.copy(dual)
      }
      if iteration % 10 == 0 {
        if iteration > 20, lowestBefore - lowest < effort.tolerance * total { break }
        lowestBefore = lowest
      }
    }
    var result = [Double](repeating: 0, count: size * size)
    for row in 0..<size {
      for column in 0..<size { result[row * size + column] = Double(best[row, column]) * unit }
    }
    return result
  }

  /// The step to {0 <= Y <= 1}: M = relaxed Y + S, and its transpose.
  private func reflect() {
    let relaxation = SIMD8<Float>(repeating: Self.relaxation)
    let kept = SIMD8<Float>(repeating: 1 - Self.relaxation)
    for row in 0..<size {
      let (point, dual, traffic) = (point.row(row), dual.row(row), traffic.row(row))
      let target = UnsafeMutableRawPointer(sum.row(row))
      for column in stride(from: 0, to: size, by: 8) {
        let x = load(point + column)
        let s = load(dual + column)
        let y = (x + (load(traffic + column) - s)).clamped(
          lowerBound: .zero, upperBound: SIMD8(repeating: 1))
        target.storeBytes(
          of: relaxation * y + (kept * x + s), toByteOffset: column * 4, as: SIMD8<Float>.self)
      }
      for column in size..<sum.stride { sum.row(row)[column] = 0 }
    }
    transpose.becomeTranspose(of: sum)
  }

  /// Adds the mean to X, S = M - X, and, if asked, an estimate of the bound of Z = S in units.
  private func advance(isMeasured: Bool) -> Double {
    let share = SIMD8<Float>(repeating: share)
    var (excess, sumOfDual) = (0.0, 0.0)
    for row in 0..<size {
      let (x, s, m, w) = (point.row(row), dual.row(row), sum.row(row), traffic.row(row))
      var (rowExcess, rowSum) = (SIMD8<Float>.zero, SIMD8<Float>.zero)
      for column in stride(from: 0, to: size, by: 8) {
        let moved = load(x + column) + share
        let next = load(m + column) - moved
        UnsafeMutableRawPointer(x + column).storeBytes(of: moved, as: SIMD8<Float>.self)
        UnsafeMutableRawPointer(s + column).storeBytes(of: next, as: SIMD8<Float>.self)
        if isMeasured {
          rowExcess += pointwiseMax(load(w + column) - next, .zero)
          rowSum += next
        }
      }
      for column in size..<sum.stride {
        // Less what the columns that only fill up have added.
        excess -= isMeasured ? Double(self.share) : 0
        sumOfDual += isMeasured ? Double(self.share) : 0
        x[column] = 0
        s[column] = 0
      }
      excess += Double(rowExcess.sum())
      sumOfDual += Double(rowSum.sum())
    }
    guard isMeasured else { return 0 }
    var values = zip(projection.singularValues, projection.projectedValues).map { $0 - $1 }
    values.sort(by: >)
    let spectral = values.prefix(projection.rank).reduce(0) { $0 + Double($1) }
    return excess + Double(slots) / Double(size) * sumOfDual + Double(slots) * spectral
  }

  private func load(_ pointer: UnsafeMutablePointer<Float>) -> SIMD8<Float> {
    UnsafeRawPointer(pointer).loadUnaligned(as: SIMD8<Float>.self)
  }
}
