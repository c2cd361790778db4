import Dispatch
import Statistics
import Testing

@testable import Traces

/// The definition of every count, with sets and dictionaries.
struct NaiveCounts {
  var expertTokens: [[Int]: Int] = [:]
  var slotTokens: [[Int]: Int] = [:]
  var copies: [[Int]: Int] = [:]

  /// - Parameters:
  ///   - forEachExpert: Whether a device gets a copy for each expert.
  ///   - choose: The copy that a rank takes, by its hosts.
  init(
    _ batch: [[Int]], of trace: RoutingTrace, hosts: [[[Int]]], forEachExpert: Bool = false,
    choose: (_ rank: Int, _ hosts: [Int]) -> Int = { ($0 + $1[0]) % $1.count }
  ) {
    for (rank, tokens) in batch.enumerated() {
      for token in tokens {
        for layer in 0..<trace.shape.layers {
          var devices: [Int] = []
          for expert in trace.selections(token: token, layer: layer) {
            let replicas = hosts[layer][expert]
            let replica = choose(rank, replicas)
            let slot = hosts[layer][..<expert].reduce(0) { $0 + $1.count } + replica
            expertTokens[[layer, expert], default: 0] += 1
            slotTokens[[layer, slot], default: 0] += 1
            devices.append(replicas[replica])
          }
          for device in forEachExpert ? devices : Array(Set(devices)) {
            copies[[rank, layer, device], default: 0] += 1
          }
        }
      }
    }
  }
}

/// A batch of random tokens, a placement with up to `replicas` copies of each expert.
func randomCase(
  ranks: Int, devices: Int, replicas: Int, trace: RoutingTrace, tokensPerRank: Int, seed: UInt64
) -> (batch: [[Int]], hosts: [[[Int]]], home: [Int]) {
  var stream = RandomStream(seed: seed, name: "random case")
  let batch = (0..<ranks).map { rank in
    (0..<(rank == 1 ? 0 : tokensPerRank + rank)).map { _ in stream.below(trace.tokens) }
  }
  let hosts = (0..<trace.shape.layers).map { _ in
    (0..<trace.shape.experts).map { _ in
      (0...stream.below(replicas)).map { _ in stream.below(devices) }
    }
  }
  return (batch, hosts, (0..<ranks).map { $0 % devices })
}

@Test(arguments: [(16, 2, 16, 4), (16, 4, 8, 3), (8, 2, 12, 5)])
func whatStaysInANodeIsTheMatrixWithinItsBlocks(
  experts: Int, topK: Int, devices: Int, perNode: Int
) throws {
  // One rank a device; as many experts as devices (one each: the short way of counting), more, and
  // fewer, with replicas so that the choice depends on the rank.
  let trace = try randomTrace(layers: 2, experts: experts, topK: topK)
  let layer = (0..<experts).map { expert in
    devices > experts ? [expert, (expert + 4) % devices] : [(expert * 3) % devices]
  }
  let slots = try ExpertSlots(
    devices: devices, devicesPerNode: perNode, homeDevice: Array(0..<devices),
    hosts: [layer, layer])
  var counts = RoutingCounts(slots: slots)
  let batch = (0..<devices).map { rank in (0..<150 + rank).map { ($0 * 7 + rank) % trace.tokens } }
  try counts.replay(ReplayBatch(ranks: batch), of: trace, threads: 3)
  var sums = RoutingCounts(slots: slots, keepsMatrix: false)
  try sums.replay(ReplayBatch(ranks: batch), of: trace)
  #expect(sums.sentWithinNode == counts.sentWithinNode)
  #expect(sums.receivedWithinNode == counts.receivedWithinNode)
  let naive = NaiveCounts(batch, of: trace, hosts: [layer, layer])
  for layer in 0..<2 {
    for device in 0..<devices {
      let node = (0..<devices).filter { $0 / perNode == device / perNode && $0 != device }
      let sent = node.reduce(0) { $0 + (naive.copies[[device, layer, $1]] ?? 0) }
      let received = node.reduce(0) { $0 + (naive.copies[[$1, layer, device]] ?? 0) }
      #expect(Int(counts.sentWithinNode[device * 2 + layer]) == sent)
      #expect(Int(counts.receivedWithinNode[layer * devices + device]) == received)
    }
    for expert in 0..<experts {
      let expected = naive.expertTokens[[layer, expert]] ?? 0
      #expect(Int(counts.expertTokens[layer * experts + expert]) == expected)
    }
  }
}

@Test(
  arguments: [
    (8, 2, 3, 1, 8), (64, 6, 8, 1, 4), (300, 8, 5, 3, 4), (256, 8, 70, 2, 16), (5, 1, 1, 1, 1),
  ], [false, true])
func everyCountIsWhatItsDefinitionSays(
  shape: (experts: Int, topK: Int, devices: Int, replicas: Int, ranks: Int), forEachExpert: Bool
) throws {
  let (experts, topK, devices, replicas, ranks) = shape
  let trace = try randomTrace(layers: 3, experts: experts, topK: topK)
  let (batch, hosts, home) = randomCase(
    ranks: ranks, devices: devices, replicas: replicas, trace: trace, tokensPerRank: 70, seed: 2)
  let slots = try ExpertSlots(devices: devices, homeDevice: home, hosts: hosts)
  var counts = RoutingCounts(slots: slots, copiesForEachExpert: forEachExpert)
  try counts.replay(ReplayBatch(ranks: batch), of: trace)
  let naive = NaiveCounts(batch, of: trace, hosts: hosts, forEachExpert: forEachExpert)
  for layer in 0..<3 {
    for expert in 0..<experts {
      let expected = naive.expertTokens[[layer, expert]] ?? 0
      #expect(Int(counts.expertTokens[layer * experts + expert]) == expected)
    }
    for slot in 0..<slots.slotsPerLayer {
      let expected = naive.slotTokens[[layer, slot]] ?? 0
      #expect(Int(counts.slotTokens[layer * slots.slotsPerLayer + slot]) == expected)
    }
    for device in 0..<devices {
      let column = (0..<ranks).map { naive.copies[[$0, layer, device]] ?? 0 }
      for rank in 0..<ranks {
        #expect(Int(counts.copies[(rank * 3 + layer) * devices + device]) == column[rank])
      }
      let foreign = column.indices.filter { home[$0] != device }.reduce(0) { $0 + column[$1] }
      #expect(Int(counts.received[layer * devices + device]) == foreign)
      #expect(Int(counts.deviceTokens[layer * devices + device]) == column.reduce(0, +))
    }
    for rank in 0..<ranks {
      let away = (0..<devices).filter { $0 != home[rank] }
        .reduce(0) { $0 + (naive.copies[[rank, layer, $1]] ?? 0) }
      #expect(Int(counts.sent[rank * 3 + layer]) == away)
      let here = naive.copies[[rank, layer, home[rank]]] ?? 0
      #expect(Int(counts.stayed[rank * 3 + layer]) == here)
    }
  }
}

@Test func copiesSentAreCopiesReceivedAndEverySelectionIsCounted() throws {
  let trace = try randomTrace(layers: 5, experts: 64, topK: 6)
  let (batch, hosts, home) = randomCase(
    ranks: 8, devices: 8, replicas: 2, trace: trace, tokensPerRank: 100, seed: 3)
  var counts = RoutingCounts(
    slots: try ExpertSlots(devices: 8, homeDevice: home, hosts: hosts), keepsMatrix: false)
  try counts.replay(ReplayBatch(ranks: batch), of: trace)
  let tokens = batch.reduce(0) { $0 + $1.count }
  #expect(counts.sent.reduce(0, +) == counts.received.reduce(0, +))
  #expect(Int(counts.expertTokens.reduce(0, +)) == tokens * 5 * 6)
  #expect(Int(counts.slotTokens.reduce(0, +)) == tokens * 5 * 6)
  #expect(counts.copies.isEmpty)
}

@Test func theNumberOfThreadsChangesNothing() throws {
  let trace = try randomTrace(layers: 4, experts: 64, topK: 6)
  let (batch, hosts, home) = randomCase(
    ranks: 9, devices: 12, replicas: 3, trace: trace, tokensPerRank: 90, seed: 4)
  let slots = try ExpertSlots(devices: 12, homeDevice: home, hosts: hosts)
  var one = RoutingCounts(slots: slots)
  try one.replay(ReplayBatch(ranks: batch), of: trace, threads: 1)
  for threads in [2, 4, 50] {
    var many = RoutingCounts(slots: slots)
    try many.replay(ReplayBatch(ranks: batch), of: trace, threads: threads)
    #expect(many.expertTokens == one.expertTokens && many.slotTokens == one.slotTokens)
    #expect(many.copies == one.copies && many.sent == one.sent)
    #expect(many.received == one.received && many.deviceTokens == one.deviceTokens)
  }
}

@Test func renamingExpertsTogetherWithTheirPlacementChangesNoTraffic() throws {
  let trace = try randomTrace(layers: 3, experts: 16, topK: 4)
  let (batch, hosts, home) = randomCase(
    ranks: 4, devices: 4, replicas: 2, trace: trace, tokensPerRank: 50, seed: 5)
  // Expert e becomes 5 e + 3 mod 16, a permutation since 5 and 16 have no common factor.
  let rename = { (expert: Int) in (5 * expert + 3) % 16 }
  var selections: [UInt16] = []
  for token in 0..<trace.tokens {
    for layer in 0..<3 {
      selections += trace.selections(token: token, layer: layer).map { UInt16(rename($0)) }
    }
  }
  let renamed = try RoutingTrace(
    shape: trace.shape, origin: .recorded, provenance: "", sequences: trace.sequences,
    selections: selections)
  let renamedHosts = hosts.map { layer in
    var renamedLayer = layer
    for (expert, devices) in layer.enumerated() { renamedLayer[rename(expert)] = devices }
    return renamedLayer
  }
  var before = RoutingCounts(slots: try ExpertSlots(devices: 4, homeDevice: home, hosts: hosts))
  var after = RoutingCounts(
    slots: try ExpertSlots(devices: 4, homeDevice: home, hosts: renamedHosts))
  try before.replay(ReplayBatch(ranks: batch), of: trace)
  try after.replay(ReplayBatch(ranks: batch), of: renamed)
  #expect(before.copies == after.copies && before.sent == after.sent)
  #expect(before.received == after.received && before.deviceTokens == after.deviceTokens)
}

@Test func aSecondReplayForgetsTheFirst() throws {
  let trace = try randomTrace(layers: 2, experts: 8, topK: 2)
  let slots = try ExpertSlots.contiguous(
    layers: 2, experts: 8, devices: 4, homeDevice: [0, 1, 2, 3])
  let batch = ReplayBatch(ranks: [[0, 1], [2], [3], [4]])
  var fresh = RoutingCounts(slots: slots)
  try fresh.replay(batch, of: trace)
  var used = RoutingCounts(slots: slots)
  try used.replay(ReplayBatch(ranks: [[7, 8, 9], [], [1], [1]]), of: trace)
  try used.replay(batch, of: trace)
  #expect(used.copies == fresh.copies && used.slotTokens == fresh.slotTokens)
}

@Test func expertTokensOfARangeAreItsHistogram() throws {
  for experts in [6, 300] {
    let trace = try randomTrace(layers: 3, experts: experts, topK: 4)
    var expected = [UInt32](repeating: 0, count: 3 * experts)
    for token in 5..<33 {
      for layer in 0..<3 {
        for expert in trace.selections(token: token, layer: layer) {
          expected[layer * experts + expert] += 1
        }
      }
    }
    #expect(trace.expertTokens(in: 5..<33) == expected)
  }
}

@Test func contiguousExpertsLieInOrderOverTheDevices() throws {
  // 6 experts on 4 devices: floor(e * 4 / 6) = 0 0 1 2 2 3.
  let slots = try ExpertSlots.contiguous(layers: 1, experts: 6, devices: 4, homeDevice: [0])
  #expect(slots.deviceOfSlot == [0, 0, 1, 2, 2, 3])
  #expect(slots.slotOfExpert == [0, 1, 2, 3, 4, 5])
}

@Test func aPlacementThatFitsNothingIsRefusedWithItsPlace() {
  #expect(
    sentence { _ = try ExpertSlots(devices: 2, homeDevice: [0], hosts: [[[0], [2]]]) }
      == "expert 1 of layer 0 is on [2]; it must be on one device or more of 0 to 1")
  #expect(
    sentence { _ = try ExpertSlots(devices: 2, homeDevice: [0], hosts: [[[0], []]]) }
      == "expert 1 of layer 0 is on []; it must be on one device or more of 0 to 1")
  #expect(
    sentence { _ = try ExpertSlots(devices: 0, homeDevice: [0], hosts: [[[0]]]) }
      == "0 devices; 1 to 65535 are possible")
  #expect(
    sentence { _ = try ExpertSlots(devices: 2, homeDevice: [0], hosts: [[[0], [1]], [[0]]]) }
      == "layer 1 places 1 experts, layer 0 2")
}

@Test func copiesOfCountsReplayOnTheirOwn() throws {
  // Copied after a replay, so that they begin with the same workspaces; then both at once.
  let trace = try randomTrace(layers: 4, experts: 64, topK: 6, sequences: 20)
  let slots = try ExpertSlots.contiguous(
    layers: 4, experts: 64, devices: 8, homeDevice: Array(0..<8))
  let batches = [1, 3].map { step in
    ReplayBatch(
      ranks: (0..<8).map { rank in (0..<500).map { ($0 * step + rank) % trace.tokens } })
  }
  var first = RoutingCounts(slots: slots)
  try first.replay(batches[0], of: trace)
  let expected = try batches.map { batch in
    var counts = RoutingCounts(slots: slots)
    try counts.replay(batch, of: trace)
    return counts.copies
  }
  let original = first
  DispatchQueue.concurrentPerform(iterations: 8) { index in
    var copy = original
    for _ in 0..<5 {
      do { try copy.replay(batches[index % 2], of: trace) } catch { Issue.record(error) }
      #expect(copy.copies == expected[index % 2])
    }
  }
}
