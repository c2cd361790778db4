import Hardware
import Testing

@Suite("Attention of single queries")
struct AttentionDecodeLawTests {
  /// 100 units, 1 PFLOP/s, 1 TB/s, no cache: numbers for the pencil.
  private let machine = KernelMachine(peak: 1e15, bandwidth: 1e12, cache: 0, units: 100)

  private static func law(_ changes: [String: Double] = [:]) -> AttentionDecodeLaw {
    let plain: [String: Double] = [
      "launch": 10e-6, "tile": 2e-6, "tile-width": 0, "block": 1e-6, "arithmetic": 1, "memory": 0.8,
      "cache-speed": 2, "cache-share": 0.5, "exposed": 0.5, "combine": 3e-6, "combine-part": 1e-7,
      "sequence": 0, "split-sequence": 0, "regroup": 0, "copy": 0, "output": 1,
    ]
    let terms = plain.merging(changes) { $1 }
    return AttentionDecodeLaw(AttentionDecodeLaw.terms.map { terms[$0.key] ?? $0.start })
  }

  private func time(
    _ law: AttentionDecodeLaw, sequences: Int, context: Int, queryHeads: Int = 8, keyHeads: Int = 1,
    width: Int = 128, window: Int? = nil, library: AttentionLibrary = .flashAttention3
  ) -> Double {
    law.parts(
      of: .init(
        library, sequences: sequences, context: context, queryHeads: queryHeads,
        keyHeads: keyHeads, width: width, window: window), on: machine
    ).total
  }

  @Test("take a launch, a tile and the longer of its blocks' latency and its bytes")
  func tileByHand() {
    // One block of 128 keys. FLOPs of the padded tile: 4 x 64 x 128 x 128 at 10 TFLOP/s a unit are
    // 0.419 us, with the latency of 1 us that is sqrt(1 + 0.419^2) = 1.0844 us. 65,536 bytes at
    // 0.8 TB/s are 0.082 us and add nearly nothing at the corner. Queries and outputs are 8 x 128 x 4
    // bytes at 1 TB/s, 0.0041 us.
    let flops = 4.0 * 64 * 16_384
    let mma = flops * 100 / 1e15
    let step = (1e-12 + mma * mma).squareRoot()
    let reading = 65_536 / 0.8e12
    let square = (step - reading) * (step - reading) + step * reading / 32
    let longer = (step + reading + square.squareRoot()) / 2
    #expect(longer > step && longer < step * 1.001)
    let expected = 10e-6 + 2e-6 + longer + 4096 / 1e12
    #expect(abs(time(Self.law(), sequences: 1, context: 128) - expected) < 1e-12)
  }

  @Test("stream at the memory's rate where every unit has a tile")
  func memoryByHand() {
    // 100 sequences with 128,000 keys: no splits, one wave; 1,000 blocks' latency is made small so
    // that 100 x 128,000 x 512 bytes at 0.8 TB/s are all: 8,192 us.
    let law = Self.law(["block": 1e-9])
    let expected = 100.0 * 128_000 * 512 / 0.8e12
    let found = time(law, sequences: 100, context: 128_000)
    // The products of 419 us beside it add a 128th of theirs.
    #expect(found > expected + 12e-6 && found < expected + 17e-6)
  }

  @Test("see waves: one tile more than the units can hold costs a round of latency")
  func waves() {
    let law = Self.law()
    // 513 sequences and more are planned without splits. 600 tiles fill six waves, 601 need a
    // seventh; within a wave only the bytes of two keys, of queries and of outputs grow.
    let six = time(law, sequences: 600, context: 2)
    let seven = time(law, sequences: 601, context: 2)
    let full = time(law, sequences: 700, context: 2)
    #expect(seven - six > 1e-6)
    #expect(full - seven < 0.6e-6)
  }

  @Test("split a long context over idle units, which is faster than one unit alone")
  func splitting() {
    let alone = time(
      Self.law(), sequences: 1, context: 65_536, queryHeads: 1, library: .flashAttention2)
    let split = time(Self.law(), sequences: 1, context: 65_536, queryHeads: 1)
    #expect(split < alone / 8)
    // Not into more than 32 parts of 16 blocks each: launch, tile, 16 blocks and the sum.
    #expect(split > 10e-6 + 2e-6 + 16e-6 + 3e-6 + 32e-7)
  }

  @Test("never beat the data sheet's roofline", arguments: AttentionLibrary.allCases)
  func roofline(library: AttentionLibrary) {
    let best = Self.law([
      "launch": 5e-7, "tile": 1e-7, "block": 1e-8, "memory": 1, "combine": 0, "combine-part": 0,
    ])
    for sequences in [1, 7, 64, 512, 1024] {
      for context in [1, 100, 4096, 100_000] {
        for (queryHeads, keyHeads) in [(8, 1), (64, 8), (96, 1)] {
          let bytes = 2.0 * Double(sequences * context * keyHeads) * 128 * 2
          let flops = 4.0 * Double(sequences * context * queryHeads) * 128
          let found = time(
            best, sequences: sequences, context: context, queryHeads: queryHeads,
            keyHeads: keyHeads, library: library)
          #expect(found >= max(bytes / machine.bandwidth, flops / machine.peak))
        }
      }
    }
  }

  @Test("grow with sequences and with contexts", arguments: AttentionLibrary.allCases)
  func monotone(library: AttentionLibrary) {
    let law = Self.law()
    for keyHeads in [1, 8] {
      var last = 0.0
      // By whole multiples: between them one part more can leave less to each.
      for sequences in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512] {
        let found = time(
          law, sequences: sequences, context: 16_384, queryHeads: 32, keyHeads: keyHeads,
          library: library)
        #expect(found >= last * 0.999)
        last = found
      }
      last = 0
      for context in [128, 512, 2048, 8192, 32_768, 131_072] {
        let found = time(
          law, sequences: 4, context: context, queryHeads: 32, keyHeads: keyHeads,
          library: library)
        #expect(found > last)
        last = found
      }
    }
  }

  @Test("read what lies in the cache faster")
  func cache() {
    let law = Self.law(["block": 1e-9])
    let work = AttentionDecodeLaw.Work(
      .flashAttention3, sequences: 100, context: 1024, queryHeads: 8, keyHeads: 1, width: 128)
    var cached = machine
    cached.cache = 1e9
    let small = law.parts(of: work, on: cached)
    let large = law.parts(of: work, on: machine)
    // Twice the memory's full rate against 0.8 of it, beside 0.41 MB of queries and outputs.
    let bytes = 100.0 * 1024 * 512
    #expect(abs(small.memory - bytes / 2e12 - 409_600 / 1e12) < 1e-12)
    #expect(abs(large.memory - bytes / 0.8e12 - 409_600 / 1e12) < 1e-12)
    #expect(small.total < large.total)
  }

  @Test("see no more keys than a window has")
  func window() {
    let whole = time(Self.law(), sequences: 64, context: 4096)
    let windowed = time(Self.law(), sequences: 64, context: 65_536, window: 4096)
    #expect(whole == windowed)
  }

  @Test("give back the values they were made of, in the order of the terms")
  func values() {
    let values = AttentionDecodeLaw.terms.map(\.start)
    #expect(AttentionDecodeLaw([]).values == values)
    #expect(AttentionDecodeLaw(values.map { $0 * 1.5 }).values == values.map { $0 * 1.5 })
    #expect(AttentionDecodeLaw.terms.allSatisfy { $0.range.contains($0.start) })
  }
}
