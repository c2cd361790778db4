import StrictYAML

/// A placement as people write it down:
///
/// ```yaml
/// placement: 1                 # format version
/// model: deepseek-v2-lite
/// groups: 8                    # expert groups: devices, unless experts are sliced
/// nodes: 2                     # that they lie in, equally many in each; may be left out
/// replica-choice: nearest      # of which copy a token goes to the placement was made for; may be left out
/// shared-groups: 2             # the first of them hold shared experts and nothing else; left out for none
/// layers:                      # one row for each MoE layer, one entry for each expert:
///   - [0, 0, 1, [2, 5], ...]   # its group, or the groups of its copies
/// ```
public struct PlacementFile: Sendable {
  public static let version = 1

  /// The model that the placement was made for.
  public var model: String
  public var placement: ExpertPlacement
  /// That the groups lie in; nil where nothing is said.
  public var nodes: Int?
  /// How tokens choose among copies where it costs what it was chosen for; nil where nothing is said.
  public var replicaChoice: ReplicaChoice?

  public init(
    model: String, placement: ExpertPlacement, nodes: Int? = nil,
    replicaChoice: ReplicaChoice? = nil
  ) {
    self.model = model
    self.placement = placement
    self.nodes = nodes
    self.replicaChoice = replicaChoice
  }

  /// Reads a placement and holds it to the model and cluster it is to be used for.
  ///
  /// - Parameter nodes: Of the cluster; nil where it is not known.
  /// - Throws: Problems with their places: unknown keys, a placement for another model, another
  ///   number of groups, nodes, layers or experts, a group that does not exist or stands twice.
  public init(
    contentsOf path: String, model expected: String, layers: Int, experts: Int, groups: Int,
    nodes: Int? = nil
  ) throws(Problems) {
    let problems = ProblemCollector()
    let reader = MappingReader(
      try Value.contents(ofFile: path), problems, context: "a placement file")
    _ = reader.integer("placement", in: Self.version...Self.version)
    let model = reader.text("model")
    if let model, model != expected {
      problems.add(
        "the placement is for '\(model)'; the scenario's model is '\(expected)'",
        at: reader.location(of: "model"))
    }
    let found = reader.integer("groups", in: 1...Int.max)
    if let found, found != groups {
      problems.add(
        "the placement is for \(found) expert groups; the scenario has \(groups)",
        at: reader.location(of: "groups"))
    }
    let foundNodes = reader.optional("nodes")?.integer("nodes", in: 1...65_535, problems)
    if let foundNodes, let nodes, foundNodes != nodes {
      problems.add(
        "the placement is for \(foundNodes) \(foundNodes == 1 ? "node" : "nodes"); the scenario has "
          + "\(nodes)", at: reader.location(of: "nodes"))
    }
    var shared = 0
    if reader.has("shared-groups") {
      shared = reader.integer("shared-groups", in: 1...max(1, groups - 1)) ?? 0
    }
    let written = reader.optional("replica-choice")
    let choice = written?.word("replica-choice", ReplicaChoice.self, problems)
    // What was made for something else would be wrong in every line below.
    if !problems.isEmpty {
      _ = reader.optional("layers")
      reader.finish()
      try problems.throwIfAny()
    }
    var hosts: [[[Int]]] = []
    if let rows = reader.required("layers")?.sequence("layers", problems) {
      if rows.count != layers {
        problems.add(
          "the placement has \(rows.count) layers; the model has \(layers) MoE layers",
          at: reader.location(of: "layers"))
      }
      hosts = rows.map {
        Self.layer($0, experts: experts, groups: shared..<max(groups, shared + 1), problems)
      }
    }
    reader.finish()
    try problems.throwIfAny()
    let placement = ExpertPlacement(groups: groups, hosts: hosts, sharedGroups: shared)
    if let written, !placement.hasReplicas {
      problems.add(
        "'replica-choice' has no effect: no expert has copies to choose among", at: written.location
      )
      try problems.throwIfAny()
    }
    self.init(
      model: model ?? expected, placement: placement, nodes: foundNodes, replicaChoice: choice)
  }

  private static func layer(
    _ row: Value, experts: Int, groups: Range<Int>, _ problems: ProblemCollector
  ) -> [[Int]] {
    guard let entries = row.sequence("layers", problems) else { return [] }
    if entries.count != experts {
      problems.add(
        "a layer has \(entries.count) experts; the model has \(experts)", at: row.location)
    }
    return entries.enumerated().map { expert, entry in
      let name = "group of expert \(expert)"
      var copies = [entry]
      if case .sequence(let values) = entry.content { copies = values }
      let hosts = copies.compactMap {
        $0.integer(name, in: groups.lowerBound...groups.upperBound - 1, problems)
      }
      if copies.isEmpty { problems.add("expert \(expert) is nowhere", at: entry.location) }
      if Set(hosts).count != hosts.count {
        problems.add("expert \(expert) is twice on one group", at: entry.location)
      }
      return hosts
    }
  }

  /// The file's text.
  public var yaml: String {
    var text = "placement: \(Self.version)\nmodel: \(model)\ngroups: \(placement.groups)\n"
    if let nodes { text += "nodes: \(nodes)\n" }
    if let replicaChoice { text += "replica-choice: \(replicaChoice.rawValue)\n" }
    if placement.sharedGroups > 0 { text += "shared-groups: \(placement.sharedGroups)\n" }
    text += "layers:\n"
    for layer in placement.hosts {
      let entries = layer.map { $0.count == 1 ? "\($0[0])" : "\($0)" }
      text += "  - [\(entries.joined(separator: ", "))]\n"
    }
    return text
  }
}
