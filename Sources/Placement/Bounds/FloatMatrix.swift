/// A matrix of Float for tight loops: rows follow one another, each filled up with zeros to a
/// multiple of eight columns. Loops over it take rows as pointers.
final class FloatMatrix {
  let rows: Int
  let columns: Int
  /// From one row to the next.
  let stride: Int
  let values: UnsafeMutablePointer<Float>

  init(rows: Int, columns: Int) {
    self.rows = rows
    self.columns = columns
    stride = (columns + 7) / 8 * 8
    values = .allocate(capacity: max(8, rows * stride))
    values.initialize(repeating: 0, count: max(8, rows * stride))
  }

  deinit { values.deallocate() }

  func row(_ index: Int) -> UnsafeMutablePointer<Float> { values + index &* stride }

  func copy(_ other: FloatMatrix) {
    values.update(from: other.values, count: rows * stride)
  }

  subscript(row: Int, column: Int) -> Float {
    get { values[row * stride + column] }
    set { values[row * stride + column] = newValue }
  }
}

/// Eight columns of a right factor, one after another, so that a product reads them in a row.
final class ProductPanel {
  let values: UnsafeMutablePointer<SIMD8<Float>>

  /// - Parameter inner: the most rows of a right factor.
  init(inner: Int) {
    values = .allocate(capacity: max(1, inner))
    values.initialize(repeating: .zero, count: max(1, inner))
  }

  deinit { values.deallocate() }
}

extension FloatMatrix {
  /// Makes this matrix the product of `left` (or its transpose) and `right`.
  ///
  /// Blocks of four rows and eight columns stay in registers; the order of every sum is fixed.
  /// Rows of this matrix must be a multiple of four. O(rows x inner x columns).
  func become(
    _ left: FloatMatrix, transposed: Bool = false, times right: FloatMatrix,
    inner: Int, panel: ProductPanel
  ) {
    let (step, along) = transposed ? (1, left.stride) : (left.stride, 1)
    let packed = panel.values
    var column = 0
    while column < stride {
      var source = right.values + column
      for index in 0..<inner {
        packed[index] = UnsafeRawPointer(source).loadUnaligned(as: SIMD8<Float>.self)
        source += right.stride
      }
      var row = 0
      while row < rows {
        var a = left.values + row &* step
        var (sum0, sum1) = (SIMD8<Float>.zero, SIMD8<Float>.zero)
        var (sum2, sum3) = (SIMD8<Float>.zero, SIMD8<Float>.zero)
        for index in 0..<inner {
          let b = packed[index]
          sum0 += b * a[0]
          sum1 += b * a[step]
          sum2 += b * a[2 &* step]
          sum3 += b * a[3 &* step]
          a += along
        }
        let target = UnsafeMutableRawPointer(values + row &* stride + column)
        let bytes = stride &* 4
        target.storeBytes(of: sum0, as: SIMD8<Float>.self)
        (target + bytes).storeBytes(of: sum1, as: SIMD8<Float>.self)
        (target + 2 &* bytes).storeBytes(of: sum2, as: SIMD8<Float>.self)
        (target + 3 &* bytes).storeBytes(of: sum3, as: SIMD8<Float>.self)
        row &+= 4
      }
      column &+= 8
    }
  }

  /// Makes this matrix the transpose of a square one.
  func becomeTranspose(of other: FloatMatrix) {
    let block = 8
    for firstRow in Swift.stride(from: 0, to: other.columns, by: block) {
      for firstColumn in Swift.stride(from: 0, to: other.columns, by: block) {
        for row in firstRow..<min(firstRow + block, other.columns) {
          let source = other.row(row)
          for column in firstColumn..<min(firstColumn + block, other.columns) {
            values[column &* stride &+ row] = source[column]
          }
        }
      }
    }
  }

  /// The inner product of two rows.
  static func product(
    _ a: UnsafeMutablePointer<Float>, _ b: UnsafeMutablePointer<Float>, count: Int
  ) -> Float {
    var sum = SIMD8<Float>.zero
    var index = 0
    while index < count {
      sum +=
        UnsafeRawPointer(a + index).loadUnaligned(as: SIMD8<Float>.self)
        * UnsafeRawPointer(b + index).loadUnaligned(as: SIMD8<Float>.self)
      index &+= 8
    }
    return sum.sum()
  }

  /// target += factor * source.
  static func add(
    _ source: UnsafeMutablePointer<Float>, times factor: Float,
    to target: UnsafeMutablePointer<Float>, count: Int
  ) {
    for index in 0..<count { target[index] += factor * source[index] }
  }

  /// a = cosine a - sine b, b = sine a + cosine b.
  static func rotate(
    _ a: UnsafeMutablePointer<Float>, _ b: UnsafeMutablePointer<Float>, _ cosine: Float,
    _ sine: Float, count: Int
  ) {
    var index = 0
    while index < count {
      let (first, second) = (UnsafeMutableRawPointer(a + index), UnsafeMutableRawPointer(b + index))
      let x = first.loadUnaligned(as: SIMD8<Float>.self)
      let y = second.loadUnaligned(as: SIMD8<Float>.self)
      first.storeBytes(of: x * cosine - y * sine, as: SIMD8<Float>.self)
      second.storeBytes(of: x * sine + y * cosine, as: SIMD8<Float>.self)
      index &+= 8
    }
  }
}
