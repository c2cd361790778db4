import Statistics
import Testing

@testable import Traces

/// The definition: of the copies on a device, else of those in its node, else of all, the one that the
/// device's number says.
func plainNearest(_ hosts: [Int], to device: Int, perNode: Int) -> Int {
  let own = hosts.indices.filter { hosts[$0] == device }
  let near = hosts.indices.filter { hosts[$0] / perNode == device / perNode }
  if let own = own.first { return own }
  return near.isEmpty ? device % hosts.count : near[device % near.count]
}

@Suite("Which copy tokens go to")
struct ReplicaTableTests {
  @Test("the nearest is on the device, else in its node, else the one that its number says")
  func nearestByHand() {
    // Nodes of two. Copies on devices 1, 2 and 6.
    let found = (0..<8).map { nearestCopy(of: [1, 2, 6], to: $0, devicesPerNode: 2) }
    // 0: device 1 is near. 3: device 2. 4, 5: neither; 4 mod 3, 5 mod 3. 7: device 6.
    #expect(found == [0, 0, 1, 1, 1, 2, 2, 2])
    // Two of one node: its other devices divide.
    #expect((0..<4).map { nearestCopy(of: [0, 3, 5], to: $0, devicesPerNode: 4) } == [0, 1, 0, 1])
  }

  @Test("evenly is rank and first device modulo copies, the same slots as without a table")
  func evenIsAsItWas() throws {
    let trace = try randomTrace(layers: 2, experts: 12, topK: 2)
    let (_, hosts, home) = randomCase(
      ranks: 7, devices: 5, replicas: 3, trace: trace, tokensPerRank: 3, seed: 4)
    let slots = try ExpertSlots(devices: 5, homeDevice: home, hosts: hosts)
    let given = try ExpertSlots(
      devices: 5, homeDevice: home, hosts: hosts, replicas: .even(hosts: hosts, ranks: 7))
    #expect(slots.slotOfExpert == given.slotOfExpert && slots.classOfRank == given.classOfRank)
    // One to three copies: six classes.
    #expect(slots.replicaClasses == 6 && slots.classOfDevice == nil)
    for rank in 0..<7 {
      for layer in 0..<2 {
        for expert in 0..<12 {
          let row = (slots.classOfRank[rank] * 2 + layer) * 12
          let slot = Int(slots.slotOfExpert[row + expert])
          let first = hosts[layer][..<expert].reduce(0) { $0 + $1.count }
          let replicas = hosts[layer][expert]
          #expect(slot - first == (rank + replicas[0]) % replicas.count)
        }
      }
    }
  }

  @Test("every rank takes evenly as many copies of one node as of the other")
  func nodesInTurn() throws {
    // 16 experts with a copy on each of two nodes of two devices.
    let hosts = [(0..<16).map { [$0 % 2, 2 + $0 % 2] }]
    let slots = try ExpertSlots(devices: 4, homeDevice: [0, 1, 2, 3], hosts: hosts)
    for rank in 0..<4 {
      let first = (0..<16).filter { expert in
        Int(slots.slotOfExpert[slots.classOfRank[rank] * 16 + expert]) % 2 == 0
      }
      #expect(first.count == 8)
    }
  }

  @Test("counts are those of every token's nearest copies", arguments: [2, 3, 8])
  func countsOfNearest(perNode: Int) throws {
    let (devices, experts) = (8, 16)
    let trace = try randomTrace(layers: 3, experts: experts, topK: 4)
    let (batch, hosts, home) = randomCase(
      ranks: 8, devices: devices, replicas: 4, trace: trace, tokensPerRank: 150, seed: 9)
    let slots = try ExpertSlots(
      devices: devices, devicesPerNode: perNode, homeDevice: home, hosts: hosts,
      replicas: .nearest(
        hosts: hosts, homeDevice: home, devicesPerNode: perNode, devices: devices))
    var counts = RoutingCounts(slots: slots)
    try counts.replay(ReplayBatch(ranks: batch), of: trace, threads: 2)
    let naive = NaiveCounts(batch, of: trace, hosts: hosts) {
      plainNearest($1, to: home[$0], perNode: perNode)
    }
    for layer in 0..<3 {
      for slot in 0..<slots.slotsPerLayer {
        let expected = naive.slotTokens[[layer, slot]] ?? 0
        #expect(Int(counts.slotTokens[layer * slots.slotsPerLayer + slot]) == expected)
      }
      for rank in 0..<8 {
        for device in 0..<devices {
          let expected = naive.copies[[rank, layer, device]] ?? 0
          #expect(Int(counts.copies[(rank * 3 + layer) * devices + device]) == expected)
        }
      }
    }
  }

  @Test("devices that choose alike share a class")
  func classes() {
    // Each node of two has one copy, so that both of its devices take it.
    let tables = ReplicaTables.nearest(
      hosts: [[[0, 2], [1, 3]]], homeDevice: [0, 1, 2, 3], devicesPerNode: 2, devices: 4)
    #expect(tables.classes == 2 && tables.classOfRank == [0, 0, 1, 1])
    #expect(tables.copyOfExpert == [0, 0, 1, 1])
  }
}
