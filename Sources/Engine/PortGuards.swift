/// Ports behind a trunk that all their flows cross: when the trunk is full, nothing rises on them.
///
/// While a trunk's level is below that of every port behind it, as if everything on them rose, none
/// of them needs to be asked how full it is. Once a port is behind a trunk it stays there, for flows
/// only leave.
struct PortGuards: ~Copyable {
  /// The level of each port if all its flows that are not done rise: its level is never lower.
  private let bound: Slab<Double>
  private let trunk: Slab<Int32>
  private let firstBehind: Slab<Int32>
  private let nextBehind: Slab<Int32>
  /// The least bound behind each trunk, where it is known; else negative.
  private let leastBehind: Slab<Double>
  /// Ports with flows that are behind no trunk.
  private(set) var unguarded = FlatArray<Int32>()

  init(linkCount: Int) {
    bound = Slab(repeating: .infinity, count: linkCount)
    trunk = Slab(repeating: -1, count: linkCount)
    firstBehind = Slab(repeating: -1, count: linkCount)
    nextBehind = Slab(repeating: -1, count: linkCount)
    leastBehind = Slab(repeating: -1, count: linkCount)
  }

  func bound(of port: Int) -> Double { bound[port] }
  func isGuarded(_ port: Int) -> Bool { trunk[port] >= 0 }

  func setBound(_ level: Double, of port: Int) {
    bound[port] = level
    if isGuarded(port) { leastBehind[Int(trunk[port])] = -1 }
  }

  /// O(1), and O(ports behind the trunk) after one of their bounds changed.
  func leastBound(behind trunk: Int) -> Double {
    if leastBehind[trunk] < 0 {
      var least = Double.infinity
      var port = firstBehind[trunk]
      while port >= 0 {
        least = min(least, bound[Int(port)])
        port = nextBehind[Int(port)]
      }
      leastBehind[trunk] = least
    }
    return leastBehind[trunk]
  }

  func firstPort(behind trunk: Int) -> Int? {
    firstBehind[trunk] < 0 ? nil : Int(firstBehind[trunk])
  }
  func port(after port: Int) -> Int? { nextBehind[port] < 0 ? nil : Int(nextBehind[port]) }

  func put(_ port: Int, behind link: Int) {
    trunk[port] = Int32(link)
    nextBehind[port] = firstBehind[link]
    firstBehind[link] = Int32(port)
    leastBehind[link] = -1
  }

  /// Lists the ports that are behind no trunk. O(ports).
  mutating func listUnguarded(_ links: borrowing CompletionLinks) {
    unguarded.removeAll()
    for link in 0..<links.count
    where !links.isTrunk[link] && trunk[link] < 0 && bound[link] < .infinity {
      unguarded.append(Int32(link))
    }
  }
}

extension CompletionSolver {
  /// Finds a trunk that all flows of a port cross, if there is one. O(lanes).
  mutating func findGuard(of port: Int) {
    guard let lane = links.lanes(of: port).first(where: { laneUndone[$0] > 0 }) else { return }
    for entry in links.trunks(of: Int(links.laneCell[lane])) {
      let trunk = links.trunk[entry]
      let isOnAll = links.lanes(of: port).allSatisfy { lane in
        laneUndone[lane] == 0
          || links.trunks(of: Int(links.laneCell[lane])).contains { links.trunk[$0] == trunk }
      }
      if isOnAll {
        guards.put(port, behind: Int(trunk))
        return
      }
    }
  }

  /// What a port's level is at least: as if all its flows that are not done rose, rounding aside.
  func portBound(_ port: Int) -> Double {
    links.portTotal[port] > 0
      ? links.capacity[port] / (links.portTotal[port] * (1 + 1e-9)) : .infinity
  }
}
