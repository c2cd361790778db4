import ArgumentParser
import Calibration
import Foundation
import Hardware
import Results
import StrictYAML
import Units

struct CalibrateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "calibrate",
    abstract: "Fits the catalogue's numbers to measurements: of kernels, or of collectives.",
    subcommands: [Kernels.self, Collectives.self], defaultSubcommand: Kernels.self)

  /// The date of the entries: what was asked for, or today.
  static func date(_ asked: String?) throws -> String {
    if let asked {
      guard asked.wholeMatch(of: /\d{4}-\d{2}-\d{2}/) != nil else {
        throw CommandFailure("--date is '\(asked)'; write it like 2026-11-21")
      }
      return asked
    }
    let parts = Calendar(identifier: .gregorian).dateComponents(
      [.year, .month, .day], from: Date())
    func padded(_ number: Int?) -> String {
      (number ?? 0) < 10 ? "0\(number ?? 0)" : "\(number ?? 0)"
    }
    return "\(parts.year ?? 0)-\(padded(parts.month))-\(padded(parts.day))"
  }

  /// Whether a file holds entries of `section`, which are to be kept.
  ///
  /// - Throws: ``CommandFailure`` where it holds other sections, which would be lost.
  static func hasEntries(_ path: String, of section: String) throws -> Bool {
    let target = URL(fileURLWithPath: path).resolvingSymlinksInPath()
    let values = try? target.resourceValues(forKeys: [.isRegularFileKey])
    guard values?.isRegularFile == true else { return false }
    let reader = MappingReader(
      try Value.contents(ofFile: path), ProblemCollector(), context: "a catalogue file")
    let others = reader.keys.filter { !["sources", section].contains($0) }
    guard others.isEmpty else {
      throw CommandFailure(
        "\(path) also has '\(others.joined(separator: "', '"))', which would be lost; "
          + "give a file of its own")
    }
    return true
  }
}

extension CalibrateCommand {
  struct Collectives: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "collectives",
      abstract: "Fits what collectives cost beside their bytes: launch, protocol, ramp, bandwidth.",
      discussion: """
        Reads tables with the columns of ai-dynamo/aiconfigurator (NCCL inside a node, DeepEP's \
        normal and low-latency kernels on any number of nodes; .csv or .csv.xz), fits one entry \
        for each operation and prints every number with its certainty, and the errors: of the fit \
        to all rows, and of rows that a second fit did not see. Nothing is dropped; the rows that \
        are met worst are listed.

          switchyard calibrate collectives nccl.csv.xz --link nvlink4
          switchyard calibrate collectives deepep.csv --link nvlink4 --network infiniband-ndr \\
            --out my-collectives.yaml
        """)

    @Argument(help: ArgumentHelp("Tables of one library.", valueName: "measurements"))
    var files: [String]

    @Option(help: "The catalogue's link between the devices of a node.")
    var link: String

    @Option(help: "The catalogue's link between nodes, where measurements cross nodes.")
    var network: String?

    @Option(help: "nccl, deepep-normal or deepep-low-latency; what the columns say where left out.")
    var library: CollectiveLibrary?

    @Option(help: "Seed of the draw that holds out a fifth of the questions.")
    var holdOutSeed: UInt64 = 0

    @Option(help: "Where the tables come from, for the catalogue.")
    var source: String?

    @Option(help: "The fit's date, for the catalogue; today where left out.")
    var date: String?

    @Option(
      name: [.customShort("o"), .long],
      help: "A catalogue file to write; entries of other names that it has are kept.")
    var out: String?

    @Flag(help: "Print JSON instead of tables.")
    var json = false

    func run() throws {
      try reportingFailures {
        let date = try CalibrateCommand.date(date)
        let output = try out.map { try TextOutput($0, startingWith: "") }
        let catalogue = try HardwareCatalogue.load()
        let older =
          try out.map { path in
            try CalibrateCommand.hasEntries(path, of: "collectives")
              ? try catalogue.collectives(inFile: path) : []
          } ?? []
        let scaleUp = try catalogue.link(named: link)
        let scaleOut = try network.map { try catalogue.link(named: $0) }
        let measurements = try CollectiveMeasurements(
          reading: files, library: library, link: scaleUp, devices: catalogue.devices)
        let calibration = try CollectiveCalibration(
          measurements, scaleUp: scaleUp, scaleOut: scaleOut, holdOutSeed: holdOutSeed,
          source: source, date: date)
        let entries = CollectiveEntries(calibration.entries.map(\.cost)).merged(into: older)
        try output?.write(entries.yaml)
        let report = CollectiveReport(calibration)
        try printResult(json ? try jsonText(report) : report.text)
      }
    }
  }
}

extension CollectiveLibrary: ExpressibleByArgument {}

extension CollectiveReport {
  /// The report as tables.
  fileprivate var text: String {
    let blocks = entries.map(\.text) + [table(classes, title: "errors over all entries")]
    return blocks.joined(separator: "\n\n")
  }
}

extension CollectiveReport.Entry {
  fileprivate var text: String {
    var numbers = TextTable([.left(""), .right(""), .right("")], indent: 2)
    for term in terms {
      let error = term.relativeError.map { "+- \(percent($0))" } ?? ""
      numbers.add(term.key, term.value, error)
    }
    var worst = TextTable(
      [.left("worst rows"), .right("measured"), .right("predicted"), .right("error")], indent: 2)
    for row in worstRows {
      worst.add(
        row.place, "\(Seconds(row.measuredMicroseconds * 1e-6))",
        "\(Seconds(row.predictedMicroseconds * 1e-6))", percent(row.error))
    }
    let errors = table([errors] + byBytes + byRanks, title: "errors")
    return ([name] + numbers.lines + [errors] + worst.lines).joined(separator: "\n")
  }
}

private func table(_ classes: [CollectiveReport.ErrorClass], title: String) -> String {
  var table = TextTable(
    [
      .left(title), .right("rows"), .right("median"), .right("90 %"), .right("worst"),
      .right("held out"), .right("median"), .right("90 %"), .right("worst"),
    ], indent: 2)
  for one in classes {
    let cells = [one.fitted, one.heldOut].flatMap { summary in
      ["\(summary.count)"]
        + (summary.count == 0
          ? ["-", "-", "-"]
          : [percent(summary.median), percent(summary.ninetieth), percent(summary.worst)])
    }
    table.add([one.name] + cells)
  }
  return table.lines.joined(separator: "\n")
}

func percent(_ share: Double) -> String { fixed(share * 100, decimals: 1) + " %" }
