/// The projection of a square matrix onto matrices whose singular values are each at most `cap` and
/// at most `cap * rank` in sum, after its rows and columns are made orthogonal to given directions.
///
/// Only as many singular triplets are followed as can be left over: a step of subspace iteration from
/// the triplets of the matrix before (Halko, Martinsson and Tropp, "Finding structure with
/// randomness", SIAM Review 53, 2011), which the next matrix of a slowly moving sequence hardly turns.
/// With as many triplets as columns it is exact. O(size^2 x triplets) a step.
final class SpectralProjection {
  let size: Int
  let rank: Int
  let cap: Float
  let triplets: Int
  /// Of unit length and orthogonal to one another.
  private let leftDirections: FloatMatrix
  private let rightDirections: FloatMatrix
  /// Singular vectors in rows.
  private let right: FloatMatrix
  private let left: FloatMatrix
  private let image: FloatMatrix
  private let scaled: FloatMatrix
  private let panel: ProductPanel
  /// Of the matrix, and of what it was projected to.
  private(set) var singularValues: [Float]
  private(set) var projectedValues: [Float]
  private var fresh: UInt64 = 0

  /// - Parameters:
  ///   - left: directions to be orthogonal to, in rows.
  init(size: Int, rank: Int, cap: Float, triplets: Int, left: FloatMatrix, right: FloatMatrix) {
    self.size = size
    self.rank = rank
    self.cap = cap
    self.triplets = (triplets + 7) / 8 * 8
    leftDirections = left
    rightDirections = right
    self.left = FloatMatrix(rows: self.triplets, columns: size)
    self.right = FloatMatrix(rows: self.triplets, columns: size)
    image = FloatMatrix(rows: self.triplets, columns: size)
    scaled = FloatMatrix(rows: self.triplets, columns: size)
    panel = ProductPanel(inner: max(self.triplets, self.left.stride))
    singularValues = Array(repeating: 0, count: self.triplets)
    projectedValues = Array(repeating: 0, count: self.triplets)
    makeOrthonormal(self.right, against: rightDirections)
  }

  /// Projects `matrix`, whose transpose is `transpose`, and writes the result.
  func project(_ matrix: FloatMatrix, transpose: FloatMatrix, to result: FloatMatrix) {
    left.become(right, times: transpose, inner: transpose.stride, panel: panel)
    makeOrthonormal(left, against: leftDirections)
    image.become(left, times: matrix, inner: matrix.stride, panel: panel)
    for row in 0..<triplets { remove(rightDirections, from: image.row(row)) }
    diagonalise()
    shrink()
    // The rows that are left over, one after another: left ones scaled, right ones of unit length.
    var count = 0
    for row in 0..<triplets {
      let value = singularValues[row]
      let length = value > 1e-12 ? 1 / value : 0
      for column in 0..<right.stride {
        right.row(row)[column] = image.row(row)[column] * length
      }
      let factor = projectedValues[row]
      guard factor > 0 else { continue }
      for column in 0..<left.stride {
        scaled.row(count)[column] = left.row(row)[column] * factor
        image.row(count)[column] = right.row(row)[column]
      }
      count += 1
    }
    result.become(scaled, transposed: true, times: image, inner: count, panel: panel)
  }

  /// Turns `left` and `image` by the same rotations until the rows of `image` are nearly orthogonal:
  /// one sweep of one-sided Jacobi (Golub and Van Loan, section 8.6), which is enough where the
  /// matrix before had nearly the same vectors.
  private func diagonalise() {
    let count = image.stride
    var squares = (0..<triplets).map {
      FloatMatrix.product(image.row($0), image.row($0), count: count)
    }
    for row in 0..<triplets {
      for other in row + 1..<max(row + 1, triplets) {
        let (a, b) = (squares[row], squares[other])
        let mixed = FloatMatrix.product(image.row(row), image.row(other), count: count)
        guard mixed * mixed > Self.leftMixed * Self.leftMixed * a * b else { continue }
        let cotangent = (b - a) / (2 * mixed)
        let root = (1 + cotangent * cotangent).squareRoot()
        let tangent = 1 / (cotangent < 0 ? cotangent - root : cotangent + root)
        let cosine = 1 / (1 + tangent * tangent).squareRoot()
        FloatMatrix.rotate(
          image.row(row), image.row(other), cosine, cosine * tangent, count: count)
        FloatMatrix.rotate(left.row(row), left.row(other), cosine, cosine * tangent, count: count)
        squares[row] = a - tangent * mixed
        squares[other] = b + tangent * mixed
      }
    }
    for row in 0..<triplets {
      singularValues[row] = FloatMatrix.product(image.row(row), image.row(row), count: count)
        .squareRoot()
    }
  }

  /// The cosine of two rows that counts as orthogonal.
  private static let leftMixed: Float = 3e-4

  /// The nearest point of {0 <= x <= cap, sum x <= cap * rank} to the singular values.
  private func shrink() {
    let most = cap * Float(rank)
    func sum(_ shift: Float) -> Float {
      singularValues.reduce(0) { $0 + min(cap, max(0, $1 - shift)) }
    }
    var shift: Float = 0
    if sum(0) > most {
      var (low, high) = (Float(0), singularValues.max() ?? 0)
      for _ in 0..<40 {
        let middle = (low + high) / 2
        if sum(middle) > most { low = middle } else { high = middle }
      }
      shift = high
    }
    for index in 0..<triplets {
      projectedValues[index] = min(cap, max(0, singularValues[index] - shift))
    }
  }

  /// Gram-Schmidt, each row twice; a row that has nothing of its own gets new entries.
  private func makeOrthonormal(_ basis: FloatMatrix, against directions: FloatMatrix) {
    let count = basis.stride
    for index in 0..<triplets {
      let row = basis.row(index)
      // More rows than the space has dimensions stay empty.
      let isEmpty = index + directions.rows >= size
      for attempt in 0..<3 where !isEmpty {
        let before = FloatMatrix.product(row, row, count: count)
        if before < 1e-20 || attempt == 2 { renew(row) }
        for _ in 0..<2 {
          remove(directions, from: row)
          for other in 0..<index {
            let part = FloatMatrix.product(basis.row(other), row, count: count)
            FloatMatrix.add(basis.row(other), times: -part, to: row, count: count)
          }
        }
        let after = FloatMatrix.product(row, row, count: count)
        if after > 1e-10 * before, after > 1e-20 || attempt == 2 { break }
        if attempt < 1 { renew(row) }
      }
      let length = isEmpty ? 0 : FloatMatrix.product(row, row, count: count).squareRoot()
      let factor = length > 0 ? 1 / length : 0
      for column in 0..<count { row[column] *= factor }
    }
  }

  private func remove(_ directions: FloatMatrix, from row: UnsafeMutablePointer<Float>) {
    for index in 0..<directions.rows {
      let direction = directions.row(index)
      let part = FloatMatrix.product(direction, row, count: directions.stride)
      FloatMatrix.add(direction, times: -part, to: row, count: directions.stride)
    }
  }

  /// Entries from -1 to 1 that depend only on how often this was called (splitmix64).
  private func renew(_ row: UnsafeMutablePointer<Float>) {
    for column in 0..<size {
      fresh &+= 0x9E37_79B9_7F4A_7C15
      var bits = fresh
      bits = (bits ^ (bits >> 30)) &* 0xBF58_476D_1CE4_E5B9
      bits = (bits ^ (bits >> 27)) &* 0x94D0_49BB_1331_11EB
      row[column] = Float(Int32(truncatingIfNeeded: bits >> 32)) / 2_147_483_648
    }
  }
}
