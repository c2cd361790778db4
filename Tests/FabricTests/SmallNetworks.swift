import Engine
import Hardware
import Testing
import Units

@testable import Fabric

// Networks of a few links, for cases that can be worked out with a pencil. None of them belongs to
// a machine: devices have links and nothing else.

extension Network {
  /// A link between every two devices.
  static func clique(_ count: Int, _ bandwidth: Bandwidth, latency: SimTime = .zero) -> Network {
    var network = Network()
    for _ in 0..<count { _ = network.addDevice(node: 0) }
    for source in 0..<count {
      for target in 0..<count where target != source {
        network.addLink(.pair, from: source, to: target, bandwidth, latency: latency)
      }
    }
    return network
  }

  /// All devices on one switch that does not limit.
  static func star(_ count: Int, _ bandwidth: Bandwidth, latency: SimTime = .zero) -> Network {
    var network = Network()
    for _ in 0..<count { _ = network.addDevice(node: 0) }
    let center = network.addVertex("center", .switch)
    for device in 0..<count {
      network.connect(.scaleUp, device, center, bandwidth, latency: latency)
    }
    return network
  }

  /// Nodes of a switch each, and one switch between them on which every device has a card of its own.
  static func twoLevels(
    nodes: Int, devices: Int, inside: Bandwidth, between: Bandwidth
  ) -> Network {
    var network = Network()
    for device in 0..<nodes * devices { _ = network.addDevice(node: device / devices) }
    let core = network.addVertex("core", .switch)
    for node in 0..<nodes {
      let center = network.addVertex("node \(node) switch", .switch, node: node)
      for device in node * devices..<(node + 1) * devices {
        network.connect(.scaleUp, device, center, inside)
        network.connect(.card, device, core, between, length: 2)
      }
    }
    return network
  }

  /// A mesh or torus without machines.
  static func grid(
    _ dimensions: [Int], wraps: Bool, _ bandwidth: Bandwidth, latency: SimTime = .zero
  ) throws -> Network {
    var network = Network()
    for _ in 0..<dimensions.reduce(1, *) { _ = network.addDevice(node: nil) }
    try Grid(dimensions: dimensions, wraps: wraps, bandwidth: bandwidth, latency: latency)
      .build(&network)
    return network
  }

  func link(named name: String) throws -> Int {
    try #require(links.firstIndex { $0.name == name }, "no link \(name)")
  }
}

let shipped = Result { try HardwareCatalogue.load() }

/// A machine of the catalogue.
func node(_ name: String) throws -> Node { try shipped.get().node(named: name) }

/// The network's devices as H100s, which nothing in these tests depends on.
func resources(_ network: Network) throws -> ClusterResources {
  let device = try node("dgx-h100").device
  return ClusterResources([Device](repeating: device, count: network.deviceCount), network)
}

/// Machines of the catalogue and what joins them.
func machines(_ name: String, _ count: Int, devices: Int? = nil) throws -> [NetworkPlan.Machine] {
  [NetworkPlan.Machine](
    repeating: NetworkPlan.Machine(try node(name), devices: devices), count: count)
}

/// The collective on an idle network that exists nowhere else.
func run(
  _ question: CollectiveRun.Question, on network: Network,
  _ fidelity: FabricPlan.Fidelity = .ports, spread: Spread? = nil, detour: Detour = .minimal,
  changes: [NetworkChange] = []
) throws -> CollectiveRun {
  try CollectiveRun(
    question, on: resources(network),
    FabricPlan(spread: spread, detour: detour, fidelity: fidelity, changes: changes))
}

/// A flat all-to-all in which every rank has `bytes` for every other.
func exchange(_ bytes: Double, ranks: Int) -> CollectiveRun.Question {
  CollectiveRun.Question(operation: .allToAll, bytes: Bytes(bytes * Double(ranks)))
}

/// Flat messages: `[source][target]` bytes.
func messages(_ ranks: Int, _ bytes: (Int, Int) -> Double) -> CollectiveRun.Question {
  var matrix = TrafficMatrix(ranks: ranks, bytes: [Double](repeating: 0, count: ranks * ranks))
  for source in 0..<ranks {
    for target in 0..<ranks where target != source {
      matrix[source, target] = Bytes(bytes(source, target))
    }
  }
  return CollectiveRun.Question(operation: .allToAll, matrix: matrix)
}

/// Equal but for the picoseconds that roundings up make.
func isAbout(_ time: SimTime, _ seconds: Double, picoseconds: Double = 2) -> Bool {
  abs(Double(time.picoseconds) - seconds * 1e12) <= picoseconds + seconds * 1e12 * 1e-12
}

func isAbout(_ a: Double, _ b: Double, relative: Double = 1e-9) -> Bool {
  abs(a - b) <= relative * max(abs(a), abs(b))
}

/// Numbers in 0 ..< bound that look random and are the same in every run.
struct SeededNumbers {
  var seed: UInt64
  private var drawn: UInt64 = 0

  init(seed: UInt64) { self.seed = seed }

  mutating func below(_ bound: Int) -> Int {
    drawn += 1
    return Int(mixed(seed, drawn) % UInt64(bound))
  }
}
