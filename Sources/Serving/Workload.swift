import Models
import Traces
import Units

/// What the deployment is given to do: closed-loop iterations over a routing trace.
public struct Workload: Sendable {
  public var trace: RoutingTrace
  /// Which of the trace's tokens are replayed, and what an iteration is: one new token for each
  /// sequence (decode), or a whole prompt for each (prefill).
  public var phase: Phase
  /// Sequences of each attention group.
  public var batch: Int
  /// Decode: the tokens a sequence has, the new one among them. Prefill: the tokens of its prompt.
  public var context: Int
  public var routing: RoutingPolicy

  public init(
    trace: RoutingTrace, phase: Phase, batch: Int, context: Int, routing: RoutingPolicy
  ) {
    self.trace = trace
    self.phase = phase
    self.batch = batch
    self.context = context
    self.routing = routing
  }

  /// New tokens of each attention group in an iteration.
  public var tokensPerGroup: Int { phase == .decode ? batch : batch * context }
}

/// What the trace's selections become.
public enum RoutingPolicy: String, CaseIterable, Hashable, Sendable {
  /// The experts that the recorded router chose.
  case asRecorded = "as-recorded"
  /// As many distinct experts for each token, all equally likely: what the same run would be with
  /// a perfectly trained balance and no structure.
  case uniform
}

/// How many iterations are run.
public struct Measurement: Hashable, Sendable {
  /// Iterations before anything is counted.
  public var warmup: Int
  /// Iterations that are counted.
  public var iterations: Int

  public init(warmup: Int, iterations: Int) {
    self.warmup = warmup
    self.iterations = iterations
  }
}
