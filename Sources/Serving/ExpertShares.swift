import Hardware
import Units

/// One device's experts of a layer, shared out between it and its companion.
///
///     let shares = ExpertShares(experts, of: costs, .split(Split(choice: .search)))
///     shares.device       // with the most tokens first
///     shares.companion
struct ExpertShares: Hashable {
  /// An expert of the device with the tokens that it has; at least one.
  struct Expert: Hashable {
    /// Its place among the device's experts of the layer.
    var place: Int
    var tokens: Int
  }

  var device: [Expert] = []
  var companion: [Expert] = []

  /// - Parameter experts: Those with tokens.
  init(_ experts: [Expert], by policy: ExpertExecution.Experts, _ costs: some ExpertTimes) {
    // The most tokens first; of equals the one that stands first.
    let sorted = experts.sorted {
      $0.tokens != $1.tokens ? $0.tokens > $1.tokens : $0.place < $1.place
    }
    switch policy {
    case .resident, .fetch, .blocks, .streamed: device = sorted
    case .companion: companion = sorted
    case .fastest:
      let isDevice = costs.deviceTime(of: sorted) <= costs.companionTime(of: sorted)
      if isDevice { device = sorted } else { companion = sorted }
    case .split(let split):
      device = sorted
      switch split.choice {
      case .search: search(Self.units(of: sorted, spaces: split.spaces), costs)
      case .formula(let alpha):
        let share = alpha * costs.deviceShare * Double(sorted.count)
        let hot = min(sorted.count, Int(share.rounded()))
        device = Array(sorted[..<hot])
        companion = Array(sorted[hot...])
      }
    }
  }

  /// What goes to one processor together, the fewest tokens first.
  private static func units(of sorted: [Expert], spaces: Int?) -> [[Expert]] {
    guard let spaces else { return sorted.reversed().map { [$0] } }
    var units = [[Expert]](repeating: [], count: spaces)
    for expert in sorted { units[expert.place % spaces].append(expert) }
    let tokens = units.map { $0.reduce(0) { $0 + $1.tokens } }
    return units.indices.filter { !units[$0].isEmpty }
      .sorted { tokens[$0] != tokens[$1] ? tokens[$0] < tokens[$1] : $0 < $1 }
      .map { units[$0] }
  }

  /// Moves units while the slower side gets faster. O(units x experts).
  private mutating func search(_ units: [[Expert]], _ costs: some ExpertTimes) {
    var longest = costs.deviceTime(of: device)
    for unit in units {
      let moved = Set(unit.map(\.place))
      let rest = device.filter { !moved.contains($0.place) }
      let more = companion + unit
      let time = max(costs.deviceTime(of: rest), costs.companionTime(of: more))
      guard time < longest else { return }
      longest = time
      device = rest
      companion = more
    }
  }
}

/// What the two processors take for experts, as a policy that shares them out estimates it.
protocol ExpertTimes {
  /// With everything that the device has to wait for before.
  func deviceTime(of experts: [ExpertShares.Expert]) -> SimTime
  func companionTime(of experts: [ExpertShares.Expert]) -> SimTime
  /// The bandwidth of the device's way to its experts over that and the companion's, 0 to 1.
  var deviceShare: Double { get }
}
