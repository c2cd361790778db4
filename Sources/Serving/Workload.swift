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
  public var batching: Batching
  /// Decode only; nil where each sequence brings one token.
  public var speculation: Speculation?
  /// Where requests begin and end; `context` is then what one has at its end, and `phase` decode. Nil
  /// where all iterations are alike.
  public var requests: RequestLengths?
  /// Nil where experts stay where they are.
  public var onlinePlacement: OnlinePlacement?
  /// Tokens of the encoder's output that each sequence attends to, for a decoder that does.
  public var source = 0

  public init(
    trace: RoutingTrace, phase: Phase, batch: Int, context: Int, routing: RoutingPolicy,
    batching: Batching = Batching(), speculation: Speculation? = nil
  ) {
    self.trace = trace
    self.phase = phase
    self.batch = batch
    self.context = context
    self.routing = routing
    self.batching = batching
    self.speculation = speculation
  }

  /// New tokens of a sequence in an iteration: its prompt, or its token with the guesses after it.
  public var tokensPerSequence: Int {
    phase == .decode ? 1 + (speculation?.tokens ?? 0) : context
  }

  /// New tokens of each attention group in an iteration.
  public var tokensPerGroup: Int { batch * tokensPerSequence }

  /// The same of the largest iteration that may come: where requests begin, all of their prompts.
  public var mostTokensPerGroup: Int { requests.map { batch * $0.prompt } ?? tokensPerGroup }

  /// Positions of each attention group of which an iteration asks the next token: those of all new
  /// tokens in decode, the last one of each prompt in prefill.
  public var predictedPositions: Int { phase == .decode ? tokensPerGroup : batch }

  /// Tokens that an iteration gives a sequence, or takes in of its prompt.
  public var countedTokensPerSequence: Double {
    phase == .decode ? speculation?.acceptedTokens ?? 1 : Double(context)
  }
}

/// Parts of it.
extension Workload {
  /// The sequences of each attention group that a microbatch has, by their places in the batch.
  public func places(ofMicrobatch index: Int) -> Range<Int> {
    share(index, of: batch, among: batching.microbatches)
  }

  /// What one microbatch is given to do, alone.
  public func microbatch(_ index: Int) -> Workload {
    var part = self
    part.batch = places(ofMicrobatch: index).count
    part.batching.microbatches = 1
    return part
  }

  /// One new token for each sequence, as a guess after the first takes it through the prediction
  /// layer.
  public var withoutSpeculation: Workload {
    var plain = self
    plain.speculation = nil
    return plain
  }
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
