/// Why a problem is not solved exactly. ``sentence`` is what a person reads.
public enum ExactPlacementError: Error, Hashable, Sendable {
  /// Balanced assignments of one layer, counted as far as the limit.
  case tooManyStates(atLeast: Int, most: Int)
  /// States, those that differ by more than names of groups, and additions of all layers together.
  case tooManySteps(states: Int, distinct: Int, steps: Double, most: Double)
  case replicas(copies: Int, experts: Int)
  case contradictoryPlaces(layer: Int)

  public var sentence: String {
    switch self {
    case .tooManyStates(let count, let most):
      "a layer has \(count) or more ways to place its experts; exact placement goes through at most "
        + "\(most), so use search, which comes with a bound"
    case .tooManySteps(let states, let distinct, let steps, let most):
      "a layer has \(states) ways to place its experts, \(distinct) of them different in more than the "
        + "names of groups; all layers together need \(Int(steps / 1e9)) billion steps and exact "
        + "placement does at most \(Int(most / 1e9)) billion, so use search, which comes with a bound"
    case .replicas(let copies, let experts):
      "\(copies) copies of \(experts) experts in a layer; exact placement is for one copy each"
    case .contradictoryPlaces(let layer):
      "pinned and forbidden places leave no way to place the experts of layer \(layer)"
    }
  }
}
