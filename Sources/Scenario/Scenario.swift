import Hardware
import Models
import Placement
import Serving
import StrictYAML
import Traces
import Units

/// One simulation, resolved: everything that a scenario file says or leaves to a default.
///
///     let scenario = try Scenario.load(path: "scenarios/example.yaml", settings: ["workload.batch=64"])
///     var simulation = try Simulation(
///       scenario.deployment, scenario.workload, scenario.measurement, seed: scenario.seed)
///
/// How the file is written: ``ScenarioReader``, section by section.
public struct Scenario: Sendable {
  /// What results call the run.
  public private(set) var name: String
  /// The file that it was read from.
  public let path: String
  public private(set) var deployment: Deployment
  public private(set) var workload: Workload
  /// The whole of the workload's trace; nil where that is whole.
  private var wholeTrace: RoutingTrace?
  /// How its policy chooses the placement; nil where no method does.
  public private(set) var placementChoice: PlacementChoice?
  /// What its policy says of which copy of an expert a token goes to; nil where it says nothing.
  public let replicaChoice: ReplicaChoice?
  public let measurement: Measurement
  public let seed: UInt64
  /// What was chosen for each policy slot, in the order of the slots.
  public private(set) var policies: [PolicyChoice]
  /// What the fullest device holds. It fits.
  public private(set) var memory: MemoryBudget
  /// What a reader of results must know: uncalibrated and unverified constants, a synthetic trace,
  /// sequences drawn with replacement, what was chosen where the file is silent.
  public var remarks: [String] { remarksOfPlacement + otherRemarks }
  /// Of how experts were placed, which others take the place of where they are placed in another way.
  private var remarksOfPlacement: [String] = []
  private var otherRemarks: [String]
  /// See ``ScenarioDocument/text``.
  public private(set) var text: String

  /// Reads a scenario and everything that it refers to, and holds its parts to each other.
  ///
  /// - Parameters:
  ///   - settings: What stands after each `--set`: `workload.batch=64`.
  ///   - seed: Instead of the file's.
  /// - Throws: ``Problems``: everything that is wrong, each at its place.
  public static func load(
    path: String, settings: [String] = [], seed: UInt64? = nil
  ) throws(Problems) -> Scenario {
    let document = try ScenarioDocument(path: path, settings: settings, seed: seed)
    let problems = ProblemCollector()
    let scenario = ScenarioReader(document, problems).scenario(seed: seed)
    try problems.throwIfAny()
    guard let scenario else {
      let start = Location(file: path, line: 1, column: 1)
      throw Problems([Problem("cannot be resolved; please report this scenario", at: start)])
    }
    return scenario
  }

  init(
    name: String, document: ScenarioDocument, deployment: Deployment, workload: Workload,
    measurement: Measurement, seed: UInt64, policies: [PolicyChoice],
    replicaChoice: ReplicaChoice?, remarksOfPlacement: [String], remarks: [String]
  ) {
    self.name = name
    path = document.path
    self.deployment = deployment
    self.workload = workload
    self.measurement = measurement
    self.seed = seed
    self.policies = policies
    self.replicaChoice = replicaChoice
    memory = MemoryBudget(deployment, workload)
    self.remarksOfPlacement = remarksOfPlacement
    otherRemarks = remarks
    text = document.text
  }
}

extension Scenario {
  /// The whole trace, of which its run may replay a part.
  var trace: RoutingTrace { wholeTrace ?? workload.trace }

  /// The same with experts elsewhere, who stay there.
  ///
  /// - Parameters:
  ///   - choice: Among copies.
  ///   - sequences: Of the whole trace, those that are replayed; all where nil.
  ///   - remarks: What a reader must know of how they were placed.
  /// - Throws: ``ServingError`` where the placement does not fit the model or a device's memory.
  func placing(
    _ placement: ExpertPlacement, choice: ReplicaChoice, replaying sequences: [Int]?,
    remarks: [String] = []
  ) throws(ServingError) -> Scenario {
    var changed = self
    changed.deployment = try deployment.placing(placement, choice: choice)
    changed.workload.onlinePlacement = nil
    changed.workload.trace = sequences.map { trace.keeping(sequences: $0) } ?? trace
    changed.wholeTrace = sequences.map { _ in trace }
    changed.remarksOfPlacement = remarks
    changed.memory = MemoryBudget(changed.deployment, changed.workload)
    guard changed.memory.fits else { throw .doesNotFit(changed.memory) }
    return changed
  }

  /// The same where its policy has a method place experts.
  func chosen(_ choice: PlacementChoice) -> Scenario {
    var changed = self
    changed.placementChoice = choice
    return changed
  }

  /// The same with experts that move while it runs.
  func placing(online: OnlinePlacement) -> Scenario {
    var changed = self
    changed.workload.onlinePlacement = online
    return changed
  }

  /// The same by another name of its placement, which is not the scenario's own.
  func named(placement name: String) -> Scenario {
    var changed = self
    changed.name = "\(self.name), placement \(name)"
    changed.policies = policies.map {
      $0.slot == "placement" ? PolicyChoice(slot: $0.slot, choice: name, isDefault: false) : $0
    }
    changed.text += "# the placement in place of the scenario's: \(name)\n"
    return changed
  }

  /// The same with more that a reader of results must know.
  func remarking(_ more: [String]) -> Scenario {
    var changed = self
    changed.otherRemarks += more
    return changed
  }
}

extension Scenario {
  /// Sequences in work at a time, of all attention groups.
  public var sequences: Int { workload.batch * deployment.parallelism.attention.data }

  /// New tokens of an iteration, of all attention groups.
  public var tokensPerIteration: Int {
    workload.tokensPerGroup * deployment.parallelism.attention.data
  }

  /// Sequences of the trace that have tokens of the phase.
  public var tracedSequences: Int { workload.trace.sequenceCount(of: workload.phase) }

  /// Whether one recorded sequence may stand for several of the batch at a time.
  public var drawsWithReplacement: Bool { sequences > tracedSequences }
}

extension RoutingTrace {
  func sequenceCount(of phase: Phase) -> Int {
    sequences.count { (phase == .decode ? $0.decodeTokens : $0.prefillTokens) > 0 }
  }
}

/// What was chosen for one policy slot.
public struct PolicyChoice: Hashable, Sendable {
  /// The slot's key: `placement`.
  public let slot: String
  /// The kind with its options in words: `contiguous, 64 redundant experts in each layer`.
  public let choice: String
  /// Whether the scenario leaves the slot to its default.
  public let isDefault: Bool
}
