import Models
import Placement
import Serving
import StrictYAML

/// Where a scenario says that experts must be, and must not be:
///
/// ```yaml
/// placement:
///   kind: search
///   pinned: [{layer: 0, expert: 17, device: 3}]      # a copy of the expert is there
///   forbidden: [{layer: 7, expert: 2, device: 0}]    # and none of this one here
/// ```
///
/// Layers are those with experts, counted from 0, as the rows of a placement file are; experts and devices
/// are counted from 0 as well. Where an expert is sliced over several devices any of them stands for all.
struct WrittenPlaces: Sendable {
  var pinned: Value?
  var forbidden: Value?

  /// `, 2 experts pinned`
  var words: String {
    func count(_ value: Value?, _ words: String) -> String {
      guard case .sequence(let entries)? = value?.content else { return "" }
      return ", \(entries.count) \(entries.count == 1 ? "expert" : "experts") \(words)"
    }
    return count(pinned, "pinned") + count(forbidden, "kept from a device")
  }
}

extension ScenarioReader {
  /// What is written, as expert groups that hold routed experts; nil where it is wrong.
  func places(
    _ written: WrittenPlaces, _ model: ModelArchitecture, _ parallelism: Parallelism,
    sharedGroups: Int
  ) -> PlacementChoice.Places? {
    var places = PlacementChoice.Places()
    var known: [PlacementProblem.Place: String] = [:]
    func read(_ key: String, _ value: Value?, is words: String) -> [PlacementProblem.Place]? {
      guard let value else { return [] }
      guard let entries = value.sequence(key, problems) else { return nil }
      guard !entries.isEmpty else {
        problems.add("'\(key)' is empty and has no effect; leave it out", at: value.location)
        return nil
      }
      let found = entries.compactMap { entry -> PlacementProblem.Place? in
        guard let place = place(entry, model, parallelism, sharedGroups) else { return nil }
        if let earlier = known[place] {
          problems.add(
            "expert \(place.expert) of layer \(place.layer) is \(words) there, and it is \(earlier) there "
              + "before", at: entry.location)
          return nil
        }
        known[place] = words
        places.locations[place] = entry.location
        return place
      }
      return found.count == entries.count ? found : nil
    }
    guard let pinned = read("pinned", written.pinned, is: "pinned"),
      let forbidden = read("forbidden", written.forbidden, is: "forbidden")
    else { return nil }
    (places.pinned, places.forbidden) = (pinned, forbidden)
    return places
  }

  private func place(
    _ value: Value, _ model: ModelArchitecture, _ parallelism: Parallelism, _ sharedGroups: Int
  ) -> PlacementProblem.Place? {
    let (groups, width) = parallelism.experts
    let reader = MappingReader(value, problems, context: "a place of an expert")
    let layer = reader.integer("layer", in: 0...max(0, model.expertLayers.count - 1))
    let expert = reader.integer("expert", in: 0...max(0, model.experts.count - 1))
    // The first groups have shared experts alone.
    let device = reader.integer("device", in: sharedGroups * width...groups * width - 1)
    reader.finish()
    guard let layer, let expert, let device else { return nil }
    return PlacementProblem.Place(
      layer: layer, expert: expert, group: device / width - sharedGroups)
  }
}
