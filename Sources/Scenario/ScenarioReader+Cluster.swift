import Hardware
import Models
import StrictYAML

/// `cluster: {nodes: 2 x dgx-h100, devices-per-node: 4}` and `precision`.
extension ScenarioReader {
  /// More devices than this are refused: replay numbers them in 16 bits.
  static let mostDevices = 65_535

  /// - Parameter catalogue: nil where it could not be read, which is no problem of the cluster's.
  func cluster(_ catalogue: HardwareCatalogue?) -> Cluster? {
    let example = "{nodes: 1 x dgx-h100}"
    guard let reader = section("cluster", of: root, example: example) else { return nil }
    let nodes = reader.required("nodes", example: "1 x dgx-h100").flatMap(countAndName)
    let devicesPerNode = reader.optionalInteger("devices-per-node", in: 1...Int.max)
    reader.finish()
    if reader.has("devices-per-node"), devicesPerNode == nil { return nil }
    guard let nodes, let catalogue else { return nil }
    let place = self.place("cluster", "nodes")
    do {
      let node = try catalogue.node(named: nodes.name)
      if nodes.count > 1, node.network == nil {
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

  /// `2 x dgx-h100`, or `dgx-h100` for one of it.
  private func countAndName(_ value: Value) -> (count: Int, name: String)? {
    guard let text = value.text("nodes", problems) else { return nil }
    let parts = text.split(separator: " ").map(String.init)
    if parts.count == 1 { return (1, parts[0]) }
    guard parts.count == 3, parts[1] == "x" else {
      problems.add(
        "'nodes' is '\(text)'; write it like '2 x dgx-h100'", at: value.location)
      return nil
    }
    let count = Value(.scalar(parts[0]), at: value.location)
      .integer("number of nodes", in: Int.min...Int.max, problems)
    return count.map { ($0, parts[2]) }
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
