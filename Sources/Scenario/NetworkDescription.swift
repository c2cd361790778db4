import Fabric
import Hardware
import StrictYAML

/// The machines and the fabric of a scenario, or of a description in one line, without the rest.
///
///     let description = try NetworkDescription(text: "8 x dgx-h100, rail-optimised, ndr400")
///     let network = try Network(description.plan)
public struct NetworkDescription: Sendable {
  /// What results call it.
  public let name: String
  public let plan: NetworkPlan
  public let fabric: FabricPlan
  public let catalogue: HardwareCatalogue
  /// Of `fabric` and of its keys.
  private let places: [String: Location]

  /// Reads `catalogue`, `cluster` and `fabric` of a scenario; what else it says is not looked at, so
  /// it may be missing.
  ///
  /// - Throws: ``Problems``.
  public init(path: String, settings: [String] = []) throws(Problems) {
    try Self.check(settings, isFile: true)
    let document = try ScenarioDocument(path: path, settings: settings)
    try self.init(document, name: nil)
  }

  /// Reads nodes, topology and network cards, separated by commas, of which the last two may be left
  /// out. Nodes of several kinds are joined by `+`; a topology is a word or a mapping in braces, as in
  /// `fabric.topology`.
  ///
  /// - Parameter settings: For `cluster` and `fabric`, what stands after each `--set`.
  /// - Throws: ``Problems``.
  public init(text: String, settings: [String] = []) throws(Problems) {
    try Self.check(settings, isFile: false)
    let parts = Self.parts(of: text)
    let place = Location(file: "'\(text)'", line: 1, column: 1)
    guard (1...3).contains(parts.count), !parts.contains("") else {
      throw Problems([
        Problem(
          "is neither a file nor a cluster; write it like '8 x dgx-h100' or "
            + "'8 x dgx-h100, rail-optimised, ndr400'", at: place)
      ])
    }
    let nodes = parts[0].split(separator: "+").map { $0.trimmed }
    var yaml = "switchyard: 1\ncluster: {nodes: [\(nodes.joined(separator: ", "))]"
    if parts.count > 2 { yaml += ", network: \(parts[2])" }
    yaml += "}\n"
    if parts.count > 1 { yaml += "fabric: {topology: \(parts[1])}\n" }
    let document = try ScenarioDocument(text: yaml, file: place.file, settings: settings)
    try self.init(document, name: text)
  }

  private init(_ document: ScenarioDocument, name: String?) throws(Problems) {
    let problems = ProblemCollector()
    let reader = ScenarioReader(document, problems)
    let catalogue = reader.catalogues().hardware
    let machines = reader.machines(catalogue)
    let devices = machines?.reduce(0) { $0 + $1.devices }
    var fabric = reader.fabric(devices: devices)
    // A question about the network alone is answered exactly unless it says otherwise.
    if document.value["fabric"]?["fidelity"] == nil { fabric?.fidelity = .flows }
    if let fabric, let machines {
      _ = reader.hasEffect(fabric.topology, nodes: machines.count)
    }
    try problems.throwIfAny()
    guard let catalogue, let machines, let fabric else {
      throw Problems([Problem("describes no network", at: document.value.location)])
    }
    self.catalogue = catalogue
    self.fabric = fabric
    places = Dictionary(
      ["topology", "spread", "detour", "changes"].map { ($0, reader.place("fabric", $0)) },
      uniquingKeysWith: { first, _ in first })
    plan = NetworkPlan(machines: machines, topology: fabric.topology)
    self.name =
      name ?? document.value["name"].flatMap { $0.text("name", problems) } ?? document.path
  }

  /// The network itself.
  ///
  /// - Throws: ``Problems`` where `fabric` does not suit the machines, or else ``FabricError``.
  public func network() throws -> Network {
    do throws(FabricError) {
      let network = try Network(plan)
      try network.check(fabric)
      return network
    } catch {
      let key =
        switch error {
        case .topology: "topology"
        case .withoutEffect(let key, _): key
        case .unknownPart: "changes"
        default: ""
        }
      guard let place = places[key] else { throw error }
      throw Problems([Problem(error.sentence, at: place)])
    }
  }

  private static func check(_ settings: [String], isFile: Bool) throws(Problems) {
    let used = ["cluster", "fabric", "catalogue"] + (isFile ? ["extends", "name"] : [])
    let others = try Setting.parse(settings, givenSeed: false).filter { setting in
      !used.contains { setting.path.first == $0 }
    }
    guard others.isEmpty else {
      throw Problems(
        others.map {
          Problem("'\($0.key)' has no effect on the network", at: $0.value.location)
        })
    }
  }

  /// Split at commas outside of braces and brackets.
  private static func parts(of text: String) -> [String] {
    var parts = [""]
    var depth = 0
    for character in text {
      if "{[".contains(character) { depth += 1 }
      if "}]".contains(character) { depth -= 1 }
      if character == ",", depth == 0 {
        parts.append("")
      } else {
        parts[parts.count - 1].append(character)
      }
    }
    return parts.map { $0[...].trimmed }
  }
}

extension Substring {
  fileprivate var trimmed: String {
    var text = self
    while text.first == " " { text.removeFirst() }
    while text.last == " " { text.removeLast() }
    return String(text)
  }
}
