import Foundation
import Statistics

/// Finds the free terms' values: robust least squares of the logarithms of predicted over measured
/// time, so that five percent weigh the same at 10 us and at 10 ms.
struct CollectiveSearch {
  var form: CollectiveForm
  let rows: [CollectiveForm.Row]
  let nodeCounts: [Int]

  /// Errors beyond this count less and less; about what repeated measurements scatter by.
  static let scale = 0.05
  /// The form has kinks, where a search may stop early: it begins at several points and the best
  /// end is taken.
  static let starts = 6
  /// A term goes where the loss rises by less than this part without it.
  static let smallestGain = 0.001

  struct Found {
    var form: CollectiveForm
    var values: [Double]
    /// Standard errors over the values.
    var relativeErrors: [Double]
    var objective: Double
  }

  /// O(starts x iterations x terms x rows).
  func found() throws(LeastSquaresError) -> Found {
    var best: Found?
    for start in 0..<Self.starts {
      var stream = RandomStream(seed: 0, name: "collective-search", index: start)
      let values = form.terms.map { term in
        let jitter = start == 0 ? 0 : stream.uniform() - 0.5
        return term.isShare ? term.start : term.start * exp(2 * jitter)
      }
      let found = try solved(form, from: values)
      if found.objective < best?.objective ?? .infinity { best = found }
    }
    guard let best else { throw .notFiniteAtStart }
    return try pruned(best)
  }

  private func solved(
    _ form: CollectiveForm, from start: [Double]
  ) throws(LeastSquaresError) -> Found {
    let parameters = zip(form.terms, start).map { term, value in
      LeastSquares.Parameter(
        term.key, start: term.isShare ? min(value, 0.999) : value,
        in: term.isShare ? .between(0, 1) : .positive)
    }
    let problem = LeastSquares(
      parameters: parameters, residualCount: rows.count, loss: .cauchy(scale: Self.scale))
    let solution = try problem.solved { free, residuals in
      write(form.values(free, nodeCounts: nodeCounts), to: &residuals)
    }
    return Found(
      form: form, values: solution.values,
      relativeErrors: zip(solution.standardErrors, solution.values).map { $0 / $1 },
      objective: solution.objective)
  }

  private func write(_ values: CollectiveForm.Values, to residuals: inout [Double]) {
    rows.withUnsafeBufferPointer { rows in
      residuals.withUnsafeMutableBufferPointer { residuals in
        for index in 0..<rows.count {
          residuals[index] = log(values.time(of: rows[index]) / rows[index].time)
        }
      }
    }
  }

  /// Leaves out the terms that the measurements do not ask for and searches once more from there.
  private func pruned(_ found: Found) throws(LeastSquaresError) -> Found {
    var found = found
    var isPruned = false
    for term in form.terms where term != .launch && term.companions[0] == term {
      var smaller = found.form
      smaller.terms.removeAll { term.companions.contains($0) }
      let kept = zip(found.form.terms, found.values).filter { smaller.terms.contains($0.0) }
      guard smaller.terms.count < found.form.terms.count, !smaller.terms.isEmpty,
        objective(smaller, kept.map(\.1)) <= found.objective * (1 + Self.smallestGain)
      else { continue }
      found.form = smaller
      found.values = kept.map(\.1)
      isPruned = true
    }
    return isPruned ? try solved(found.form, from: found.values) : found
  }

  private func objective(_ form: CollectiveForm, _ free: [Double]) -> Double {
    let values = form.values(free, nodeCounts: nodeCounts)
    return rows.reduce(0) { sum, row in
      let ratio = log(values.time(of: row) / row.time) / Self.scale
      return sum + Self.scale * Self.scale * log1p(ratio * ratio)
    }
  }
}
