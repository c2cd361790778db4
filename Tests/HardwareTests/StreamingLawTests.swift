import Hardware
import Testing

@Suite("Streaming kernels")
struct StreamingLawTests {
  private let machine = KernelMachine(peak: 1e15, bandwidth: 1e12, cache: 10e6, units: 100)
  /// launch 2 us, a row at 10 GB/s, half of the memory's rate, the cache twice as fast as memory and
  /// half of it kept.
  private let law = StreamingLaw([2e-6, 10e9, 0.5, 2, 0.5])

  @Test("take as long as one row at least, and as their bytes at most")
  func byHand() {
    // One row of 100 kB at 10 GB/s: 10 us, beside 0.05 us from the cache, of which a 128th shows.
    #expect(
      abs(law.parts(of: .init(rows: 1, rowBytes: 100e3), on: machine).total - 12e-6) < 1e-9)
    // 10,000 rows, 1 GB at 0.5 TB/s: 2 ms.
    let many = law.parts(of: .init(rows: 10_000, rowBytes: 100e3), on: machine)
    #expect(abs(many.total - 2002e-6) < 1e-7 && abs(many.memory - 2e-3) < 1e-12)
    // 40 rows are 4 MB and stay in the cache: 2 us at 2 TB/s.
    #expect(abs(law.parts(of: .init(rows: 40, rowBytes: 100e3), on: machine).memory - 2e-6) < 1e-15)
    #expect(law.parts(of: .init(rows: 0, rowBytes: 100e3), on: machine).total == 2e-6)
  }

  @Test("grow with rows")
  func monotone() {
    var last = 0.0
    for rows in 1...2000 {
      let found = law.parts(of: .init(rows: rows, rowBytes: 16_384), on: machine).total
      #expect(found >= last)
      last = found
    }
  }

  @Test("give back the values they were made of")
  func values() {
    #expect(law.values == [2e-6, 10e9, 0.5, 2, 0.5])
    #expect(StreamingLaw([]).values == StreamingLaw.terms.map(\.start))
  }
}
