import Units

extension TrafficMatrix {
  /// Reads a matrix of bytes: one line a source, one number a target, commas between them.
  ///
  ///     0, 4096, 1 MiB
  ///     4096, 0, 0
  ///     0, 0, 0
  ///
  /// A number alone is bytes; with a unit it is any amount of memory. Empty lines and lines that begin
  /// with `#` are passed over. A heat map is read as it was written: where the first line begins with
  /// `source`, it and each line's first cell number the ranks from 0.
  ///
  /// - Parameter ranks: How many rows and columns there must be.
  /// - Throws: ``CollectiveError/malformedMatrix(line:detail:)``.
  public init(csv text: String, ranks: Int) throws(CollectiveError) {
    var bytes: [Double] = []
    var rows = 0
    var hasNames = false
    let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
    for (index, line) in lines.enumerated() {
      let row = index == 0 && line.first == "\u{FEFF}" ? line.dropFirst() : line
      let content = trimmed(row)
      if content.isEmpty || content.first == "#" { continue }
      if rows == 0, !hasNames, content.hasPrefix("source,") {
        hasNames = true
        try Self.checkNumbers(ofColumns: content, line: index + 1, ranks: ranks)
        continue
      }
      rows += 1
      if rows > ranks {
        throw .malformedMatrix(line: index + 1, detail: "row \(rows) of a matrix of \(ranks) ranks")
      }
      let number = hasNames ? rows - 1 : nil
      try Self.read(content, number, line: index + 1, ranks: ranks, into: &bytes)
    }
    if rows < ranks {
      throw .malformedMatrix(
        line: nil, detail: "the matrix has \(rows) rows, and \(ranks) ranks need \(ranks)")
    }
    guard bytes.reduce(0, +).isFinite else {
      throw .malformedMatrix(line: nil, detail: "the bytes of the matrix are too many to add")
    }
    self.init(ranks: ranks, bytes: bytes)
  }

  /// The matrix as a heat map: a row for each source and a column for each target, in bytes, with
  /// their numbers in the first column and row.
  public var csv: String {
    var text = (["source"] + (0..<ranks).map(String.init)).joined(separator: ",") + "\n"
    for source in 0..<ranks {
      let cells = (0..<ranks).map { "\(self[source, $0].value)" }
      text += (["\(source)"] + cells).joined(separator: ",") + "\n"
    }
    return text
  }

  private static func checkNumbers(
    ofColumns header: Substring, line: Int, ranks: Int
  ) throws(CollectiveError) {
    let numbers = cells(of: header).dropFirst().map { Int($0) }
    guard numbers == (0..<ranks).map({ Int?($0) }) else {
      throw .malformedMatrix(
        line: line, detail: "the columns of \(ranks) ranks are 0 to \(ranks - 1), in order")
    }
  }

  private static func cells(of row: Substring) -> [Substring] {
    row.split(separator: ",", omittingEmptySubsequences: false).map(trimmed)
  }

  /// - Parameter number: What the row's first cell must say; nil where it is an amount.
  private static func read(
    _ row: Substring, _ number: Int?, line: Int, ranks: Int, into bytes: inout [Double]
  ) throws(CollectiveError) {
    var cells = cells(of: row)
    if let number {
      let first = cells.removeFirst()
      guard Int(first) == number else {
        throw .malformedMatrix(line: line, detail: "row '\(first)' stands where \(number) should")
      }
    }
    guard cells.count == ranks else {
      throw .malformedMatrix(
        line: line, detail: "\(cells.count) numbers in a row, and \(ranks) ranks need \(ranks)")
    }
    for (column, cell) in cells.enumerated() {
      let plain = plainNumber(cell)
      let amount =
        if let plain { plain } else { try amountWithUnit(cell, column: column, line: line) }
      guard amount.isFinite, amount >= 0 else {
        throw .malformedMatrix(
          line: line,
          detail: "column \(column + 1): '\(cell)' is not an amount; it is 0 or more and finite")
      }
      bytes.append(amount)
    }
  }
}

private func amountWithUnit(
  _ text: Substring, column: Int, line: Int
) throws(CollectiveError) -> Double {
  do {
    return try Bytes(parsing: String(text)).value
  } catch {
    throw .malformedMatrix(line: line, detail: "column \(column + 1): \(error.sentence)")
  }
}

/// A number in decimal digits; nil for words and hexadecimal digits, which Double reads too.
private func plainNumber(_ text: Substring) -> Double? {
  let allowed: (Character) -> Bool = { ("0"..."9").contains($0) || "+-.eE".contains($0) }
  return text.allSatisfy(allowed) ? Double(text) : nil
}

private func trimmed(_ text: Substring) -> Substring {
  var rest = text
  while let first = rest.first, first.isWhitespace { rest.removeFirst() }
  while let last = rest.last, last.isWhitespace { rest.removeLast() }
  return rest
}
