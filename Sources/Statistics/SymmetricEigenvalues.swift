import CGSL

/// The eigenvalues of a real symmetric matrix and, if asked, their vectors.
///
///     let spectrum = SymmetricEigenvalues(of: [2, 1, 1, 2], order: 2)
///     spectrum?.values                              // [3, 1]
///
/// Householder reduction to three diagonals and the implicit QR iteration (Golub and Van Loan,
/// "Matrix Computations", section 8.3), as in GSL. O(order^3). Deterministic.
public struct SymmetricEigenvalues: Sendable, Hashable {
  /// Largest first.
  public let values: [Double]
  /// `[index of value][component]`, of length 1 and orthogonal to one another; empty unless asked.
  public let vectors: [Double]

  /// - Parameters:
  ///   - matrix: `[row][column]`; only what is on and below the diagonal is read.
  /// - Returns: `nil` for entries that are not finite or sizes that do not fit.
  public init?(of matrix: [Double], order: Int, withVectors: Bool = false) {
    guard isGSLErrorHandlerOff, order > 0, matrix.count == order * order,
      matrix.allSatisfy(\.isFinite)
    else { return nil }
    var matrix = matrix
    var values = [Double](repeating: 0, count: order)
    var vectors = [Double](repeating: 0, count: withVectors ? order * order : 0)
    let status = matrix.withUnsafeMutableBufferPointer { matrix in
      values.withUnsafeMutableBufferPointer { values in
        vectors.withUnsafeMutableBufferPointer { vectors in
          Self.solve(matrix, order: order, values: values, vectors: vectors)
        }
      }
    }
    guard status == GSL_SUCCESS.status else { return nil }
    let sequence = values.indices.sorted { (values[$0], $1) > (values[$1], $0) }
    self.values = sequence.map { values[$0] }
    // GSL writes a vector to a column.
    self.vectors =
      withVectors
      ? sequence.flatMap { index in (0..<order).map { vectors[$0 * order + index] } } : []
  }

  private static func solve(
    _ matrix: UnsafeMutableBufferPointer<Double>, order: Int,
    values: UnsafeMutableBufferPointer<Double>, vectors: UnsafeMutableBufferPointer<Double>
  ) -> Int32 {
    var matrix = gsl_matrix_view_array(matrix.baseAddress, order, order)
    var spectrum = gsl_vector_view_array(values.baseAddress, order)
    guard !vectors.isEmpty else {
      guard let space = gsl_eigen_symm_alloc(order) else { return GSL_ENOMEM.status }
      defer { gsl_eigen_symm_free(space) }
      return gsl_eigen_symm(&matrix.matrix, &spectrum.vector, space)
    }
    guard let space = gsl_eigen_symmv_alloc(order) else { return GSL_ENOMEM.status }
    defer { gsl_eigen_symmv_free(space) }
    var columns = gsl_matrix_view_array(vectors.baseAddress, order, order)
    return gsl_eigen_symmv(&matrix.matrix, &spectrum.vector, &columns.matrix, space)
  }
}
