import ArgumentParser
import Foundation
import Scenario

/// What a person asked for cannot be done. The sentence goes to standard error; the exit code is 2.
struct UserError: Error, CustomStringConvertible {
  var sentence: String
  var description: String { sentence }

  static let exitCode = ExitCode(2)
}

/// The scenario and what changes it, as every command that takes one reads them.
struct ScenarioArguments: ParsableArguments {
  @Argument(help: "The scenario file.")
  var scenario: String

  @Option(
    name: .customLong("set"),
    help: ArgumentHelp("Change a value of the scenario.", valueName: "path=value"))
  var settings: [String] = []

  @Option(help: "The seed of all random draws, instead of the scenario's.")
  var seed: UInt64?

  /// - Throws: ``UserError`` with everything that is wrong.
  func load() throws -> Scenario {
    do {
      return try Scenario.load(path: scenario, settings: settings, seed: seed)
    } catch {
      throw UserError(sentence: "\(error)")
    }
  }
}

struct CheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Read a scenario, say what would run, and run nothing.")

  @OptionGroup var arguments: ScenarioArguments

  @Flag(help: "Print JSON instead of a table.")
  var json = false

  func run() throws {
    let summary = ScenarioSummary(try arguments.load())
    guard json else { return print(summary.table, terminator: "") }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    print(String(decoding: try encoder.encode(summary), as: UTF8.self))
  }
}
