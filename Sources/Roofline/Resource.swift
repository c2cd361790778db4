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
  /// From companions' memories to devices.
  case companionLink
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
    case .companionLink: "companion links"
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
}
