import Testing

@testable import Traces

/// The definition, token by token.
struct NaiveMoves {
  var held: [[Int]: Int] = [:]
  var dispatched: [[Int]: Int] = [:]
  var combined: [[Int]: Int] = [:]

  init(
    _ batch: [[Int]], of trace: RoutingTrace, hosts: [[[Int]]], home: [Int], layers: Range<Int>
  ) {
    for (rank, tokens) in batch.enumerated() {
      for token in tokens {
        var place = home[rank]
        for layer in layers {
          held[[layer, place], default: 0] += 1
          let targets = trace.selections(token: token, layer: layer).map {
            hosts[layer][$0][rank % hosts[layer][$0].count]
          }
          let next = layer + 1 == layers.upperBound ? home[rank] : targets[0]
          for target in Set(targets) {
            if target != place { dispatched[[layer, place, target], default: 0] += 1 }
            if target != next { combined[[layer, target, next], default: 0] += 1 }
          }
          place = next
        }
        held[[layers.upperBound, place], default: 0] += 1
      }
    }
  }
}

@Test(arguments: [(1, 0..<3), (2, 0..<3), (4, 1..<3)])
func movesAreTheirDefinition(topK: Int, layers: Range<Int>) throws {
  let trace = try randomTrace(layers: 3, experts: 12, topK: topK)
  let (batch, hosts, home) = randomCase(
    ranks: 5, devices: 4, replicas: 2, trace: trace, tokensPerRank: 60, seed: UInt64(topK))
  let slots = try ExpertSlots(devices: 4, homeDevice: home, hosts: hosts)
  var moves = TokenMoves(slots: slots)
  // What was counted before is forgotten.
  try moves.replay(ReplayBatch(ranks: batch.reversed()), of: trace, layers: layers)
  try moves.replay(ReplayBatch(ranks: batch), of: trace, layers: layers)
  let naive = NaiveMoves(batch, of: trace, hosts: hosts, home: home, layers: layers)
  for device in 0..<4 {
    for layer in 0...3 {
      #expect(moves.held(layer: layer, device: device) == naive.held[[layer, device]] ?? 0)
    }
    for layer in 0..<3 {
      for to in 0..<4 {
        let key = [layer, device, to]
        #expect(
          moves.dispatched(layer: layer, from: device, to: to) == naive.dispatched[key] ?? 0)
        #expect(moves.combined(layer: layer, from: device, to: to) == naive.combined[key] ?? 0)
      }
    }
  }
}

@Test func tokensOfAnotherModelAreRefused() throws {
  let slots = try ExpertSlots.contiguous(layers: 2, experts: 8, devices: 2, homeDevice: [0, 1])
  var moves = TokenMoves(slots: slots)
  let other = try randomTrace(layers: 3, experts: 8, topK: 2)
  #expect(throws: TraceError.self) {
    try moves.replay(ReplayBatch(ranks: [[0], [1]]), of: other, layers: 0..<2)
  }
}
