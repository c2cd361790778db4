import Engine
import Fabric
import Hardware
import Results
import Roofline
import Scenario
import Serving
import Units

/// A simulation and the recorder that watches it.
///
/// Serving and Results know nothing of each other; here the one's vocabulary becomes the other's.
struct RecordedRun: IterationObserver {
  private var recorder: Recorder
  /// Nil where nobody is told.
  private var progress: Progress?
  private var needed = NeededLoad()

  /// Runs a scenario to its end.
  ///
  /// - Parameters:
  ///   - keepsPairs: Whether the result says what went from device to device.
  ///   - isQuiet: Whether nobody is told how far it is.
  static func result(
    of scenario: Scenario, threads: Int, spans: SpansKept = .none, keepsPairs: Bool = false,
    isQuiet: Bool = false
  ) throws -> RunResult {
    var simulation = try Simulation(
      scenario.deployment, scenario.workload, scenario.measurement, seed: scenario.seed,
      threads: threads, keepsPairs: keepsPairs)
    var run = RecordedRun(
      recorder: try Recorder(description(of: scenario, simulation.resources), spans: spans),
      progress: isQuiet ? nil : Progress("iterations", of: scenario.measurement.iterations))
    try simulation.run(observer: &run)
    run.progress?.finish()
    let node = scenario.deployment.cluster.node
    let idlePower = node.device.idlePower + (node.companion?.processor.idlePower ?? .zero)
    let devices = scenario.deployment.cluster.deviceCount
    var result = try run.recorder.finish(
      uses: uses(of: simulation), elapsed: simulation.measuredTime,
      idlePower: idlePower * Double(devices),
      pairs: simulation.pairBytes.flatMap { PairTraffic(deviceCount: devices, bytes: $0) })
    result.duplicates = simulation.duplicates.map {
      DuplicateUse(needed: $0.needed, found: $0.found)
    }
    result.bound = bound(of: scenario, run.needed, tokens: result.tokens)
    result.description.remarks += simulation.remarksOnExchanges
    if let moved = simulation.replacements { result.description.remarks.append(words(of: moved)) }
    if let left = simulation.unfinishedRequests, left > 0 {
      result.description.remarks.append(
        "\(left) of \(scenario.workload.requests?.count ?? 0) requests had not ended after the last "
          + "iteration")
    }
    if simulation.preemptions > 0 {
      result.description.remarks.append(
        "\(simulation.preemptions) times, warm-up among it, a request lost its keys and values to "
          + "others and went through anew")
    }
    if simulation.changesToCome > 0 {
      result.description.remarks.append(
        "\(simulation.changesToCome) of \(scenario.deployment.fabric.changes.count) changes of the "
          + "network come after the run's end")
    }
    return result
  }

  /// Nil where the work takes no time or gives no token.
  private static func bound(
    of scenario: Scenario, _ needed: NeededLoad, tokens: Int
  ) -> RunBound? {
    let least = LeastWork(scenario.deployment, scenario.workload)
    let run = Prediction(least.iterations(needed), tokens: Tokens(tokens))
    guard let binding = run.times.binding, tokens > 0 else { return nil }
    return RunBound(
      throughput: run.throughput, boundBy: binding.name,
      roofs: Elasticity.all(of: run.work).map {
        RunBound.Roof(
          resource: $0.resource.name,
          taskBounds: $0.resource.taskBounds(on: scenario.deployment.cluster.node).map(\.name),
          shareOfBound: run.times[$0.resource] / run.times.bound, elasticityOfBound: $0.ofBound,
          elasticityInTurn: $0.inTurn)
      })
  }

  private static func words(of moved: ReplacementTally) -> String {
    let times = moved.declined == 1 ? "time" : "times"
    guard moved.moves > 0 else {
      return "experts were never placed anew: "
        + (moved.declined > 0
          ? "\(moved.declined) \(times) moving them would have taken longer than they were expected to gain"
          : "no other placement promised to be faster")
    }
    let (before, after) = (
      Seconds(moved.secondsBefore / Double(moved.moves)),
      Seconds(moved.secondsAfter / Double(moved.moves))
    )
    return "experts were placed anew \(moved.moves) \(moved.moves == 1 ? "time" : "times"): "
      + "\(moved.copies) copies moved (\(moved.bytes)), and the slowest devices' experts were expected "
      + "to take \(after) an iteration in place of \(before)"
      + (moved.declined > 0
        ? "; \(moved.declined) more \(times) it would have taken longer than was to be gained" : "")
  }

  private static func uses(of simulation: borrowing Simulation) -> [ResourceUse] {
    let (served, offered) = (simulation.amountsServed, simulation.amountsOffered)
    let (busy, claimed) = (simulation.busySeconds, simulation.claimSeconds)
    return served.indices.map {
      ResourceUse(
        served: served[$0], offered: offered[$0], busy: Seconds(busy[$0]),
        claimed: Seconds(claimed[$0]))
    }
  }

  private static func description(
    of scenario: Scenario, _ resources: ClusterResources
  ) -> RunDescription {
    let deployment = scenario.deployment
    let cluster = deployment.cluster
    var description = RunDescription(
      name: scenario.name, scenario: scenario.text, seed: scenario.seed,
      programVersion: Switchyard.version, deviceCount: cluster.deviceCount,
      layerCount: deployment.model.layers,
      stages: Stage.allCases.map {
        StageDescription($0.name, $0.isCommunication ? .communication : .compute)
      },
      bounds: TaskBound.allCases.map(\.name))
    description.model = deployment.model.name
    description.cluster = "\(cluster.nodeCount) x \(cluster.node.name)"
    if let memory = deployment.companionMemory { description.cluster += ", " + memory.words }
    description.policies = scenario.policies.map { "\($0.slot): \($0.choice)" }
      .joined(separator: "\n")
    let trace = scenario.workload.trace
    let file = trace.file.split(separator: "/").last.map(String.init) ?? trace.file
    description.trace = "\(file) (\(trace.shape.model))"
    description.traceIsSynthetic = scenario.workload.trace.origin == .synthetic
    description.phase =
      scenario.workload.requests == nil ? scenario.workload.phase.rawValue : "requests"
    description.sequences = scenario.sequences
    description.context = Tokens(scenario.workload.context)
    description.warmupIterations = scenario.measurement.warmup
    description.remarks = scenario.remarks
    description.resources = resources.table.names.indices.map { index in
      ResourceDescription(
        name: resources.table.names[index], kind: resources.kinds[index].name,
        unit: resources.table.unitSymbols[index], capacity: resources.table.capacities[index],
        device: resources.owners[index], isLink: isLink(resources.kinds[index]))
    }
    return description
  }

  private static func isLink(_ kind: ResourceKind) -> Bool {
    switch kind {
    case .link, .companionLink: true
    default: false
    }
  }

  // MARK: - Watching

  mutating func iterationBegins(_ iteration: Int, at time: SimTime) throws {
    recorder.beginIteration(iteration, at: time)
  }

  mutating func taskReleased(
    _ task: TaskID, _ label: TaskLabel, at time: SimTime, latency: SimTime
  ) {
    recorder.taskReleased(task, label, at: time, latency: latency)
  }

  mutating func taskFinished(
    _ task: TaskID, _ label: TaskLabel, from start: SimTime, to end: SimTime, energy: Joules
  ) {
    recorder.taskFinished(task, label, from: start, to: end, energy: energy)
  }

  mutating func iterationEnded(at time: SimTime, tokens: Int, load: IterationLoad) throws {
    needed.add(load.needed)
    recorder.recordLoad(tokens: load.tokens, bytesSent: load.bytesSent)
    try recorder.endIteration(at: time, tokens: tokens)
    progress?.advance()
  }
}

extension Resource {
  /// What tasks that it binds say. Devices of a node that talk over host links have no others: there
  /// they are what joins devices, elsewhere they are a part of the way to the network.
  fileprivate func taskBounds(on node: Node) -> [TaskBound] {
    let isHostJoined = node.scaleUp.kind == .host
    switch self {
    case .arithmetic: return [.compute]
    case .memory: return [.memory]
    case .scaleUp: return isHostJoined ? [.scaleUp, .hostLinks] : [.scaleUp]
    case .network: return [.network, .switchLinks] + (isHostJoined ? [] : [.hostLinks])
    case .companionLink: return [.companionLink]
    case .linkToCompanion: return [.linkToCompanion]
    case .companionArithmetic: return [.companionCompute]
    case .companionMemory: return [.companionMemory]
    // What device and companion share out is each one's own task.
    case .sharedArithmetic, .sharedMemory: return []
    }
  }
}
