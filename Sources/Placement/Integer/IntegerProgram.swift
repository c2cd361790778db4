/// A linear objective to be made small under linear rows, over columns some of which are whole
/// numbers.
///
///     var program = IntegerProgram("pick")
///     let x = program.addBinary("x", cost: 3)
///     let y = program.addBinary("y", cost: 2)
///     program.addRow("one", [(x, 1), (y, 1)], .atLeast, 1)
///     print(program.mps)
///
/// Rows are one flat list of terms. A column is known by its position; names are for people and
/// for solvers' files, must differ and hold no spaces.
public struct IntegerProgram: Sendable {
  /// What a column's values may be, beside its bounds.
  public enum Kind: Hashable, Sendable {
    case continuous
    /// 0 or 1, whatever tighter bounds leave of them.
    case binary
  }

  public struct Column: Hashable, Sendable {
    public var name: String
    public var kind: Kind
    /// What one unit of it adds to the objective.
    public var cost: Double
    public var lower: Double
    /// Infinity where there is no bound.
    public var upper: Double
  }

  /// How a row's sum compares with its right side.
  public enum Sense: Hashable, Sendable {
    case atMost, atLeast, equal
  }

  /// One line of a row.
  public struct Term: Hashable, Sendable {
    public let column: Int32
    public let factor: Double
  }

  /// A word, for the head of files.
  public let name: String
  /// What one unit of the objective stands for in the units of whoever built the program, so that
  /// numbers of seconds can be brought to the size at which solvers' tolerances are harmless.
  public var unit = 1.0
  public private(set) var columns: [Column] = []
  /// Where each row's terms begin, and in the end their number.
  public private(set) var rowStarts: [Int] = [0]
  public private(set) var terms: [Term] = []
  public private(set) var rowNames: [String] = []
  public private(set) var senses: [Sense] = []
  public private(set) var rightSides: [Double] = []

  public init(_ name: String) { self.name = name }

  public var rows: Int { rowNames.count }
  public var binaries: Int { columns.count { $0.kind == .binary } }

  /// A new column that is 0 or 1; its position.
  @discardableResult
  public mutating func addBinary(_ name: String, cost: Double = 0) -> Int {
    add(Column(name: name, kind: .binary, cost: cost, lower: 0, upper: 1))
  }

  /// A new column of any number between bounds; its position.
  @discardableResult
  public mutating func addContinuous(
    _ name: String, cost: Double = 0, lower: Double = 0, upper: Double = .infinity
  ) -> Int {
    add(Column(name: name, kind: .continuous, cost: cost, lower: lower, upper: upper))
  }

  /// Adds `cost` to the objective for all values of the columns: a column that is always 1, because
  /// solvers differ over the sign of a constant in a file.
  public mutating func addConstant(_ cost: Double) {
    add(Column(name: "constant", kind: .continuous, cost: cost, lower: 1, upper: 1))
  }

  /// Gives a column one value.
  public mutating func fix(_ column: Int, at value: Double) {
    columns[column].lower = value
    columns[column].upper = value
  }

  /// Holds a weighted sum of columns to a right side. Terms of one column add up; zeros are left
  /// out.
  public mutating func addRow(
    _ name: String, _ terms: some Sequence<(column: Int, factor: Double)>, _ sense: Sense,
    _ right: Double
  ) {
    for (column, factor) in terms where factor != 0 {
      precondition(columns.indices.contains(column) && factor.isFinite)
      self.terms.append(Term(column: Int32(column), factor: factor))
    }
    rowStarts.append(self.terms.count)
    rowNames.append(name)
    senses.append(sense)
    rightSides.append(right)
  }

  @discardableResult
  private mutating func add(_ column: Column) -> Int {
    precondition(column.cost.isFinite && column.lower <= column.upper)
    columns.append(column)
    return columns.count - 1
  }
}

extension IntegerProgram {
  /// The objective at some values, in ``unit``s. O(columns).
  public func objective(of values: [Double]) -> Double {
    zip(columns, values).reduce(0) { $0 + $1.0.cost * $1.1 }
  }

  /// The first row, column or bound that values break by more than `tolerance` times the size of
  /// what they are compared with; `nil` where they keep all. O(columns + terms).
  public func firstBroken(by values: [Double], tolerance: Double = 1e-6) -> String? {
    guard values.count == columns.count else { return "the number of columns" }
    for (column, value) in zip(columns, values) {
      let slack = tolerance * (1 + abs(value))
      let isWhole = column.kind == .continuous || abs(value - value.rounded()) <= tolerance
      // A value that is no number breaks every comparison, so they are asked this way round.
      guard value >= column.lower - slack, value <= column.upper + slack, isWhole else {
        return column.name
      }
    }
    for row in 0..<rows {
      var sum = 0.0
      var size = 1 + abs(rightSides[row])
      for term in terms[rowStarts[row]..<rowStarts[row + 1]] {
        let product = term.factor * values[Int(term.column)]
        sum += product
        size += abs(product)
      }
      let excess = sum - rightSides[row]
      let isKept =
        switch senses[row] {
        case .atMost: excess <= tolerance * size
        case .atLeast: excess >= -tolerance * size
        case .equal: abs(excess) <= tolerance * size
        }
      if !isKept { return rowNames[row] }
    }
    return nil
  }
}
