/// How the sequences of an iteration go through the layers: all at once, or in parts.
public struct Batching: Hashable, Sendable {
  /// Parts that each attention group's sequences (in prefill: prompts) are cut into, as evenly as
  /// whole sequences allow. Each part goes through all layers by itself, so that the exchange of one
  /// runs beside the kernels of another; each reads the weights for itself.
  public var microbatches: Int
  /// When requests that end give way to others.
  public var admission: Admission
  /// New tokens that an attention group takes at most in an iteration where requests begin and end:
  /// decoded ones, and as many whole prompts as then have room. Each microbatch has an equal part of it.
  /// Nil without a limit.
  public var budget: Int?
  /// Nil where a kernel has the whole device to itself, the parts' one after the other.
  public var streams: Streams?

  public init(
    microbatches: Int = 1, streams: Streams? = nil, admission: Admission = .static,
    budget: Int? = nil
  ) {
    self.microbatches = microbatches
    self.budget = budget
    self.streams = streams
    self.admission = admission
  }

  /// A microbatch's equal part of ``budget``.
  var budgetOfMicrobatch: Int? { budget.map { $0 / microbatches } }

  /// Which sequences' tokens an iteration has.
  public enum Admission: String, CaseIterable, Hashable, Sendable {
    /// Those of one phase, always as many.
    case `static`
    /// A prompt goes through in the same iteration as the others' decoded tokens (Orca, OSDI 2022).
    case continuous
    /// Prompts by themselves as soon as there are some; decoded tokens wait for them.
    case promptsFirst = "prompts-first"
    /// All requests begin together, their prompts first and then their decoded tokens, and others when
    /// all have ended (MoE-Lightning, FlexGen).
    case together
  }

  /// Compute units of a device that each of two streams has for itself: kernels of one stream run
  /// one after the other, those of different streams beside each other.
  public struct Streams: Hashable, Sendable {
    /// Of attention, dense feed-forward networks, embedding and head.
    public var attention: Int
    /// Of what lies between attention and the next one in a layer with experts.
    public var experts: Int

    public init(attention: Int, experts: Int) {
      self.attention = attention
      self.experts = experts
    }
  }
}

/// A queue of kernels of a device, of which one runs at a time.
enum KernelStream: Int, CaseIterable {
  case attention
  case experts

  /// Where a stage's kernels are queued: all in one without a split.
  init(_ stage: Stage, _ streams: Batching.Streams?) {
    let isOfExperts =
      switch stage {
      case .gate, .sharedExperts, .experts, .weightedSum: true
      default: false
      }
    self = streams != nil && isOfExperts ? .experts : .attention
  }
}

extension Batching.Streams {
  subscript(stream: KernelStream) -> Int { stream == .attention ? attention : experts }
}
