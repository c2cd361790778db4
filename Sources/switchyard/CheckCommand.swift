import ArgumentParser
import Foundation
import Scenario

struct CheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Reads a scenario, says what would run, and runs nothing.",
    discussion: """
      Prints the model, the cluster, what the fullest device's memory holds, the placement, the \
      trace, the workload, every policy and what a reader of the results must know. Everything that \
      is wrong with the scenario is told at once, each mistake with its file, line and column.

        switchyard check scenarios/quickstart.yaml
        switchyard check scenarios/quickstart.yaml --set workload.batch=4096
      """)

  @OptionGroup var scenario: ScenarioOptions

  @Flag(help: "Print JSON instead of a table.")
  var json = false

  func run() throws {
    try reportingFailures {
      let summary = ScenarioSummary(try scenario.load())
      guard json else { return try printResult(summary.table) }
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
      try printResult(String(decoding: try encoder.encode(summary), as: UTF8.self))
    }
  }
}
