import Units

/// The route between every two devices, in flat arrays: 12 bytes a hop and 12 bytes a pair, and a
/// route has two hops or more between most.
public struct RouteTable: Sendable {
  public let deviceCount: Int
  /// `[source][target]`: where its hops begin.
  private var start: [Int32]
  private var link: [Int32]
  private var share: [Double]
  private var latencies: [SimTime]

  /// O(devices x (links + devices x hops)).
  ///
  /// - Parameter ranks: Only the first so many devices.
  /// - Throws: ``FabricError/noRoute(from:to:)``, or ``FabricError/tooManyRoutes(devices:bytes:limit:)``.
  public init(_ finder: RouteFinder, ranks: Int? = nil) throws(FabricError) {
    var finder = finder
    let devices = ranks ?? finder.network.deviceCount
    deviceCount = devices
    let starts = Double(devices) * Double(devices) * 12
    let least = starts * 3
    guard least <= Self.mostBytes else {
      throw .tooManyRoutes(devices: devices, bytes: least, limit: Self.mostBytes)
    }
    start = [Int32](repeating: 0, count: devices * devices + 1)
    latencies = [SimTime](repeating: .zero, count: devices * devices)
    link = []
    share = []
    // Distances are found target by target, so the table is made that way: `[target][source]`.
    for target in 0..<devices {
      for source in 0..<devices {
        let route = try finder.route(from: source, to: target)
        for hop in route.hops {
          link.append(Int32(hop.link))
          share.append(hop.share)
        }
        latencies[target * devices + source] = route.latency(finder.network)
        start[target * devices + source + 1] = Int32(truncatingIfNeeded: link.count)
      }
      let expected = Double(link.count) / Double(target + 1) * Double(devices) * 12
      let bytes = expected + starts
      guard bytes <= Self.mostBytes else {
        throw .tooManyRoutes(devices: devices, bytes: bytes, limit: Self.mostBytes)
      }
    }
  }

  /// More memory than this is not used for routes.
  static let mostBytes = 4e9

  /// Calls `body` with each link on the way and the share of the bytes that it carries.
  func forEachHop(from source: Int, to target: Int, _ body: (Int, Double) -> Void) {
    let pair = target * deviceCount + source
    for hop in Int(start[pair])..<Int(start[pair + 1]) { body(Int(link[hop]), share[hop]) }
  }

  /// Of the longest of the ways that the route takes.
  public func latency(from source: Int, to target: Int) -> SimTime {
    latencies[target * deviceCount + source]
  }

  public func route(from source: Int, to target: Int) -> Route {
    var route = Route()
    forEachHop(from: source, to: target) { route.hops.append(Route.Hop(link: $0, share: $1)) }
    return route
  }
}
