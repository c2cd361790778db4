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

  /// O(rows^2 x columns) at worst; about 2 ms for 256 rows on 32 columns.
  ///
  /// - Parameters:
  ///   - costs: `[row][column]`, finite; `infinity` for a pair that may not be.
  ///   - capacities: the most rows of each column; one each where `nil`. Their sum is at least `rows`.
  /// - Returns: `nil` where infinite costs leave no assignment.
  public init?(costs: [Double], rows: Int, columns: Int, capacities: [Int]? = nil) {
    let room = capacities ?? [Int](repeating: 1, count: columns)
    precondition(costs.count == rows * columns && room.count == columns)
    precondition(room.reduce(0, +) >= rows, "columns have room for the rows")
    var paths = AugmentingPaths(rows: rows, columns: columns, capacities: room)
    let isWhole = costs.withUnsafeBufferPointer { costs in
      let left = paths.placeAtCheapest(costs)
      return left.allSatisfy { paths.place($0, costs) }
    }
    guard isWhole else { return nil }
    let (chosen, prices) = (paths.columnOfRow, paths.prices)
    columnOfRow = chosen
    columnPrices = prices
    rowPrices = (0..<rows).map { costs[$0 * columns + chosen[$0]] - prices[chosen[$0]] }
    cost = (0..<rows).reduce(0) { $0 + costs[$1 * columns + chosen[$1]] }
  }
}

/// The state while rows are placed one by one. Rows that have a place are always placed optimally for
/// the prices: each on a column where its cost less the column's price is least.
struct AugmentingPaths {
  let rows: Int
  let columns: Int
  var columnOfRow: [Int]
  var prices: [Double]
  private let capacities: [Int]
  private let starts: [Int]
  /// The rows of each column, from `starts[column]` on.
  private var members: [Int]
  private var counts: [Int]
  private var distance: [Double]
  /// The row from which a column is reached.
  private var reachedFrom: [Int]
  private var isScanned: [Bool]
  private var scanned: [Int] = []

  init(rows: Int, columns: Int, capacities: [Int]) {
    self.rows = rows
    self.columns = columns
    self.capacities = capacities
    var starts = [0]
    for capacity in capacities { starts.append(starts[starts.count - 1] + capacity) }
    self.starts = starts
    columnOfRow = [Int](repeating: -1, count: rows)
    prices = [Double](repeating: 0, count: columns)
    members = [Int](repeating: -1, count: starts[columns])
    counts = [Int](repeating: 0, count: columns)
    distance = [Double](repeating: 0, count: columns)
    reachedFrom = [Int](repeating: -1, count: columns)
    isScanned = [Bool](repeating: false, count: columns)
  }

  /// Places rows whose cheapest column has room, which is optimal for prices of zero.
  ///
  /// - Returns: the others.
  mutating func placeAtCheapest(_ costs: UnsafeBufferPointer<Double>) -> [Int] {
    var left: [Int] = []
    for row in 0..<rows {
      var best = 0
      for column in 0..<columns where costs[row * columns + column] < costs[row * columns + best] {
        best = column
      }
      if columns > 0, counts[best] < capacities[best], costs[row * columns + best] < .infinity {
        append(row, to: best)
      } else {
        left.append(row)
      }
    }
    return left
  }

  private mutating func append(_ row: Int, to column: Int) {
    members[starts[column] + counts[column]] = row
    counts[column] += 1
    columnOfRow[row] = column
  }

  /// Places one more row along the cheapest path of moves that ends on a column with room.
  ///
  /// - Returns: `false` where there is none.
  mutating func place(_ row: Int, _ costs: UnsafeBufferPointer<Double>) -> Bool {
    scanned.removeAll(keepingCapacity: true)
    for column in 0..<columns {
      distance[column] = costs[row * columns + column] - prices[column]
      reachedFrom[column] = row
      isScanned[column] = false
    }
    while true {
      var (column, least) = (-1, Double.infinity)
      for candidate in 0..<columns where !isScanned[candidate] && distance[candidate] < least {
        (column, least) = (candidate, distance[candidate])
      }
      guard column >= 0 else { return false }
      if counts[column] < capacities[column] {
        for passed in scanned { prices[passed] += distance[passed] - least }
        augment(to: column, from: row)
        return true
      }
      isScanned[column] = true
      scanned.append(column)
      for place in starts[column]..<starts[column + 1] { relax(members[place], column, costs) }
    }
  }

  /// Reaches other columns by moving a row off the column that was scanned.
  private mutating func relax(
    _ row: Int, _ column: Int, _ costs: UnsafeBufferPointer<Double>
  ) {
    let offset = distance[column] - (costs[row * columns + column] - prices[column])
    distance.withUnsafeMutableBufferPointer { distance in
      for other in 0..<columns where !isScanned[other] {
        let through = offset + (costs[row * columns + other] - prices[other])
        if through < distance[other] {
          distance[other] = through
          reachedFrom[other] = row
        }
      }
    }
  }

  private mutating func augment(to end: Int, from first: Int) {
    var column = end
    while true {
      let row = reachedFrom[column]
      let former = columnOfRow[row]
      if column == end {
        append(row, to: column)
      } else {
        columnOfRow[row] = column
      }
      guard row != first else { return }
      // The place that the row leaves is taken by the row before it on the path.
      let follower = reachedFrom[former]
      for place in starts[former]..<starts[former + 1] where members[place] == row {
        members[place] = follower
      }
      column = former
    }
  }
}
