/// The program as free-format MPS, which every solver reads: the same bytes for the same program.
extension IntegerProgram {
  /// The file's text; for programs of some size ``writeMPS(to:)`` needs less memory.
  public var mps: String {
    var text = ""
    writeMPS { text += String(decoding: $0, as: UTF8.self) }
    return text
  }

  /// Hands the file over in pieces of about 64 KiB. O(columns + terms); beside the piece it holds
  /// the terms once more, sorted by column.
  ///
  /// The objective is the row `cost` and is to be minimised; a column of kind binary stands between
  /// integer markers and has a bound of its own.
  public func writeMPS<Failure: Error>(
    to sink: (borrowing [UInt8]) throws(Failure) -> Void
  ) throws(Failure) {
    var piece: [UInt8] = []
    piece.reserveCapacity(1 << 16 + 256)
    func line(_ words: String...) throws(Failure) {
      for (position, word) in words.enumerated() {
        if position > 0 { piece.append(UInt8(ascii: " ")) }
        piece.append(contentsOf: word.utf8)
      }
      piece.append(UInt8(ascii: "\n"))
      guard piece.count >= 1 << 16 else { return }
      try sink(piece)
      piece.removeAll(keepingCapacity: true)
    }
    try line("* one unit of cost is \(Self.number(unit)) of the problem's")
    try line("NAME", name, "FREE")
    try line("ROWS")
    try line(" N cost")
    for row in 0..<rows {
      let letter =
        switch senses[row] {
        case .atMost: " L"
        case .atLeast: " G"
        case .equal: " E"
        }
      try line(letter, rowNames[row])
    }
    try line("COLUMNS")
    let byColumn = termsByColumn
    var markers = 0
    var isWhole = false
    func mark(_ whole: Bool) throws(Failure) {
      guard whole != isWhole else { return }
      isWhole = whole
      try line(" MARKER\(markers)", "'MARKER'", whole ? "'INTORG'" : "'INTEND'")
      markers += 1
    }
    for (position, column) in columns.enumerated() {
      try mark(column.kind == .binary)
      let range = byColumn.starts[position]..<byColumn.starts[position + 1]
      // A column without any entry would be unknown to the reader.
      if column.cost != 0 || range.isEmpty {
        try line(" " + column.name, "cost", Self.number(column.cost))
      }
      var index = range.lowerBound
      while index < range.upperBound {
        let row = byColumn.rows[index]
        var factor = byColumn.factors[index]
        index += 1
        while index < range.upperBound, byColumn.rows[index] == row {
          factor += byColumn.factors[index]
          index += 1
        }
        try line(" " + column.name, rowNames[Int(row)], Self.number(factor))
      }
    }
    try mark(false)
    try line("RHS")
    for row in 0..<rows where rightSides[row] != 0 {
      try line(" RHS", rowNames[row], Self.number(rightSides[row]))
    }
    try line("BOUNDS")
    for column in columns {
      for bound in Self.bounds(of: column) {
        let value = bound.value.map { " " + Self.number($0) } ?? ""
        try line(" \(bound.code) BOUND \(column.name)\(value)")
      }
    }
    try line("ENDATA")
    if !piece.isEmpty { try sink(piece) }
  }

  /// The bounds that a reader would not take for granted.
  private static func bounds(of column: Column) -> [(code: String, value: Double?)] {
    if column.lower == column.upper { return [("FX", column.lower)] }
    if column.kind == .binary { return [("BV", nil)] }
    var bounds: [(code: String, value: Double?)] = []
    if column.lower == -.infinity {
      bounds.append(("MI", nil))
    } else if column.lower != 0 {
      bounds.append(("LO", column.lower))
    }
    if column.upper != .infinity { bounds.append(("UP", column.upper)) }
    return bounds
  }

  /// The terms in the order of columns, rows in order within each.
  private var termsByColumn: (starts: [Int], rows: [Int32], factors: [Double]) {
    var starts = [Int](repeating: 0, count: columns.count + 1)
    for term in terms { starts[Int(term.column) + 1] += 1 }
    for column in columns.indices { starts[column + 1] += starts[column] }
    var next = starts
    var rowOf = [Int32](repeating: 0, count: terms.count)
    var factors = [Double](repeating: 0, count: terms.count)
    for row in 0..<rows {
      for term in terms[rowStarts[row]..<rowStarts[row + 1]] {
        let place = next[Int(term.column)]
        next[Int(term.column)] += 1
        rowOf[place] = Int32(row)
        factors[place] = term.factor
      }
    }
    return (starts, rowOf, factors)
  }

  /// The shortest text that reads back as the same number; whole ones without a point.
  static func number(_ value: Double) -> String {
    if value == value.rounded(), abs(value) < 1e15 { return "\(Int(value))" }
    return "\(value)"
  }
}
