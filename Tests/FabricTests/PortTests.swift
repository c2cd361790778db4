import Hardware
import Testing
import Units

@testable import Fabric

// Where a network has ports, they say the same as its routes do.

/// Every machine of the catalogue alone, twice, thrice with not all of its devices, and twice with one;
/// a grid's devices are used whole, and it has no ports.
private func plans() throws -> [NetworkPlan] {
  try shipped.get().nodes.filter { $0.scaleUp.kind != .grid }.flatMap { node -> [NetworkPlan] in
    let few = max(1, min(3, node.deviceCount - 1))
    return [(1, node.deviceCount), (1, few), (2, node.deviceCount), (3, few), (2, 1)]
      .filter { $0.0 == 1 || node.network != nil || node.scaleUp.kind == .planes }
      .map { count, devices in
        NetworkPlan(
          machines: Array(
            repeating: NetworkPlan.Machine(node, devices: devices), count: count))
      }
  }
}

@Test func portsAreWhatRoutesPassOnEveryMachineOfTheCatalogue() throws {
  var compared = 0
  for plan in try plans() {
    let network = try Network(plan)
    guard let ports = network.ports else { continue }
    #expect(try disagreement(network, ports) == nil, "\(plan.machines[0].node.name)")
    compared += 1
  }
  #expect(compared > 40)
}

/// The first two devices between which the routes are not the ports.
private func disagreement(_ network: Network, _ ports: [DevicePorts]) throws -> String? {
  var finder = RouteFinder(network)
  // A rack has 72 devices: its first and its last say enough.
  let some = (0..<network.deviceCount).filter { $0 < 20 || $0 > network.deviceCount - 4 }
  for target in some {
    for source in some where source != target {
      let isInner = network.vertices[source].node == network.vertices[target].node
      let expected =
        isInner
        ? ports[source].innerOut + ports[target].innerIn
        : ports[source].outerOut + ports[target].outerIn
      let route = try finder.route(from: source, to: target)
      if route.hops != expected.map({ Route.Hop(link: $0, share: 1) }) {
        return "\(source) to \(target): \(route.hops.map { network.links[$0.link].name })"
      }
    }
  }
  return nil
}

@Test func machinesWhoseDevicesShareNothingInsideHavePorts() throws {
  for name in ["dgx-v100", "dgx-a100", "dgx-h100", "gb200-nvl72", "cloudmatrix-node-rdma"] {
    let network = try Network(NetworkPlan(machines: machines(name, 2)))
    #expect(network.ports?.count == network.deviceCount, "\(name)")
  }
  // Who is at the other end matters: a socket link, a link for each pair, planes.
  for name in ["8x-a40", "8x-mi300x", "cloudmatrix-node"] {
    #expect(try Network(NetworkPlan(machines: machines(name, 2))).ports == nil, "\(name)")
  }
}

@Test func oneDeviceOfEachNodeOnPlanesStillUsesThePlanes() throws {
  // Inside the node nobody is there to send to, but between nodes bytes take time.
  let cluster = try Cluster(node("cloudmatrix-node"), count: 2, devicesPerNode: 1)
  let network = try Network(NetworkPlan(cluster))
  #expect(network.ports == nil)
  let done = try run(exchange(1e6, ranks: 2), on: network)
  #expect(isAbout(done.leastTime.value, 1e6 / cluster.node.scaleUp.port.effectiveBandwidth.value))
}

@Test func linksForEachPairAreNoPortsEvenOnAHostOfOneSocket() throws {
  var machine = try node("8x-mi300x")
  machine.host.sockets = 1
  machine.network = nil
  let network = try Network(NetworkPlan(machines: [.init(machine)]))
  #expect(network.ports == nil)
}
