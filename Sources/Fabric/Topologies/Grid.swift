import Units

/// A mesh, or a torus, of devices: each is linked to its neighbours in every dimension.
///
/// Device numbers count the first dimension fastest. Routes go along the first dimension, then the
/// next (XY), because links stand in that order and routes are ordered; in a torus whichever way
/// round is shorter, upwards where both are equal. With ``Spread/spray`` all shortest ways are used.
public struct Grid: Hashable, Sendable {
  public var dimensions: [Int]
  /// Whether the last is the first one's neighbour: a torus.
  public var wraps: Bool
  /// Between two neighbours, each direction.
  public var bandwidth: Bandwidth
  /// Of one hop.
  public var latency: SimTime

  public init(dimensions: [Int], wraps: Bool, bandwidth: Bandwidth, latency: SimTime) {
    self.dimensions = dimensions
    self.wraps = wraps
    self.bandwidth = bandwidth
    self.latency = latency
  }

  func build(_ network: inout Network) throws(FabricError) {
    try build(&network, joining: 0..<network.deviceCount)
    network.standardSpread = .ordered
  }

  /// Joins some devices, which pass on what is on its way to others of them. O(devices).
  func build(_ network: inout Network, joining devices: Range<Int>) throws(FabricError) {
    var product = 1
    for size in dimensions {
      let (next, overflows) = product.multipliedReportingOverflow(by: size)
      product = overflows ? Int.max : next
    }
    guard product == devices.count, dimensions.allSatisfy({ $0 > 0 }), !dimensions.isEmpty
    else {
      let text = dimensions.map(String.init).joined(separator: " x ")
      throw .topology("a grid of \(text) has \(product) places for \(devices.count) devices")
    }
    guard bandwidth.value > 0 else { throw .zeroCapacity(link: "between neighbours of the grid") }
    network.letForward(devices)
    for place in 0..<devices.count {
      var stride = 1
      for size in dimensions {
        let position = place / stride % size
        for step in [1, -1] {
          let inside = (0..<size).contains(position + step)
          // In a ring of two, up and down is the same neighbour.
          guard inside || (wraps && size > 2) else { continue }
          let next = place + ((position + step + size) % size - position) * stride
          network.addLink(
            .pair, from: devices.lowerBound + place, to: devices.lowerBound + next, bandwidth,
            latency: latency)
        }
        stride *= size
      }
    }
  }
}
