import Hardware
import Testing

@testable import Hardware

@Suite("Attention of prompts")
struct AttentionPromptLawTests {
  private let machine = KernelMachine(peak: 1e15, bandwidth: 1e12, cache: 0, units: 100)

  /// The same with so fast a memory that only arithmetic counts.
  private let unbound = KernelMachine(peak: 1e15, bandwidth: 1e15, cache: 0, units: 100)

  private static func law(_ changes: [String: Double] = [:]) -> AttentionPromptLaw {
    let plain: [String: Double] = [
      "launch": 10e-6, "tile": 2e-6, "tile-width": 0, "arithmetic": 1, "scores": 1e11,
      "wide": 1e9, "chain": 0, "tail": 0, "write": 0, "memory": 0.8, "cache-speed": 2,
      "cache-share": 0.5, "combine": 0, "edges": 0, "throttle": 0, "throttle-time": 1,
    ]
    let terms = plain.merging(changes) { $1 }
    return AttentionPromptLaw(AttentionPromptLaw.terms.map { terms[$0.key] ?? $0.start })
  }

  private func work(
    _ sequences: Int, _ tokens: Int, queryHeads: Int = 8, keyHeads: Int = 8, width: Int = 128,
    window: Int? = nil, library: AttentionLibrary = .flashAttention3
  ) -> AttentionPromptLaw.Work {
    .init(
      library, sequences: sequences, tokens: tokens, queryHeads: queryHeads, keyHeads: keyHeads,
      width: width, window: window)
  }

  @Test("are cut into tiles whose keys are counted as by hand")
  func tilesByHand() {
    // 1,024 tokens, tiles of 128 queries by blocks of 128 keys: 1 + 2 + ... + 8 blocks over 8 tiles.
    let square = PromptTiles(work(1, 1024))
    #expect(square.tiles == 64 && square.meanKeys == 36.0 / 8 * 128)
    // Tiles of 192 queries where heads have 64 elements: ends at 192, 384, ... take 2, 3, 5, 6, 8
    // blocks and the last one 8, of which 1,024 keys are there; the count of 1.5 i is exact in the
    // mean: 1.5 x 21 + 6 / 4 = 33 blocks where by hand it is 32.
    let tall = PromptTiles(work(1, 1024, width: 64))
    #expect(tall.tiles == 48 && abs(tall.meanKeys - 33.0 / 6 * 128) < 1e-9)
    // FlashAttention-2: 64 queries, so two tiles share each number of blocks.
    let low = PromptTiles(work(1, 1024, library: .flashAttention2))
    #expect(low.tiles == 128 && low.meanKeys == 2 * 36.0 / 16 * 128)
    // 16 tokens of 8 query heads on one key head fill one tile of 128.
    let packed = PromptTiles(work(3, 16, queryHeads: 8, keyHeads: 1))
    #expect(packed.tiles == 3 && packed.rows == 128 && packed.areEqual && packed.meanKeys == 16)
  }

  @Test("take a launch, the write of new keys and their share of all tiles")
  func timeByHand() {
    // 100 prompts of 128 tokens, one head: 100 equal tiles on 100 units. A key costs 4 x 128 x 128 x
    // 100 / 1e15 s of products and 128 / 1e11 s of exponentials; 128 keys and 2 us for the tile.
    let products = 4.0 * 128 * 128 * 100 / 1e15
    let key = products + 128 / 1e11
    let tile = 2e-6 + 128 * key
    // Work and longest tile are equal: the corner adds sqrt(1 / 32) / 2. Bytes: 100 x 128 x 128 x 4 of
    // queries and outputs and as many of keys and values at 0.8 TB/s; writing reads and writes them.
    let bytes = 100.0 * 16_384 * 4
    let traffic = 2 * bytes / 0.8e12
    let make = tile * (1 + (1.0 / 32).squareRoot() / 2)
    let square = (make - traffic) * (make - traffic) + make * traffic / 8
    let attention = (make + traffic + square.squareRoot()) / 2
    let expected = 10e-6 + 2 * bytes / 0.8e12 + attention
    let found = Self.law().parts(of: work(100, 128, queryHeads: 1, keyHeads: 1), on: machine)
    #expect(abs(found.total - expected) < 1e-11)
  }

  @Test("see waves where a prompt is one tile")
  func waves() {
    let law = Self.law(["memory": 1, "scores": 5e11])
    let one = law.parts(of: work(100, 64, queryHeads: 1, keyHeads: 1), on: unbound).total
    let two = law.parts(of: work(101, 64, queryHeads: 1, keyHeads: 1), on: unbound).total
    #expect(two - one > 2e-6)
  }

  @Test("never beat the data sheet's roofline", arguments: AttentionLibrary.allCases)
  func roofline(library: AttentionLibrary) {
    let best = Self.law(["launch": 5e-7, "tile": 1e-7, "scores": 5e11, "memory": 1])
    for sequences in [1, 5, 64] {
      for tokens in [2, 100, 1024, 5000] {
        for (queryHeads, keyHeads) in [(1, 1), (8, 1), (64, 8)] {
          let pairs = Double(tokens) * Double(tokens + 1) / 2
          let flops = 4.0 * Double(sequences * queryHeads) * pairs * 128
          let bytes = Double(sequences * tokens * (2 * queryHeads + 2 * keyHeads)) * 128 * 2
          let found = best.parts(
            of: work(
              sequences, tokens, queryHeads: queryHeads, keyHeads: keyHeads, library: library),
            on: machine
          ).total
          #expect(found >= max(flops / machine.peak, bytes / machine.bandwidth))
        }
      }
    }
  }

  @Test("grow with tokens and with prompts", arguments: AttentionLibrary.allCases)
  func monotone(library: AttentionLibrary) {
    let law = Self.law(["tail": 0.2, "write": 5e-7, "edges": 2, "throttle": 0.2])
    for tokens in [64, 512, 4096] {
      var last = 0.0
      for sequences in [1, 2, 4, 8, 16, 32, 64] {
        let found = law.parts(of: work(sequences, tokens, library: library), on: machine).total
        #expect(found >= last * 0.999)
        last = found
      }
    }
    var last = 0.0
    for tokens in [16, 128, 512, 2048, 8192, 32_768] {
      let found = law.parts(of: work(4, tokens, library: library), on: machine).total
      #expect(found > last)
      last = found
    }
  }

  @Test("of a window cost less than whole ones and no less than one window's")
  func window() {
    let law = Self.law()
    let whole = law.parts(of: work(8, 16_384), on: unbound).total
    let windowed = law.parts(of: work(8, 16_384, window: 1024), on: unbound).total
    let one = law.parts(of: work(8, 1024), on: unbound).total
    #expect(windowed < whole / 4 && windowed > one * 4)
    #expect(
      law.parts(of: work(8, 512, window: 1024), on: unbound).total
        == law.parts(of: work(8, 512), on: unbound).total)
  }

  @Test("lose clock when they are long")
  func throttle() {
    let work = work(16, 16_384)
    let cool = Self.law().parts(of: work, on: unbound).total
    let hot = Self.law(["throttle": 0.25, "throttle-time": 1e-9]).parts(of: work, on: unbound)
    // All but launch and write takes a quarter more.
    #expect(hot.total / cool > 1.24 && hot.total / cool < 1.25)
  }

  @Test("give back the values they were made of, in the order of the terms")
  func values() {
    let values = AttentionPromptLaw.terms.map(\.start)
    #expect(AttentionPromptLaw([]).values == values)
    #expect(AttentionPromptLaw(values.map { $0 * 1.5 }).values == values.map { $0 * 1.5 })
    #expect(AttentionPromptLaw.terms.allSatisfy { $0.range.contains($0.start) })
  }
}
