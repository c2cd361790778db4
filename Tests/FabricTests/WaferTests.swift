import Fabric
import Hardware
import Testing
import Units

@Suite("A node of dies on a mesh")
struct WaferTests {
  private func network(_ name: String) throws -> Network {
    try Network(NetworkPlan(Cluster(HardwareCatalogue.load().node(named: name), count: 1)))
  }

  @Test("links each die to its neighbours, and no die to the way round the host")
  func links() throws {
    let network = try network("dojo-wafer")
    let links = network.links.filter { $0.kind == .pair }
    // 5 rows of 4 pairs of neighbours and 5 columns of 4, both directions.
    #expect(links.count == 80)
    #expect(links.allSatisfy { $0.bandwidth == 1.7e12 && $0.latency == SimTime(nanoseconds: 200) })
    #expect(network.ports == nil)
    var finder = RouteFinder(network)
    for source in 0..<25 {
      for target in 0..<25 {
        let route = try finder.route(from: source, to: target)
        let hops = abs(source % 5 - target % 5) + abs(source / 5 - target / 5)
        #expect(route.hops.count == hops)
        #expect(route.hops.allSatisfy { network.links[$0.link].kind == .pair && $0.share == 1 })
      }
    }
  }

  @Test("goes along the first dimension first")
  func ordered() throws {
    let network = try network("sow-wafer")
    var finder = RouteFinder(network)
    // 3 dies in a row: die 0 is at (0, 0), die 7 at (1, 2).
    let route = try finder.route(from: 0, to: 7)
    #expect(route.hops.map { network.links[$0.link].target } == [1, 4, 7])
    let back = try finder.route(from: 7, to: 0)
    #expect(back.hops.map { network.links[$0.link].target } == [6, 3, 0])
  }

  @Test("keeps a hop's latency whatever a library's start-up was fitted to")
  func latencyStays() throws {
    var network = try network("dojo-wafer")
    network.dropScaleUpLatency()
    #expect(network.links.filter { $0.kind == .pair }.allSatisfy { $0.latency > .zero })
  }

  @Test("refuses to be used in part")
  func part() throws {
    let node = try HardwareCatalogue.load().node(named: "dojo-wafer")
    #expect {
      try Network(NetworkPlan(Cluster(node, count: 1, devicesPerNode: 10)))
    } throws: {
      ($0 as? FabricError)?.sentence.contains("a grid of 5 x 5 has 25 places for 10 devices")
        == true
    }
  }
}
