import Fabric
import Hardware
import Models
import StrictYAML
import Units

/// `cluster: {nodes: 2 x dgx-h100, devices-per-node: 4, network: ndr400, device-memory: 40 GB}` and
/// `precision`.
extension ScenarioReader {
  /// More devices than this are refused: replay numbers them in 16 bits.
  static let mostDevices = 65_535

  /// - Parameter catalogue: nil where it could not be read, which is no problem of the cluster's.
  func cluster(_ catalogue: HardwareCatalogue?) -> Cluster? {
    let example = "{nodes: 1 x dgx-h100}"
    guard let reader = section("cluster", of: root, example: example) else { return nil }
    let nodes = reader.required("nodes", example: "1 x dgx-h100").flatMap(nodeGroups)
    let devicesPerNode = reader.optionalInteger("devices-per-node", in: 1...Int.max)
    let cards = reader.optional("network")
    let memory = reader.optional("device-memory")
    reader.finish()
    if reader.has("devices-per-node"), devicesPerNode == nil { return nil }
    guard let groups = nodes, let nodes = groups.first, let catalogue else { return nil }
    let place = self.place("cluster", "nodes")
    guard groups.count == 1 else {
      problems.add(
        "a run has nodes of one kind, and these are \(groups.count); "
          + "'switchyard network' takes several", at: place)
      return nil
    }
    do {
      guard var node = node(named: nodes.name, cards, catalogue) else { return nil }
      if let memory {
        guard let capacity = deviceMemory(memory, of: node.device) else { return nil }
        node.device.memory.capacity = capacity
      }
      if nodes.count > 1, node.network == nil, node.scaleUp.kind != .planes {
        problems.add(
          "'\(node.name)' has no network, so there cannot be \(nodes.count) of it; "
            + "use one, or add 'network' to the node", at: place)
        return nil
      }
      let cluster = try Cluster(node, count: nodes.count, devicesPerNode: devicesPerNode)
      if cluster.deviceCount > Self.mostDevices {
        problems.add(
          "the cluster has \(cluster.deviceCount) devices; "
            + "at most \(Self.mostDevices) can be simulated", at: place)
        return nil
      }
      return cluster
    } catch .deviceCount(let count, let node, let available) {
      let error = HardwareError.deviceCount(count, node: node, available: available)
      problems.add(error.sentence, at: self.place("cluster", "devices-per-node"))
    } catch {
      problems.add(error.sentence, at: place)
    }
    return nil
  }

  /// What a scenario leaves of each device's memory.
  private func deviceMemory(_ value: Value, of device: Device) -> Bytes? {
    guard let limit = value.quantity("device-memory", Byte.self, problems) else { return nil }
    guard limit < device.memory.capacity else {
      problems.add(
        "'device-memory' limits what a device has; '\(device.name)' has "
          + "\(device.memory.capacity)", at: value.location)
      return nil
    }
    return limit
  }

  /// A node of the catalogue, with network cards of another kind where the cluster says so.
  private func node(
    named name: String, _ cards: Value?, _ catalogue: HardwareCatalogue
  ) -> Node? {
    do throws(HardwareError) {
      var node = try catalogue.node(named: name)
      guard let cards else { return node }
      guard let word = cards.text("network", problems) else { return nil }
      do throws(HardwareError) {
        let link = try catalogue.link(named: word)
        guard node.network != nil else {
          problems.add("'\(name)' has no network cards to replace", at: cards.location)
          return nil
        }
        node.network?.port = Node.Port(link: link, bandwidth: link.bandwidth)
        return node
      } catch { problems.add(error.sentence, at: cards.location) }
    } catch { problems.add(error.sentence, at: place("cluster", "nodes")) }
    return nil
  }

  /// The machines of `cluster`, which may be of several kinds: `nodes: [2 x dgx-h100, 8x-a40]`.
  func machines(_ catalogue: HardwareCatalogue?) -> [NetworkPlan.Machine]? {
    let example = "{nodes: 2 x dgx-h100}"
    guard let reader = section("cluster", of: root, example: example) else { return nil }
    let groups = reader.required("nodes", example: "2 x dgx-h100").flatMap(nodeGroups)
    let devices = reader.optionalInteger("devices-per-node", in: 1...Int.max)
    let cards = reader.optional("network")
    // Networks have nothing to do with it.
    _ = reader.optional("device-memory")
    reader.finish()
    guard let groups, let catalogue, reader.has("devices-per-node") == (devices != nil) else {
      return nil
    }
    var machines: [NetworkPlan.Machine] = []
    for group in groups {
      guard let node = node(named: group.name, cards, catalogue) else { return nil }
      // Held to the same limits as a cluster of this kind alone.
      do throws(HardwareError) {
        let cluster = try Cluster(node, count: group.count, devicesPerNode: devices)
        let machine = NetworkPlan.Machine(node, devices: cluster.devicesPerNode)
        machines += [NetworkPlan.Machine](repeating: machine, count: cluster.nodeCount)
      } catch {
        problems.add(error.sentence, at: place("cluster", "nodes"))
        return nil
      }
    }
    return machines
  }

  private func nodeGroups(_ value: Value) -> [(count: Int, name: String)]? {
    guard case .sequence(let values) = value.content else {
      return countAndName(value).map { [$0] }
    }
    let groups = values.compactMap(countAndName)
    guard !values.isEmpty else {
      problems.add("'nodes' is empty; write it like '2 x dgx-h100'", at: value.location)
      return nil
    }
    return groups.count == values.count ? groups : nil
  }

  /// `2 x dgx-h100`, or `dgx-h100 x 2`, or `dgx-h100` for one of it.
  private func countAndName(_ value: Value) -> (count: Int, name: String)? {
    guard let text = value.text("nodes", problems) else { return nil }
    let parts = text.split(separator: " ").map(String.init)
    if parts.count == 1 { return (1, parts[0]) }
    guard parts.count == 3, parts[1] == "x" else {
      problems.add(
        "'nodes' is '\(text)'; write it like '2 x dgx-h100'", at: value.location)
      return nil
    }
    let nameFirst = Int(parts[2]) != nil && Int(parts[0]) == nil
    let count = Value(.scalar(parts[nameFirst ? 2 : 0]), at: value.location)
      .integer("number of nodes", in: Int.min...Int.max, problems)
    return count.map { ($0, parts[nameFirst ? 0 : 2]) }
  }

  /// `precision: bf16` for everything, or a mapping that says each.
  func precisions(for device: Device?) -> Precisions? {
    let example = "{weights: bf16, activations: bf16, kv-cache: bf16}"
    guard let value = root.required("precision", example: example) else { return nil }
    var found: Precisions?
    switch value.content {
    case .scalar:
      found = value.word("precision", Precision.self, problems).map { Precisions($0) }
    case .mapping:
      let reader = MappingReader(value, problems)
      let weights = reader.word("weights", Precision.self)
      let activations = reader.word("activations", Precision.self)
      let cache = reader.word("kv-cache", Precision.self)
      reader.finish()
      if let weights, let activations, let cache {
        found = Precisions(weights: weights, activations: activations, kvCache: cache)
      }
    default:
      problems.add(
        "'precision' is a word or a mapping, not \(value.kindName); "
          + "write it like 'precision: \(example)'", at: value.location)
    }
    guard let found, let device else { return found }
    return canCompute(found, on: device, at: value.location) ? found : nil
  }

  private func canCompute(
    _ precisions: Precisions, on device: Device, at place: Location
  ) -> Bool {
    do throws(HardwareError) {
      try KernelCostModel(device).require(precisions.arithmetic)
      return true
    } catch {
      problems.add(error.sentence, at: place)
      return false
    }
  }
}
