import Models
import Placement
import StrictYAML

/// Where experts live:
///
/// ```yaml
/// placement: contiguous                         # or round-robin
/// placement: {kind: contiguous, redundant: 64}  # further copies in each layer
/// placement: {kind: contiguous, shared-ranks: 32}  # shared experts on the first groups alone
/// placement: {kind: file, path: mine.yaml}      # or file:mine.yaml
/// ```
enum PlacementPolicy {
  case contiguous(redundant: Int, sharedRanks: Int = 0)
  case roundRobin(redundant: Int, sharedRanks: Int = 0)
  /// A path from where the program stands, and as it was written.
  case file(path: String, written: String, place: Location)

  enum Kind: String, PolicyKind {
    case contiguous
    case roundRobin = "round-robin"
    case file

    var keys: [String] { self == .file ? ["path"] : ["redundant", "shared-ranks"] }
  }

  /// More copies of a layer than this are refused.
  static let mostRedundant = 16_384

  var words: String {
    func copies(_ redundant: Int, _ sharedRanks: Int) -> String {
      (redundant == 0 ? "" : ", \(redundant) redundant experts in each layer")
        + (sharedRanks == 0 ? "" : ", shared experts on \(sharedRanks) ranks of their own")
    }
    switch self {
    case .contiguous(let redundant, let shared): return "contiguous" + copies(redundant, shared)
    case .roundRobin(let redundant, let shared): return "round-robin" + copies(redundant, shared)
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
    let redundant = redundantCopies(reader.mapping)
    let shared = reader.mapping?.optional("shared-ranks")
    let sharedRanks = shared?.integer("shared-ranks", in: 1...65_534, problems)
    guard let redundant, (shared == nil) == (sharedRanks == nil) else { return nil }
    return reader.kind == .contiguous
      ? .contiguous(redundant: redundant, sharedRanks: sharedRanks ?? 0)
      : .roundRobin(redundant: redundant, sharedRanks: sharedRanks ?? 0)
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
      case .contiguous(let redundant, let shared):
        guard leavesRoutedRanks(shared, groups: groups) else { return nil }
        return try .contiguous(
          layers: layers, experts: experts, groups: groups - shared, redundant: redundant
        ).behind(sharedGroups: shared)
      case .roundRobin(let redundant, let shared):
        guard leavesRoutedRanks(shared, groups: groups) else { return nil }
        return try .roundRobin(
          layers: layers, experts: experts, groups: groups - shared, redundant: redundant
        ).behind(sharedGroups: shared)
      case .file(let path, _, _):
        let file = try PlacementFile(
          contentsOf: path, model: model.name, layers: layers, experts: experts, groups: groups)
        return file.placement
      }
    } catch let error as PlacementError {
      problems.add(error.sentence, at: place(of: error))
    } catch let error as Problems {
      problems.add(error)
    } catch {
      problems.add("\(error)", at: place("policies", "placement"))
    }
    return nil
  }

  private func leavesRoutedRanks(_ shared: Int, groups: Int) -> Bool {
    guard shared > 0, shared >= groups else { return true }
    problems.add(
      "'shared-ranks' is \(shared) of \(groups) expert groups; some must be left for routed experts",
      at: place("policies", "placement", "shared-ranks"))
    return false
  }

  /// Idle groups come from the parallelism, where that is written; the rest is the policy's.
  private func place(of error: PlacementError) -> Location {
    guard case .idleGroups = error, root.has("parallelism") else {
      return root.has("policies")
        ? place("policies", "placement", "redundant") : place("cluster", "nodes")
    }
    return place("parallelism", "experts")
  }
}
