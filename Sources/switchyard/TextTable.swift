/// A table for the terminal: columns aligned by padding, two spaces between them.
struct TextTable {
  var columns: [String]
  /// Columns whose values end, rather than begin, at one place.
  var rightAligned: Set<Int> = []
  var rows: [[String]] = []

  /// The rows under their header; no header where all columns are nameless.
  var text: String {
    let all = (columns.contains { !$0.isEmpty } ? [columns] : []) + rows
    let widths = columns.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
    let lines = all.map { row in
      var line = ""
      for (column, value) in row.enumerated() {
        let padding = String(repeating: " ", count: widths[column] - value.count)
        if column > 0 { line += "  " }
        line += rightAligned.contains(column) ? padding + value : value + padding
      }
      while line.last == " " { line.removeLast() }
      return line
    }
    return lines.joined(separator: "\n")
  }
}
