import Models
import Placement
import StrictYAML

/// Where experts live:
///
/// ```yaml
/// placement: contiguous                         # or round-robin
/// placement: {kind: contiguous, redundant: 64}  # further copies in each layer
/// placement: {kind: file, path: mine.yaml}      # or file:mine.yaml
/// ```
enum PlacementPolicy {
  case contiguous(redundant: Int)
  case roundRobin(redundant: Int)
  /// A path from where the program stands, and as it was written.
  case file(path: String, written: String, place: Location)

  enum Kind: String, PolicyKind {
    case contiguous
    case roundRobin = "round-robin"
    case file

    var keys: [String] { self == .file ? ["path"] : ["redundant"] }
  }

  /// More copies of a layer than this are refused.
  static let mostRedundant = 16_384

  var words: String {
    func copies(_ redundant: Int) -> String {
      redundant == 0 ? "" : ", \(redundant) redundant experts in each layer"
    }
    switch self {
    case .contiguous(let redundant): return "contiguous" + copies(redundant)
    case .roundRobin(let redundant): return "round-robin" + copies(redundant)
    case .file(_, let written, _): return "file \(written)"
    }
  }
}

extension ScenarioReader {
  func placementPolicy(_ value: Value) -> PlacementPolicy? {
    if case .scalar(let text) = value.content, text.hasPrefix("file:") {
      let path = String(text.dropFirst("file:".count))
      guard !path.isEmpty else {
        problems.add("'file:' names no file; write it like 'file:mine.yaml'", at: value.location)
        return nil
      }
      return placementFile(path, at: value.location)
    }
    guard let reader = PolicyReader<PlacementPolicy.Kind>("placement", value, problems) else {
      return nil
    }
    defer { reader.finish() }
    if reader.kind == .file {
      guard let path = reader.mapping?.required("path", example: "mine.yaml") else {
        if reader.mapping == nil {
          problems.add(
            "placement 'file' names no file; write it like 'file:mine.yaml'", at: value.location)
        }
        return nil
      }
      return path.text("path", problems).flatMap { placementFile($0, at: path.location) }
    }
    guard let redundant = redundantCopies(reader.mapping) else { return nil }
    return reader.kind == .contiguous
      ? .contiguous(redundant: redundant) : .roundRobin(redundant: redundant)
  }

  private func placementFile(_ written: String, at place: Location) -> PlacementPolicy? {
    let path = document.resolve(written, writtenAt: place)
    if let reason = reasonNotToRead(path) {
      problems.add("the placement '\(path)' cannot be read: \(reason)", at: place)
      return nil
    }
    return .file(path: path, written: written, place: place)
  }

  private func redundantCopies(_ mapping: MappingReader?) -> Int? {
    guard let value = mapping?.optional("redundant") else { return 0 }
    let count = value.integer("redundant", in: 0...PlacementPolicy.mostRedundant, problems)
    if count == 0 {
      problems.add("'redundant: 0' has no effect; leave it out", at: value.location)
      return nil
    }
    return count
  }

  /// The placement itself, for a model on a number of expert groups.
  func placement(
    _ policy: PlacementPolicy, _ model: ModelArchitecture, groups: Int
  ) -> ExpertPlacement? {
    let layers = model.expertLayers.count
    let experts = model.experts.count
    do {
      switch policy {
      case .contiguous(let redundant):
        return try .contiguous(
          layers: layers, experts: experts, groups: groups, redundant: redundant)
      case .roundRobin(let redundant):
        return try .roundRobin(
          layers: layers, experts: experts, groups: groups, redundant: redundant)
      case .file(let path, _, _):
        let file = try PlacementFile(
          contentsOf: path, model: model.name, layers: layers, experts: experts, groups: groups)
        return file.placement
      }
    } catch let error as PlacementError {
      let slot = place("policies", "placement", "redundant")
      problems.add(error.sentence, at: slot)
    } catch let error as Problems {
      problems.add(error)
    } catch {
      problems.add("\(error)", at: place("policies", "placement"))
    }
    return nil
  }
}
