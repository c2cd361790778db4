import Foundation
import Hardware
import Roofline
import Scenario
import Serving
import Testing
import Units

/// The repository's scenarios.
private enum Repository {
  static let folder = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("scenarios").path

  /// All but those of more than `most` devices, which take minutes in debug; all of them where
  /// `SWITCHYARD_EVERY_SCENARIO` is set.
  static let scenarios: [String] = {
    let files = (try? FileManager.default.subpathsOfDirectory(atPath: folder)) ?? []
    return files.sorted().filter { file in
      file.hasSuffix(".yaml") && !file.hasSuffix("expected.yaml")
        && !file.hasSuffix(".placement.yaml")
    }
  }()

  /// One iteration is enough: the law holds for each.
  static let settings = ["measure={warmup: 0 iterations, iterations: 1}"]

  /// What is predicted of each one, and what keeps it from being predicted.
  static let predictions: [String: Result<ScenarioPrediction, any Error>] = {
    let results = scenarios.map { file in
      Result {
        var quick = try PredictableScenarios(path: folder + "/" + file, settings: settings)
        return try quick.prediction()
      }
    }
    return Dictionary(uniqueKeysWithValues: zip(scenarios, results))
  }()

  /// Whether a scenario is left out because it names a file elsewhere that is not there.
  static func needsMore(_ error: any Error) -> Bool {
    let sentence = "\(error)"
    let own = URL(fileURLWithPath: folder).deletingLastPathComponent().path + "/"
    return sentence.lowercased().contains("no such file")
      && sentence.components(separatedBy: ": ").contains { part in
        part.hasPrefix("/") && !URL(fileURLWithPath: part).standardized.path.hasPrefix(own)
      }
  }
}

@Suite("The bound of the repository's scenarios")
struct ScenarioLawTests {
  private static let isWhole =
    ProcessInfo.processInfo.environment["SWITCHYARD_EVERY_SCENARIO"] != nil

  @Test("is reached by none of them", arguments: Repository.scenarios)
  func law(file: String) throws {
    let path = Repository.folder + "/" + file
    let predicted: ScenarioPrediction
    do {
      predicted = try #require(Repository.predictions[file]).get()
    } catch  where Repository.needsMore(error) {
      print("\(file) is left out, for it needs data that are not in the repository: \(error)")
      return
    }
    #expect(predicted.iteration.throughput.value.isFinite)
    #expect(predicted.iteration.throughputInTurn <= predicted.iteration.throughput)
    guard Self.isWhole || predicted.isSmall else { return }
    let scenario = try Scenario.load(path: path, settings: Repository.settings)
    let found = try fractionOfBound(
      scenario.deployment, scenario.workload, scenario.measurement, seed: scenario.seed)
    #expect(found.fraction > 0.05 && found.fraction <= 1 + rounding, "\(found)")
  }

  /// Of 36 scenarios seven replay a trace that is not in the repository, and may be left out.
  @Test("is asked of nearly all of them")
  func presence() {
    let predicted = Repository.predictions.values.count { (try? $0.get()) != nil }
    #expect(predicted >= 29)
  }

  @Test("of the quickstart is expected as it is realised")
  func expectation() throws {
    // 1,024 tokens reach all 64 experts of every layer, so nothing is left to chance but where tokens
    // go, which counts for little.
    let path = Repository.folder + "/quickstart.yaml"
    var scenarios = try PredictableScenarios(path: path, settings: Repository.settings)
    let predicted = try scenarios.prediction()
    let scenario = try Scenario.load(path: path, settings: Repository.settings)
    var simulation = try Simulation(
      scenario.deployment, scenario.workload, scenario.measurement, seed: scenario.seed)
    var tally = NeededTally()
    try simulation.run(observer: &tally)
    let least = LeastWork(scenario.deployment, scenario.workload)
    let realised = least.machine.times(of: least.iterations(tally.needed).total)
    #expect(abs(predicted.iteration.times.bound.value / realised.bound.value - 1) < 1e-4)
    #expect(
      abs(predicted.iteration.times[.scaleUp].value / realised[.scaleUp].value - 1) < 0.05)
    #expect(predicted.expectedActiveCopies > 63.9)
  }

  @Test("counts weights once for each microbatch and expert, and each token's activations")
  func differences() throws {
    let path = Repository.folder + "/quickstart.yaml"
    let scenario = try Scenario.load(path: path, settings: Repository.settings)
    let least = LeastWork(scenario.deployment, scenario.workload)
    var needed = NeededLoad()
    needed.iterations = 1
    needed.activeCopies = [Int](repeating: 64, count: 8)
    needed.copiesWithinNode = [Int](repeating: 100, count: 8)
    needed.copiesBetweenNodes = [Int](repeating: 0, count: 8)
    let all = least.iterations(needed).total
    needed.activeCopies[3] -= 1
    let fewer = least.iterations(needed).total
    // An expert's three matrices of 2048 x 1408 in two bytes: 17.3 MB.
    #expect((all.bytes(of: .memory) - fewer.bytes(of: .memory)).value == 3 * 2048 * 1408 * 2)
    #expect(all.flops == fewer.flops)
    // There and back, 2048 elements of two bytes.
    #expect(all.bytes(of: .scaleUp).value == 8 * 100 * 2 * 2048 * 2)
    // Routed experts: 1,024 tokens x 6 x 8 layers x 3 matrices x 2 operations.
    let experts = least.iterations(needed).parts.filter { $0.stage == "experts" }
    let operations = experts.filter { $0.name != "expert activation" }
      .reduce(0) { $0 + $1.work.flops.value }
    #expect(operations == 1024 * 6 * 8 * 3 * 2 * 2048 * 1408)
  }
}

extension ScenarioPrediction {
  /// Whether it is simulated in seconds without optimisation.
  fileprivate var isSmall: Bool {
    let model = scenario.deployment.model
    let selections =
      scenario.tokensPerIteration * model.expertLayers.count * model.experts.topK
    return scenario.deployment.cluster.deviceCount <= 32 && selections < 5_000_000
  }
}
