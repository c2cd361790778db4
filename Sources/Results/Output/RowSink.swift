/// Takes the rows of a table value by value. Two stand: one writes CSV, one binds SQLite statements.
protocol RowSink {
  mutating func add(_ text: String)
  mutating func add(_ number: Int64)
  mutating func add(_ number: Double)
  mutating func addNothing()
  mutating func endRow() throws
}

extension RowSink {
  mutating func add(_ number: Int) { add(Int64(number)) }
  mutating func add(_ flag: Bool) { add(Int64(flag ? 1 : 0)) }

  mutating func add(_ number: Int?) {
    if let number { add(number) } else { addNothing() }
  }

  mutating func add(_ number: Double?) {
    if let number { add(number) } else { addNothing() }
  }
}
