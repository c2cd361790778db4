import Statistics

/// Turns any matrix Z into a bound that holds, in Double, with every rounding on the safe side.
struct TrafficCertificate {
  /// `[this][next]`
  let traffic: [Double]
  let size: Int
  let slots: Int
  let left: BalanceDirection
  let right: BalanceDirection

  var groups: Int { size / slots }
  var total: Double { traffic.reduce(0, +) }

  /// The bound that Z = `dual`, `[this][next]`, proves; the better one of that and of Z = 0, which
  /// says that all traffic may stay. O(size^3).
  func bound(of dual: [Double]) -> TrafficBound {
    let total = total
    var (excess, sum, largest) = (0.0, 0.0, 0.0)
    for (traffic, dual) in zip(traffic, dual) {
      excess += max(0, traffic - dual)
      sum += dual
      largest += abs(dual)
    }
    var rest = centred(dual)
    let (leftSlope, rightSlope) = removeDirections(from: &rest)
    let share = Double(slots) / Double(size)
    let kept = excess + share * sum + Double(slots) * sumOfLargestSingularValues(of: rest)
    // Every sum above has at most size^2 terms, each addition rounded by half a unit in the last place.
    let rounding = max(1e-12, Double(size * size) * .ulpOfOne) * (total + largest)
    guard kept.isFinite, kept + rounding < total else {
      return TrafficBound(kept: total, leftSlope: 0, rightSlope: 0)
    }
    return TrafficBound(kept: kept + rounding, leftSlope: leftSlope, rightSlope: rightSlope)
  }

  /// One slot: which experts meet is an assignment, whose dual prices prove the best one.
  func ofAssignment() -> TrafficBound? {
    guard let best = LinearAssignment(costs: traffic.map { -$0 }, rows: size, columns: size)
    else { return nil }
    var dual = [Double](repeating: 0, count: size * size)
    for row in 0..<size {
      for column in 0..<size {
        dual[row * size + column] = -best.rowPrices[row] - best.columnPrices[column]
      }
    }
    return TrafficCertificate(
      traffic: traffic, size: size, slots: slots, left: BalanceDirection([]),
      right: BalanceDirection([])
    ).bound(of: dual)
  }

  /// Less the means of rows and of columns.
  private func centred(_ matrix: [Double]) -> [Double] {
    var rows = [Double](repeating: 0, count: size)
    var columns = [Double](repeating: 0, count: size)
    for row in 0..<size {
      for column in 0..<size {
        rows[row] += matrix[row * size + column] / Double(size)
        columns[column] += matrix[row * size + column] / Double(size)
      }
    }
    let mean = rows.reduce(0, +) / Double(size)
    var result = matrix
    for row in 0..<size {
      for column in 0..<size {
        result[row * size + column] += mean - rows[row] - columns[column]
      }
    }
    return result
  }

  /// Takes b vᵀ and u b'ᵀ out of a centred matrix so that nothing is left along b and b'; what they
  /// carry at most, for each unit of excess.
  private func removeDirections(from matrix: inout [Double]) -> (left: Double, right: Double) {
    var along = [Double](repeating: 0, count: size)
    var across = [Double](repeating: 0, count: size)
    for row in 0..<size {
      for column in 0..<size {
        if !left.unit.isEmpty {
          along[column] += left.unit[row] * matrix[row * size + column]
        }
        if !right.unit.isEmpty {
          across[row] += matrix[row * size + column] * right.unit[column]
        }
      }
    }
    if !left.unit.isEmpty, !right.unit.isEmpty {
      // What lies along both is shared between them.
      let both = zip(along, right.unit).reduce(0) { $0 + $1.0 * $1.1 }
      for index in 0..<size {
        along[index] -= both / 2 * right.unit[index]
        across[index] -= both / 2 * left.unit[index]
      }
    }
    for row in 0..<size {
      for column in 0..<size {
        if !left.unit.isEmpty { matrix[row * size + column] -= left.unit[row] * along[column] }
        if !right.unit.isEmpty { matrix[row * size + column] -= across[row] * right.unit[column] }
      }
    }
    return (slope(of: along, left.length), slope(of: across, right.length))
  }

  /// (Σ v - Γ times the least that a group can have of v) / length of the work.
  private func slope(of vector: [Double], _ length: Double) -> Double {
    guard length > 0 else { return 0 }
    let least = vector.sorted().prefix(slots).reduce(0, +)
    let exact = (vector.reduce(0, +) - Double(groups) * least) / length
    return max(0, exact) * (1 + 1e-12)
  }

  /// Of the largest Γ - 1, from above: square roots of the eigenvalues of AᵀA, each moved up by
  /// what the product and a backward stable method can have lost.
  private func sumOfLargestSingularValues(of matrix: [Double]) -> Double {
    var squares = [Double](repeating: 0, count: size * size)
    squares.withUnsafeMutableBufferPointer { squares in
      matrix.withUnsafeBufferPointer { matrix in
        // The lower triangle, four rows of A at a time.
        var row = 0
        while row < size {
          let count = min(4, size - row)
          for index in 0..<size {
            let a0 = matrix[row * size + index]
            let a1 = count > 1 ? matrix[(row + 1) * size + index] : 0
            let a2 = count > 2 ? matrix[(row + 2) * size + index] : 0
            let a3 = count > 3 ? matrix[(row + 3) * size + index] : 0
            let r0 = row * size
            let r1 = min(row + 1, size - 1) * size
            let r2 = min(row + 2, size - 1) * size
            let r3 = min(row + 3, size - 1) * size
            for other in 0...index {
              squares[index * size + other] +=
                (a0 * matrix[r0 + other] + a1 * matrix[r1 + other])
                + (a2 * matrix[r2 + other] + a3 * matrix[r3 + other])
            }
          }
          row += 4
        }
      }
    }
    let trace = (0..<size).reduce(0) { $0 + squares[$1 * size + $1] }
    let error = 2 * Double(size * size) * 2.3e-16 * trace
    guard let spectrum = SymmetricEigenvalues(of: squares, order: size) else { return .infinity }
    return spectrum.values.prefix(groups - 1).reduce(0) {
      $0 + (max(0, $1) + error).squareRoot()
    }
  }
}
