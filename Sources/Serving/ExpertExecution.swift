import Hardware
import Models

/// Which processor runs a device's routed experts and its decode attention.
///
/// All but ``resident`` and blocks need a node whose devices have a companion (`Node.Companion`). Where the
/// companion has a memory of its own, experts live there; where it shares the device's, in that.
public struct ExpertExecution: Hashable, Sendable {
  public var experts: Experts
  public var attention: Attention

  public enum Experts: Hashable, Sendable {
    /// The device, from its own memory.
    case resident
    /// The device, to whose memory every expert with a token is moved, one behind the other, while
    /// those that have come compute.
    case fetch
    /// The companion.
    case companion
    /// Device or companion, whichever would be done with all of a layer's experts sooner.
    case fastest
    /// Device and companion beside each other, each with some of the experts.
    case split(Split)
    /// Any device, block by block.
    case blocks(BlockExecution)
    /// The device, to which the weights of all layers, not only of experts, are copied one layer after
    /// the other out of the companion's memory, where they live.
    case streamed(StreamedWeights)

    /// Whether a companion runs experts, or those that it holds are moved one by one.
    var usesCompanion: Bool {
      switch self {
      case .resident, .blocks, .streamed: false
      case .fetch, .companion, .fastest, .split: true
      }
    }

    /// Whether the device may run some of them, or all, from its own memory.
    var runsOnDevice: Bool { self != .companion }
  }

  /// How experts are shared out: those with the fewest tokens to the companion.
  public struct Split: Hashable, Sendable {
    /// Parts of the memory in which experts lie by turns and which one processor uses at a time, so
    /// that experts of one part go to one processor; nil where each expert goes by itself.
    public var spaces: Int?
    public var choice: Choice

    public init(spaces: Int? = nil, choice: Choice) {
      self.spaces = spaces
      self.choice = choice
    }

    public enum Choice: Hashable, Sendable {
      /// Parts go to the companion while that makes the slower side faster (Duplex, arXiv 2409.01141).
      case search
      /// The device gets the share of its link in the bandwidths of link and companion's memory, times
      /// `alpha` (MoNDE, arXiv 2405.18832, equations 3 and 4).
      case formula(alpha: Double)
    }
  }

  /// Who runs the attention of decoded tokens; prompts are the device's.
  public enum Attention: String, CaseIterable, Hashable, Sendable {
    case device
    case companion
    /// Whichever is done with it sooner.
    case fastest
  }

  public init(experts: Experts, attention: Attention = .device) {
    self.experts = experts
    self.attention = attention
  }

  public static let resident = ExpertExecution(experts: .resident)

  public var usesCompanion: Bool {
    experts.usesCompanion || attention != .device || streamed != nil
  }

  /// Whether the companion runs any kernel: not where the device reads from its memory only.
  public var computesBeside: Bool {
    attention != .device || experts.usesCompanion && experts != .fetch
  }

  /// Nil where weights are not streamed.
  public var streamed: StreamedWeights? {
    if case .streamed(let streamed) = experts { streamed } else { nil }
  }
}

extension ExpertExecution {
  /// - Throws: ``ServingError/execution(_:)`` where the node has not what this needs.
  func check(on node: Node, _ precisions: Precisions) throws(ServingError) {
    guard let companion = node.companion else {
      guard usesCompanion else { return }
      throw .execution(
        "the devices of '\(node.name)' have no companion; choose 'resident' or 'blocks'")
    }
    let name = companion.processor.name
    if streamed != nil {
      guard !companion.sharesMemory else {
        throw .execution(
          "'streamed' has no effect: '\(name)' works on the device's own memory, where weights live"
        )
      }
      guard attention != .fastest else {
        throw .option(
          .companionAttention,
          "the KV cache lives in one memory: with 'streamed' attention is the device's or the "
            + "companion's")
      }
    }
    if computesBeside {
      do throws(HardwareError) {
        try KernelCostModel(companion.processor).require(precisions.arithmetic)
      } catch { throw .hardware(error) }
    }
    if companion.sharesMemory {
      if experts == .fetch {
        throw .execution(
          "'fetch' has no effect: '\(name)' works on the device's own memory, where experts live")
      }
      if case .split(let split) = experts, case .formula = split.choice {
        throw .option(
          .hotExperts,
          "'hot: formula' needs a companion behind a link; '\(name)' works on the device's memory")
      }
      return
    }
    if attention != .device && streamed == nil {
      throw .option(
        .companionAttention,
        "'\(name)' has a memory of its own, where no KV cache lives: attention is the device's")
    }
    if case .split(let split) = experts, split.spaces != nil {
      throw .option(
        .memorySpaces,
        "'spaces' has no effect: '\(name)' has a memory of its own, which it shares with nobody")
    }
  }
}
