import ArgumentParser
import Foundation
import Results
import Roofline
import Scenario

struct PredictCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "predict",
    abstract: "Says by closed forms how fast a scenario could be at most, and what binds it.",
    discussion: """
      Nothing is simulated. The bound divides the least work of an iteration (each operator's FLOPs \
      and bytes, weights once for each device and microbatch that must read them, experts that are \
      expected to have tokens) perfectly over the devices, at data-sheet peaks. Requests \
      (workload.prompt and output) get MoE-Lens' forms for weights in host memory as well.

        switchyard predict scenarios/quickstart.yaml
        switchyard predict scenarios/quickstart.yaml --sweep workload.batch=1..512:x2 --svg roof.svg
      """)

  @OptionGroup var scenario: ScenarioOptions

  @Option(
    help: ArgumentHelp(
      "Predict for each value of a path of keys: 1..512, with a step 1..512:8, with a factor "
        + "1..512:x2, with a unit '256..4096 tokens:x2'.", valueName: "path=range"))
  var sweep: String?

  @Option(
    help: ArgumentHelp(
      "Write the sweep's points, or the operators, as CSV.", valueName: "file"))
  var csv: String?

  @Option(
    help: ArgumentHelp(
      "Draw the roofline with the sweep's points, or with the operators.", valueName: "file"))
  var svg: String?

  @Flag(help: "Print JSON.")
  var json = false

  func validate() throws {
    if scenario.seed != nil {
      throw ValidationError("--seed has no effect on predictions: nothing is drawn for them")
    }
    try requireDistinctFiles([("--csv", csv), ("--svg", svg)])
  }

  func run() throws {
    try reportingFailures {
      let range = try sweep.map { try PredictSweep($0) }
      let table = try csv.map {
        try TextOutput(
          $0, startingWith: range == nil ? PredictAnswer.csvStart : PredictSweepAnswer.csvStart)
      }
      let picture = try svg.map { try TextOutput($0, startingWith: RooflinePicture.start) }
      var scenarios = try PredictableScenarios(
        path: scenario.path, settings: scenario.settings)
      if let range {
        let answer = try PredictSweepAnswer(range, of: &scenarios)
        try table?.write(answer.csv)
        try picture?.write(answer.picture?.svg ?? "")
        return try printResult(json ? try answer.json() : answer.text)
      }
      let prediction = try scenarios.prediction()
      let answer = PredictAnswer(prediction)
      try table?.write(answer.csv)
      try picture?.write(answer.picture(of: prediction).svg)
      try printResult(json ? try answer.json() : answer.text)
    }
  }
}
