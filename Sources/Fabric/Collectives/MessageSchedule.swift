import Units

/// A collective as messages between ranks and what waits for what: what an algorithm makes and a
/// network carries.
///
///     var schedule = MessageSchedule()
///     let parts = (1..<8).map { schedule.send(Bytes(1e6), from: $0, to: 0) }
///     let gather = schedule.join()                        // done when all that it waits for is
///     for part in parts { schedule.add(gather, after: part) }
///     schedule.send(Bytes(7e6), from: 0, to: 8, after: gather)
///
/// Ranks are numbers from 0; the schedule knows no links. A step waits only for steps added before it,
/// so the order of the steps is one in which they can be done. Steps lie in flat arrays, 32 bytes a step and
/// 8 bytes for each wait. Where every rank of a group waits for every message of the others, a join
/// between them makes n + m waits of n x m.
public struct MessageSchedule: Sendable {
  /// A step of one schedule: its position.
  public struct StepID: Hashable, Sendable, BitwiseCopyable {
    public let index: Int32

    public var position: Int { Int(index) }
  }

  public struct Step: Hashable, Sendable, BitwiseCopyable {
    public var kind: Kind
    /// The rank that sends; ``MessageSchedule/network`` where data comes out of the switches.
    public var source: Int32
    /// The rank that gets it; ``MessageSchedule/network`` where data ends in the switches.
    public var target: Int32
    public var bytes: Double
    /// How many messages the bytes are sent in, which takes a port's time besides the bytes'.
    public var messages: Double
  }

  public enum Kind: UInt8, Sendable, BitwiseCopyable {
    /// From a rank to another, over the network.
    case message
    /// From a rank to itself, through its memory: read once, written once.
    case copy
    /// Nothing but a place to wait.
    case join
  }

  /// The end of a message that the switches themselves make or take, as in a reduction done there.
  public static let network: Int32 = -1

  public private(set) var steps: [Step] = []
  /// Pairs: `waits[i].step` begins when `waits[i].other` is done.
  public private(set) var waits: [(step: StepID, other: StepID)] = []

  public init() {}

  /// Bytes of memory that a step and a wait take.
  public static let bytesPerStep = MemoryLayout<Step>.stride
  public static let bytesPerWait = MemoryLayout<(step: StepID, other: StepID)>.stride

  public mutating func removeAll() {
    steps.removeAll(keepingCapacity: true)
    waits.removeAll(keepingCapacity: true)
  }

  /// Adds a message. One from a rank to itself is nothing but a join: it moves no bytes.
  ///
  /// - Parameter messages: How many messages of the network card the bytes are sent in.
  @discardableResult
  public mutating func send(
    _ bytes: Bytes, from source: Int, to target: Int, messages: Double = 1,
    after other: StepID? = nil
  ) -> StepID {
    guard source != target else { return join(after: other) }
    return append(
      Step(
        kind: .message, source: Int32(source), target: Int32(target), bytes: bytes.value,
        messages: messages), after: other)
  }

  /// Adds what a rank sends into the switches of its node, which consume it: the upward half of a
  /// reduction done there.
  @discardableResult
  public mutating func sendToSwitch(
    _ bytes: Bytes, from source: Int, after other: StepID? = nil
  ) -> StepID {
    append(
      Step(
        kind: .message, source: Int32(source), target: Self.network, bytes: bytes.value, messages: 1
      ),
      after: other)
  }

  /// Adds what a rank gets out of the switches of its node: a multicast's or a reduction's result.
  @discardableResult
  public mutating func receiveFromSwitch(
    _ bytes: Bytes, at target: Int, after other: StepID? = nil
  ) -> StepID {
    append(
      Step(
        kind: .message, source: Self.network, target: Int32(target), bytes: bytes.value, messages: 1
      ),
      after: other)
  }

  /// Adds a copy of bytes inside a rank's memory: a change of layout before or after messages.
  @discardableResult
  public mutating func copy(_ bytes: Bytes, on rank: Int, after other: StepID? = nil) -> StepID {
    append(
      Step(
        kind: .copy, source: Int32(rank), target: Int32(rank), bytes: bytes.value, messages: 0),
      after: other)
  }

  /// Adds a place to wait for several steps.
  @discardableResult
  public mutating func join(after other: StepID? = nil) -> StepID {
    append(
      Step(kind: .join, source: Self.network, target: Self.network, bytes: 0, messages: 0),
      after: other)
  }

  /// Makes a step wait for another, which was added before it.
  public mutating func add(_ step: StepID, after other: StepID) { waits.append((step, other)) }

  private mutating func append(_ step: Step, after other: StepID?) -> StepID {
    let id = StepID(index: Int32(truncatingIfNeeded: steps.count))
    steps.append(step)
    if let other { waits.append((id, other)) }
    return id
  }
}
