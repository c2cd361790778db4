/// One kind of work in the vocabulary of whoever builds the task graphs: "attention", "dispatch".
public struct StageDescription: Hashable, Sendable {
  /// What a stage occupies, and so which of two that overlap a device's time is counted for.
  public enum Kind: String, Sendable, Codable {
    /// Kernels of one device.
    case compute
    /// Exchanges and copies; counted only where no kernel of the device hides them.
    case communication
    /// No work at all: the time in which a device has neither. Results add this stage themselves.
    case waiting
  }

  public var name: String
  public var kind: Kind

  public init(_ name: String, _ kind: Kind) {
    self.name = name
    self.kind = kind
  }
}
