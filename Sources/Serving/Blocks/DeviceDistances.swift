import Engine
import Fabric
import Units

/// How far the devices of a network are from each other, in links that are passed on the way.
struct DeviceDistances {
  private let devices: Int
  /// `[from][to]`; where traffic is spread, of the mean way.
  private var hops: [Double]
  /// Of the way there and the way back: a command goes to whoever has the weights.
  private var latencies: [SimTime]
  /// Of the narrowest link on the way, for its share of the bytes.
  private var bandwidths: [Bandwidth]
  /// The devices nearest to each: on a mesh those at one hop.
  private(set) var neighbours: [[Int]] = []

  /// O(devices^2 x hops).
  init(_ network: Network, _ routes: RouteTable) {
    devices = routes.deviceCount
    hops = [Double](repeating: 0, count: devices * devices)
    latencies = [SimTime](repeating: .zero, count: devices * devices)
    bandwidths = [Bandwidth](repeating: Bandwidth(.infinity), count: devices * devices)
    for source in 0..<devices {
      for target in 0..<devices where target != source {
        let pair = source * devices + target
        for hop in routes.route(from: source, to: target).hops {
          hops[pair] += hop.share
          let bandwidth = network.links[hop.link].bandwidth / hop.share
          if bandwidth < bandwidths[pair] { bandwidths[pair] = bandwidth }
        }
        latencies[pair] =
          routes.latency(from: source, to: target) + routes.latency(from: target, to: source)
      }
    }
    for device in 0..<devices {
      let others = (0..<devices).filter { $0 != device }
      let least = others.map { self[device, $0] }.min() ?? 0
      neighbours.append(others.filter { self[device, $0] == least })
    }
  }

  subscript(source: Int, target: Int) -> Double { hops[source * devices + target] }

  /// From a read's command to the first byte.
  func readLatency(of reader: Int, from holder: Int) -> SimTime {
    latencies[holder * devices + reader]
  }

  /// What a read alone would get.
  func bandwidth(from holder: Int, to reader: Int) -> Bandwidth {
    bandwidths[holder * devices + reader]
  }

  /// Of the holders the nearest to a device, of equally near ones the first.
  func nearest(of holders: [Int], to device: Int) -> Int {
    var nearest = holders[0]
    for holder in holders.dropFirst() {
      let isNearer = self[holder, device] < self[nearest, device]
      let isAlike = self[holder, device] == self[nearest, device]
      if isNearer || (isAlike && holder < nearest) { nearest = holder }
    }
    return nearest
  }
}
