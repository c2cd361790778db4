import Hardware
import Testing
import Units

@Suite("Clusters")
struct ClusterTests {
  let node: Node

  init() throws { node = try Shipped.catalogue().node(named: "dgx-h100") }

  @Test("devices are numbered node by node")
  func numbering() throws {
    let cluster = try Cluster(node, count: 3)
    #expect(cluster.deviceCount == 24)
    #expect(cluster.node(of: 7) == 0 && cluster.node(of: 8) == 1 && cluster.localIndex(of: 17) == 1)
    #expect(cluster.devices(ofNode: 2) == 16..<24)
    // 24 x 80 GB
    #expect(cluster.memoryCapacity == 1920e9)
  }

  @Test("part of a node's devices may be used")
  func partOfANode() throws {
    let cluster = try Cluster(node, count: 2, devicesPerNode: 2)
    #expect(cluster.deviceCount == 4)
    #expect(cluster.node(of: 2) == 1 && cluster.localIndex(of: 3) == 1)
  }

  @Test("devices share the network cards evenly")
  func cards() throws {
    let rail = try Cluster(node, count: 2)
    #expect((0..<8).map { rail.networkCard(of: $0) } == [0, 1, 2, 3, 4, 5, 6, 7])
    var four = node
    four.network?.cardCount = 4
    let shared = try Cluster(four, count: 2)
    #expect((8..<16).map { shared.networkCard(of: $0) } == [0, 0, 1, 1, 2, 2, 3, 3])
    var alone = node
    alone.network = nil
    #expect(try Cluster(alone, count: 1).networkCard(of: 0) == nil)
  }

  @Test("counts that no machine has are refused in a sentence")
  func refusals() {
    #expect {
      try Cluster(node, count: 0)
    } throws: {
      ($0 as? HardwareError)?.sentence
        == "a cluster of 0 nodes was asked for; it needs 1 to 100000"
    }
    #expect {
      try Cluster(node, count: 1, devicesPerNode: 9)
    } throws: {
      ($0 as? HardwareError)?.sentence
        == "9 devices of a dgx-h100 were asked for; it has 1 to 8"
    }
  }
}
