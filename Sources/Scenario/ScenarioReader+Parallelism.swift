import Hardware
import Models
import Serving
import StrictYAML

/// `parallelism: {attention: {data: 2, tensor: 4}, experts: {expert: 8, tensor: 1}}`; a factor that is
/// left out is 1. Without the section, attention is data-parallel and experts are expert-parallel
/// over all devices.
extension ScenarioReader {
  func parallelism(cluster: Cluster?, model: ModelArchitecture?) -> Parallelism? {
    guard root.has("parallelism") else {
      _ = root.optional("parallelism")
      return cluster.map {
        Parallelism(attention: (data: $0.deviceCount, 1), experts: (expert: $0.deviceCount, 1))
      }
    }
    let example = "{attention: {data: 8}, experts: {expert: 8}}"
    guard let reader = section("parallelism", of: root, example: example) else { return nil }
    let attention = factors("attention", "data", example: "{data: 8, tensor: 1}", reader)
    let experts = factors("experts", "expert", example: "{expert: 8, tensor: 1}", reader)
    reader.finish()
    guard let attention, let experts else { return nil }
    let fitsCluster = [
      multiplies("attention", "data", attention, to: cluster),
      multiplies("experts", "expert", experts, to: cluster),
    ]
    let fitsModel = [
      slices("attention", attention.1, of: model?.attention.heads, "heads"),
      slices("experts", experts.1, of: model?.experts.intermediate, "intermediate columns"),
    ]
    guard !(fitsCluster + fitsModel).contains(false) else { return nil }
    return Parallelism(
      attention: (data: attention.0, tensor: attention.1),
      experts: (expert: experts.0, tensor: experts.1))
  }

  private func factors(
    _ part: String, _ across: String, example: String, _ parallelism: MappingReader
  ) -> (Int, Int)? {
    guard let reader = section(part, of: parallelism, example: example) else { return nil }
    let outer = reader.integer(across, in: 1...Self.mostDevices, default: 1)
    let tensor = reader.integer("tensor", in: 1...Self.mostDevices, default: 1)
    reader.finish()
    guard let outer, let tensor else { return nil }
    return (outer, tensor)
  }

  private func multiplies(
    _ part: String, _ across: String, _ factors: (Int, Int), to cluster: Cluster?
  ) -> Bool {
    guard let devices = cluster?.deviceCount, factors.0 * factors.1 != devices else { return true }
    let error = ServingError.parallelism(part, factors.0, factors.1, devices: devices)
    problems.add(
      "\(error.sentence); choose \(across) x tensor = \(devices)", at: place("parallelism", part))
    return false
  }

  private func slices(_ part: String, _ slices: Int, of count: Int?, _ what: String) -> Bool {
    guard let count, slices > max(1, count) else { return true }
    let error = ServingError.tooManySlices(part, slices, of: count, what)
    problems.add(
      "\(error.sentence); choose at most \(count)", at: place("parallelism", part, "tensor"))
    return false
  }
}
