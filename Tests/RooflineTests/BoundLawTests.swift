import Engine
import Hardware
import Roofline
import Scenario
import Serving
import Testing
import Traces
import Units

/// Adds up what a run's measured iterations needed.
struct NeededTally: IterationObserver {
  var needed = NeededLoad()

  mutating func taskFinished(
    _ task: TaskID, _ label: TaskLabel, from start: SimTime, to end: SimTime, energy: Joules
  ) {}
  mutating func iterationBegins(_ iteration: Int, at time: SimTime) {}
  mutating func iterationEnded(at time: SimTime, tokens: Int, load: IterationLoad) {
    needed.add(load.needed)
  }
}

/// Simulated throughput over the bound of what was realised.
func fractionOfBound(
  _ deployment: Deployment, _ workload: Workload, _ measurement: Serving.Measurement, seed: UInt64
) throws -> (fraction: Double, binding: Resource?) {
  var simulation = try Simulation(deployment, workload, measurement, seed: seed)
  var tally = NeededTally()
  try simulation.run(observer: &tally)
  let least = LeastWork(deployment, workload)
  let times = least.machine.times(of: least.iterations(tally.needed).total)
  return (times.bound.value / simulation.measuredTime.seconds, times.binding)
}

/// Sums in another order may differ by this.
let rounding = 1e-9

@Test("no simulated throughput exceeds its bound, on 1,000 random runs")
func randomRunsStayBelowTheirBounds() throws {
  var runs = try RandomRuns(seed: 2024, catalogue: HardwareCatalogue.load())
  var fractions: [Double] = []
  var bindings: Set<Resource> = []
  var kinds: [String: Int] = [:]
  // Two of three draws cannot be deployed, or do not fit.
  for _ in 0..<20_000 where fractions.count < 1000 {
    guard let run = runs.next() else { continue }
    let found: (fraction: Double, binding: Resource?)
    do {
      found = try fractionOfBound(run.deployment, run.workload, run.measurement, seed: run.seed)
    } catch let error as ServingError where error.isInputError {
      continue
    }
    #expect(found.fraction <= 1 + rounding, "\(found) \(run.words)")
    fractions.append(found.fraction)
    if let binding = found.binding { bindings.insert(binding) }
    for kind in run.kinds { kinds[kind, default: 0] += 1 }
  }
  #expect(fractions.count == 1000)
  // A bound that nothing comes near would say little: some runs have nothing but what binds them.
  #expect(fractions.contains { $0 > 0.99 })
  #expect(
    bindings.isSuperset(of: [
      .arithmetic, .memory, .scaleUp, .network, .companionMemory, .companionLink, .sharedMemory,
    ]), "\(bindings)")
  for kind in RandomRun.allKinds { #expect(kinds[kind, default: 0] > 5, "\(kind) \(kinds)") }
}
