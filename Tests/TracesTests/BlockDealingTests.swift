import Testing
import Traces

@Suite("Tokens dealt in blocks")
struct BlockDealingTests {
  private static let layers = 3
  private static let experts = 20
  private static let devices = 6

  private func trace(seed: UInt64, experts: Int = experts, topK: Int = 4) throws -> RoutingTrace {
    var state = seed
    func random(_ count: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % count
    }
    var selections: [UInt16] = []
    for _ in 0..<60 * Self.layers {
      var row: [UInt16] = []
      while row.count < topK {
        let expert = UInt16(min(random(experts), random(experts)))
        if !row.contains(expert) { row.append(expert) }
      }
      selections += row
    }
    return try RoutingTrace(
      shape: try RoutingShape(
        model: "m", layerIDs: Array(0..<Self.layers), experts: experts, topK: topK),
      origin: .synthetic, provenance: "a test",
      sequences: [TraceSequence(name: "s", firstToken: 0, prefillTokens: 0, decodeTokens: 60)],
      selections: selections)
  }

  @Test("are counted once for each rank and device, as token by token", arguments: 1...8)
  func againstPlainCount(seed: Int) throws {
    let trace = try trace(seed: UInt64(seed))
    let slots = try ExpertSlots.contiguous(
      layers: Self.layers, experts: Self.experts, devices: Self.devices, homeDevice: [0, 1, 2])
    var counts = RoutingCounts(slots: slots)
    let batch = ReplayBatch(ranks: [Array(0..<25), [], Array(30..<60)])
    try counts.replay(batch, of: trace)
    var dealing = BlockDealing(layers: Self.layers, experts: Self.experts, tokensPerBlock: 1 + seed)
    dealing.cut(counts.expertTokens)
    for layer in 0..<Self.layers {
      for expert in 0..<Self.experts {
        for block in 0..<dealing.blocks(layer: layer, expert: expert) {
          dealing[layer: layer, expert: expert, block: block] =
            (layer + expert * seed + block * 5) % Self.devices
        }
      }
    }
    counts.replayDealt(batch, of: trace, dealing)
    // The same with sets and no arithmetic of the implementation's.
    var expected = [UInt32](repeating: 0, count: 3 * Self.layers * Self.devices)
    for layer in 0..<Self.layers {
      var seen = [Int](repeating: 0, count: Self.experts)
      for rank in 0..<3 {
        for token in batch.tokens[batch.rankStarts[rank]..<batch.rankStarts[rank + 1]] {
          var targets: Set<Int> = []
          for expert in trace.selections(token: token, layer: layer) {
            targets.insert((layer + expert * seed + seen[expert] / (1 + seed) * 5) % Self.devices)
            seen[expert] += 1
          }
          for device in targets {
            expected[(rank * Self.layers + layer) * Self.devices + device] += 1
          }
        }
      }
    }
    #expect(counts.copies == expected)
  }

  @Test("are cut in blocks of which only the last is shorter")
  func cut() {
    var dealing = BlockDealing(layers: 1, experts: 3, tokensPerBlock: 50)
    dealing.cut([0, 50, 101])
    #expect((0..<3).map { dealing.blocks(layer: 0, expert: $0) } == [0, 1, 3])
    #expect((0..<3).map { dealing.tokens(inBlock: $0, of: 101) } == [50, 50, 1])
  }
}

@Suite("What follows an expert")
struct SuccessionCountsTests {
  /// One layer, four experts, top-1: 0 is always followed by 2, and 2 by 0 or 3.
  private func trace() throws -> RoutingTrace {
    try RoutingTrace(
      shape: try RoutingShape(model: "m", layerIDs: [0], experts: 4, topK: 1),
      origin: .synthetic, provenance: "a test",
      sequences: [TraceSequence(name: "s", firstToken: 0, prefillTokens: 0, decodeTokens: 7)],
      selections: [0, 2, 0, 2, 3, 2, 3])
  }

  @Test("is expected by what was seen to follow what is there now")
  func likeliest() throws {
    let trace = try trace()
    var seen = SuccessionCounts(layers: 1, experts: 4)
    #expect(seen.likeliest(2, after: [5, 0, 0, 0], layer: 0) == [])
    for token in 0..<6 { seen.add([token], followedBy: [token + 1], of: trace) }
    // 0 -> 2, 2 -> 0, 0 -> 2, 2 -> 3, 3 -> 2, 2 -> 3
    #expect(seen.likeliest(2, after: [5, 0, 0, 0], layer: 0) == [2])
    #expect(seen.likeliest(2, after: [0, 0, 9, 0], layer: 0) == [3, 0])
    #expect(seen.likeliest(1, after: [0, 0, 9, 0], layer: 0) == [3])
    // 1 x (2: 1) and 3 x (3: 2/3, 0: 1/3)
    #expect(seen.likeliest(3, after: [1, 0, 3, 0], layer: 0) == [3, 0, 2])
    // Never seen.
    #expect(seen.likeliest(3, after: [0, 4, 0, 0], layer: 0) == [])
  }

  @Test("leaves out places where another sequence went on")
  func breaks() throws {
    let trace = try trace()
    var seen = SuccessionCounts(layers: 1, experts: 4)
    seen.add([0, 3], followedBy: [4, 4], of: trace)
    #expect(seen.likeliest(4, after: [1, 0, 0, 0], layer: 0) == [])
    #expect(seen.likeliest(4, after: [0, 0, 1, 0], layer: 0) == [3])
  }
}
