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
  var tokens = 0

  mutating func taskFinished(
    _ task: TaskID, _ label: TaskLabel, from start: SimTime, to end: SimTime, energy: Joules
  ) {}
  mutating func iterationBegins(_ iteration: Int, at time: SimTime) {}
  mutating func iterationEnded(at time: SimTime, tokens: Int, load: IterationLoad) {
    needed.add(load.needed)
    self.tokens += tokens
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

@Test("no requests go faster than predicted before they are run, on 300 random runs")
func randomRequestsStayBelowTheirPredictions() throws {
  var runs = try RandomRuns(seed: 77, catalogue: HardwareCatalogue.load(), wholeRequests: true)
  // Experts with tokens are expected of tokens that choose each by itself, and these come in small
  // numbers.
  let chance = 0.02
  var fractions: [Double] = []
  var kinds: [String: Int] = [:]
  for _ in 0..<10_000 where fractions.count < 300 {
    guard let run = runs.next() else { continue }
    do {
      let least = LeastWork(run.deployment, run.workload)
      var simulation = try Simulation(
        run.deployment, run.workload, run.measurement, seed: run.seed)
      var tally = NeededTally()
      try simulation.run(observer: &tally)
      let realised = Prediction(least.iterations(tally.needed), tokens: Tokens(tally.tokens))
      let sample = try RoutingSample(run.deployment, run.workload)
      let predicted = Prediction(
        least.iteration(expecting: sample).work, tokens: least.tokensPerIteration)
      let seconds = simulation.measuredTime.seconds
      #expect(realised.times.bound.value <= seconds * (1 + rounding), "\(run.words)")
      let fraction = Double(tally.tokens) / seconds / predicted.throughput.value
      #expect(fraction <= 1 + chance, "\(fraction) \(run.words)")
      #expect(realised.throughputInTurn.value <= realised.throughput.value * (1 + rounding))
      fractions.append(fraction)
      if simulation.preemptions > 0 { kinds["preemptions", default: 0] += 1 }
    } catch let error as ServingError where error.isInputError {
      continue
    }
    for kind in run.kinds { kinds[kind, default: 0] += 1 }
  }
  #expect(fractions.count == 300)
  #expect(fractions.contains { $0 > 0.99 })
  for kind in RandomRun.requestKinds {
    #expect(kinds[kind, default: 0] > 5, "\(kind) \(kinds)")
  }
}
