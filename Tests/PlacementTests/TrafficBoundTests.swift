import Statistics
import Testing

@testable import Placement

/// What stays in groups, and by how much each side's slowest group exceeds the mean.
private func outcome(
  _ left: [Int], _ right: [Int], groups: Int, traffic: [Double], leftWork: [Double],
  rightWork: [Double]
) -> (kept: Double, leftExcess: Double, rightExcess: Double) {
  var kept = 0.0
  for this in left.indices {
    for next in right.indices where left[this] == right[next] {
      kept += traffic[this * right.count + next]
    }
  }
  func excess(_ placed: [Int], _ work: [Double]) -> Double {
    var loads = [Double](repeating: 0, count: groups)
    for (expert, group) in placed.enumerated() { loads[group] += work[expert] }
    return (loads.max() ?? 0) - work.reduce(0, +) / Double(groups)
  }
  return (kept, excess(left, leftWork), excess(right, rightWork))
}

@Test(arguments: [(6, 2), (6, 3), (4, 1)])
func noPlacementKeepsMoreThanTheBound(experts: Int, slots: Int) {
  let groups = experts / slots
  let states = allLayerPlacements(experts: experts, groups: groups, slots: slots)
  // Names of groups do not matter: the first expert of the first layer is on group 0.
  let firsts = states.filter { $0[0] == 0 }
  for seed in 0..<3 {
    var random = RandomStream(seed: UInt64(seed), name: "kept traffic")
    let traffic = skewedNumbers(experts * experts, &random)
    let (leftWork, rightWork) = (skewedNumbers(experts, &random), skewedNumbers(experts, &random))
    let plain = TrafficBound(of: traffic, size: experts, slots: slots)
    let balanced = TrafficBound(
      of: traffic, size: experts, slots: slots, left: leftWork, right: rightWork)
    #expect(plain.leftSlope == 0 && plain.rightSlope == 0)
    #expect(balanced.kept <= plain.kept + 1e-3 * traffic.reduce(0, +))
    var best = 0.0
    var broken = 0
    for left in firsts {
      for right in states {
        let found = outcome(
          left, right, groups: groups, traffic: traffic, leftWork: leftWork, rightWork: rightWork)
        best = max(best, found.kept)
        let most = balanced.kept(
          leftExcess: found.leftExcess, rightExcess: found.rightExcess)
        if found.kept > most || found.kept > plain.kept { broken += 1 }
      }
    }
    #expect(broken == 0)
    // Not far above the best there is, and for one slot at it.
    #expect(plain.kept <= best * (slots == 1 ? 1 + 1e-9 : 1.3))
  }
}

@Test func anyMatrixProvesABound() {
  let (experts, slots) = (6, 2)
  let states = allLayerPlacements(experts: experts, groups: 3, slots: slots)
  var random = RandomStream(seed: 5, name: "any matrix")
  let traffic = skewedNumbers(experts * experts, &random)
  let certificate = TrafficCertificate(
    traffic: traffic, size: experts, slots: slots, left: BalanceDirection([]),
    right: BalanceDirection([]))
  var best = 0.0
  for right in states {
    for left in states where left[0] == 0 {
      best = max(
        best,
        outcome(
          left, right, groups: 3, traffic: traffic, leftWork: traffic, rightWork: traffic
        ).kept)
    }
  }
  for scale in [0.0, 0.5, 1, 2] {
    let matrix = skewedNumbers(experts * experts, &random).map { scale * ($0 - 0.2) }
    #expect(certificate.bound(of: matrix).kept >= best)
  }
  #expect(certificate.bound(of: traffic).kept >= best)
}

@Test func rowAndColumnPricesProveTheTransportationBound() {
  // For Z = u ⊕ v nothing is left of the centred Z: Σ (W - Z)+ + κ (Σ u + Σ v).
  let (experts, slots) = (6, 2)
  var random = RandomStream(seed: 6, name: "prices")
  let traffic = skewedNumbers(experts * experts, &random)
  let (rows, columns) = (skewedNumbers(experts, &random), skewedNumbers(experts, &random))
  let matrix = (0..<experts * experts).map {
    0.2 * (rows[$0 / experts] + columns[$0 % experts])
  }
  let certificate = TrafficCertificate(
    traffic: traffic, size: experts, slots: slots, left: BalanceDirection([]),
    right: BalanceDirection([]))
  let excess = zip(traffic, matrix).reduce(0) { $0 + max(0, $1.0 - $1.1) }
  let prices = 0.2 * Double(slots) * (rows.reduce(0, +) + columns.reduce(0, +))
  let bound = certificate.bound(of: matrix).kept
  #expect(abs(bound - (excess + prices)) < 1e-5 * bound)
  #expect(bound < traffic.reduce(0, +))
}

@Test func oneGroupKeepsAll() {
  let bound = TrafficBound(of: [1, 2, 3, 4], size: 2, slots: 2)
  #expect(bound.kept == 10)
}

@Test func expertsThatLeadToOneEachMayStayTogether() {
  // All traffic runs from expert e to expert e: two on each group keep all of it.
  let experts = 8
  let traffic = (0..<experts * experts).map { $0 % (experts + 1) == 0 ? 1.0 : 0 }
  let bound = TrafficBound(of: traffic, size: experts, slots: 2)
  #expect(abs(bound.kept - 8) < 1e-6)
}

@Test func routingByPopularityAloneKeepsOnlyItsShareOfBalancedGroups() {
  // W = b bᵀ / T: what stays is Σ_g (work of g)² / T, T / Γ for equal groups and more otherwise.
  let (experts, slots) = (16, 4)
  let work = (0..<experts).map { Double(1 + $0 * $0) }
  let total = work.reduce(0, +)
  let traffic = (0..<experts * experts).map { work[$0 / experts] * work[$0 % experts] / total }
  let plain = TrafficBound(of: traffic, size: experts, slots: slots)
  let balanced = TrafficBound(of: traffic, size: experts, slots: slots, left: work, right: work)
  #expect(abs(balanced.kept - total / 4) < 1e-3 * total)
  #expect(plain.kept > 1.3 * balanced.kept)
  #expect(balanced.leftSlope > 0)
}
