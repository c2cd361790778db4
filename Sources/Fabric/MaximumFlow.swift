import Units

/// What can pass at most from some devices to others at a time, over all links that routes between
/// them use: a maximum flow, which equals the narrowest cut between them (Ford and Fulkerson, 1956).
///
/// Found with shortest augmenting ways, level by level (Dinic, 1970).
public struct MaximumFlow {
  private let network: Network
  /// What is left of each link, and behind it what may be taken back.
  private var forward: [Double]
  private var backward: [Double]
  private var level: [Int] = []
  private var next: [Int] = []
  private let isTarget: [Bool]
  private let sources: [Int]
  /// The most that passes, each direction for itself.
  public private(set) var bandwidth = Bandwidth(0)

  /// O(vertices^2 x links) at worst, far less in networks of few tiers.
  ///
  /// - Parameter factors: What is left of each link's bandwidth; nil for all of it.
  public init(
    _ network: Network, from sources: Range<Int>, to targets: Range<Int>,
    detour: Detour = .minimal, factors: [Double]? = nil
  ) {
    self.network = network
    self.sources = Array(sources)
    let factors = factors ?? [Double](repeating: 1, count: network.links.count)
    let isUsed = network.linksOnRoutes(
      from: sources, to: targets, detour, isDown: factors.map { $0 == 0 })
    forward = network.links.indices.map {
      isUsed[$0] ? network.links[$0].bandwidth.value * factors[$0] : 0
    }
    backward = [Double](repeating: 0, count: network.links.count)
    var isTarget = [Bool](repeating: false, count: network.vertices.count)
    for target in targets { isTarget[target] = true }
    self.isTarget = isTarget
    let total = forward.reduce(0, +)
    tolerance = total * 1e-12
    while findLevels() {
      next = [Int](repeating: 0, count: network.vertices.count)
      for source in self.sources {
        while true {
          let pushed = push(total, from: source)
          guard pushed > tolerance else { break }
          bandwidth = bandwidth + Bandwidth(pushed)
        }
      }
    }
  }

  private let tolerance: Double

  /// Steps from the sources over links that have something left; false where no target is reached.
  private mutating func findLevels() -> Bool {
    level = [Int](repeating: -1, count: network.vertices.count)
    for source in sources { level[source] = 0 }
    var queue = sources
    var head = 0
    var isReached = false
    while head < queue.count {
      let vertex = queue[head]
      head += 1
      if isTarget[vertex] {
        isReached = true
        continue
      }
      for (_, other, left) in edges(of: vertex) where left > tolerance && level[other] < 0 {
        level[other] = level[vertex] + 1
        queue.append(other)
      }
    }
    return isReached
  }

  private func edges(of vertex: Int) -> [(edge: Int, other: Int, left: Double)] {
    network.outgoing[vertex].map { ($0, network.links[$0].target, forward[$0]) }
      + network.incoming[vertex].map { (-$0 - 1, network.links[$0].source, backward[$0]) }
  }

  private mutating func push(_ amount: Double, from vertex: Int) -> Double {
    guard !isTarget[vertex] else { return amount }
    let edges = edges(of: vertex)
    while next[vertex] < edges.count {
      let (edge, other, left) = edges[next[vertex]]
      if left > tolerance, level[other] == level[vertex] + 1 {
        let pushed = push(min(amount, left), from: other)
        if pushed > tolerance {
          if edge >= 0 {
            forward[edge] -= pushed
            backward[edge] += pushed
          } else {
            backward[-edge - 1] -= pushed
            forward[-edge - 1] += pushed
          }
          return pushed
        }
      }
      next[vertex] += 1
    }
    return 0
  }
}
