import Foundation
import Scenario
import StrictYAML

/// A run that a figure needs: a scenario, with settings.
///
/// ```yaml
/// near-data.yaml                                             # relative to the file that says so
/// {scenario: near-data.yaml, set: [workload.batch=64]}       # settings as `--set` takes them
/// ```
public struct ScenarioRun: Hashable, Sendable {
  /// From where the program stands.
  public let path: String
  public let settings: [String]
  /// Where it is asked for.
  public let place: Location

  /// What makes it another run than others.
  struct Identity: Hashable {
    var path: String
    var settings: [String]
  }

  var identity: Identity {
    Identity(
      path: URL(fileURLWithPath: path).resolvingSymlinksInPath().path, settings: settings)
  }

  /// - Throws: ``Problems``; those of a setting are told where the setting stands.
  func load() throws(Problems) -> Scenario {
    do {
      return try Scenario.load(path: path, settings: settings)
    } catch {
      throw Problems(
        error.list.map { problem in
          guard problem.location.file.hasPrefix("--set ") else { return problem }
          let setting = problem.location.file.dropFirst("--set ".count)
          return Problem("setting '\(setting)': \(problem.sentence)", at: place)
        })
    }
  }
}

/// Why a run that was asked for ended early.
public struct FailedRun: Error {
  public let run: ScenarioRun
  public let reason: any Error
}
