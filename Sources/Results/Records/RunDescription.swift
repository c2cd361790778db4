import Units

/// What was run: everything that a reader of results needs to know to run it again.
///
///     var description = RunDescription(
///       name: "DeepSeek-V2-Lite, decode", scenario: text, seed: 1, programVersion: "0.1.0",
///       deviceCount: 8, layerCount: 27,
///       stages: [.init("attention", .compute), .init("dispatch", .communication)],
///       bounds: ["latency", "compute", "memory", "link"])
///     description.remarks.append("uncalibrated: H200 uses the parameters of H100")
///
/// Texts are kept as given, so equal runs have equal descriptions: no time stamps, host names or
/// absolute paths belong here.
public struct RunDescription: Hashable, Sendable {
  public var name: String
  /// The full text of the scenario, with every `extends:` and `--set` applied.
  public var scenario: String
  public var seed: UInt64
  public var programVersion: String
  public var model = ""
  public var cluster = ""
  /// The policy slots and their variants, one a line.
  public var policies = ""
  public var trace = ""
  /// The trace was synthesised, not recorded. Every summary says so.
  public var traceIsSynthetic = false
  /// "prefill" or "decode".
  public var phase = ""
  public var deviceCount: Int
  /// Model layers, dense ones included; labels carry 0..<layerCount, or -1 for no layer.
  public var layerCount: Int
  /// Sequences in flight over all devices.
  public var sequences = 0
  /// Tokens of context of a sequence, where all have the same.
  public var context: Tokens?
  public var warmupIterations = 0
  /// The vocabulary of `TaskLabel.stage`, by index.
  public var stages: [StageDescription]
  /// The vocabulary of `TaskLabel.bound`, by index; what is named "latency" bounds the latency of tasks.
  public var bounds: [String]
  /// In the order in which ``Recorder/finish(uses:elapsed:idlePower:pairs:)`` is told their use.
  public var resources: [ResourceDescription] = []
  /// What a reader must know before trusting the numbers, a sentence each.
  public var remarks: [String] = []

  public init(
    name: String, scenario: String, seed: UInt64, programVersion: String, deviceCount: Int,
    layerCount: Int, stages: [StageDescription], bounds: [String]
  ) {
    self.name = name
    self.scenario = scenario
    self.seed = seed
    self.programVersion = programVersion
    self.deviceCount = deviceCount
    self.layerCount = layerCount
    self.stages = stages
    self.bounds = bounds
  }

  /// The stages, and after them the one that stands for waiting.
  public var stagesAndWaiting: [StageDescription] { stages + [.init("waiting", .waiting)] }

  /// The index of the bound that stands for latency; nil where there is none.
  var latencyBound: Int? { bounds.firstIndex(of: "latency") }

  /// The index of the stage that stands for waiting.
  public var waitingStage: Int { stages.count }
}
