import Foundation
import Statistics
import Testing

@Test func eigenvaluesOfSecondDifferencesAreCosines() throws {
  // The matrix with 2 on and -1 beside the diagonal has 2 - 2 cos(k π / (n + 1)), k = 1...n.
  let order = 12
  var matrix = [Double](repeating: 0, count: order * order)
  for row in 0..<order {
    matrix[row * order + row] = 2
    if row > 0 { matrix[row * order + row - 1] = -1 }
  }
  let values = try #require(SymmetricEigenvalues(of: matrix, order: order)).values
  for (index, value) in values.enumerated() {
    let expected = 2 - 2 * cos(Double(order - index) * Double.pi / Double(order + 1))
    #expect(abs(value - expected) < 1e-13)
  }
}

@Test func eigenvectorsAreWhatTheMatrixOnlyStretches() throws {
  var random = RandomStream(seed: 3, name: "eigenvectors")
  let order = 9
  var matrix = [Double](repeating: 0, count: order * order)
  for row in 0..<order {
    for column in 0...row {
      matrix[row * order + column] = random.uniform() - 0.5
      matrix[column * order + row] = matrix[row * order + column]
    }
  }
  let spectrum = try #require(SymmetricEigenvalues(of: matrix, order: order, withVectors: true))
  #expect(spectrum.values == spectrum.values.sorted(by: >))
  for (index, value) in spectrum.values.enumerated() {
    let vector = Array(spectrum.vectors[index * order..<(index + 1) * order])
    #expect(abs(vector.reduce(0) { $0 + $1 * $1 } - 1) < 1e-12)
    for row in 0..<order {
      let image = (0..<order).reduce(0) { $0 + matrix[row * order + $1] * vector[$1] }
      #expect(abs(image - value * vector[row]) < 1e-12)
    }
  }
}

@Test func thereAreNoEigenvaluesOfWhatIsNoNumber() {
  #expect(SymmetricEigenvalues(of: [1, .nan, .nan, 1], order: 2) == nil)
  #expect(SymmetricEigenvalues(of: [1, 2, 3], order: 2) == nil)
}
