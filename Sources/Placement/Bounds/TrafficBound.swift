/// How much traffic between two layers can stay inside groups, at most: a proven bound.
///
///     let bound = TrafficBound(
///       of: transition, size: 256, slots: 8, left: work[3], right: work[4])
///     bound.kept                        // tokens that stay on their group, at most
///
/// Let X and X' place the experts of two layers on Γ groups of κ slots each (0 or 1, rows sum to 1,
/// columns to κ), and W count tokens from each expert to each. Y = X X'ᵀ says which pairs meet, and
/// <W, Y> is the traffic that stays. Rows and columns of Y sum to κ, 0 <= Y <= 1, and the centred
/// P Y P has at most Γ - 1 singular values that are not 0, none above κ. So for *any* Z
///
///     <W, Y> <= Σ (W - Z)+ + (κ/E) Σ Z + κ Σ_{i < Γ} σ_i(P Z P)
///
/// Z = u ⊕ v gives the transportation bound, Z = W the spectral one.
///
/// **Balance.** Let b be the centred work of the left experts and δ the excess of the slowest group's
/// work over the mean. The groups' excesses t = Xᵀb sum to 0 and none is above δ, so that for any v
///
///     bᵀ Y v = Σ_g (t_g)(X'ᵀv)_g <= δ (Σ v - Γ min_g (X'ᵀv)_g)
///
/// and parts of Z along b cost only as much as balance is missed. The bound therefore removes b, and
/// the right layer's b', from Z before singular values are taken, and holds with a slope:
///
///     <W, Y> <= kept + leftSlope δ + rightSlope δ'
///
/// With perfect balance Y cannot carry traffic along what makes experts popular, which is where most
/// of the singular values of routing are.
public struct TrafficBound: Sendable, Hashable {
  /// Traffic that stays inside groups, at most, where all groups have the same work.
  public let kept: Double
  /// More of it for each unit by which the slowest group's work exceeds the mean.
  public let leftSlope: Double
  public let rightSlope: Double

  init(kept: Double, leftSlope: Double, rightSlope: Double) {
    self.kept = kept
    self.leftSlope = leftSlope
    self.rightSlope = rightSlope
  }

  /// At most what stays where the slowest groups exceed the mean by so much.
  public func kept(leftExcess: Double, rightExcess: Double) -> Double {
    kept + leftSlope * leftExcess + rightSlope * rightExcess
  }

  /// How hard to look for a good Z.
  public struct Effort: Sendable, Hashable {
    public var mostIterations: Int
    /// The search ends where ten iterations lower the bound by less than this share of all traffic.
    public var tolerance: Double

    public init(mostIterations: Int = 60, tolerance: Double = 2e-4) {
      self.mostIterations = mostIterations
      self.tolerance = tolerance
    }
  }

  /// - Parameters:
  ///   - traffic: `[this][next]`, not negative, any unit.
  ///   - size: experts of a layer, of which `slots` are on each group; a multiple of `slots`.
  ///   - left: work of each expert of the first layer, in any unit, for the bound with slopes;
  ///     empty for a bound whatever the balance.
  ///   - right: the same of the second layer.
  public init(
    of traffic: [Double], size: Int, slots: Int, left: [Double] = [], right: [Double] = [],
    effort: Effort = Effort()
  ) {
    precondition(traffic.count == size * size && slots > 0 && size % slots == 0)
    let total = traffic.reduce(0, +)
    guard slots < size, total > 0 else {
      self.init(kept: total, leftSlope: 0, rightSlope: 0)
      return
    }
    let certificate = TrafficCertificate(
      traffic: traffic, size: size, slots: slots,
      left: BalanceDirection(left), right: BalanceDirection(right))
    if slots == 1, let bound = certificate.ofAssignment() {
      self = bound
      return
    }
    self = certificate.bound(of: TrafficSearch(certificate, effort: effort).run())
  }
}

/// What makes experts of a layer popular: their centred work, of unit length, and the length it had.
struct BalanceDirection {
  /// Empty where there is none.
  let unit: [Double]
  let length: Double

  init(_ work: [Double]) {
    let mean = work.reduce(0, +) / Double(max(1, work.count))
    let centred = work.map { $0 - mean }
    let length = centred.reduce(0) { $0 + $1 * $1 }.squareRoot()
    let isFlat = length <= 1e-9 * abs(mean) * Double(work.count).squareRoot()
    self.length = isFlat ? 0 : length
    unit = isFlat ? [] : centred.map { $0 / length }
  }
}
