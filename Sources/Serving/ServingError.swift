import Engine
import Fabric
import Hardware
import Traces
import Units

/// Why a deployment cannot be run, or a run not finished. ``sentence`` is what a person reads.
public enum ServingError: Error, Sendable {
  case parallelism(String, Int, Int, devices: Int)
  case tooManySlices(String, Int, of: Int, String)
  case noExperts(String)
  case placementMismatch(
    placement: (layers: Int, experts: Int, groups: Int),
    wanted: (layers: Int, experts: Int, groups: Int))
  case doesNotFit(MemoryBudget)
  case noTokens(phase: String, file: String)
  case hardware(HardwareError)
  case trace(TraceError)
  case engine(EngineError)
  case collective(CollectiveError)
  /// A kind of communication that the deployment rules out: the sentence says why.
  case communication(String)
  /// A policy of execution that the node rules out: the sentence says why.
  case execution(String)
  /// Groups that shared experts cannot have for themselves: the sentence says why.
  case sharedGroups(String)
  /// Microbatches, streams or guesses that the workload rules out: the sentence says why.
  case batching(String)
  /// One thing that was asked for and cannot be here, or changes nothing: the sentence says why.
  case option(Option, String)
  /// A network that cannot be built, or changes of parts it does not have.
  case fabric(FabricError)
  /// The network broke apart while the run went on.
  case disconnected(FabricError, at: SimTime)
  case lawBroken(String)

  /// What an error is about, where it is one thing of several that were asked for together.
  public enum Option: Hashable, Sendable {
    case microbatches, streams
    case speculation
    case companionAttention
    case memorySpaces, hotExperts
    case blocks, duplicates
    /// Room for keys and values in host memory, and new tokens of an iteration.
    case cacheRoom, budget, copies
    case expertSlices
    case exchangeAlgorithm
    case library
    case tokenResidence
    case replicaChoice
  }

  /// Whether what was asked for is at fault (exit code 2) or the run (exit code 1).
  public var isInputError: Bool {
    switch self {
    case .engine, .disconnected, .lawBroken: false
    default: true
    }
  }

  public var sentence: String {
    switch self {
    case .parallelism(let part, let a, let b, let devices):
      "\(part) parallelism is \(a) x \(b) = \(a * b); the cluster has \(devices) devices"
    case .tooManySlices(let part, let slices, let count, let what):
      "\(part) cannot be sliced over \(slices) devices: the model has \(count) \(what)"
    case .noExperts(let model):
      "'\(model)' has no experts: models without any are not simulated"
    case .placementMismatch(let placement, let wanted):
      "the placement is for \(placement.layers) layers of \(placement.experts) experts on "
        + "\(placement.groups) groups; needed are \(wanted.layers) layers of \(wanted.experts) experts "
        + "on \(wanted.groups) groups"
    case .doesNotFit(let budget):
      budget.refusal
    case .noTokens(let phase, let file):
      "\(file): the trace has no \(phase) tokens"
    case .hardware(let error):
      error.sentence
    case .trace(let error):
      error.sentence
    case .engine(let error):
      error.sentence { Stage(rawValue: $0)?.name ?? "stage \($0)" }
    case .communication(let reason), .execution(let reason), .sharedGroups(let reason),
      .batching(let reason), .option(_, let reason):
      reason
    case .collective(let error):
      error.sentence
    case .fabric(let error):
      error.sentence
    case .disconnected(let error, let time):
      "at \(time) \(error.sentence)"
    case .lawBroken(let law):
      "a law of the simulation does not hold (please report this): \(law)"
    }
  }
}
