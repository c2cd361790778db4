import Foundation
import Hardware
import Statistics
import Units

/// One unknown of ``CollectiveCost``'s form. Bandwidths that only add time are searched as their
/// inverses, so that "no such cost" is the value zero.
enum CollectiveTerm: Hashable {
  case launch, perRank, perDoubling, perExpert
  case protocolCost, protocolCeiling, copyCost, ramp
  case share
  /// Of the scale-out port with so many nodes.
  case networkShare(Int)
  /// Of one multiprocessor, for a copied and for a staged byte.
  case copyingCost, stagingCost

  var isShare: Bool {
    switch self {
    case .share, .networkShare: true
    default: false
    }
  }

  /// The value with which the term has no effect.
  var neutral: Double { isShare ? 1 : 0 }

  /// The key that the catalogue has for it.
  var key: String {
    switch self {
    case .launch: "launch"
    case .perRank: "per-rank"
    case .perDoubling: "per-doubling"
    case .perExpert: "per-expert"
    case .protocolCost: "protocol.bandwidth"
    case .protocolCeiling: "protocol.ceiling"
    case .copyCost: "copy-bandwidth"
    case .ramp: "ramp"
    case .share: "share"
    case .networkShare(let nodes): "network-shares.\(nodes)"
    case .copyingCost: "multiprocessors.copying"
    case .stagingCost: "multiprocessors.staging"
    }
  }

  /// About what NVLink and InfiniBand machines have: s, s/B, or a ratio.
  var start: Double {
    switch self {
    case .launch: 10e-6
    case .perRank: 0.8e-6
    case .perDoubling: 10e-6
    case .perExpert: 0.1e-6
    case .protocolCost: 5e-11
    case .protocolCeiling: 4e-6
    case .copyCost: 1e-12
    case .ramp: 5e-6
    case .share: 0.7
    case .networkShare: 0.9
    case .copyingCost: 5e-11
    case .stagingCost: 5e-11
    }
  }

  /// What is left out together: one is nothing without the other.
  var companions: [CollectiveTerm] {
    switch self {
    case .protocolCost, .protocolCeiling: [.protocolCost, .protocolCeiling]
    default: [self]
    }
  }
}

/// The form with some of its terms free and the rest fixed, over given measurements.
///
/// Evaluating it goes over flat rows and does what ``CollectiveCost/time(of:on:)`` does; a test
/// holds the two to each other.
struct CollectiveForm {
  var terms: [CollectiveTerm]
  /// What the terms that are not free are, where that is not neutral.
  var fixed: [CollectiveTerm: Double] = [:]

  /// A measurement as the form sees it: seconds at full port bandwidth, bytes for a multiprocessor.
  struct Row {
    var otherRanks: Double
    var doublings: Double
    var experts: Double
    var message: Double
    var rampRoot: Double
    var wire: Double
    var network: Double
    /// Position among ``Values/networkShares``.
    var nodes: Int
    var copied: Double
    var staged: Double
    var time: Double

    init(_ row: CollectiveMeasurement, _ ports: CollectiveCost.Ports, nodeCounts: [Int]) {
      let load = row.load
      otherRanks = Double(load.ranks - 1)
      doublings = log2(Double(load.nodes))
      experts = load.expertsPerRank
      message = load.messageBytes.value
      rampRoot = (load.wireBytes.value / 0x1p20).squareRoot()
      wire = (load.wireBytes / ports.scaleUp).value
      network = ports.scaleOut.map { (load.networkBytes / $0).value } ?? 0
      nodes = nodeCounts.firstIndex(of: load.nodes) ?? 0
      let multiprocessors = Double(max(1, load.multiprocessors))
      copied = load.multiprocessors > 0 ? load.copiedBytes.value / multiprocessors : 0
      staged = load.multiprocessors > 0 ? load.stagedBytes.value / multiprocessors : 0
      time = row.time.value
    }
  }

  /// All terms' values, by name.
  struct Values {
    var launch = 0.0
    var perRank = 0.0
    var perDoubling = 0.0
    var perExpert = 0.0
    var protocolCost = 0.0
    var protocolCeiling = 0.0
    var copyCost = 0.0
    var ramp = 0.0
    var share = 1.0
    var networkShares: [Double]
    var copyingCost = 0.0
    var stagingCost = 0.0

    /// Seconds; O(1).
    func time(of row: Row) -> Double {
      let start =
        launch + perRank * row.otherRanks + perDoubling * row.doublings + perExpert * row.experts
      let message = min(row.message * protocolCost, protocolCeiling) + row.message * copyCost
      let links = max(row.wire / share, row.network / networkShares[row.nodes])
      let handling = row.copied * copyingCost + row.staged * stagingCost
      return start + message + ramp * row.rampRoot + max(links, handling)
    }
  }

  /// - Parameter nodeCounts: The order of ``Values/networkShares``.
  func values(_ free: [Double], nodeCounts: [Int]) -> Values {
    var values = Values(networkShares: [Double](repeating: 1, count: max(1, nodeCounts.count)))
    func set(_ term: CollectiveTerm, _ value: Double) {
      switch term {
      case .launch: values.launch = value
      case .perRank: values.perRank = value
      case .perDoubling: values.perDoubling = value
      case .perExpert: values.perExpert = value
      case .protocolCost: values.protocolCost = value
      case .protocolCeiling: values.protocolCeiling = value
      case .copyCost: values.copyCost = value
      case .ramp: values.ramp = value
      case .share: values.share = value
      case .networkShare(let nodes):
        if let index = nodeCounts.firstIndex(of: nodes) { values.networkShares[index] = value }
      case .copyingCost: values.copyingCost = value
      case .stagingCost: values.stagingCost = value
      }
    }
    for (term, value) in fixed { set(term, value) }
    for (term, value) in zip(terms, free) { set(term, value) }
    return values
  }
}
