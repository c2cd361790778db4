import Foundation

/// One measured number: the median of its repetitions, and how far they lay apart.
struct BenchmarkRow: Codable, Sendable {
  var name: String
  var value: Double
  var minimum: Double
  var maximum: Double
  var unit: String
  var repetitions: Int
  var note: String

  /// The samples must not be empty.
  init(_ name: String, _ samples: [Double], unit: String, note: String = "") {
    let sorted = samples.sorted()
    let middle = sorted.count / 2
    self.name = name
    value = sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    minimum = sorted[0]
    maximum = sorted[sorted.count - 1]
    self.unit = unit
    repetitions = sorted.count
    self.note = note
  }
}

/// The rows as a table whose columns line up.
func table(of rows: [BenchmarkRow]) -> String {
  let header = ["benchmark", "median", "min", "max", "unit", "runs", "note"]
  let cells =
    [header]
    + rows.map { row in
      [
        row.name, digits(row.value), digits(row.minimum), digits(row.maximum), row.unit,
        "\(row.repetitions)", row.note,
      ]
    }
  let widths = header.indices.map { column in cells.map { $0[column].count }.max() ?? 0 }
  let numbers = [1, 2, 3, 5]
  return cells.map { row in
    var line = ""
    for (column, cell) in row.enumerated() {
      let padding = String(repeating: " ", count: widths[column] - cell.count)
      line += (numbers.contains(column) ? padding + cell : cell + padding) + "  "
    }
    while line.last == " " { line.removeLast() }
    return line
  }.joined(separator: "\n")
}

/// Three significant digits, or all of a larger number's whole part.
private func digits(_ value: Double) -> String {
  let magnitude = abs(value)
  let decimals = magnitude >= 100 || magnitude == 0 ? 0 : magnitude >= 10 ? 1 : 2
  return String(format: "%.\(decimals)f", value)
}
