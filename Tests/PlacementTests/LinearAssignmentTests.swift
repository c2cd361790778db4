import Placement
import Statistics
import Testing

/// The least cost over all ways to give rows columns with room, by trying them.
private func leastCost(_ costs: [Double], rows: Int, columns: Int, room: [Int]) -> Double {
  func least(_ row: Int, _ room: [Int]) -> Double {
    guard row < rows else { return 0 }
    return (0..<columns).filter { room[$0] > 0 }.map { column in
      var rest = room
      rest[column] -= 1
      return costs[row * columns + column] + least(row + 1, rest)
    }.min() ?? .infinity
  }
  return least(0, room)
}

@Test func assignmentsAreAsCheapAsTheCheapestOfAll() throws {
  var random = RandomStream(seed: 3, name: "assignment")
  for round in 0..<200 {
    let columns = 1 + random.below(4)
    let room = (0..<columns).map { _ in 1 + random.below(3) }
    let rows = 1 + random.below(min(6, room.reduce(0, +)))
    // Few distinct values, so that ties are common, and in every third round forbidden pairs.
    let costs = (0..<rows * columns).map { _ in
      round % 3 == 0 && random.below(4) == 0 ? Double.infinity : Double(random.below(7)) - 3
    }
    let least = leastCost(costs, rows: rows, columns: columns, room: room)
    let found = LinearAssignment(costs: costs, rows: rows, columns: columns, capacities: room)
    #expect((found?.cost ?? .infinity) == least)
    guard let found else { continue }
    for column in 0..<columns {
      let taken = found.columnOfRow.count { $0 == column }
      #expect(taken <= room[column])
      #expect(found.columnPrices[column] <= 0)
      #expect(taken == room[column] || found.columnPrices[column] == 0)
    }
  }
}

@Test func pricesProveThatALargeAssignmentIsCheapest() throws {
  var random = RandomStream(seed: 4, name: "assignment")
  let (rows, columns) = (96, 12)
  let costs = (0..<rows * columns).map { _ in random.uniform() }
  let room = [Int](repeating: 8, count: columns)
  let found = try #require(
    LinearAssignment(costs: costs, rows: rows, columns: columns, capacities: room))
  // Weak duality: no assignment costs less than the rows' prices plus capacity times columns'.
  let bound = found.rowPrices.reduce(0, +) + 8 * found.columnPrices.reduce(0, +)
  #expect(abs(bound - found.cost) < 1e-9)
  for row in 0..<rows {
    for column in 0..<columns {
      let slack = costs[row * columns + column] - found.rowPrices[row] - found.columnPrices[column]
      #expect(slack > -1e-12)
    }
  }
}
