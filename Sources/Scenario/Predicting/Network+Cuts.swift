import Fabric
import Hardware
import Units

/// What leaves parts of a network has to pass the links that lead out of them, whatever way it takes.
extension Network {
  /// Of all links that traffic to devices of the same node may leave its device by; nil where that
  /// cannot be said.
  func bandwidthOutOfDevices(_ cluster: Cluster, mayChange: Bool) -> Bandwidth? {
    guard cluster.devicesPerNode > 1 else { return nil }
    if let ports, !mayChange {
      let first = ports.compactMap { $0.innerOut.first }
      guard first.count == deviceCount else { return nil }
      return first.reduce(.zero) { $0 + links[$1].bandwidth }
    }
    // PCIe is no way where there is another, unless that is gone.
    let takesLanes = mayChange || cluster.node.scaleUp.kind == .host
    return (0..<deviceCount).reduce(.zero) { sum, device in
      outgoing[device].reduce(sum) {
        links[$1].kind == .hostLane && !takesLanes ? $0 : $0 + links[$1].bandwidth
      }
    }
  }

  /// Of all links that lead out of nodes; nil where there is one node, or vertices do not say theirs.
  func bandwidthOutOfNodes(_ cluster: Cluster) -> Bandwidth? {
    guard cluster.nodeCount > 1,
      (0..<deviceCount).allSatisfy({ vertices[$0].node == cluster.node(of: $0) })
    else { return nil }
    return links.reduce(.zero) { sum, link in
      guard let node = vertices[link.source].node, vertices[link.target].node != node
      else { return sum }
      return sum + link.bandwidth
    }
  }
}
