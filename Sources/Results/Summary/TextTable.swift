/// Rows of text in aligned columns, two spaces apart.
///
///     var table = TextTable([.left("stage"), .right("time")])
///     table.add("attention", "12.5 us")
///     print(table)
///
/// Widths count characters, so the text should be of a script whose letters are one cell wide.
public struct TextTable: Sendable, CustomStringConvertible {
  public struct Column: Hashable, Sendable {
    public var title: String
    public var isRightAligned: Bool

    /// For words.
    public static func left(_ title: String) -> Column {
      Column(title: title, isRightAligned: false)
    }
    /// For numbers.
    public static func right(_ title: String) -> Column {
      Column(title: title, isRightAligned: true)
    }
  }

  public let columns: [Column]
  public private(set) var rows: [[String]] = []
  /// Spaces before every line.
  public var indent = 0

  public init(_ columns: [Column], indent: Int = 0) {
    self.columns = columns
    self.indent = indent
  }

  /// Adds a row; cells that are not given are empty, and those without a column are dropped.
  public mutating func add(_ cells: String...) { add(cells) }

  public mutating func add(_ cells: [String]) {
    let missing = max(0, columns.count - cells.count)
    rows.append(
      Array(cells.prefix(columns.count)) + [String](repeating: "", count: missing))
  }

  /// The titles, unless all are empty, and the rows; no line ends in a space.
  public var lines: [String] {
    let titles = columns.map(\.title)
    let all = titles.allSatisfy(\.isEmpty) ? rows : [titles] + rows
    let widths = columns.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
    return all.map { cells in
      var line = String(repeating: " ", count: indent)
      for (column, cell) in cells.enumerated() {
        let padding = String(repeating: " ", count: widths[column] - cell.count)
        line += columns[column].isRightAligned ? padding + cell : cell + padding
        line += "  "
      }
      while line.last == " " { line.removeLast() }
      return line
    }
  }

  /// The lines, each ended by a line feed.
  public var description: String { lines.map { $0 + "\n" }.joined() }
}
