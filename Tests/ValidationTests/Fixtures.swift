import Foundation
import Results
import Scenario
import StrictYAML
import Synchronization
import Validation

/// A folder of its own with a small model and two scenarios of it whose selections are drawn.
final class PaperFolder {
  let path: String

  init() throws {
    path =
      FileManager.default.temporaryDirectory
      .appendingPathComponent("switchyard-papers-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(
      atPath: path + "/example", withIntermediateDirectories: true)
    try write(
      "example/tiny.yaml",
      """
      layers: 4
      hidden: 64
      vocabulary: 1000
      attention: {kind: grouped, heads: 8, key-value-heads: 2, head-dimension: 16}
      feed-forward: {matrices: 3, intermediate: 256}
      experts: {count: 8, top-k: 2, intermediate: 128, layers: {after: 1}}
      """)
    try write(
      "example/new.yaml",
      """
      switchyard: 1
      name: new
      model: tiny.yaml
      cluster: {nodes: 1 x dgx-h100}
      precision: bf16
      workload:
        routing: {drawn: uniform, phase: decode}
        batch: 4
        context: 16 tokens
      measure: {warmup: 0, iterations: 1}
      """)
    try write("example/old.yaml", "switchyard: 1\nname: old\nextends: new.yaml\n")
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String) -> String { path + "/" + name }

  func write(_ name: String, _ text: String) throws {
    try FileManager.default.createDirectory(
      atPath: (file(name) as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try Data(text.utf8).write(to: URL(fileURLWithPath: file(name)))
  }

  /// A figure in the lines of `expected.yaml`.
  static func figure(
    _ simulated: String, published: String = "6.7", tolerance: String = "10 %",
    name: String = "speed-up", more: String = ""
  ) -> String {
    """
      - name: \(name)
        published: \(published)
        simulated: \(simulated)
        tolerance: \(tolerance)
        source: a paper, figure 1

    """ + more
  }

  /// Writes `example/expected.yaml`.
  func expect(_ figures: String...) throws {
    try write("example/expected.yaml", "system: Example\nfigures:\n" + figures.joined())
  }

  /// What the runs by the names `new` and `old` give, in place of a simulation.
  func validation(
    _ summaries: [String: RunSummary], threads: Int = 1
  ) throws -> PaperValidation {
    try PaperValidation(PublishedSystem.all(under: [path]), threads: threads) { scenario in
      guard let summary = summaries[scenario.name] else { throw NoSummary(name: scenario.name) }
      return summary
    }
  }

  /// What a person reads of the mistakes; the folder's name left out.
  func problems(_ summaries: [String: RunSummary] = [:]) throws -> [String] {
    do {
      _ = try validation(summaries)
      return []
    } catch let problems as Problems {
      return problems.list.map { $0.description.replacingOccurrences(of: path + "/", with: "") }
    }
  }
}

struct NoSummary: Error { var name: String }

/// A summary as a program reads it: two devices, 64 sequences, 10 iterations of 64 tokens.
///
/// - Parameter milliseconds: Of every iteration; an eighth of it is spent with experts.
func summary(milliseconds: Double, joules: Double = 0) throws -> RunSummary {
  let seconds = milliseconds / 1000
  let stage = { (name: String, tasks: Int, share: Double) in
    """
    {"stage": "\(name)", "kind": "compute", "tasks": \(tasks), "share": \(share),
     "meanDeviceSecondsPerIteration": \(share * seconds),
     "maximumDeviceSecondsPerIteration": \(share * seconds),
     "meanWaitBeforeSecondsPerIteration": 0, "energyJoules": 0, "bounds": []}
    """
  }
  let text = """
    {"name": "", "model": "", "cluster": "", "phase": "decode", "trace": "",
     "traceIsSynthetic": true, "seed": 1, "programVersion": "", "deviceCount": 2, "sequences": 64,
     "warmupIterations": 0, "measuredIterations": 10, "measuredSeconds": \(10 * seconds),
     "tokens": 640, "tokensPerSecond": \(64 / seconds),
     "tokensPerSecondPerDevice": \(32 / seconds),
     "iteration": {"meanSeconds": \(seconds), "medianSeconds": \(seconds * 0.75),
       "percentile99Seconds": \(seconds * 2), "minimumSeconds": \(seconds / 2),
       "maximumSeconds": \(seconds * 2)},
     "stages": [\(stage("experts", 10, 0.125)), \(stage("head", 0, 0)),
       \(stage("waiting", 0, 0.875))],
     "layers": [],
     "utilisation": [{"kind": "cores", "resources": 2, "mean": 0.4, "maximum": 0.5, "busiest": "a"}],
      "hottestLinks": [], "linksInUse": 0,
     "taskEnergyJoules": \(joules * 0.75), "idleEnergyJoules": \(joules * 0.25),
     \(joules > 0 ? "\"energyJoulesPerToken\": \(joules / 640)," : "")
     "remarks": []}
    """
  return try JSONDecoder().decode(RunSummary.self, from: Data(text.utf8))
}

/// Counts from several threads.
final class Counter: Sendable {
  private let state = Mutex<[String]>([])
  func add(_ name: String) { state.withLock { $0.append(name) } }
  var names: [String] { state.withLock { $0.sorted() } }
}
