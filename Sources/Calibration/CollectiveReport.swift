import Foundation
import Hardware
import Units

/// What a calibration found, for people and programs to read: parameters with their certainty, and
/// errors of the fit to everything beside those of rows that a fit did not see.
public struct CollectiveReport: Codable, Sendable {
  public var library: String
  public var entries: [Entry]
  /// Over all entries: in all, by operation, by decade of the bytes that a rank sends, by ranks.
  public var classes: [ErrorClass]

  public struct Entry: Codable, Sendable {
    public var name: String
    public var terms: [Term]
    public var errors: ErrorClass
    public var byBytes: [ErrorClass]
    public var byRanks: [ErrorClass]
    /// The rows that the fit meets worst, the worst first.
    public var worstRows: [Outlier]
  }

  /// One number of an entry as the catalogue has it.
  public struct Term: Codable, Sendable {
    public var key: String
    public var value: String
    /// Standard error over value; nil where the number was not fitted.
    public var relativeError: Double?
  }

  /// Sizes of relative errors: 0.05 is five percent.
  public struct ErrorClass: Codable, Sendable {
    public var name: String
    public var fitted: ErrorSummary
    public var heldOut: ErrorSummary
  }

  public struct Outlier: Codable, Sendable {
    public var place: String
    public var measuredMicroseconds: Double
    public var predictedMicroseconds: Double
    public var error: Double
  }

  /// - Parameter outliers: How many of the worst rows each entry lists.
  public init(_ calibration: CollectiveCalibration, outliers: Int = 3) {
    library = calibration.library.rawValue
    entries = calibration.entries.map { Entry($0, outliers: outliers) }
    let errors = calibration.entries.flatMap(\.errors)
    let heldOut = calibration.entries.flatMap(\.heldOutErrors)
    classes =
      [ErrorClass(name: "all", fitted: ErrorSummary(errors), heldOut: ErrorSummary(heldOut))]
      + ErrorClass.list(errors, heldOut, key: \.operationOrder) {
        CollectiveOperation.allCases[$0].rawValue
      }
      + ErrorClass.byBytes(errors, heldOut) + ErrorClass.byRanks(errors, heldOut)
  }
}

extension CollectiveReport.Entry {
  fileprivate init(_ entry: CollectiveCalibration.Entry, outliers: Int) {
    name = entry.cost.name
    terms = entry.cost.writtenTerms.map { key, value in
      let error = entry.terms.first { $0.key == key }?.relativeError
      return CollectiveReport.Term(
        key: key, value: value, relativeError: error.flatMap { $0.isFinite ? $0 : nil })
    }
    errors = CollectiveReport.ErrorClass(
      name: entry.cost.name, fitted: ErrorSummary(entry.errors),
      heldOut: ErrorSummary(entry.heldOutErrors))
    byBytes = CollectiveReport.ErrorClass.byBytes(entry.errors, entry.heldOutErrors)
    byRanks = CollectiveReport.ErrorClass.byRanks(entry.errors, entry.heldOutErrors)
    let worst = entry.errors.enumerated().sorted {
      (abs($1.element.error), $0.offset) < (abs($0.element.error), $1.offset)
    }
    worstRows = worst.prefix(outliers).map(\.element).map {
      CollectiveReport.Outlier(
        place: $0.place, measuredMicroseconds: $0.measured.value * 1e6,
        predictedMicroseconds: $0.predicted.value * 1e6, error: $0.error)
    }
  }
}

extension CollectiveReport.ErrorClass {
  fileprivate static func byBytes(_ errors: [RowError], _ heldOut: [RowError]) -> [Self] {
    list(errors, heldOut, key: \.decade) {
      "\(Bytes(pow(10, Double($0)))) to \(Bytes(pow(10, Double($0 + 1))))"
    }
  }

  fileprivate static func byRanks(_ errors: [RowError], _ heldOut: [RowError]) -> [Self] {
    list(errors, heldOut, key: \.load.ranks) { "\($0) ranks" }
  }

  fileprivate static func list(
    _ errors: [RowError], _ heldOut: [RowError], key: (RowError) -> Int, name: (Int) -> String
  ) -> [Self] {
    ErrorSummary.by(key, errors).map { value, summary in
      Self(
        name: name(value), fitted: summary,
        heldOut: ErrorSummary(heldOut.filter { key($0) == value }))
    }
  }
}

extension RowError {
  fileprivate var operationOrder: Int {
    CollectiveOperation.allCases.firstIndex(of: row.operation) ?? 0
  }

  /// The power of ten below the bytes that a rank sends.
  fileprivate var decade: Int { Int(log10(max(1, load.bytesSent.value)).rounded(.down)) }
}
