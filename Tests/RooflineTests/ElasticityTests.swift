import Hardware
import Models
import Roofline
import Testing
import Units

@Suite("Elasticities")
struct ElasticityTests {
  /// A part that memory binds for 3 ms, one that arithmetic binds for 1 ms.
  private func example() throws -> (IterationWork, Machine) {
    let machine = Machine(
      try Cluster(HardwareCatalogue.load().node(named: "dgx-h100"), count: 1, devicesPerNode: 1))
    var work = IterationWork(layers: 1)
    work.add(Work(Bytes(3.35e12 * 3e-3), of: .memory), stage: "a", name: "read", layer: 0)
    // n^3 = 989e12 x 1e-3 / 2: 7909.0 cubed. Its 0.375 GB take 0.11 ms.
    let kernel = Operator(.head, .gemm(GEMM(m: 7909, n: 7909, k: 7909)), Precisions(.bf16))
    work.add(machine.work(of: kernel), stage: "b", name: "multiply", layer: nil)
    return (work, machine)
  }

  @Test("are 1 for what binds the bound, and the share of the time of what binds in turn")
  func closedForm() throws {
    let (work, machine) = try example()
    let all = Elasticity.all(of: work, on: machine)
    #expect(all.map(\.resource) == [.arithmetic, .memory])
    #expect(all.map(\.ofBound) == [0, 1])
    #expect(abs(all[0].inTurn - 0.25) < 1e-4)
    #expect(abs(all[1].inTurn - 0.75) < 1e-4)
    #expect(abs(work.timeInTurn(on: machine).value - 4e-3) < 1e-6)
  }

  @Test("are what a little more of a resource really gives")
  func differences() throws {
    let (work, machine) = try example()
    let little = 1e-6
    for elasticity in Elasticity.all(of: work, on: machine) {
      let more = machine.scaling(elasticity.resource, by: 1 + little)
      func gain(_ time: (Machine) -> Seconds) -> Double {
        (time(machine) / time(more) - 1) / little
      }
      #expect(abs(gain { $0.times(of: work.total).bound } - elasticity.ofBound) < 1e-4)
      #expect(abs(gain { work.timeInTurn(on: $0) } - elasticity.inTurn) < 1e-4)
    }
  }

  @Test("the bound is never more than parts in turn take, nor any part")
  func order() throws {
    let (work, machine) = try example()
    let bound = machine.times(of: work.total).bound
    #expect(bound <= work.timeInTurn(on: machine))
    for part in work.parts { #expect(machine.times(of: part.work).bound <= bound) }
    var layers = Work()
    for layer in work.layers { layers.add(layer) }
    #expect(layers == work.total)
  }
}

@Suite("Distinct experts")
struct DistinctExpertsTests {
  @Test("are as many as hand arithmetic says")
  func byHand() {
    // One token with k = 2 of 8 chooses 2; two independent ones 8 (1 - 0.75^2) = 3.5.
    let even = [Double](repeating: 0.25, count: 8)
    #expect(abs(DistinctExperts.expected(probabilities: even, tokens: 1) - 2) < 1e-12)
    #expect(abs(DistinctExperts.expected(probabilities: even, tokens: 2) - 3.5) < 1e-12)
    #expect(DistinctExperts.expected(probabilities: even, tokens: 0) == 0)
    // One that all choose, one that nobody does.
    #expect(DistinctExperts.expected(probabilities: [1, 0], tokens: 5) == 1)
    // Two copies share an expert's tokens: 2 (1 - (1 - 0.25)^2) of what both see of two tokens.
    let copies = DistinctExperts.expected(probabilities: [0.5], tokens: 2, copies: [2])
    #expect(abs(copies - 2 * (1 - 0.75 * 0.75)) < 1e-12)
  }

  @Test("grow with tokens up to all of them")
  func growth() {
    let skewed = (1...64).map { 6 / Double($0) / 4.744 }.map { min(1, $0) }
    var last = 0.0
    for tokens in [1.0, 2, 8, 64, 1024, 1e6] {
      let expected = DistinctExperts.expected(probabilities: skewed, tokens: tokens)
      #expect(expected > last && expected <= 64)
      last = expected
    }
    #expect(last > 63.99)
  }
}
