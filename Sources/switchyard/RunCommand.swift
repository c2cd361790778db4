import ArgumentParser
import Foundation
import Results
import Scenario
import Serving

struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Simulates a scenario and says how fast it is and what bounds it.",
    discussion: """
      Prints a summary: tokens per second, where an iteration's time goes, load imbalance, \
      utilisation, energy, and what bounds each stage. The same and more goes to SQLite (--out, which \
      appends a run to an existing file), to CSV files (--csv) and to a timeline for \
      https://ui.perfetto.dev (--timeline). Who sent whom how much in dispatch and combine goes to a \
      table for a heat map (--heat-map).

        switchyard run scenarios/quickstart.yaml --out results.sqlite
        switchyard run scenarios/quickstart.yaml --out results.sqlite --seed 2
        sqlite3 results.sqlite 'SELECT * FROM summary'
      """)

  @OptionGroup var scenario: ScenarioOptions

  @Option(
    help: ArgumentHelp(
      "Append the results to this SQLite file; it is made if there is none.", valueName: "file"))
  var out: String?

  @Option(
    help: ArgumentHelp(
      "Write the results as CSV files into this directory.", valueName: "directory"))
  var csv: String?

  @Option(
    help: ArgumentHelp(
      "Write a timeline of the first \(Self.timelineIterations) measured iterations for Perfetto.",
      valueName: "file"))
  var timeline: String?

  @Option(
    help: ArgumentHelp(
      "Write the bytes that every device sent every other in dispatch and combine: CSV, a row for "
        + "each source, a column for each target.", valueName: "file"))
  var heatMap: String?

  @Flag(help: "Print the summary as JSON.")
  var json = false

  @Flag(help: "List the load of every layer, not only the mean and the worst.")
  var layers = false

  @Option(
    help: ArgumentHelp(
      "Threads for counting the trace's routing. Results do not depend on it.",
      valueName: "number"))
  var threads = ProcessInfo.processInfo.activeProcessorCount

  /// More would make files that browsers refuse.
  static let timelineIterations = 3

  func validate() throws {
    guard threads >= 1, threads <= 1024 else {
      throw ValidationError("--threads is \(threads); it must be from 1 to 1024")
    }
    guard !(json && layers) else {
      throw ValidationError("--layers has no effect with --json, which lists every layer")
    }
    try requireDistinctFiles([
      ("--out", out), ("--timeline", timeline), ("--heat-map", heatMap), ("--csv", csv),
    ])
  }

  func run() throws {
    try reportingFailures {
      let loaded = try scenario.load()
      // An output that cannot be written is told before the work, not after it.
      if let csv { try OutputCheck.tables(inDirectory: csv) }
      if let timeline { try OutputCheck.file(timeline, startingWith: RunResult.timelineStart) }
      if let heatMap { try OutputCheck.file(heatMap, startingWith: RunResult.heatMapStart) }
      let database = try out.map { try ResultsDatabase($0) }
      let result = try RecordedRun.result(
        of: loaded, threads: threads,
        spans: timeline == nil ? .none : .firstIterations(Self.timelineIterations),
        keepsPairs: heatMap != nil)
      // The database last: a run is in it only if everything that was asked for was written.
      if let csv { try result.writeCSV(toDirectory: csv) }
      if let timeline { try result.writeTimeline(to: timeline) }
      if let heatMap { try result.writeHeatMap(to: heatMap) }
      if let database { try database.append(result) }
      try printResult(
        json ? try RunSummary(result).json() : result.summaryText(allLayers: layers))
    }
  }

}

/// Refuses a command that would write one file over another.
func requireDistinctFiles(_ files: [(option: String, path: String?)]) throws {
  let given = files.compactMap { option, path in
    path.map { (option, URL(fileURLWithPath: $0).standardizedFileURL.resolvingSymlinksInPath()) }
  }
  for (position, (option, file)) in given.enumerated() {
    for (other, otherFile) in given[..<position] where file == otherFile {
      throw ValidationError("\(other) and \(option) name the same file; give each its own")
    }
  }
}

/// What names a scenario and changes it, for every command that takes one.
struct ScenarioOptions: ParsableArguments {
  @Argument(
    help: ArgumentHelp("The scenario, a YAML file.", valueName: "scenario"),
    completion: .file(extensions: ["yaml", "yml"]))
  var path: String

  @Option(
    name: .customLong("set"),
    help: ArgumentHelp(
      "Change a value: keys joined by dots, then YAML, as in workload.batch=64. Repeatable.",
      valueName: "path=value"))
  var settings: [String] = []

  @Option(
    help: ArgumentHelp(
      "The seed of all random streams, in place of the scenario's.", valueName: "number"))
  var seed: UInt64?

  func load() throws -> Scenario {
    try Scenario.load(path: path, settings: settings, seed: seed)
  }
}
