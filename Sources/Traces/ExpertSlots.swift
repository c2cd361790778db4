/// Where a model's experts live, as replay needs it.
///
/// A *slot* is one copy of one expert of one layer on one device. An expert with several slots has
/// replicas; which of them a source rank's tokens go to is fixed beforehand (``ReplicaTables``), so that
/// ranks with the same choices form a *replica class* and share one table.
public struct ExpertSlots: Sendable {
  public let layers: Int
  public let experts: Int
  public let devices: Int
  /// Devices of one node: device d is in node d / devicesPerNode.
  public let devicesPerNode: Int
  /// The device on which each source rank lives, `[rank]`: what it sends there leaves no device.
  public let homeDevice: [UInt16]
  /// The row length of `[layer][slot]` tables: the most slots that any layer has.
  public let slotsPerLayer: Int
  /// The slots in use, `[layer]`.
  public let slotCount: [Int]
  /// `[layer][slot]`, for the slots in use.
  public let deviceOfSlot: [UInt16]
  /// `[layer][slot]`, for the slots in use.
  public let expertOfSlot: [UInt16]
  public let replicaClasses: Int
  /// `[rank]`
  public let classOfRank: [Int]
  /// Of tokens that are on a device, `[device]`; nil where their rank's class is theirs everywhere.
  public let classOfDevice: [Int]?
  /// `[class][layer][expert]`
  public let slotOfExpert: [UInt16]
  /// The device that all tokens of each rank go to besides, in every layer, `[rank]`: where the shared
  /// experts have devices of their own. Nil where they have not.
  public let sharedDevice: [UInt16]?

  /// Slots numbered in a layer by expert, then by replica: without replicas a slot is its expert.
  ///
  /// - Parameters:
  ///   - devices: 1 to 65535.
  ///   - devicesPerNode: nil where all are in one node.
  ///   - homeDevice: the device of each source rank.
  ///   - hosts: `[layer][expert][replica]`: the devices that hold a copy; each expert has one.
  ///   - sharedDevices: The first so many devices hold the shared experts and nothing else; rank
  ///     modulo their number says which of them a rank's tokens go to.
  ///   - replicas: Which copy each rank's tokens go to; ``ReplicaTables/even(hosts:ranks:)`` where nil.
  /// - Throws: ``TraceError/impossibleShape(detail:)`` naming the first layer and expert that do
  ///   not fit.
  public init(
    devices: Int, devicesPerNode: Int? = nil, homeDevice: [Int], hosts: [[[Int]]],
    sharedDevices: Int = 0, replicas: ReplicaTables? = nil
  ) throws(TraceError) {
    try Self.check(devices: devices, homeDevice: homeDevice, hosts: hosts)
    try Self.check(sharedDevices: sharedDevices, hosts: hosts)
    sharedDevice =
      sharedDevices > 0 ? homeDevice.indices.map { UInt16($0 % sharedDevices) } : nil
    let layers = hosts.count
    let experts = hosts[0].count
    self.layers = layers
    self.experts = experts
    self.devices = devices
    self.devicesPerNode = max(1, devicesPerNode ?? devices)
    self.homeDevice = homeDevice.map { UInt16($0) }
    slotCount = hosts.map { layer in layer.reduce(0) { $0 + $1.count } }
    slotsPerLayer = slotCount.max() ?? 0
    guard slotsPerLayer < 65_536 else {
      throw .impossibleShape(detail: "\(slotsPerLayer) expert slots in a layer; at most 65535")
    }
    let tables = replicas ?? .even(hosts: hosts, ranks: homeDevice.count)
    precondition(
      tables.classOfRank.count == homeDevice.count
        && tables.copyOfExpert.count == tables.classes * layers * experts,
      "the tables are of these ranks and hosts")
    let classes = tables.classes
    replicaClasses = classes
    classOfRank = tables.classOfRank
    classOfDevice = tables.classOfDevice
    var deviceOfSlot = [UInt16](repeating: 0, count: layers * slotsPerLayer)
    var expertOfSlot = deviceOfSlot
    var slotOfExpert = [UInt16](repeating: 0, count: classes * layers * experts)
    for (layer, hostsOfLayer) in hosts.enumerated() {
      var slot = 0
      for (expert, replicas) in hostsOfLayer.enumerated() {
        for replicaClass in 0..<classes {
          let cell = (replicaClass * layers + layer) * experts + expert
          slotOfExpert[cell] = UInt16(slot) + tables.copyOfExpert[cell]
        }
        for device in replicas {
          deviceOfSlot[layer * slotsPerLayer + slot] = UInt16(device)
          expertOfSlot[layer * slotsPerLayer + slot] = UInt16(expert)
          slot += 1
        }
      }
    }
    self.deviceOfSlot = deviceOfSlot
    self.expertOfSlot = expertOfSlot
    self.slotOfExpert = slotOfExpert
  }

  /// Every layer's experts in order over the devices, as evenly as whole experts allow.
  public static func contiguous(
    layers: Int, experts: Int, devices: Int, homeDevice: [Int]
  ) throws(TraceError) -> ExpertSlots {
    guard experts > 0, devices > 0 else {
      throw .impossibleShape(detail: "\(experts) experts on \(devices) devices")
    }
    let layer = (0..<experts).map { [$0 * devices / experts] }
    return try ExpertSlots(
      devices: devices, homeDevice: homeDevice, hosts: Array(repeating: layer, count: layers))
  }

  public var ranks: Int { homeDevice.count }

  private static func check(
    devices: Int, homeDevice: [Int], hosts: [[[Int]]]
  ) throws(TraceError) {
    guard (1..<65_536).contains(devices) else {
      throw .impossibleShape(detail: "\(devices) devices; 1 to 65535 are possible")
    }
    guard !homeDevice.isEmpty, homeDevice.allSatisfy({ (0..<devices).contains($0) }) else {
      throw .impossibleShape(detail: "every source rank needs a home among the \(devices) devices")
    }
    guard let experts = hosts.first?.count, experts > 0, experts <= 65_536 else {
      throw .impossibleShape(detail: "a placement needs at least one layer and one expert")
    }
    for (layer, hostsOfLayer) in hosts.enumerated() {
      guard hostsOfLayer.count == experts else {
        throw .impossibleShape(
          detail: "layer \(layer) places \(hostsOfLayer.count) experts, layer 0 \(experts)")
      }
      for (expert, replicas) in hostsOfLayer.enumerated() {
        guard !replicas.isEmpty, replicas.allSatisfy({ (0..<devices).contains($0) }) else {
          throw .impossibleShape(
            detail: "expert \(expert) of layer \(layer) is on \(replicas); "
              + "it must be on one device or more of 0 to \(devices - 1)")
        }
      }
    }
  }

  /// A token's copy for a shared expert is one more copy only where no routed expert is beside it.
  private static func check(sharedDevices: Int, hosts: [[[Int]]]) throws(TraceError) {
    for (layer, experts) in hosts.enumerated() {
      for (expert, replicas) in experts.enumerated() {
        guard let device = replicas.first(where: { $0 < sharedDevices }) else { continue }
        throw .impossibleShape(
          detail: "expert \(expert) of layer \(layer) is on device \(device), one of the first "
            + "\(sharedDevices), which hold shared experts only")
      }
    }
  }
}
