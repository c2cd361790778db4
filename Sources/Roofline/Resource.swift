/// What work takes time on, by kind: all of a machine's resources of one kind together.
public enum Resource: Int, CaseIterable, Hashable, Sendable {
  /// Arithmetic units of devices. Its amount is seconds of one device at its peak, because peaks
  /// differ between precisions and the units are the same.
  case arithmetic
  /// Memory of devices.
  case memory
  /// Processors beside devices, with what they stream from.
  case companionArithmetic
  case companionMemory
  /// From companions to devices, and from devices to companions: the directions of the same links.
  case companionLink
  case linkToCompanion
  /// Devices and companions together, for work that either may do. Never more than what the two
  /// could do with everything divided as suits them best.
  case sharedArithmetic
  case sharedMemory
  /// Out of devices, to others of their node.
  case scaleUp
  /// Out of nodes.
  case network

  public var name: String {
    switch self {
    case .arithmetic: "arithmetic"
    case .memory: "memory bandwidth"
    case .companionArithmetic: "companion arithmetic"
    case .companionMemory: "companion memory bandwidth"
    case .companionLink: "links from companions"
    case .linkToCompanion: "links to companions"
    case .sharedArithmetic: "arithmetic of devices and companions"
    case .sharedMemory: "memory bandwidth of devices and companions"
    case .scaleUp: "scale-up links"
    case .network: "links between nodes"
    }
  }

  /// Whether its amount is bytes; seconds of peak otherwise.
  public var carriesBytes: Bool {
    switch self {
    case .arithmetic, .companionArithmetic, .sharedArithmetic: false
    default: true
    }
  }

  /// What can be bought of it: itself, or what it is made of where devices and companions share it.
  public var parts: [Resource] {
    switch self {
    case .sharedArithmetic: [.arithmetic, .companionArithmetic]
    case .sharedMemory: [.memory, .companionMemory]
    default: [self]
    }
  }
}

/// Which processor does some work.
public enum Processor: Int, CaseIterable, Hashable, Sendable {
  case device
  case companion
  /// Either, or both with parts of it.
  case shared

  public var arithmetic: Resource {
    switch self {
    case .device: .arithmetic
    case .companion: .companionArithmetic
    case .shared: .sharedArithmetic
    }
  }

  public var memory: Resource {
    switch self {
    case .device: .memory
    case .companion: .companionMemory
    case .shared: .sharedMemory
    }
  }
}
