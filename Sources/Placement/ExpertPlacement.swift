/// Where the experts of every MoE layer live: on which expert groups, with how many replicas.
///
/// An *expert group* is what holds whole experts: one device, or as many devices as an expert is
/// sliced over. Layers are positions among the model's MoE layers.
public struct ExpertPlacement: Hashable, Sendable {
  /// Expert groups.
  public let groups: Int
  /// `[layer][expert][replica]`: the groups that hold a copy; each expert has at least one.
  public let hosts: [[[Int]]]
  /// The first groups, which hold the shared experts of every layer and nothing else; 0 where every
  /// group has the shared experts beside its own.
  public let sharedGroups: Int

  public init(groups: Int, hosts: [[[Int]]], sharedGroups: Int = 0) {
    self.groups = groups
    self.hosts = hosts
    self.sharedGroups = sharedGroups
  }

  public var layers: Int { hosts.count }
  public var experts: Int { hosts.first?.count ?? 0 }

  /// Copies that a layer has on a group.
  public func copies(layer: Int, group: Int) -> Int {
    hosts[layer].reduce(0) { $0 + $1.count { $0 == group } }
  }

  /// The most copies of all layers together that any group holds, and that group.
  public var fullestGroup: (group: Int, copies: Int) {
    var copies = [Int](repeating: 0, count: groups)
    for layer in hosts { for expert in layer { for group in expert { copies[group] += 1 } } }
    let most = copies.max() ?? 0
    return (copies.firstIndex(of: most) ?? 0, most)
  }

  /// Copies that a group holds, of all layers.
  public func copies(group: Int) -> Int {
    hosts.indices.reduce(0) { $0 + copies(layer: $1, group: group) }
  }

  /// The most copies that any layer has beside one of each expert.
  public var mostRedundant: Int {
    hosts.map { layer in layer.reduce(0) { $0 + $1.count } - layer.count }.max() ?? 0
  }

  /// The most copies of one layer that any group holds.
  public var mostCopiesOfLayer: Int {
    var most = 0
    for layer in hosts {
      var copies = [Int](repeating: 0, count: groups)
      for expert in layer { for group in expert { copies[group] += 1 } }
      most = max(most, copies.max() ?? 0)
    }
    return most
  }

  /// Whether some expert of some layer has more than one copy.
  public var hasReplicas: Bool { hosts.contains { $0.contains { $0.count > 1 } } }
}

extension ExpertPlacement {
  /// The same placement behind `count` groups that hold the shared experts of every layer.
  public func behind(sharedGroups count: Int) -> ExpertPlacement {
    ExpertPlacement(
      groups: groups + count,
      hosts: hosts.map { layer in layer.map { $0.map { $0 + count } } },
      sharedGroups: sharedGroups + count)
  }

  /// Copies in a row over the groups: the first ones on group 0, and so on. Redundant copies are
  /// dealt to the experts in order, as evenly as whole copies allow.
  ///
  /// - Throws: ``PlacementError`` where a group would be idle, or would hold an expert twice.
  public static func contiguous(
    layers: Int, experts: Int, groups: Int, redundant: Int = 0
  ) throws(PlacementError) -> ExpertPlacement {
    let copies = experts + redundant
    return try ExpertPlacement(layers: layers, experts: experts, groups: groups, copies: copies) {
      (expert: $0 * experts / copies, group: $0 * groups / copies)
    }
  }

  /// Copy c on group c modulo groups, of expert c modulo experts, so that redundant copies are
  /// second ones of the first experts. Where experts divide evenly over groups each further round
  /// moves on by one group, so that an expert's copies do not meet.
  ///
  /// - Throws: ``PlacementError`` where a group would be idle, or would hold an expert twice.
  public static func roundRobin(
    layers: Int, experts: Int, groups: Int, redundant: Int = 0
  ) throws(PlacementError) -> ExpertPlacement {
    let copies = experts + redundant
    let isEven = experts % groups == 0
    return try ExpertPlacement(layers: layers, experts: experts, groups: groups, copies: copies) {
      (expert: $0 % experts, group: ($0 + (isEven ? $0 / experts : 0)) % groups)
    }
  }

  /// The same placement in every layer, from where each copy goes.
  private init(
    layers: Int, experts: Int, groups: Int, copies: Int,
    place: (Int) -> (expert: Int, group: Int)
  ) throws(PlacementError) {
    guard copies >= groups else { throw .idleGroups(copies: copies, groups: groups) }
    guard copies <= experts * groups else {
      throw .redundantCopies(copies - experts, most: experts * (groups - 1))
    }
    var layer = [[Int]](repeating: [], count: experts)
    for copy in 0..<copies {
      let (expert, group) = place(copy)
      guard !layer[expert].contains(group) else {
        throw .copiesMeet(expert: expert, group: group, copies: copies, groups: groups)
      }
      layer[expert].append(group)
    }
    self.init(groups: groups, hosts: Array(repeating: layer, count: layers))
  }
}

/// Why there is no such placement. ``sentence`` is what a person reads.
public enum PlacementError: Error, Hashable, Sendable {
  case redundantCopies(Int, most: Int)
  case copiesMeet(expert: Int, group: Int, copies: Int, groups: Int)
  case idleGroups(copies: Int, groups: Int)

  public var sentence: String {
    switch self {
    case .redundantCopies(let count, let most):
      "\(count) redundant experts in a layer; 0 to \(most) are possible here"
    case .copiesMeet(let expert, let group, let copies, let groups):
      "\(copies) copies in a row on \(groups) expert groups put expert \(expert) twice on group "
        + "\(group); take another number of them, another kind of placement, or a file"
    case .idleGroups(let copies, let groups):
      "\(copies) experts in a layer leave some of \(groups) expert groups without any; slice experts "
        + "(parallelism.experts.tensor), add redundant ones, or give a placement file"
    }
  }
}
