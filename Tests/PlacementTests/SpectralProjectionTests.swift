import Testing

@testable import Placement

@Test(arguments: [(1, [2, 0, 0, 0]), (2, [2, 2, 0, 0]), (4, [2, 2, 1, 0])])
func singularValuesAreMovedDownAndCapped(rank: Int, expected: [Float]) {
  // 5, 3 and 1, at most 2 each and 2 x rank in sum: moved down by 3, by 1, and by nothing.
  let matrix = FloatMatrix(rows: 8, columns: 4)
  // A permuted diagonal with a sign is its own transpose's mirror.
  (matrix[0, 1], matrix[1, 0], matrix[2, 2]) = (5, 3, -1)
  let transpose = FloatMatrix(rows: 8, columns: 4)
  transpose.becomeTranspose(of: matrix)
  let none = FloatMatrix(rows: 0, columns: 4)
  let projection = SpectralProjection(
    size: 4, rank: rank, cap: 2, triplets: 4, left: none, right: none)
  let result = FloatMatrix(rows: 8, columns: 4)
  // The first steps find the vectors, as a sequence of matrices does.
  for _ in 0..<6 { projection.project(matrix, transpose: transpose, to: result) }
  let found = [result[0, 1], result[1, 0], -result[2, 2], result[3, 3]]
  for (found, expected) in zip(found, expected) { #expect(abs(found - expected) < 1e-4) }
  #expect(abs(result[0, 0]) + abs(result[1, 2]) + abs(result[3, 1]) < 1e-4)
}

@Test func nothingIsLeftAlongADirection() {
  let matrix = FloatMatrix(rows: 8, columns: 4)
  for row in 0..<4 {
    for column in 0..<4 { matrix[row, column] = Float((row * 7 + column * 3) % 5) }
  }
  let transpose = FloatMatrix(rows: 8, columns: 4)
  transpose.becomeTranspose(of: matrix)
  let constant = FloatMatrix(rows: 1, columns: 4)
  for column in 0..<4 { constant[0, column] = 0.5 }
  let projection = SpectralProjection(
    size: 4, rank: 3, cap: 100, triplets: 4, left: constant, right: constant)
  let result = FloatMatrix(rows: 8, columns: 4)
  for _ in 0..<6 { projection.project(matrix, transpose: transpose, to: result) }
  for row in 0..<4 {
    let (inRow, inColumn) = (0..<4).reduce((Float(0), Float(0))) {
      ($0.0 + result[row, $1], $0.1 + result[$1, row])
    }
    #expect(abs(inRow) < 1e-4 && abs(inColumn) < 1e-4)
  }
}
