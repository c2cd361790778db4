import CGSL
import Foundation

/// Between what a caller means (outer) and what the search moves freely (inner).
extension LeastSquares.Parameter {
  var isStartWithinBounds: Bool {
    switch bounds {
    case .free: start.isFinite
    case .positive: start > 0 && start.isFinite
    case .between(let low, let high): low < start && start < high
    }
  }

  func inner(_ outer: Double) -> Double {
    switch bounds {
    case .free: outer
    case .positive: log(outer)
    case .between(let low, let high): log((outer - low) / (high - outer))
    }
  }

  func outer(_ inner: Double) -> Double {
    switch bounds {
    case .free: inner
    case .positive: exp(inner)
    case .between(let low, let high): low + (high - low) / (1 + exp(-inner))
    }
  }

  /// d outer / d inner.
  func slope(_ inner: Double) -> Double {
    switch bounds {
    case .free: return 1
    case .positive: return exp(inner)
    case .between(let low, let high):
      let share = 1 / (1 + exp(-inner))
      return (high - low) * share * (1 - share)
    }
  }
}

extension LeastSquares.Loss {
  /// The number whose square is the residual's loss, with the residual's sign. Least squares of the
  /// roots make the sum of the losses small.
  func root(_ residual: Double) -> Double {
    switch self {
    case .squared: return residual
    case .cauchy(let scale):
      let ratio = residual / scale
      return (residual < 0 ? -scale : scale) * log1p(ratio * ratio).squareRoot()
    }
  }
}

/// GSL's status codes are an unnamed enumeration in C, which Swift sees as unsigned or as Int.
extension RawRepresentable where RawValue: BinaryInteger {
  var status: Int32 { Int32(truncatingIfNeeded: rawValue) }
}

extension BinaryInteger {
  var status: Int32 { Int32(truncatingIfNeeded: self) }
}
