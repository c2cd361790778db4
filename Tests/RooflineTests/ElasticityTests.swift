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
