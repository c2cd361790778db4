import Foundation
import Hardware
import Statistics

/// One measured kernel.
public struct KernelMeasurement<Work: Hashable & Sendable>: Sendable {
  public var work: Work
  public var machine: KernelMachine
  /// Seconds of one launch.
  public var time: Double
  /// What rows are told apart by in a report: the kernel's source, its precision.
  public var family: String
  /// `file:line`
  public var place: String

  public init(
    _ work: Work, on machine: KernelMachine, time: Double, family: String, place: String
  ) {
    self.work = work
    self.machine = machine
    self.time = time
    self.family = family
    self.place = place
  }
}

/// Fits any ``KernelLaw`` to measurements: robust least squares of the logarithms of predicted over
/// measured time, so that five percent weigh the same at 10 us and at 10 ms.
///
///     let fit = try KernelFit<GEMMLaw>(measurements)
///     print(fit.law.values, fit.heldOutErrors.median)
///
/// The law is fitted twice: to all measurements, which is what it says; and to those that a seeded
/// draw leaves, to be judged by the fifth that it did not see.
///
/// Terms that the measurements do not tell apart are not fitted: while the standard error of one is
/// above its value, the least certain of them is held where its search begins, or where it was found if
/// the measurements are met worse there, and the others are fitted anew.
public struct KernelFit<Law: KernelLaw>: Sendable {
  public let law: Law
  /// Standard error over value of each term, in the law's order; zero where it was held fixed.
  public let relativeErrors: [Double]
  /// Terms that the measurements do not tell apart from others, in the law's order.
  public let untold: [String]
  /// Predicted over measured time less one, row by row, of the fit to everything.
  public let errors: [Double]
  /// The rows that the check did not see, as positions in the measurements.
  public let heldOut: [Int]
  /// Of the fit to the other rows, for those of ``heldOut``.
  public let heldOutErrors: [Double]

  /// How a search goes.
  public struct Settings: Sendable {
    /// Terms that keep a value, by key.
    public var fixed: [String: Double] = [:]
    /// Where the search begins, by key, instead of the term's own start.
    public var starts: [String: Double] = [:]
    public var holdOutSeed: UInt64 = 0
    /// What share of the questions is held out for the check.
    public var heldOutShare = 0.2
    /// Laws have kinks, where a search may stop early: it begins at so many points, the first of
    /// them the starting values, and the best end is taken.
    public var searches = 3
    /// Errors beyond this count less and less; about what repeated measurements scatter by.
    public var scale = 0.05
    public var mostIterations = 100

    public init() {}
  }

  /// O(searches x iterations x terms x rows).
  ///
  /// - Throws: ``LeastSquaresError``.
  public init(
    _ rows: [KernelMeasurement<Law.Work>], _ settings: Settings = Settings()
  ) throws(LeastSquaresError) {
    var settings = settings
    let all = try Self.told(rows, &settings)
    let law = all.found.law
    self.law = law
    relativeErrors = all.found.relativeErrors
    untold = Law.terms.map(\.key).filter(all.untold.contains)
    errors = law.errors(of: rows)
    let isOut = Self.draw(rows, settings)
    heldOut = rows.indices.filter { isOut[$0] }
    if heldOut.isEmpty {
      heldOutErrors = []
    } else {
      var check = settings
      for (term, value) in zip(Law.terms, law.values) { check.starts[term.key] = value }
      check.searches = 1
      let kept = rows.indices.filter { !isOut[$0] }.map { rows[$0] }
      let other = try KernelSearch<Law>(kept, check).found().law
      heldOutErrors = other.errors(of: heldOut.map { rows[$0] })
    }
  }

  /// Of a fit to `rows`, with terms held in `settings` until those that are left are told apart.
  private static func told(
    _ rows: [KernelMeasurement<Law.Work>], _ settings: inout Settings
  ) throws(LeastSquaresError) -> (found: KernelSearch<Law>.Found, untold: Set<String>) {
    var best = try KernelSearch<Law>(rows, settings).found()
    var untold: Set<String> = []
    let terms = Law.terms
    while let index = best.leastCertain, untold.count < terms.count {
      let term = terms[index]
      var trial = settings
      trial.searches = 1
      for (term, value) in zip(terms, best.law.values) { trial.starts[term.key] = value }
      trial.fixed[term.key] = settings.starts[term.key] ?? term.start
      var next = try KernelSearch<Law>(rows, trial).found()
      if next.objective > best.objective * (1 + worseFit) {
        trial.fixed[term.key] = best.law.values[index]
        next = try KernelSearch<Law>(rows, trial).found()
      }
      settings.fixed[term.key] = trial.fixed[term.key]
      untold.insert(term.key)
      best = next
    }
    return (best, untold)
  }

  /// By how much of its objective a fit may be worse with a term where its search begins.
  private static var worseFit: Double { 1e-3 }

  /// Questions (work on a machine), not rows, are drawn: a repeated measurement of a question that
  /// the fit has seen would be no check.
  private static func draw(
    _ rows: [KernelMeasurement<Law.Work>], _ settings: Settings
  ) -> [Bool] {
    var stream = RandomStream(seed: settings.holdOutSeed, name: "hold-out")
    var isOut: [KernelQuestion<Law.Work>: Bool] = [:]
    return rows.map { row in
      let question = KernelQuestion(work: row.work, machine: row.machine)
      if let known = isOut[question] { return known }
      let new = stream.uniform() < settings.heldOutShare
      isOut[question] = new
      return new
    }
  }
}

/// What rows that repeat one measurement share.
struct KernelQuestion<Work: Hashable>: Hashable {
  var work: Work
  var machine: KernelMachine
}

extension KernelLaw {
  /// Predicted over measured time, less one.
  func errors(of rows: [KernelMeasurement<Work>]) -> [Double] {
    zip(rows, times(of: rows)).map { row, time in time / row.time - 1 }
  }
}
