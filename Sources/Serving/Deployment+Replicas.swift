import Placement
import Traces

/// Which copies tokens go to.
extension Deployment {
  /// Expert groups of a node; nil where there is one node.
  private var groupsPerNode: Int? {
    cluster.nodeCount > 1 ? cluster.devicesPerNode / parallelism.experts.tensor : nil
  }

  /// Of each device's tokens, whether slots are of devices or of nodes; nil where no expert has copies.
  var replicaTables: ReplicaTables? {
    guard placement.hasReplicas else { return nil }
    guard replicaChoice == .nearest else {
      return .even(hosts: placement.hosts, ranks: cluster.deviceCount)
    }
    return .nearest(
      hosts: placement.hosts, homeDevice: cluster.deviceIndices.map { expertGroup(of: $0) },
      devicesPerNode: groupsPerNode, devices: placement.groups)
  }

  /// The share of each copy in its expert's tokens where all devices have as many and they return home,
  /// `[expert][copy]` by the layer's place among those with experts. O(groups x copies).
  public func shareOfCopies(layer: Int) -> [[Double]] {
    placement.hosts[layer].map { hosts in
      guard replicaChoice == .nearest, hosts.count > 1 else {
        return [Double](repeating: 1 / Double(hosts.count), count: hosts.count)
      }
      var shares = [Double](repeating: 0, count: hosts.count)
      for group in 0..<placement.groups {
        let copy = nearestCopy(
          of: hosts, to: group, devicesPerNode: groupsPerNode ?? placement.groups)
        shares[copy] += 1 / Double(placement.groups)
      }
      return shares
    }
  }
}
