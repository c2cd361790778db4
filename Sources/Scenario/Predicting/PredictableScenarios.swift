import Serving
import StrictYAML

/// Scenarios that are read for closed forms and not to be run: many of them from one file, a value
/// changed from one to the next.
///
///     let source = try PredictableScenarios(path: "scenarios/quickstart.yaml")
///     let prediction = try source.prediction()
///     let point = try source.prediction(setting: "workload.batch=64")
public struct PredictableScenarios {
  public let path: String
  private let document: ScenarioDocument
  private let seed: UInt64?
  private let library = ScenarioLibrary()
  private var samples: [RoutingSample.Key: RoutingSample] = [:]

  /// - Throws: ``Problems`` where the file cannot be read or a setting not be applied.
  public init(path: String, settings: [String] = [], seed: UInt64? = nil) throws(Problems) {
    self.path = path
    self.seed = seed
    document = try ScenarioDocument(path: path, settings: settings, seed: seed)
  }

  /// What closed forms say of the scenario.
  ///
  /// - Parameters:
  ///   - setting: A path of keys and a value for it: `workload.batch=64`.
  ///   - option: What the setting came with, for messages.
  /// - Throws: ``Problems`` with everything that is wrong, each at its place; `ServingError`;
  ///   ``UnresolvedScenario`` where nothing is.
  public mutating func prediction(
    setting: String? = nil, by option: String = "--sweep"
  ) throws -> ScenarioPrediction {
    let own = try setting.map { try document.setting($0, by: option) } ?? document
    let scenario = try scenario(own)
    let key = RoutingSample.Key(scenario.deployment, scenario.workload)
    if let known = samples[key] { return try ScenarioPrediction(scenario, sample: known) }
    let prediction = try ScenarioPrediction(scenario)
    samples[key] = prediction.sample
    return prediction
  }

  private func scenario(_ document: ScenarioDocument) throws -> Scenario {
    let quick = ProblemCollector()
    if let found = ScenarioReader(document, quick, library).scenario(seed: seed), quick.isEmpty {
      return found
    }
    // What is wrong is told with the whole catalogue at hand, and a name that only that knows is found.
    library.readsAll = true
    let problems = ProblemCollector()
    let found = ScenarioReader(document, problems, library).scenario(seed: seed)
    try problems.throwIfAny()
    return try Self.resolved(found, path: path)
  }

  /// The scenario, of which nothing was found to be wrong.
  static func resolved(_ found: Scenario?, path: String) throws(UnresolvedScenario) -> Scenario {
    guard let found else { throw UnresolvedScenario(path: path) }
    return found
  }
}

/// A scenario that is not understood although nothing was found to be wrong with it: a defect of the
/// program, and of no value that was given, so that it ends a sweep.
public struct UnresolvedScenario: Error, Hashable, CustomStringConvertible {
  public var path: String

  public var description: String {
    "\(path): cannot be resolved, and nothing is known to be wrong; please report this scenario"
  }
}
