/// Which copy of each expert the tokens of each source rank go to, where experts have several.
///
///     let tables = ReplicaTables.nearest(hosts: hosts, homeDevice: homes, devicesPerNode: 8)
///     let slots = try ExpertSlots(devices: 16, homeDevice: homes, hosts: hosts, replicas: tables)
///
/// Fixed beforehand, so that ranks with the same choices form a *replica class* and share one table.
public struct ReplicaTables: Hashable, Sendable {
  public let classes: Int
  /// `[rank]`
  public let classOfRank: [Int]
  /// The class of tokens that are on a device, `[device]`, where the copy depends on where a token is;
  /// nil where it depends on its rank alone.
  public let classOfDevice: [Int]?
  /// By place among the expert's hosts, `[class][layer][expert]`.
  public let copyOfExpert: [UInt16]

  /// The rank and the first copy's device together, modulo copies: whichever an expert has are used by equally
  /// many ranks, or nearly, and a rank uses as many first copies as second ones. By the rank alone, every other
  /// rank of a node would send all that it has for experts with a copy in each of two nodes to the other one.
  ///
  /// - Parameter hosts: `[layer][expert][replica]`.
  public static func even(hosts: [[[Int]]], ranks: Int) -> ReplicaTables {
    let classes = classes(of: hosts, ranks: ranks)
    var copies: [UInt16] = []
    for replicaClass in 0..<classes {
      for layer in hosts {
        for replicas in layer {
          copies.append(UInt16((replicaClass + (replicas.first ?? 0)) % max(1, replicas.count)))
        }
      }
    }
    return ReplicaTables(
      classes: classes, classOfRank: (0..<ranks).map { $0 % classes }, classOfDevice: nil,
      copyOfExpert: copies)
  }

  /// The copy on the device that tokens are on, else one of its node, else any: ``nearestCopy(of:to:devicesPerNode:)``.
  ///
  /// O(devices with ranks x layers x copies).
  ///
  /// - Parameters:
  ///   - homeDevice: the device of each source rank.
  ///   - hosts: `[layer][expert][replica]`, devices.
  ///   - devicesPerNode: device d is in node d / devicesPerNode; nil where nodes do not matter.
  ///   - devices: all that tokens may be on.
  public static func nearest(
    hosts: [[[Int]]], homeDevice: [Int], devicesPerNode: Int?, devices: Int
  ) -> ReplicaTables {
    let perNode = devicesPerNode ?? max(1, devices)
    var classOfTable: [[UInt16]: Int] = [:]
    var copies: [UInt16] = []
    var classOfDevice: [Int] = []
    for device in 0..<devices {
      let table = hosts.flatMap { layer in
        layer.map { UInt16(nearestCopy(of: $0, to: device, devicesPerNode: perNode)) }
      }
      if let known = classOfTable[table] {
        classOfDevice.append(known)
      } else {
        classOfDevice.append(classOfTable.count)
        classOfTable[table] = classOfTable.count
        copies += table
      }
    }
    return ReplicaTables(
      classes: classOfTable.count, classOfRank: homeDevice.map { classOfDevice[$0] },
      classOfDevice: classOfDevice, copyOfExpert: copies)
  }

  /// The choice of ranks repeats with the least common multiple of the replica counts.
  private static func classes(of hosts: [[[Int]]], ranks: Int) -> Int {
    var multiple = 1
    for count in Set(hosts.joined().map(\.count)) {
      var (a, b) = (multiple, count)
      while b != 0 { (a, b) = (b, a % b) }
      multiple = min(multiple / a * count, 1 << 40)
    }
    return min(multiple, ranks)
  }
}

/// The copy that is nearest to a device, by its place among `hosts`: the one on the device, else one of
/// its node, else any. Of several equally near ones the device's number modulo theirs says which; how evenly
/// that divides devices without a copy of their own depends on which they are.
///
/// - Parameters:
///   - hosts: the devices that hold a copy; at least one.
///   - devicesPerNode: device d is in node d / devicesPerNode.
public func nearestCopy(of hosts: [Int], to device: Int, devicesPerNode: Int) -> Int {
  guard hosts.count > 1 else { return 0 }
  let node = device / devicesPerNode
  var near = 0
  for (copy, host) in hosts.enumerated() {
    if host == device { return copy }
    if host / devicesPerNode == node { near += 1 }
  }
  guard near > 0 else { return device % hosts.count }
  var left = device % near
  for (copy, host) in hosts.enumerated() where host / devicesPerNode == node {
    if left == 0 { return copy }
    left -= 1
  }
  return 0
}
