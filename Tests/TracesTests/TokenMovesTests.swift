import Testing

@testable import Traces

/// The definition, token by token: devices are `slices` for each of the hosts' groups.
struct NaiveMoves {
  var held: [[Int]: Int] = [:]
  var dispatched: [[Int]: Int] = [:]
  var combined: [[Int]: Int] = [:]
  var slotTokens: [[Int]: Int] = [:]

  /// - Parameter choose: The copy that a rank's token on a group takes, by its hosts.
  init(
    _ batch: [[Int]], of trace: RoutingTrace, hosts: [[[Int]]], home: [Int], layers: Range<Int>,
    slices: Int, choose: (_ rank: Int, _ place: Int, _ hosts: [Int]) -> Int
  ) {
    for (rank, tokens) in batch.enumerated() {
      let slice = slices > 1 ? rank % slices : 0
      for token in tokens {
        var place = home[rank]
        for layer in layers {
          let owner = place * slices + slice
          held[[layer, owner], default: 0] += 1
          let targets = trace.selections(token: token, layer: layer).map { expert in
            let copy = choose(rank, place, hosts[layer][expert])
            let slot = hosts[layer][..<expert].reduce(0) { $0 + $1.count } + copy
            slotTokens[[layer, slot], default: 0] += 1
            return hosts[layer][expert][copy]
          }
          let next = layer + 1 == layers.upperBound ? home[rank] : targets[0]
          for target in Set(targets) {
            for device in target * slices..<(target + 1) * slices {
              if device != owner { dispatched[[layer, owner, device], default: 0] += 1 }
              let back = next * slices + slice
              if device != back { combined[[layer, device, back], default: 0] += 1 }
            }
          }
          place = next
        }
        held[[layers.upperBound, place * slices + slice], default: 0] += 1
      }
    }
  }
}

/// A token's copy, a slice count, and what is nearest where tokens take that.
struct MoveCase: Sendable {
  var topK: Int
  var layers: Range<Int>
  var slices = 1
  var nearestPerNode: Int?
}

@Test(arguments: [
  MoveCase(topK: 1, layers: 0..<3), MoveCase(topK: 2, layers: 0..<3),
  MoveCase(topK: 4, layers: 1..<3), MoveCase(topK: 2, layers: 0..<3, slices: 2),
  MoveCase(topK: 3, layers: 1..<3, slices: 3),
  MoveCase(topK: 2, layers: 0..<3, nearestPerNode: 2),
  MoveCase(topK: 3, layers: 0..<3, slices: 2, nearestPerNode: 4),
])
func movesAreTheirDefinition(_ given: MoveCase) throws {
  let (groups, slices, layers) = (4, given.slices, given.layers)
  let devices = groups * slices
  let trace = try randomTrace(layers: 3, experts: 12, topK: given.topK)
  let ranks = slices == 1 ? 5 : devices
  let (batch, hosts, homes) = randomCase(
    ranks: ranks, devices: groups, replicas: 3, trace: trace, tokensPerRank: 60,
    seed: UInt64(given.topK))
  let home = slices == 1 ? homes : (0..<devices).map { $0 / slices }
  let slots = try ExpertSlots(
    devices: groups, homeDevice: home, hosts: hosts,
    replicas: given.nearestPerNode.map {
      .nearest(hosts: hosts, homeDevice: home, devicesPerNode: $0, devices: groups)
    })
  var moves = TokenMoves(slots: slots, slices: slices)
  // What was counted before is forgotten.
  try moves.replay(ReplayBatch(ranks: batch.reversed()), of: trace, layers: layers)
  try moves.replay(ReplayBatch(ranks: batch), of: trace, layers: layers)
  let naive = NaiveMoves(
    batch, of: trace, hosts: hosts, home: home, layers: layers, slices: slices
  ) { rank, place, hosts in
    given.nearestPerNode.map { plainNearest(hosts, to: place, perNode: $0) }
      ?? (rank + hosts[0]) % hosts.count
  }
  for device in 0..<devices {
    for layer in 0...3 {
      #expect(moves.held(layer: layer, device: device) == naive.held[[layer, device]] ?? 0)
    }
    for layer in 0..<3 {
      for to in 0..<devices {
        let key = [layer, device, to]
        #expect(
          moves.dispatched(layer: layer, from: device, to: to) == naive.dispatched[key] ?? 0)
        #expect(moves.combined(layer: layer, from: device, to: to) == naive.combined[key] ?? 0)
      }
    }
  }
  for layer in 0..<3 {
    for slot in 0..<slots.slotsPerLayer {
      let found = Int(moves.slotTokens[layer * slots.slotsPerLayer + slot])
      #expect(found == naive.slotTokens[[layer, slot]] ?? 0)
    }
  }
  guard given.nearestPerNode == nil else { return }
  // A rank's copies are the same wherever its tokens are.
  var counts = RoutingCounts(slots: slots)
  try counts.replay(ReplayBatch(ranks: batch), of: trace)
  let own = layers.lowerBound * slots.slotsPerLayer..<layers.upperBound * slots.slotsPerLayer
  #expect(moves.slotTokens[own] == counts.slotTokens[own])
}

@Test func tokensOfAnotherModelAreRefused() throws {
  let slots = try ExpertSlots.contiguous(layers: 2, experts: 8, devices: 2, homeDevice: [0, 1])
  var moves = TokenMoves(slots: slots)
  let other = try randomTrace(layers: 3, experts: 8, topK: 2)
  #expect(throws: TraceError.self) {
    try moves.replay(ReplayBatch(ranks: [[0], [1]]), of: other, layers: 0..<2)
  }
}
