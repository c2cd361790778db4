import Units

/// How a flow uses the shortest ways there are.
public enum Spread: String, CaseIterable, Hashable, Sendable {
  /// The first in the order of the links: in meshes the x direction before the y direction.
  case ordered
  /// One of them, by a hash of the two ends, as switches with ECMP choose.
  case ecmp
  /// All of them, in equal parts, as switches that spray packets do. A device that could send
  /// through its node's network or its card (a relay on either side) sends through the first.
  case spray
  /// At each branch the link that has the least to carry for what is left of its bandwidth, in the
  /// order in which flows are placed; all pairs weigh the same.
  case adaptive
}

/// Which ways count as routes.
public enum Detour: String, CaseIterable, Hashable, Sendable {
  /// The shortest.
  case minimal
  /// The shortest to a switch drawn at random, and from there the shortest (Valiant and Brebner,
  /// "Universal schemes for parallel communication", STOC 1981): twice the load in exchange for
  /// no hot spot.
  case valiant
}

/// The links of a flow, each with the share of the flow's bytes that it carries.
public struct Route: Hashable, Sendable {
  public struct Hop: Hashable, Sendable {
    public var link: Int
    /// In (0, 1]; 1 unless the flow is spread.
    public var share: Double
  }

  public var hops: [Hop] = []

  public init(hops: [Hop] = []) { self.hops = hops }

  /// Of the longest of the ways that the flow takes, where it is spread.
  public func latency(_ network: Network) -> SimTime {
    guard hops.contains(where: { $0.share < 1 }) else {
      return hops.reduce(.zero) { $0 + network.links[$1.link].latency }
    }
    // Hops stand in the order of their distance, so that each vertex is reached before it is left.
    var arrivals: [(vertex: Int, time: SimTime)] = []
    var last = SimTime.zero
    for hop in hops {
      let link = network.links[hop.link]
      let start = arrivals.first { $0.vertex == link.source }?.time ?? .zero
      let time = start + link.latency
      last = max(last, time)
      if let known = arrivals.firstIndex(where: { $0.vertex == link.target }) {
        arrivals[known].time = max(arrivals[known].time, time)
      } else {
        arrivals.append((link.target, time))
      }
    }
    return last
  }
}

/// Finds routes in a network, some of whose links may be down.
///
/// Distances to one target are kept between calls, so ask target by target: O(links) for each new
/// target and O(length) for each route.
public struct RouteFinder: Sendable {
  public let network: Network
  public let spread: Spread
  public let detour: Detour
  private let isDown: [Bool]
  private let salt: UInt64
  /// What is left of each link's bandwidth, B/s.
  private let bandwidths: [Double]
  private var distances = DistanceTable()
  /// To each of the network's detours, where they are few enough to be kept.
  private var detourDistances: [DistanceTable] = []
  /// What adaptive spreading has given each link so far, in flows.
  private var loads: [Double]

  /// - Parameters:
  ///   - factors: What is left of each link's bandwidth, 0 where it is down; nil for all of it.
  ///   - seed: Of the hashes that choose ways and detours.
  public init(
    _ network: Network, spread: Spread? = nil, detour: Detour = .minimal,
    factors: [Double]? = nil, seed: UInt64 = 0
  ) {
    salt = seed
    self.network = network
    self.spread = spread ?? network.standardSpread
    self.detour = detour
    let factors = factors ?? [Double](repeating: 1, count: network.links.count)
    isDown = factors.map { $0 == 0 }
    bandwidths = network.links.indices.map { network.links[$0].bandwidth.value * factors[$0] }
    loads = [Double](repeating: 0, count: network.links.count)
    let kept = network.detours.count.multipliedReportingOverflow(by: network.vertices.count)
    if detour == .valiant, !kept.overflow, kept.partialValue <= Self.mostDetourDistances {
      detourDistances = [DistanceTable](repeating: DistanceTable(), count: network.detours.count)
    }
  }

  /// Of 4 bytes each.
  private static let mostDetourDistances = 100_000_000

  /// - Parameter source: A vertex; devices have their own numbers.
  /// - Throws: ``FabricError/noRoute(from:to:)``.
  public mutating func route(
    from source: Int, to target: Int
  ) throws(FabricError) -> Route {
    guard source != target else { return Route() }
    let pair = mixed(UInt64(source) << 32 | UInt64(target), salt)
    guard detour == .valiant, let middle = middle(pair, source, target) else {
      return try leg(from: source, to: target, pair)
    }
    let first = try leg(from: source, toDetour: middle, pair)
    let second = try leg(from: network.detours[middle], to: target, pair)
    return Route(hops: first.hops + second.hops)
  }

  /// The position of one of the detours, by a hash of the two ends; nil inside a machine.
  private func middle(_ pair: UInt64, _ source: Int, _ target: Int) -> Int? {
    guard !network.detours.isEmpty,
      network.vertices[source].node == nil
        || network.vertices[source].node != network.vertices[target].node
    else { return nil }
    return Int(mixed(pair, 1) % UInt64(network.detours.count))
  }

  private mutating func leg(
    from source: Int, toDetour number: Int, _ pair: UInt64
  ) throws(FabricError) -> Route {
    let middle = network.detours[number]
    guard !detourDistances.isEmpty else { return try leg(from: source, to: middle, pair) }
    swap(&distances, &detourDistances[number])
    defer { swap(&distances, &detourDistances[number]) }
    return try leg(from: source, to: middle, pair)
  }

  private mutating func leg(
    from source: Int, to target: Int, _ pair: UInt64
  ) throws(FabricError) -> Route {
    distances.update(network, to: target, isDown)
    guard distances.isReached(source) else {
      throw .noRoute(from: network.vertices[source].name, to: network.vertices[target].name)
    }
    return spread == .spray
      ? sprayed(from: source, to: target) : single(from: source, to: target, pair)
  }

  private mutating func single(
    from source: Int, to target: Int, _ pair: UInt64
  ) -> Route {
    var route = Route()
    var vertex = source
    while vertex != target {
      let link = nextLink(at: vertex, pair, step: route.hops.count)
      if spread == .adaptive { loads[link] += 1 }
      route.hops.append(Route.Hop(link: link, share: 1))
      vertex = network.links[link].target
    }
    return route
  }

  private mutating func nextLink(at vertex: Int, _ pair: UInt64, step: Int) -> Int {
    var count = 0
    var chosen = -1
    var least = Double.infinity
    for link in distances.nextLinks(at: vertex, network, isDown) {
      count += 1
      switch spread {
      case .ordered, .spray:
        return link
      case .ecmp:
        // Each of the `count` links seen so far is kept with the same probability.
        if mixed(pair, UInt64(step) << 16 | UInt64(count)) % UInt64(count) == 0 { chosen = link }
      case .adaptive:
        let load = loads[link] / bandwidths[link]
        if chosen < 0 || load < least {
          least = load
          chosen = link
        }
      }
    }
    return chosen
  }

  /// Splits the flow evenly at every branch. Vertices are visited from far to near.
  private mutating func sprayed(from source: Int, to target: Int) -> Route {
    var route = Route()
    var front: [(vertex: Int, share: Double)] = [(source, 1)]
    while let far = farthest(of: front) {
      let (vertex, share) = front.remove(at: far)
      guard vertex != target else { continue }
      var next = distances.nextLinks(at: vertex, network, isDown)
      if network.vertices[vertex].kind == .device, let first = next.first {
        next.removeAll { network.links[$0].kind != network.links[first].kind }
      }
      for link in next {
        let part = share / Double(next.count)
        route.hops.append(Route.Hop(link: link, share: part))
        let end = network.links[link].target
        if let known = front.firstIndex(where: { $0.vertex == end }) {
          front[known].share += part
        } else {
          front.append((end, part))
        }
      }
    }
    return route
  }

  private func farthest(of front: [(vertex: Int, share: Double)]) -> Int? {
    front.indices.max { a, b in
      (distances[front[a].vertex], -front[a].vertex)
        < (distances[front[b].vertex], -front[b].vertex)
    }
  }
}

extension Network {
  /// Which links lie on a route from some devices to others, whichever of the shortest ways it takes.
  /// O(targets x links).
  func linksOnRoutes(
    from sources: Range<Int>, to targets: Range<Int>, _ detour: Detour, isDown: [Bool]
  ) -> [Bool] {
    let middles = detour == .valiant ? detours : []
    var isUsed = [Bool](repeating: false, count: links.count)
    var distances = DistanceTable()
    for target in Array(targets) + middles {
      distances.update(self, to: target, isDown)
      var isVisited = [Bool](repeating: false, count: vertices.count)
      var open = (Array(sources) + middles).filter { distances.isReached($0) }
      while let vertex = open.popLast() {
        guard !isVisited[vertex], vertex != target else { continue }
        isVisited[vertex] = true
        for link in distances.nextLinks(at: vertex, self, isDown) {
          isUsed[link] = true
          open.append(links[link].target)
        }
      }
    }
    return isUsed
  }
}

/// Lengths of the shortest ways from everywhere to one vertex.
struct DistanceTable: Sendable {
  private var target = -1
  private var lengths: [Int32] = []
  private var queue: [[Int32]] = []
  /// By vertex: the links that begin a shortest way, and whether they were looked for.
  private var next: [[Int]] = []
  private var isNextKnown: [Bool] = []

  private static let unreached = Int32.max

  subscript(vertex: Int) -> Int { Int(lengths[vertex]) }
  func isReached(_ vertex: Int) -> Bool { lengths[vertex] != Self.unreached }
  func isTarget(_ vertex: Int) -> Bool { vertex == target }

  /// Dial's buckets: lengths are small whole numbers. O(links + longest way).
  mutating func update(_ network: Network, to newTarget: Int, _ isDown: [Bool]) {
    guard newTarget != target else { return }
    target = newTarget
    lengths.removeAll(keepingCapacity: true)
    lengths.append(contentsOf: repeatElement(Self.unreached, count: network.vertices.count))
    if next.count < network.vertices.count {
      next = [[Int]](repeating: [], count: network.vertices.count)
    }
    isNextKnown.removeAll(keepingCapacity: true)
    isNextKnown.append(contentsOf: repeatElement(false, count: network.vertices.count))
    lengths[target] = 0
    put(target, at: 0)
    var length = 0
    while length < queue.count {
      while let vertex = queue[length].popLast() {
        guard lengths[Int(vertex)] == Int32(length) else { continue }
        relax(network, Int(vertex), isDown)
      }
      length += 1
    }
  }

  /// The links at a vertex that begin a shortest way to the target, in their order. A vertex's links
  /// are looked at once a target.
  mutating func nextLinks(at vertex: Int, _ network: Network, _ isDown: [Bool]) -> [Int] {
    if !isNextKnown[vertex] {
      isNextKnown[vertex] = true
      next[vertex].removeAll(keepingCapacity: true)
      for link in network.outgoing[vertex] where leads(link, network, isDown) {
        next[vertex].append(link)
      }
    }
    return next[vertex]
  }

  private func leads(_ link: Int, _ network: Network, _ isDown: [Bool]) -> Bool {
    let ends = network.links[link]
    guard !isDown[link], isReached(ends.target) else { return false }
    guard self[ends.target] + ends.length == self[ends.source] else { return false }
    return isTarget(ends.target) || network.vertices[ends.target].forwards
  }

  private mutating func relax(_ network: Network, _ vertex: Int, _ isDown: [Bool]) {
    guard vertex == target || network.vertices[vertex].forwards else { return }
    for link in network.incoming[vertex] where !isDown[link] {
      let ends = network.links[link]
      let length = lengths[vertex] + Int32(ends.length)
      if length < lengths[ends.source] {
        lengths[ends.source] = length
        put(ends.source, at: Int(length))
      }
    }
  }

  private mutating func put(_ vertex: Int, at length: Int) {
    while queue.count <= length { queue.append([]) }
    queue[length].append(Int32(vertex))
  }
}

/// A well-mixed function of two numbers (the finaliser of SplitMix64 over their combination).
func mixed(_ a: UInt64, _ b: UInt64) -> UInt64 {
  var z = a &+ 0x9E37_79B9_7F4A_7C15 &* (b &+ 1)
  z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
  z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
  return z ^ (z >> 31)
}
