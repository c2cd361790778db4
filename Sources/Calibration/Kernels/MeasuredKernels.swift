import Hardware
import Statistics

/// The rows of one kernel: one family, one library, one type of numbers.
public protocol KernelRows: Sendable {
  var family: KernelFamily { get }
  /// `vllm_flash_attn_fa3 bfloat16`
  var kernel: String { get }
  var count: Int { get }
  /// The least and the most of each of the family's sizes (`KernelFamily.sizeNames`).
  var sizes: [ClosedRange<Int>] { get }

  /// What numbers of the family's law say of every row, in the order of the rows.
  func errors(of values: [Double]) -> [KernelRowError]

  /// The family's law fitted to the rows.
  ///
  /// - Throws: ``CalibrationError/noFit(entry:_:)``.
  func fitted(holdOutSeed: UInt64) throws(CalibrationError) -> FittedKernel
}

/// How far a law is from one measured launch.
public struct KernelRowError: Sendable {
  /// `file:line`
  public var place: String
  /// s
  public var measured: Double
  /// s
  public var predicted: Double

  /// Predicted over measured time, less one.
  public var error: Double { predicted / measured - 1 }
}

/// What a fit of one kernel found.
public struct FittedKernel: Sendable {
  public var family: KernelFamily
  public var kernel: String
  /// In the order of the family's terms.
  public var values: [Double]
  /// Standard error over value of each; zero where it was held.
  public var relativeErrors: [Double]
  /// Terms that the rows do not tell apart from others, and were held for that.
  public var untold: [String]
  /// As in ``KernelRows/sizes``.
  public var sizes: [ClosedRange<Int>]
  /// Of the fit to everything.
  public var errors: [KernelRowError]
  /// Of a second fit, for the rows that it did not see.
  public var heldOutErrors: [KernelRowError]
}

/// Rows of one law.
struct MeasuredKernels<Law: KernelLaw>: KernelRows {
  var family: KernelFamily
  var kernel: String
  var rows: [KernelMeasurement<Law.Work>]
  var settings: KernelFit<Law>.Settings

  var count: Int { rows.count }

  var sizes: [ClosedRange<Int>] {
    let all = rows.map(\.work.sizes)
    return Law.Work.sizeNames.indices.map { position in
      let own = all.map { $0[position] }
      return (own.min() ?? 0)...(own.max() ?? 0)
    }
  }

  func errors(of values: [Double]) -> [KernelRowError] {
    zip(rows, Law(values).times(of: rows)).map { row, predicted in
      KernelRowError(place: row.place, measured: row.time, predicted: predicted)
    }
  }

  func fitted(holdOutSeed: UInt64) throws(CalibrationError) -> FittedKernel {
    var settings = settings
    settings.holdOutSeed = holdOutSeed
    let free = Law.terms.filter { settings.fixed[$0.key] == nil }.map(\.key)
    let questions = Set(rows.map { KernelQuestion(work: $0.work, machine: $0.machine) }).count
    // Held out rows leave four fifths, and a fit through as many rows as terms judges nothing.
    guard questions >= free.count * Self.leastRowsPerTerm else {
      throw .tooFewRows(
        kernel: "\(family.rawValue) \(kernel)", rows: questions,
        needed: free.count * Self.leastRowsPerTerm, terms: free)
    }
    do {
      let fit = try KernelFit<Law>(rows, settings)
      let heldOut = zip(fit.heldOut, fit.heldOutErrors).map { position, error in
        let row = rows[position]
        return KernelRowError(
          place: row.place, measured: row.time, predicted: row.time * (1 + error))
      }
      return FittedKernel(
        family: family, kernel: kernel, values: fit.law.values,
        relativeErrors: fit.relativeErrors, untold: fit.untold, sizes: sizes,
        errors: errors(of: fit.law.values),
        heldOutErrors: heldOut)
    } catch {
      throw .noFit(entry: "\(family.rawValue) \(kernel)", error)
    }
  }

  /// Measurements for each number of the law.
  private static var leastRowsPerTerm: Int { 2 }

  /// One for each kernel of the rows, by name.
  static func grouped(
    _ family: KernelFamily, _ rows: [KernelMeasurement<Law.Work>],
    _ settings: ([KernelMeasurement<Law.Work>]) -> KernelFit<Law>.Settings
  ) -> [any KernelRows] {
    Dictionary(grouping: rows, by: \.family).sorted { $0.key < $1.key }.map { kernel, rows in
      MeasuredKernels(family: family, kernel: kernel, rows: rows, settings: settings(rows))
    }
  }
}
