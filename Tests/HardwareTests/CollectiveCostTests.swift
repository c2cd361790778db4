import Foundation
import Hardware
import Testing
import Units

@Suite("A collective's cost")
struct CollectiveCostTests {
  /// A cost with every term, numbers chosen for the pencil.
  private static let full: CollectiveCost = {
    var cost = CollectiveCost(launch: 10e-6)
    cost.perRank = 1e-6
    cost.perDoubling = 5e-6
    cost.perExpert = 0.1e-6
    cost.protocolBandwidth = 1e9
    cost.protocolCeiling = 4e-6
    cost.copyBandwidth = 100e9
    cost.ramp = 2e-6
    cost.share = 0.8
    cost.networkShares = [.init(nodes: 2, share: 0.9), .init(nodes: 8, share: 0.5)]
    cost.copyingBandwidth = 20e9
    cost.stagingBandwidth = 10e9
    return cost
  }()
  private let ports = CollectiveCost.Ports(scaleUp: 500e9, scaleOut: 50e9)

  @Test("is the sum of its start-up and the slowest of links, network and multiprocessors")
  func formByHand() {
    let load = CollectiveLoad(
      wireBytes: Bytes(4 * 0x1p20), networkBytes: 9e6, messageBytes: 1e6, copiedBytes: 80e6,
      stagedBytes: 20e6, ranks: 16, nodes: 2, expertsPerRank: 30, multiprocessors: 10)
    // 10 + 15 x 1 + 1 doubling x 5 + 30 x 0.1; a message of 1 MB costs 1 ms at 1 GB/s, so the ceiling
    // of 4; 10 to copy it; the ramp 2 x sqrt(4).
    #expect(abs(Self.full.startUp(of: load).value - 51e-6) < 1e-15)
    // 4 MiB at 400 GB/s take 10.5 us, 9 MB at 45 GB/s 200 us.
    #expect(abs(Self.full.fluidTime(of: load, on: ports).value - 200e-6) < 1e-15)
    // 80 MB at 10 x 20 GB/s take 400 us, 20 MB at 10 x 10 GB/s 200 us.
    #expect(abs(Self.full.handlingTime(of: load).value - 600e-6) < 1e-15)
    #expect(abs(Self.full.time(of: load, on: ports).value - 651e-6) < 1e-15)
  }

  @Test("takes a share of the network between those measured, and the nearest outside")
  func networkShares() {
    #expect(Self.full.networkShare(nodes: 1) == 0.9)
    #expect(Self.full.networkShare(nodes: 2) == 0.9)
    // Half way between 2 and 8 on a logarithmic scale: (0.9 + 0.5) / 2.
    #expect(abs(Self.full.networkShare(nodes: 4) - 0.7) < 1e-12)
    #expect(Self.full.networkShare(nodes: 8) == 0.5)
    #expect(Self.full.networkShare(nodes: 100) == 0.5)
    #expect(CollectiveCost(launch: 1e-6).networkShare(nodes: 4) == 1)
  }

  @Test("counts the bytes that each operation puts on the wire")
  func bytesOnTheWire() {
    func wire(_ operation: CollectiveOperation, _ algorithm: ReductionPlace = .ranks) -> Double {
      CollectiveLoad(operation, buffer: 800, ranks: 8, algorithm: algorithm).wireBytes.value
    }
    #expect(wire(.allToAll) == 700)
    #expect(wire(.allGather) == 700)
    #expect(wire(.reduceScatter) == 700)
    #expect(wire(.allReduce) == 1400)
    // All of the buffer to the switch, and one's eighth of the sum back through it.
    #expect(wire(.allReduce, .inSwitch) == 900)
    #expect(wire(.send) == 800)
    #expect(CollectiveLoad(.allToAll, buffer: 800, ranks: 8).messageBytes == 100)
    #expect(CollectiveLoad(.allToAll, buffer: 800, ranks: 1).wireBytes == .zero)
  }

  @Test("says where a question lies outside of what was measured")
  func extrapolationIsRemarked() {
    var cost = Self.full
    cost.name = "here"
    cost.range = .init(bytes: 1e3...1e6, ranks: 8...64, nodes: 1...8)
    let inside = CollectiveLoad(wireBytes: 1e4, ranks: 16, nodes: 2)
    #expect(cost.isWithin(inside) && cost.remarks(for: inside).isEmpty)
    for outside in [
      CollectiveLoad(wireBytes: 1e4, ranks: 128, nodes: 2),
      CollectiveLoad(wireBytes: 1e4, ranks: 16, nodes: 16),
      CollectiveLoad(wireBytes: 9e5, networkBytes: 2e5, ranks: 16, nodes: 2),
    ] {
      #expect(
        cost.remarks(for: outside) == [
          "extrapolated: here was measured with 8 to 64 ranks, 1 to 8 nodes and 1 kB to 1 MB from each"
        ])
    }
  }
}

@Suite("Tokens on their way to experts")
struct ExpertExchangeTests {
  @Test("reach as many groups as counting says")
  func expectedGroups() {
    // Two of four experts in two groups: of the six pairs one lies in each group alone, so a token
    // misses a group with probability 1 / 6 and reaches 2 x 5 / 6.
    let small = ExpertExchange(tokens: 1, hidden: 128, topK: 2, experts: 4, ranks: 4)
    #expect(abs(small.expectedGroups(2) - 10.0 / 6) < 1e-12)
    #expect(abs(small.expectedGroups(4) - 2) < 1e-12)
    #expect(small.expectedGroups(1) == 1)
    let all = ExpertExchange(tokens: 1, hidden: 128, topK: 4, experts: 4, ranks: 4)
    #expect(all.expectedGroups(2) == 2)
  }

  @Test("carry a copy to each expert in the low-latency kernels")
  func lowLatencyLoad() {
    let exchange = ExpertExchange(
      tokens: 128, hidden: 7168, topK: 8, experts: 256, ranks: 16, nodes: 2)
    let load = exchange.load(.dispatch, .deepEPLowLatency)
    // A copy is 7168 + 56 x 4 + 16 bytes; half of the 1024 copies stay in the node, 7 of 8 of those
    // leave the device; half go to the other node.
    #expect(load.messageBytes == 7408)
    #expect(load.wireBytes.value == 1024 * 0.5 * 0.875 * 7408)
    #expect(load.networkBytes.value == 1024 * 0.5 * 7408)
    #expect(load.expertsPerRank == 16)
    #expect(exchange.load(.combine, .deepEPLowLatency).messageBytes == 14336)
  }

  @Test("carry one copy to each node and device in the normal kernels")
  func normalLoad() {
    let exchange = ExpertExchange(
      tokens: 10, hidden: 128, topK: 8, experts: 256, ranks: 16, nodes: 2, multiprocessors: 24)
    let load = exchange.load(.combine, .deepEPNormal)
    #expect(load.multiprocessors == 24)
    #expect(abs(load.networkBytes.value - 2560 * exchange.expectedGroups(2) / 2) < 1e-9)
    #expect(abs(load.wireBytes.value - 2560 * exchange.expectedGroups(16) * 7 / 8) < 1e-9)
    #expect(abs(load.stagedBytes.value - 2560 * exchange.expectedGroups(2)) < 1e-9)
  }

  @Test("occupy as many multiprocessors as their groups of warps need")
  func multiprocessorsOfLowLatency() {
    // 132 multiprocessors: 256 experts are two to each, so 128; 160 two to each, so 80; 384 three.
    for (experts, expected) in [(8, 8), (128, 128), (132, 132), (160, 80), (256, 128), (384, 128)] {
      let exchange = ExpertExchange(tokens: 1, hidden: 128, topK: 1, experts: experts, ranks: 8)
      #expect(exchange.load(.dispatch, .deepEPLowLatency).multiprocessors == expected)
    }
  }
}
