/// What a communication library's protocol leaves of the bandwidth that links have for large
/// transfers; 1 where it takes nothing.
public struct ProtocolShares: Hashable, Sendable {
  public var scaleUp: Double
  public var card: Double

  public init(scaleUp: Double = 1, card: Double = 1) {
    self.scaleUp = scaleUp
    self.card = card
  }

  /// Bytes on the wire for each byte of data.
  func wireFactor(of kind: Network.LinkKind) -> Double {
    switch kind {
    case .scaleUp, .pair: 1 / scaleUp
    case .card: 1 / card
    case .hostLane, .hostUplink, .socket, .core: 1
    }
  }
}

/// Into the switch of a node, or out of it.
public enum SwitchDirection: Hashable, Sendable {
  case into, outOf
}

extension Network {
  /// A device's link into the switch of its node, or out of it.
  ///
  /// - Throws: ``FabricError/noSwitch(device:)``.
  func switchLink(
    _ direction: SwitchDirection, of device: Int
  ) throws(FabricError) -> Int {
    let own = direction == .into ? outgoing[device] : incoming[device]
    guard let link = own.first(where: { links[$0].kind == .scaleUp }) else {
      throw .noSwitch(device: device)
    }
    return link
  }
}
