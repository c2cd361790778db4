import Models
import Roofline
import Serving
import Units

/// What closed forms say of a scenario before it is run.
public struct ScenarioPrediction: Sendable {
  public let scenario: Scenario
  public let sample: RoutingSample
  /// Of one iteration.
  public let iteration: Prediction

  /// - Throws: ``ServingError`` where the trace does not fit the deployment.
  public init(_ scenario: Scenario, sample: RoutingSample? = nil) throws(ServingError) {
    self.scenario = scenario
    let found: RoutingSample
    if let sample {
      found = sample
    } else {
      found = try RoutingSample(scenario.deployment, scenario.workload)
    }
    self.sample = found
    let least = LeastWork(scenario.deployment, scenario.workload, isWhole: true)
    let (work, copies) = least.iteration(expecting: found)
    iteration = Prediction(work, tokens: least.tokensPerIteration)
    let some = copies.filter { $0 > 0 }
    expectedActiveCopies = some.reduce(0, +) / Double(max(1, some.count))
  }

  /// Experts' copies with tokens in a layer in one pass, the mean over passes and over layers that have
  /// any.
  public let expectedActiveCopies: Double

  /// What multiplications by weights are computed in.
  public var precision: Precision {
    let precisions = scenario.deployment.precisions
    return precisions.activations.multiplied(by: precisions.weights)
  }

  /// What a reader must know before trusting the numbers.
  public var remarks: [String] {
    var remarks = [
      "expected, not realised: which experts have tokens"
        + (scenario.deployment.exchange.residence == .home
          ? ", and how many copies of tokens leave their devices" : "")
        + ", by \(sample.tokens) tokens of the "
        + (scenario.workload.trace.origin == .synthetic ? "drawn selections" : "trace")
        + ", each by itself"
    ]
    if scenario.deployment.exchange.residence == .transition {
      remarks.append(
        "where tokens are between layers is not predicted: weights count for one device, or one group of "
          + "slices, and of links only keys and values and what slices exchange")
    }
    if scenario.workload.requests != nil {
      remarks.append(
        "requests begin together and are decoded together, which reads the fewest weights: an iteration "
          + "is the mean of both kinds")
      if scenario.workload.batching.budget != nil || scenario.deployment.hostCache != nil
        || scenario.workload.batching.admission != .continuous
      {
        remarks.append(
          "who is admitted when is not predicted: neither the budget, nor room in the cache, nor "
            + "prompts by themselves lower the bound")
      }
    }
    if let reason = StreamingPrediction.reasonForNone(scenario) { remarks.append(reason) }
    return remarks + scenario.remarks
  }
}
