import Foundation
import Hardware
import Statistics

/// The search for one law's values over one set of rows.
struct KernelSearch<Law: KernelLaw> {
  typealias Row = KernelMeasurement<Law.Work>

  struct Found {
    var law: Law
    /// Standard errors over the values; zero where a term was fixed.
    var relativeErrors: [Double]
    var objective: Double

    /// The term whose standard error is the largest part of its value, where that is all of it or more;
    /// of equal ones the first.
    var leastCertain: Int? {
      // What is not even a number is the least certain of all.
      let errors = relativeErrors.map { $0.isNaN ? .infinity : $0 }
      guard let most = errors.max(), most >= 1 else { return nil }
      return errors.firstIndex(of: most)
    }
  }

  private let rows: [Row]
  private let logTimes: [Double]
  private let settings: KernelFit<Law>.Settings
  /// Positions in the law's terms.
  private let free: [Int]
  private let start: [Double]

  init(_ rows: [Row], _ settings: KernelFit<Law>.Settings) {
    self.rows = rows
    self.settings = settings
    logTimes = rows.map { log($0.time) }
    let terms = Law.terms
    free = terms.indices.filter { settings.fixed[terms[$0].key] == nil }
    start = terms.map { settings.fixed[$0.key] ?? settings.starts[$0.key] ?? $0.start }
  }

  func found() throws(LeastSquaresError) -> Found {
    var best: Found?
    for search in 0..<max(1, settings.searches) {
      var stream = RandomStream(seed: 0, name: "kernel-search", index: search)
      let inner = free.map { index in
        let jitter = search == 0 ? 0 : stream.uniform() - 0.5
        return Law.terms[index].inner(start[index], moved: jitter)
      }
      let found = try solved(from: inner)
      if found.objective < best?.objective ?? .infinity { best = found }
    }
    guard let best else { throw .notFiniteAtStart }
    return best
  }

  private func solved(from inner: [Double]) throws(LeastSquaresError) -> Found {
    let terms = Law.terms
    var problem = LeastSquares(
      parameters: zip(free, inner).map { index, value in
        let range = terms[index].innerRange
        return .init(
          terms[index].key, start: value, in: .between(range.lowerBound, range.upperBound))
      }, residualCount: rows.count, loss: .cauchy(scale: settings.scale))
    problem.mostIterations = settings.mostIterations
    problem.tolerance = 1e-7
    let solution = try problem.solved { inner, residuals in
      write(law(inner), to: &residuals)
    }
    var relative = [Double](repeating: 0, count: terms.count)
    for (position, index) in free.enumerated() {
      relative[index] = terms[index].relativeError(
        solution.standardErrors[position], at: solution.values[position])
    }
    return Found(
      law: law(solution.values), relativeErrors: relative, objective: solution.objective)
  }

  private func law(_ inner: [Double]) -> Law {
    var values = start
    for (position, index) in free.enumerated() {
      values[index] = Law.terms[index].outer(inner[position])
    }
    return Law(values)
  }

  private func write(_ law: Law, to residuals: inout [Double]) {
    let times = law.times(of: rows)
    for index in times.indices { residuals[index] = log(times[index]) - logTimes[index] }
  }
}

extension KernelLaw {
  /// Seconds that the law predicts of every row, in their order. O(rows).
  func times(of rows: [KernelMeasurement<Work>]) -> [Double] {
    guard var machine = rows.first?.machine else { return [] }
    var prepared = prepared(for: machine)
    return rows.map { row in
      if row.machine != machine {
        machine = row.machine
        prepared = self.prepared(for: machine)
      }
      return prepared.parts(of: row.work).total
    }
  }
}

/// Between a term's value and what the search moves.
extension KernelTerm {
  var innerRange: ClosedRange<Double> {
    switch scale {
    case .linear: range
    case .logarithmic: log(range.lowerBound)...log(range.upperBound)
    }
  }

  /// The value as it is searched, moved by a part of the range's half and kept strictly within.
  func inner(_ value: Double, moved jitter: Double = 0) -> Double {
    let range = innerRange
    let width = range.upperBound - range.lowerBound
    let inner = (scale == .linear ? value : log(value)) + jitter * width / 2
    let margin = width * 1e-3
    return min(max(inner, range.lowerBound + margin), range.upperBound - margin)
  }

  func outer(_ inner: Double) -> Double { scale == .linear ? inner : exp(inner) }

  /// From the standard error of the searched value.
  func relativeError(_ error: Double, at inner: Double) -> Double {
    scale == .linear ? error / abs(outer(inner)) : error
  }
}
