import ArgumentParser
import Foundation
import Results
import Synchronization
import Validation

extension ValidateCommand {
  struct Papers: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "papers",
      abstract: "Runs the scenarios of papers and holds the results to what was published.",
      discussion: """
        Reads every \(PublishedSystem.fileName) under the folders:

          system: MoNDE
          needs: [../data.csv]    # files that not everybody has: without them the system is left out
          figures:
            - name: NLLB-MoE encoder, speed-up over moving parameters
              published: 6.7      # or 49.4 ms, 1943 tokens/s, 16.4 %, 12 mJ
              simulated: {ratio: [near-data.yaml, moved.yaml], of: throughput}
              tolerance: 10 %     # of what is published; or, of a percentage, 5 points
              source: arXiv 2405.18832, figure 6
              unknown: batch size # what the paper leaves open; may be left out

        What is simulated is one of {value: RUN, of: METRIC}, {ratio: [A, B], of: METRIC} (A / B), \
        {reduction: [NEW, OLD], of: METRIC} (1 - NEW / OLD, in per cent), {gain: [NEW, OLD], of: \
        METRIC} (NEW / OLD - 1, in per cent), or {mean: [...]} or {maximum: [...]} of several of \
        them. A RUN is a scenario, named from the folder of the file, or {scenario: PATH, set: \
        [workload.batch=64]} with settings as '--set' takes them. A METRIC is one of

        \(metrics)
          {stage: experts}        the mean device's time in it, in the mean iteration

        Each scenario runs once for each set of settings. A figure that is missed is a result: the \
        exit code is 0 when all ran, unless --strict is given.
        """)

    private static var metrics: String {
      Metric.allCases.map { metric in
        let name = metric.rawValue
        return "  " + name + String(repeating: " ", count: max(1, 24 - name.count)) + metric.meaning
      }.joined(separator: "\n")
    }

    @Argument(
      help: ArgumentHelp(
        "Folders, searched with what is in them (default: \(defaultFolder)).", valueName: "folder"),
      completion: .directory)
    var folders: [String] = []

    static let defaultFolder = "scenarios/papers"

    @Flag(help: "Print JSON instead of a table.")
    var json = false

    @Flag(help: "Print a table in Markdown, with the sources.")
    var markdown = false

    @Flag(help: "End with exit code 1 where a figure is missed.")
    var strict = false

    @Option(
      help: ArgumentHelp(
        "Scenarios that run at a time, each with the memory it takes. Results do not depend on it.",
        valueName: "number"))
    var threads = min(4, ProcessInfo.processInfo.activeProcessorCount)

    func validate() throws {
      guard threads >= 1, threads <= 1024 else {
        throw ValidationError("--threads is \(threads); it must be from 1 to 1024")
      }
      guard !(json && markdown) else {
        throw ValidationError("--json and --markdown exclude each other; give one")
      }
    }

    func run() throws {
      let validation = try reportingFailures { try self.validation() }
      try reportingFailures {
        try printResult(
          json ? try validation.json() : markdown ? validation.markdown : validation.text)
      }
      if strict, validation.missed > 0 {
        let figures = validation.missed == 1 ? "figure is" : "figures are"
        throw CommandFailure("\(validation.missed) \(figures) missed", exitCode: 1)
      }
    }

    private func validation() throws -> PaperValidation {
      let systems = try PublishedSystem.all(under: folders.isEmpty ? [Self.defaultFolder] : folders)
      let progress = Mutex<Progress?>(nil)
      do {
        let validation = try PaperValidation(
          systems, threads: threads,
          ended: { done, total in
            progress.withLock {
              if done == 0 { $0 = Progress("runs", of: total) } else { $0?.advance() }
            }
          },
          simulate: { RunSummary(try RecordedRun.result(of: $0, threads: 1, isQuiet: true)) })
        progress.withLock { $0?.finish() }
        return validation
      } catch let failed as FailedRun {
        progress.withLock { $0?.finish() }
        var failure = CommandFailure(failed.reason)
        let place = failed.run.place
        failure.sentence =
          "\(place.file):\(place.line):\(place.column): the run of '\(failed.run.path)' failed: "
          + failure.sentence
        throw failure
      }
    }
  }
}
