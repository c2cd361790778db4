/// Writes rows as CSV (RFC 4180, lines end in a line feed): text is quoted where it has to be,
/// numbers have a decimal point, nothing stands for nothing.
struct CSVSink: RowSink {
  private let file: OutputFile
  private var row: [UInt8] = []

  init(_ file: OutputFile, columns: [String]) throws(ResultsError) {
    self.file = file
    for column in columns { add(column) }
    try endRow()
  }

  mutating func add(_ text: String) {
    if text.utf8.contains(where: Self.needsQuotes) {
      row.append(34)
      for byte in text.utf8 {
        if byte == 34 { row.append(34) }
        row.append(byte)
      }
      row.append(34)
    } else {
      row.append(text: text)
    }
    row.append(44)
  }

  /// A quote, a comma, a line feed or a carriage return.
  private static func needsQuotes(_ byte: UInt8) -> Bool {
    switch byte {
    case 34, 44, 10, 13: true
    default: false
    }
  }

  mutating func add(_ number: Int64) {
    row.append(decimal: number)
    row.append(44)
  }

  mutating func add(_ number: Double) {
    row.append(decimal: number)
    row.append(44)
  }

  mutating func addNothing() { row.append(44) }

  mutating func endRow() throws(ResultsError) {
    if !row.isEmpty { row[row.count - 1] = 10 }
    try file.write { $0.append(contentsOf: row) }
    row.removeAll(keepingCapacity: true)
  }
}
