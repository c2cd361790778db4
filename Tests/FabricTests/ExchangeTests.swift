import Engine
import Fabric
import Hardware
import Models
import Testing
import Units

private func cluster(_ node: String, count: Int = 1, devices: Int? = nil) throws -> Cluster {
  try Cluster(HardwareCatalogue.load().node(named: node), count: count, devicesPerNode: devices)
}

extension ExchangeTraffic {
  fileprivate init(_ cluster: Cluster) throws {
    let network = try Network(NetworkPlan(cluster))
    self.init(
      ClusterResources(cluster, network),
      network.ports == nil ? try RouteTable(RouteFinder(network)) : nil)
  }
}

private func time(_ traffic: ExchangeTraffic) throws -> SimTime {
  var graph = TaskGraph()
  traffic.appendTask(TaskLabel(stage: 0, device: Int(TaskLabel.everyDevice)), to: &graph)
  var engine = Engine<FourAryHeap>(resources: traffic.resources.table)
  var nobody = NoObserver()
  return try engine.run(graph, observer: &nobody)
}

@Test func anExchangeTakesTheTimeOfItsBusiestPort() throws {
  // 8 H100 behind switches: device 0 gets 10 MB from each other, everybody else nothing. Its way in
  // carries 70 MB at NVLink 4's measured bandwidth.
  let cluster = try cluster("dgx-h100")
  var traffic = try ExchangeTraffic(cluster)
  for source in 1..<8 { traffic.add(Bytes(10e6), from: source, to: 0) }
  let port = cluster.node.scaleUp.port.effectiveBandwidth
  #expect(try time(traffic) == traffic.wayLatency + SimTime(roundingUp: Bytes(70e6) / port))
  #expect(traffic.bound(latency: traffic.wayLatency) == .link(.scaleUp))
}

@Test func aSlowedLinkBoundsWhatItCarries() throws {
  // Two nodes: 1 GB inside and 10 MB across. By the data sheet NVLink is the bound; with a hundredth
  // of device 0's card left, the card is.
  let cluster = try cluster("dgx-h100", count: 2)
  let network = try Network(NetworkPlan(cluster))
  let card = try #require(network.links.firstIndex { $0.name == "node 0 card 0 out" })
  var factors = [Double](repeating: 1, count: network.links.count)
  for (left, kind) in [(1.0, Network.LinkKind.scaleUp), (0.01, .card)] {
    factors[card] = left
    var traffic = ExchangeTraffic(ClusterResources(cluster, network), factors: factors)
    traffic.add(Bytes(1e9), from: 0, to: 1)
    traffic.add(Bytes(10e6), from: 0, to: 8)
    #expect(traffic.bound(latency: .zero) == .link(kind))
  }
}

@Test func whatIsSentIsReceived() throws {
  var traffic = try ExchangeTraffic(cluster("dgx-a100", count: 2))
  for source in 0..<16 {
    for target in 0..<16 {
      traffic.add(Bytes(Double(1 + source * target)), from: source, to: target)
    }
  }
  #expect(traffic.bytesSent == traffic.bytesReceived)
  #expect(traffic.bytesSent.value > 0)
}

@Test func anExchangesWorkIsWhateverTakesLongest() throws {
  // 70 MB over NVLink take 0.2 ms or so, copies within a device 2 bytes each for a byte.
  let cluster = try cluster("dgx-h100")
  var traffic = try ExchangeTraffic(cluster)
  #expect(traffic.work(atLeast: .zero) == .nothing)
  #expect(traffic.work(atLeast: Seconds(1e-9)) == .handling)
  traffic.addCopy(Bytes(1e6), on: 3)
  #expect(traffic.work(atLeast: .zero) == .memory)
  for source in 1..<8 { traffic.add(Bytes(10e6), from: source, to: 0) }
  #expect(traffic.work(atLeast: .zero) == .link(.scaleUp))
  let alone = try #require(traffic.busiestLink).time
  #expect(traffic.work(atLeast: alone * 0.99) == .link(.scaleUp))
  #expect(traffic.work(atLeast: alone * 1.01) == .handling)
  let bandwidth = cluster.device.memory.bandwidth
  traffic.addCopy(bandwidth * alone * 0.51, on: 5)
  #expect(traffic.work(atLeast: .zero) == .memory)
}

@Test func bytesThatStayOnADeviceCostNothing() throws {
  var traffic = try ExchangeTraffic(cluster("dgx-h100"))
  traffic.add(Bytes(1e9), from: 3, to: 3)
  #expect(traffic.isEmpty)
}

@Test func uniformAllToAllBetweenTwoNodesIsBoundByTheNetworkCards() throws {
  // 2 x 8 A100 with a card of 25 GB/s each: of 1 GiB a device sends 8/16 to the other node: 2^29 bytes
  // / 25e9 = 21.4748 ms (facts/network.md, reference case 4).
  var node = try HardwareCatalogue.load().node(named: "dgx-a100")
  let card = Link(
    name: "card", fullName: "25 GB/s", kind: .scaleOut, bandwidth: Bandwidth(25e9),
    latency: .zero)
  node.network = Node.Network(
    cardCount: 8, port: Node.Port(link: card, bandwidth: Bandwidth(25e9)))
  var traffic = try ExchangeTraffic(Cluster(node, count: 2))
  let each = Bytes(Double(1 << 30) / 16)
  for source in 0..<16 { for target in 0..<16 { traffic.add(each, from: source, to: target) } }
  let transfer = try time(traffic) - traffic.wayLatency
  #expect(transfer == SimTime(roundingUp: 0.021_474_836_48))
  #expect(traffic.bound(latency: traffic.wayLatency) == .link(.card))
}

@Test func sharedCardsAreTheBoundOfWhatTheyCarryTogether() throws {
  // Eight A40 behind one HDR card: each sends as much inside the node as to the other one. A lane
  // carries 2 MB, the card 8 MB at a like bandwidth.
  var traffic = try ExchangeTraffic(cluster("8x-a40", count: 2))
  for device in 0..<8 {
    traffic.add(Bytes(100e6), from: device, to: device + 8)
    traffic.add(Bytes(100e6), from: device, to: (device + 1) % 8)
  }
  #expect(traffic.bound(latency: traffic.wayLatency) == .link(.card))
}

@Test func inAMeshEachPairHasItsOwnLink() throws {
  // MI300X: one peer sends 64 MB to one other. The port could take more than the pair's own link.
  let cluster = try cluster("8x-mi300x")
  var traffic = try ExchangeTraffic(cluster)
  traffic.add(Bytes(64e6), from: 0, to: 1)
  let scaleUp = cluster.node.scaleUp
  let pair = try #require(scaleUp.pairBandwidth) * scaleUp.port.link.efficiency
  #expect(pair < cluster.node.scaleUp.port.effectiveBandwidth)
  #expect(try time(traffic) == traffic.wayLatency + SimTime(roundingUp: Bytes(64e6) / pair))
}

@Test func withoutPortsExchangesUseTheHostLanes() throws {
  let cluster = try cluster("8x-a40")
  var traffic = try ExchangeTraffic(cluster)
  traffic.add(Bytes(25e6), from: 0, to: 1)
  let lane = cluster.node.hostLink.effectiveBandwidth
  #expect(try time(traffic) == traffic.wayLatency + SimTime(roundingUp: Bytes(25e6) / lane))
}

@Test func devicesThatShareANetworkCardShareItsBandwidth() throws {
  // Eight A40 behind one card: all eight send 1 MB to the other node; the card carries 8 MB.
  let cluster = try cluster("8x-a40", count: 2)
  var traffic = try ExchangeTraffic(cluster)
  for device in 0..<8 { traffic.add(Bytes(1e6), from: device, to: device + 8) }
  let card = try #require(cluster.node.network).port.effectiveBandwidth
  #expect(try time(traffic) == traffic.wayLatency + SimTime(roundingUp: Bytes(8e6) / card))
}
