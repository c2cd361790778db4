import Fabric
import Hardware
import StrictYAML
import Units

/// `fabric`: how machines are joined, and how finely traffic is simulated. May be left out.
///
/// ```yaml
/// fabric:
///   topology: {kind: fat-tree, cards-per-leaf: 16, spines: 8, oversubscription: 2}
///   spread: spray                          # or ecmp, adaptive, ordered
///   detour: minimal                        # or valiant
///   fidelity: ports                        # or flows
///   changes:
///     - {at: 2 ms, link: node 0 card 3 out, factor: 0.5}
///     - {at: 3 ms, switch: spine 1, factor: 0}
///     - {at: 9 ms, device: 5, factor: 0.8}
/// ```
extension ScenarioReader {
  func fabric(devices: Int?) -> FabricPlan? {
    guard root.has("fabric") else {
      _ = root.optional("fabric")
      return FabricPlan()
    }
    guard
      let reader = optionalSection(
        "fabric", of: root, example: "{topology: rail-optimised, fidelity: flows}")
    else { return nil }
    var plan = FabricPlan()
    var isWhole = true
    func read<Result>(_ key: String, _ body: (Value) -> Result?) -> Result? {
      guard let value = reader.optional(key) else { return nil }
      let result = body(value)
      if result == nil { isWhole = false }
      return result
    }
    let topologies = TopologyReader(problems: problems, devices: devices ?? 0) {
      document.resolve($0, writtenAt: $1)
    }
    plan.topology = read("topology", topologies.topology) ?? plan.topology
    plan.spread = read("spread") { $0.word("spread", Spread.self, problems) }
    plan.detour = read("detour") { $0.word("detour", Detour.self, problems) } ?? plan.detour
    plan.fidelity =
      read("fidelity") { $0.word("fidelity", FabricPlan.Fidelity.self, problems) }
      ?? plan.fidelity
    plan.changes = read("changes", changes) ?? []
    reader.finish()
    return isWhole ? plan : nil
  }

  /// Whether a topology joins anything.
  func hasEffect(_ topology: Topology, nodes: Int) -> Bool {
    guard nodes == 1, !topology.joinsDevices, topology != .nonBlocking else { return true }
    problems.add(
      "'\(topology.word)' has no effect: it joins nodes, and there is one",
      at: place("fabric", "topology"))
    return false
  }

  private func changes(_ value: Value) -> [NetworkChange]? {
    guard let entries = value.sequence("changes", problems) else { return nil }
    let changes = entries.compactMap(change)
    return changes.count == entries.count ? changes : nil
  }

  private func change(_ value: Value) -> NetworkChange? {
    let reader = MappingReader(value, problems, context: "a change")
    let time: Seconds? = reader.quantity("at", allowingZero: true)
    let factor = reader.number("factor", in: 0...1)
    let link = reader.optionalText("link")
    let vertex = reader.optionalText("switch")
    let device = reader.optionalInteger("device", in: 0...Int.max)
    reader.finish()
    let parts =
      [
        link.map { NetworkChange.Part.link($0) }, vertex.map { .vertex($0) },
        device.map { .device($0) },
      ]
      .compactMap { $0 }
    guard parts.count == 1, let part = parts.first else {
      problems.add("a change concerns one 'link', 'switch' or 'device'", at: value.location)
      return nil
    }
    guard let time, let factor else { return nil }
    guard time.value < 1e6 else {
      problems.add("'at' is \(time); it must be less than 1000000 s", at: value.location)
      return nil
    }
    return NetworkChange(at: SimTime(roundingUp: time), part, factor: factor)
  }
}
