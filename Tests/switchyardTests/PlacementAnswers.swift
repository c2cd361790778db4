import Foundation

/// What these tests read of `place --json`.
struct Placed: Decodable {
  struct Measures: Decodable {
    var costSeconds: Double
    var meanImbalance: Double
    var localShare: Double?
    var nodeShare: Double?
    var crossShare: Double?
    var ownDeviceShare: Double?
    var ownNodeShare: Double?
    var otherNodesShare: Double?
  }
  struct Judgement: Decodable {
    var profiled: Measures
    var unseen: Measures?
  }
  struct Bound: Decodable {
    var seconds: Double
    var gap: Double
  }
  var current: Judgement
  var found: Judgement
  struct Excess: Decodable {
    var isOfUnseen: Bool
    var cost: Double
    var meanImbalance: Double
  }
  var eplb: Judgement?
  var overEPLB: Excess?
  var bound: Bound?
  var isOptimal: Bool
  var copies: Int
  var currentCopies: Int
  var profiledRequests: Int
  var windows: Int
  var trials: Int
  var searches: Int
  var mostExpertsPerDevice: Int
  var movedCopies: Int
  struct Device: Decodable {
    var memoryBytes: Double
    var sentInNode: Double
  }
  var memoryBytesPerDevice: Double
  var devicePorts: [Device]
  var notes: [String]

  init(_ text: String) throws {
    self = try JSONDecoder().decode(Placed.self, from: Data(text.utf8))
  }
}

struct Compared: Decodable, Equatable {
  var placement: String
  var tokensPerSecond: Double
  var believedSeconds: Double
}

extension Workbench {
  /// The layers of a placement file.
  func placementRows(_ name: String) throws -> [Substring] {
    try text(file(name)).split(separator: "\n").filter { $0.hasPrefix("  - [") }
  }

  func place(_ arguments: String...) throws -> Placed { try place(arguments) }

  func place(_ arguments: [String]) throws -> Placed {
    try Placed(output(of: ["place", "scenario.yaml", "--json"] + arguments))
  }

  /// Eight experts in each of 32 layers on four devices, of as many nodes, in place of the quickstart: quick to
  /// search.
  func smallPlacementScenario(nodes: Int = 1) throws {
    try write(
      """
      switchyard: 1
      name: Mixtral-8x7B on four
      model: mixtral-8x7b
      cluster: {nodes: \(nodes) x dgx-h100, devices-per-node: \(4 / nodes)}
      precision: bf16
      workload: {routing: {drawn: uniform, phase: decode}, batch: 16, context: 512 tokens}
      measure: {warmup: 1 iterations, iterations: 2}
      """, to: "scenario.yaml")
  }
}
