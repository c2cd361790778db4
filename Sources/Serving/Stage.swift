import Fabric
import Hardware

/// The kinds of work an iteration consists of, as results split its time.
public enum Stage: UInt8, CaseIterable, Sendable {
  case embedding
  case attention
  /// Reductions and gathers among the devices that slice a sequence's attention.
  case tensorExchange
  case gate
  case dispatch
  case sharedExperts
  /// Experts' weights on their way from the companion's memory to the device, or from one device to
  /// another where experts are placed anew.
  case expertTransfer
  /// Tokens' vectors on their way between a device and its companion.
  case vectorTransfer
  case experts
  case combine
  /// A token's experts' results, weighted and added up on its own device.
  case weightedSum
  case denseFeedForward
  case head
  /// Weights of experts that a device computes and another one holds.
  case weightReads
  /// Keys and values of new tokens on their way to all devices.
  case contextGather
  /// Weights of whole layers on their way from host memory to the device.
  case weightStream
  /// Attention's core that a companion runs while the device goes on with other tokens.
  case companionAttention

  public var name: String {
    switch self {
    case .embedding: "embedding"
    case .attention: "attention"
    case .tensorExchange: "tensor-parallel exchange"
    case .gate: "gate"
    case .dispatch: "dispatch"
    case .sharedExperts: "shared experts"
    case .expertTransfer: "expert transfer"
    case .vectorTransfer: "vector transfer"
    case .experts: "experts"
    case .combine: "combine"
    case .weightedSum: "weighted sum"
    case .denseFeedForward: "dense feed-forward"
    case .head: "head"
    case .weightReads: "weight reads"
    case .contextGather: "context gather"
    case .weightStream: "weight stream"
    case .companionAttention: "companion attention"
    }
  }

  /// Whether something is moved, or done beside the device, so that a device's own kernels hide it.
  public var isCommunication: Bool {
    switch self {
    case .dispatch, .combine, .tensorExchange, .expertTransfer, .vectorTransfer, .weightReads,
      .contextGather, .weightStream, .companionAttention:
      true
    default: false
    }
  }
}

/// What bounds a task that runs alone.
public enum TaskBound: UInt8, CaseIterable, Sendable {
  case compute
  case memory
  case latency
  case scaleUp
  case network
  case hostLinks
  case switchLinks
  case companionLink
  case companionCompute
  case companionMemory
  case linkToCompanion
  /// Messages and copies that a library or a card cannot handle faster.
  case handling

  public var name: String {
    switch self {
    case .compute: "compute"
    case .memory: "memory bandwidth"
    case .latency: "latency"
    case .scaleUp: "scale-up ports"
    case .network: "network cards"
    case .hostLinks: "host links"
    case .switchLinks: "switch links"
    case .companionLink: "links from companions"
    case .companionCompute: "companion compute"
    case .companionMemory: "companion memory bandwidth"
    case .linkToCompanion: "links to companions"
    case .handling: "handling of messages"
    }
  }

  init(_ bound: KernelBound, onCompanion isCompanion: Bool) {
    switch bound {
    case .compute: self = isCompanion ? .companionCompute : .compute
    case .memory: self = isCompanion ? .companionMemory : .memory
    case .latency: self = .latency
    }
  }

  init(_ bound: ExchangeTraffic.Bound) {
    switch bound {
    case .latency: self = .latency
    case .link(let kind): self.init(kind)
    }
  }

  init(_ work: ExchangeTraffic.Work) {
    switch work {
    case .nothing: self = .latency
    case .link(let kind): self.init(kind)
    case .memory: self = .memory
    case .handling: self = .handling
    }
  }

  private init(_ link: Network.LinkKind) {
    switch link {
    case .scaleUp, .pair: self = .scaleUp
    case .card: self = .network
    case .hostLane, .hostUplink, .socket: self = .hostLinks
    case .core: self = .switchLinks
    }
  }
}
