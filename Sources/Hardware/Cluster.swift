import Units

/// Nodes of one kind on a fabric that does not block: only the nodes' own ports limit.
///
/// Devices are numbered from 0, node by node.
public struct Cluster: Hashable, Sendable {
  public let node: Node
  public let nodeCount: Int
  /// Devices used of each node.
  public let devicesPerNode: Int

  /// More nodes than this are refused.
  public static let mostNodes = 100_000

  /// - Parameter devicesPerNode: All of the node's where nil.
  /// - Throws: ``HardwareError/nodeCount(_:)`` or ``HardwareError/deviceCount(_:node:available:)``
  ///   outside of what there is.
  public init(_ node: Node, count: Int, devicesPerNode: Int? = nil) throws(HardwareError) {
    guard (1...Self.mostNodes).contains(count) else { throw .nodeCount(count) }
    let used = devicesPerNode ?? node.deviceCount
    guard (1...max(1, node.deviceCount)).contains(used) else {
      throw .deviceCount(used, node: node.name, available: node.deviceCount)
    }
    self.node = node
    nodeCount = count
    self.devicesPerNode = used
  }

  public var device: Device { node.device }
  public var deviceCount: Int { nodeCount * devicesPerNode }
  public var deviceIndices: Range<Int> { 0..<deviceCount }

  /// The node that a device is in.
  public func node(of device: Int) -> Int { device / devicesPerNode }
  /// A device's place within its node.
  public func localIndex(of device: Int) -> Int { device % devicesPerNode }
  /// The devices of one node.
  public func devices(ofNode node: Int) -> Range<Int> {
    node * devicesPerNode..<(node + 1) * devicesPerNode
  }

  /// The card that carries a device's traffic between nodes, counted within the node: cards are
  /// dealt out evenly, neighbours sharing one where there are fewer cards than devices. Nil without
  /// a network.
  public func networkCard(of device: Int) -> Int? {
    guard let network = node.network else { return nil }
    return localIndex(of: device) * network.cardCount / node.deviceCount
  }

  /// The memory of all devices together.
  public var memoryCapacity: Bytes { device.memory.capacity * Double(deviceCount) }
}
