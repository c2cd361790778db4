import Placement
import StrictYAML

/// What a scenario asks of the method that chooses its placement, by the scenario's own trace.
public struct PlacementChoice: Sendable {
  public var method: PlacementMethod
  var copies = PlacementPolicy.Copies()
  /// The share of the trace's tokens that is profiled and not replayed; nil where all of it is both.
  public var profile: Double?
  /// Of profiled requests, each balanced for itself; nil for random halves (``PlacementTask/Question/halves``).
  public var windows: Int?
  /// Copies of a layer on one expert group; nil for the fewest that hold all.
  var mostPerGroup: Int?
  /// Of search; nil for ``defaultTrials``.
  public var trials: Int?
  /// Iterations after which experts are placed anew; nil where they stay.
  public var every: Int?
  /// Where the scenario says that.
  public var placeOfEvery: Location?

  var written = WrittenPlaces()
  /// Expert groups where copies must be, and must not be.
  var places = Places()

  struct Places: Sendable {
    var pinned: [PlacementProblem.Place] = []
    var forbidden: [PlacementProblem.Place] = []
    /// Where the scenario says each.
    var locations: [PlacementProblem.Place: Location] = [:]
  }

  /// Where the scenario says what leaves an expert no way to be placed; nil where the fault is another.
  func location(of error: PlacementProblemError) -> Location? {
    guard let (layer, experts) = error.unplaced else { return nil }
    return (places.pinned + places.forbidden)
      .first { $0.layer == layer && experts.contains($0.expert) }
      .flatMap { places.locations[$0] }
  }

  static let defaultTrials = 2_000_000
}
