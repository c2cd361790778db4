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
    var product = 1
    for size in dimensions {
      let (next, overflows) = product.multipliedReportingOverflow(by: size)
      product = overflows ? Int.max : next
    }
    guard product == network.deviceCount, dimensions.allSatisfy({ $0 > 0 }), !dimensions.isEmpty
    else {
      let text = dimensions.map(String.init).joined(separator: " x ")
      throw .topology("a grid of \(text) has \(product) places for \(network.deviceCount) devices")
    }
    guard bandwidth.value > 0 else { throw .zeroCapacity(link: "between neighbours of the grid") }
    network.letDevicesForward()
    network.standardSpread = .ordered
    for device in 0..<network.deviceCount {
      var stride = 1
      for size in dimensions {
        let place = device / stride % size
        for step in [1, -1] {
          let inside = (0..<size).contains(place + step)
          // In a ring of two, up and down is the same neighbour.
          guard inside || (wraps && size > 2) else { continue }
          let next = device + ((place + step + size) % size - place) * stride
          network.addLink(.pair, from: device, to: next, bandwidth, latency: latency)
        }
        stride *= size
      }
    }
  }
}
