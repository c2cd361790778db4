import Hardware
import Models
import Roofline
import Testing
import Units

@Suite("Elasticities")
struct ElasticityTests {
  private static func machine() throws -> Machine {
    Machine(
      try Cluster(HardwareCatalogue.load().node(named: "dgx-h100"), count: 1, devicesPerNode: 1))
  }

  /// A part that memory binds for 3 ms, one that arithmetic binds for 1 ms.
  private func example(on machine: Machine) -> IterationWork {
    var work = IterationWork(layers: 1, on: machine)
    work.add(Work(Bytes(3.35e12 * 3e-3), of: .memory), stage: "a", name: "read", layer: 0)
    // n^3 = 989e12 x 1e-3 / 2: 7909.0 cubed. Its 0.375 GB take 0.11 ms.
    let kernel = Operator(.head, .gemm(GEMM(m: 7909, n: 7909, k: 7909)), Precisions(.bf16))
    work.add(machine.work(of: kernel), stage: "b", name: "multiply", layer: nil)
    return work
  }

  @Test("are 1 for what binds the bound, and the share of the time of what binds in turn")
  func closedForm() throws {
    let work = example(on: try Self.machine())
    let all = Elasticity.all(of: work)
    #expect(all.map(\.resource) == [.arithmetic, .memory])
    #expect(all.map(\.ofBound) == [0, 1])
    #expect(abs(all[0].inTurn - 0.25) < 1e-4)
    #expect(abs(all[1].inTurn - 0.75) < 1e-4)
    #expect(abs(work.timeInTurn.value - 4e-3) < 1e-6)
  }

  @Test("are what a little more of a resource really gives")
  func differences() throws {
    try expectDifferences(on: try Self.machine()) { example(on: $0) }
  }

  /// Holds elasticities to the throughput with a little more of each resource.
  private func expectDifferences(
    on machine: Machine, _ work: (Machine) -> IterationWork
  ) throws {
    let little = 1e-6
    let now = Prediction(work(machine), tokens: Tokens(1))
    for elasticity in Elasticity.all(of: now.work) {
      let more = Prediction(
        work(machine.scaling(elasticity.resource, by: 1 + little)), tokens: Tokens(1))
      #expect(
        abs((more.throughput / now.throughput - 1) / little - elasticity.ofBound) < 1e-4,
        "\(elasticity)")
      #expect(
        abs((more.throughputInTurn / now.throughputInTurn - 1) / little - elasticity.inTurn) < 1e-4,
        "\(elasticity)")
    }
  }

  @Test(
    "credit what devices and companions share to the memories and processors that can be bought")
  func shared() throws {
    let node = try HardwareCatalogue.load().node(named: "duplex")
    let machine = Machine(try Cluster(node, count: 1, devicesPerNode: 1))
    func example(on machine: Machine) -> IterationWork {
      var work = IterationWork(layers: 1, on: machine)
      work.add(Work(Bytes(9e9), of: .sharedMemory), stage: "experts", name: "up", layer: 0)
      work.add(Work(Bytes(1e9), of: .memory), stage: "attention", name: "query", layer: 0)
      work.add(Work(Bytes(1e9), of: .companionMemory), stage: "attention", name: "core", layer: 0)
      let kernel = Operator(.expertUp, .gemm(GEMM(m: 4096, n: 4096, k: 4096)), Precisions(.bf16))
      work.add(
        machine.work(of: kernel, on: .shared), stage: "experts", name: "square", layer: 0)
      return work
    }
    try expectDifferences(on: machine) { example(on: $0) }
    let all = Dictionary(
      uniqueKeysWithValues: Elasticity.all(of: example(on: machine)).map { ($0.resource, $0) })
    // 3.352 TB/s of the device's and four times that of the stacks' own: a fifth, and four.
    #expect(abs((all[.memory]?.ofBound ?? 0) - 0.2) < 1e-3)
    #expect(abs((all[.companionMemory]?.ofBound ?? 0) - 0.8) < 1e-3)
    #expect(abs((all[.sharedMemory]?.ofBound ?? 0) - 1) < 1e-12)
    // One per cent more in the catalogue.
    func bound(_ change: (inout Node) -> Void) throws -> Double {
      var other = node
      change(&other)
      let machine = Machine(try Cluster(other, count: 1, devicesPerNode: 1))
      return machine.times(of: example(on: machine).total).bound.value
    }
    let now = try bound { _ in }
    let more = try bound {
      $0.device.memory.bandwidth = $0.device.memory.bandwidth * 1.01
    }
    #expect(abs(now / more - 1.002) < 1e-4)
    let beside = try bound {
      guard var companion = $0.companion else { return }
      companion.processor.memory.bandwidth = companion.processor.memory.bandwidth * 1.01
      $0.companion = companion
    }
    #expect(abs(now / beside - 1.008) < 1e-4)
  }

  @Test("the bound is never more than parts in turn take, nor any part")
  func order() throws {
    let work = example(on: try Self.machine())
    let bound = work.machine.times(of: work.total).bound
    #expect(bound <= work.timeInTurn)
    for part in work.parts { #expect(work.machine.times(of: part.work).bound <= bound) }
    var layers = Work()
    for layer in work.layers { layers.add(layer) }
    #expect(layers == work.total)
  }

  @Test("launches in turn take the sum of their maxima, and each layer counts once")
  func launches() throws {
    let machine = try Self.machine()
    var work = IterationWork(layers: 2, on: machine)
    // 3 ms of memory, then 1 ms of arithmetic that reads for 0.11 ms, in both layers, twice.
    let kernel = Operator(.head, .gemm(GEMM(m: 7909, n: 7909, k: 7909)), Precisions(.bf16))
    for layer in [0, 1, 0, 1] {
      work.add(Work(Bytes(3.35e12 * 3e-3), of: .memory), stage: "a", name: "same", layer: layer)
      work.add(machine.work(of: kernel), stage: "a", name: "same", layer: layer)
    }
    #expect(work.parts.map(\.layers) == [2])
    // As one they would be bound by memory for 4 x 3.11 ms.
    #expect(abs(machine.times(of: work.total).bound.value - 12.45e-3) < 1e-5)
    #expect(abs(work.timeInTurn.value - 16e-3) < 1e-5)
    #expect(abs(work.inTurn[.arithmetic].value - 4e-3) < 1e-5)
    #expect(work.parts.first?.launches.binding == .memory)
  }
}
