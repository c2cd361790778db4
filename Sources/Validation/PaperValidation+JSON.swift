import Foundation

/// A figure for programs; keys in snake case when encoded. Numbers are in base units (seconds, tokens
/// per second, joules, per cent).
private struct FigureRecord: Encodable {
  struct Run: Encodable {
    var scenario: String
    var settings: [String]
  }

  var system: String
  var file: String
  var figure: String
  var published: Double
  var simulated: Double
  /// Empty for a ratio.
  var unit: String
  /// A share of the published figure, or percentage points.
  var error: Double
  var errorUnit: String
  /// In the error's unit.
  var tolerance: Double
  var met: Bool
  var source: String
  var unknown: String?
  var runs: [Run]

  init(_ row: PaperValidation.Row) {
    let figure = row.figure
    system = row.system
    file = row.file
    self.figure = figure.name
    published = figure.published
    simulated = row.simulated
    unit = figure.unit.symbol
    error = row.error
    (tolerance, errorUnit) =
      switch figure.tolerance {
      case .relative(let most): (most, "share")
      case .points(let most): (most, "points")
      }
    met = row.isMet
    source = figure.source
    unknown = figure.unknown
    runs = figure.simulated.runs.map { Run(scenario: $0.path, settings: $0.settings) }
  }
}

extension PaperValidation {
  /// All figures as a JSON list; keys are sorted, so that equal figures give equal text.
  public func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(rows.map(FigureRecord.init)), as: UTF8.self) + "\n"
  }
}
