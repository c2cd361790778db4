import ArgumentParser
import Foundation
import Roofline
import Scenario
import Serving

struct PredictCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "predict",
    abstract: "Says by closed forms how fast a scenario could be at most, and what binds it.",
    discussion: """
      Nothing is simulated. The bound divides the least work of an iteration (each operator's FLOPs \
      and bytes, weights once for each device and microbatch that must read them, experts that are \
      expected to have tokens) perfectly over the devices, at data-sheet peaks.

        switchyard predict scenarios/quickstart.yaml
      """)

  @OptionGroup var scenario: ScenarioOptions

  @Flag(help: "Print JSON.")
  var json = false

  func run() throws {
    try reportingFailures {
      let loaded = try scenario.load()
      let answer = PredictAnswer(try ScenarioPrediction(loaded))
      try printResult(json ? try answer.json() : answer.text)
    }
  }
}
