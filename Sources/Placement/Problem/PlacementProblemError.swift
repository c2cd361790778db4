/// Why there is no such placement problem. ``sentence`` is what a person reads.
public enum PlacementProblemError: Error, Hashable, Sendable {
  case empty(layers: Int, experts: Int, groups: Int)
  case unevenNodes(groups: Int, groupsPerNode: Int)
  case tooFewSlots(copies: Int, groups: Int, slots: Int)
  case tooManySlots(Int, experts: Int)
  case redundantCopies(Int, most: Int)
  case tableSize(String, found: Int, wanted: Int, allowsMultiples: Bool = false)
  case windowWeights(sum: Double)
  case notANumber(String)
  case contradictoryPlaces(PlacementProblem.Place)
  /// Experts of a layer that may only be on these groups, of so many slots each, which do not hold them.
  case unplaceable(layer: Int, experts: [Int], groups: [Int], slots: Int, spreads: Bool)
  case shortTrace(requests: Int, tokens: Int, choices: Int, experts: Int)
  case emptyPart(share: Double, requests: Int, tokens: Int)
  case misfit(String)

  public var sentence: String {
    switch self {
    case .empty(let layers, let experts, let groups):
      "\(layers) layers of \(experts) experts on \(groups) expert groups; at least one of each is needed"
    case .unevenNodes(let groups, let groupsPerNode):
      "\(groups) expert groups do not divide into nodes of \(groupsPerNode)"
    case .tooFewSlots(let copies, let groups, let slots):
      "\(copies) copies of a layer's experts do not fit \(groups) expert groups with \(Self.words(slots, "slot")) each"
    case .tooManySlots(let slots, let experts):
      "\(slots) slots of an expert group for \(Self.words(experts, "expert")) in a layer, of which it "
        + "holds one copy each at most"
    case .redundantCopies(let count, let most):
      "\(count) redundant experts in a layer; 0 to \(most) are possible here"
    case .tableSize(let name, let found, let wanted, let allowsMultiples):
      "\(name) has \(found) \(found == 1 ? "entry" : "entries"); "
        + "\(wanted)\(allowsMultiples ? " (or a multiple)" : "") "
        + "\(wanted == 1 ? "is" : "are") needed"
    case .windowWeights(let sum):
      "windowWeights add up to \(sum); it must be a number above 0"
    case .notANumber(let name): "\(name) has an entry that is negative or no number"
    case .contradictoryPlaces(let place):
      "expert \(place.expert) of layer \(place.layer) cannot be placed: pinned and forbidden places "
        + "leave it no group (group \(place.group))"
    case .unplaceable(let layer, let experts, let groups, let slots, let spreads):
      Self.sentence(layer, experts, groups, slots: slots, spreads: spreads)
    case .shortTrace(let requests, let tokens, let choices, let experts):
      "a profile of \(Self.words(tokens, "token")) of \(Self.words(requests, "request")) is too short: it has \(choices) choices in a "
        + "layer of \(experts) experts"
    case .emptyPart(let share, let requests, let tokens):
      "a share of \(share) divides \(Self.words(requests, "request")) with \(Self.words(tokens, "token")) into all and none: some "
        + "must be profiled, and some kept to judge by"
    case .misfit(let detail): detail
    }
  }

  /// The layer and its experts that pinned and forbidden places leave no way; nil of other faults.
  public var unplaced: (layer: Int, experts: [Int])? {
    switch self {
    case .contradictoryPlaces(let place): (place.layer, [place.expert])
    case .unplaceable(let layer, let experts, _, _, _): (layer, experts)
    default: nil
    }
  }

  private static func sentence(
    _ layer: Int, _ experts: [Int], _ groups: [Int], slots: Int, spreads: Bool
  ) -> String {
    let names = (experts.count == 1 ? "expert " : "experts ") + list(experts)
    let places = "pinned and forbidden places" + (spreads ? " and copies apart over nodes" : "")
    let left =
      groups.isEmpty
      ? "no group"
      : (groups.count == 1 ? "group " : "groups ") + list(groups) + " with "
        + words(slots, "slot") + (groups.count == 1 ? "" : " each")
    return
      "\(names) of layer \(layer) cannot \(experts.count == 1 ? "" : "all ")be placed: \(places) "
      + "leave \(experts.count == 1 ? "it" : "them") \(left)"
  }

  /// `1, 2 and 3`; of many the first ones.
  private static func list(_ numbers: [Int]) -> String {
    let most = 8
    let shown = numbers.prefix(most).map { "\($0)" }
    if numbers.count > most {
      return shown.joined(separator: ", ") + " and \(numbers.count - most) others"
    }
    guard let last = shown.last, shown.count > 1 else { return shown.first ?? "" }
    return shown.dropLast().joined(separator: ", ") + " and " + last
  }

  private static func words(_ count: Int, _ noun: String) -> String {
    "\(count) \(noun)\(count == 1 ? "" : "s")"
  }
}
