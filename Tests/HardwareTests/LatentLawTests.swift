import Hardware
import Testing

@Suite("Latent attention")
struct LatentLawTests {
  private let machine = KernelMachine(peak: 1e15, bandwidth: 1e12, cache: 0, units: 100)

  private static func decode(_ changes: [String: Double] = [:]) -> LatentDecodeLaw {
    let plain: [String: Double] = [
      "host": 200e-6, "launch": 20e-6, "token": 0, "tile": 2e-6, "block": 1e-6, "arithmetic": 1,
      "memory": 0.8, "passes": 2, "projection": 0.5, "combine": 5e-6,
    ]
    let terms = plain.merging(changes) { $1 }
    return LatentDecodeLaw(LatentDecodeLaw.terms.map { terms[$0.key] ?? $0.start })
  }

  private static func prompt(_ changes: [String: Double] = [:]) -> LatentPromptLaw {
    let plain: [String: Double] = [
      "host": 200e-6, "launch": 20e-6, "token": 0, "tile": 2e-6, "arithmetic": 1, "scores": 1e11,
      "chain": 0,
      "tail": 0, "memory": 0.8, "passes": 3, "projection": 0.5, "throttle": 0, "throttle-time": 1,
    ]
    let terms = plain.merging(changes) { $1 }
    return LatentPromptLaw(LatentPromptLaw.terms.map { terms[$0.key] ?? $0.start })
  }

  @Test("of one query takes a tile and passes over queries and outputs")
  func decodeByHand() {
    // One sequence, 64 keys, 16 heads in a padded tile of 64 rows, no projections. Products of 576 +
    // 512 elements: 2 x 64 x 64 x 1,088 x 100 / 1e15 = 0.891 us beside the block's 1 us; 73,728 bytes
    // at 0.8 TB/s are 0.092 us and add nearly nothing; 16 x 1,088 x 2 bytes come and go once.
    let flops = 2.0 * 4096 * 1088
    let mma = flops * 100 / 1e15
    let step = 2e-6 + (1e-12 + mma * mma).squareRoot()
    let reading = 73_728 / 0.8e12
    let square = (step - reading) * (step - reading) + step * reading / 32
    let longer = (step + reading + square.squareRoot()) / 2
    let expected = 20e-6 + longer + 16 * 1088 * 2 / 1e12
    let work = LatentDecodeLaw.Work(
      .flashMLA, sequences: 1, context: 64, heads: 16, projects: false)
    #expect(abs(Self.decode().parts(of: work, on: machine).total - expected) < 1e-12)
    // The projections add 2 x 16 x 256 x 512 FLOPs at half the peak, their weights and another pass.
    var whole = work
    whole.projects = true
    let weights = 131_072.0 * 16
    let projections = 2 * weights / 0.5e15
    let pass = 16 * 1088 * 2 / 1e12
    let more = projections + weights * 2 / 1e12 + pass
    #expect(abs(Self.decode().parts(of: whole, on: machine).total - expected - more) < 1e-12)
  }

  @Test("waits for a host that launches kernel after kernel, and only then")
  func host() {
    var work = LatentDecodeLaw.Work(.flashMLA, sequences: 1, context: 64, heads: 16)
    let device = Self.decode().parts(of: work, on: machine).total
    work.isLaunchedByHost = true
    let hosted = Self.decode().parts(of: work, on: machine).total
    #expect(device < 100e-6 && hosted >= 200e-6 && hosted < 202e-6)
    work.sequences = 1024
    work.context = 65_536
    let long = Self.decode().parts(of: work, on: machine).total
    work.isLaunchedByHost = false
    // The host's 200 us beside 90 ms: a 128th of them at the corner.
    #expect(abs(long / Self.decode().parts(of: work, on: machine).total - 1) < 1e-4)
  }

  @Test("of one query streams at the memory's rate where every unit has a tile")
  func decodeMemory() {
    let law = Self.decode(["block": 1e-9])
    let work = LatentDecodeLaw.Work(
      .flashMLA, sequences: 100, context: 64_000, heads: 8, projects: false)
    let bytes = 100.0 * 64_000 * 1152
    let parts = law.parts(of: work, on: machine)
    #expect(parts.total > bytes / 0.8e12 && parts.total < bytes / 0.8e12 + 60e-6)
  }

  @Test("never beats the data sheet's roofline", arguments: LatentLibrary.allCases)
  func roofline(library: LatentLibrary) {
    let law = Self.decode([
      "launch": 1e-6, "tile": 1e-8, "block": 1e-9, "memory": 1, "projection": 1, "combine": 0,
    ])
    for sequences in [1, 9, 256] {
      for context in [1, 300, 20_000] {
        for heads in [2, 16, 128] {
          let work = LatentDecodeLaw.Work(
            library, sequences: sequences, context: context, heads: heads, projects: false)
          let flops = 2.0 * Double(sequences * context * heads) * 1088
          let bytes = Double(sequences * context) * 1152
          let found = law.parts(of: work, on: machine).total
          #expect(found >= max(flops / machine.peak, bytes / machine.bandwidth))
        }
      }
    }
    let prompt = Self.prompt([
      "launch": 1e-6, "tile": 1e-8, "scores": 2e12, "memory": 1, "projection": 1, "passes": 1,
    ])
    for (sequences, tokens) in [(1, 700), (4, 4096), (64, 600)] {
      let work = LatentPromptLaw.Work(library, sequences: sequences, tokens: tokens, heads: 16)
      let pairs = Double(tokens) * Double(tokens + 1) / 2
      let expansion = Double(tokens) * 2 * 512 * 256
      let flops = 16 * Double(sequences) * (pairs * 640 + expansion)
      #expect(prompt.parts(of: work, on: machine).total >= flops / machine.peak)
    }
  }

  @Test("grows with contexts, sequences, heads and tokens", arguments: LatentLibrary.allCases)
  func monotone(library: LatentLibrary) {
    var last = 0.0
    for context in [64, 256, 1024, 4096, 16_384, 65_536] {
      let work = LatentDecodeLaw.Work(library, sequences: 8, context: context, heads: 16)
      let found = Self.decode().parts(of: work, on: machine).total
      #expect(found > last)
      last = found
    }
    last = 0
    for sequences in [1, 2, 4, 8, 16, 32, 64, 128, 256] {
      let work = LatentDecodeLaw.Work(library, sequences: sequences, context: 4096, heads: 16)
      let found = Self.decode().parts(of: work, on: machine).total
      #expect(found >= last * 0.999)
      last = found
    }
    last = 0
    for tokens in [600, 1200, 2400, 4800, 9600] {
      let work = LatentPromptLaw.Work(library, sequences: 2, tokens: tokens, heads: 16)
      let found = Self.prompt().parts(of: work, on: machine).total
      #expect(found > last)
      last = found
    }
  }

  @Test("of short prompts sees half of the new keys, and all of them when they decode one by one")
  func shortPrompts() {
    let law = Self.decode(["token": 1e-8])
    let work = LatentDecodeLaw.Work(
      .flashAttention, sequences: 64, queries: 512, context: 512, heads: 128)
    var last = work
    last.queries = 1
    let together = law.parts(of: work, on: machine)
    let alone = law.parts(of: last, on: machine)
    // 512 times as many rows, about half of the keys each.
    #expect(together.compute / alone.compute > 200 && together.compute / alone.compute < 400)
  }

  @Test("gives back the values its laws were made of, in the order of the terms")
  func values() {
    let decode = LatentDecodeLaw.terms.map(\.start)
    #expect(LatentDecodeLaw([]).values == decode)
    #expect(LatentDecodeLaw(decode.map { $0 * 1.5 }).values == decode.map { $0 * 1.5 })
    let prompt = LatentPromptLaw.terms.map(\.start)
    #expect(LatentPromptLaw([]).values == prompt)
    #expect(LatentPromptLaw(prompt.map { $0 * 1.5 }).values == prompt.map { $0 * 1.5 })
    #expect(
      (LatentDecodeLaw.terms + LatentPromptLaw.terms).allSatisfy { $0.range.contains($0.start) })
  }
}
