import ArgumentParser
import Calibration
import Foundation
import Hardware
import Results
import Units

extension CalibrateCommand {
  struct Kernels: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "kernels",
      abstract: "Fits what kernels take: launches, tiles, fractions of peaks, by library.",
      discussion: """
        Reads tables with the columns of ai-dynamo/aiconfigurator (GEMM, experts, attention, latent \
        attention), alibaba/InferSim or microsoft/vidur, .csv or .csv.xz, fits the family's law to \
        each kernel in them and prints every number with its certainty, and the errors: of the fit \
        to all rows, and of a fifth of the rows that a second fit did not see. Nothing is dropped; \
        the rows that are met worst are listed.

          switchyard calibrate gemm.csv.xz moe.csv.xz --device h100-sxm --out my-kernels.yaml
        """)

    @Argument(help: ArgumentHelp("Tables of kernels of one device.", valueName: "measurements"))
    var files: [String]

    @Option(help: "The catalogue's device that was measured.")
    var device: String

    @Option(
      help: ArgumentHelp(
        "A file with entries of your own, such as the device.", valueName: "file"))
    var catalogue: String?

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

    @Option(
      help: ArgumentHelp(
        "A directory for pictures of measured against predicted times, one for each family.",
        valueName: "directory"))
    var report: String?

    @Flag(
      help: ArgumentHelp(
        "Fit nothing: keep the catalogue's numbers for these kernels, and write which sizes the rows "
          + "have and how far the numbers are from them."))
    var keepNumbers = false

    @Flag(help: "Print JSON instead of tables.")
    var json = false

    func run() throws {
      try reportingFailures {
        if keepNumbers { return try judge() }
        let date = try CalibrateCommand.date(date)
        let output = try out.map { try TextOutput($0, startingWith: "") }
        let pictures = try report.map { try OutputDirectory($0) }
        let catalogue = try HardwareCatalogue.load(extraFiles: catalogue.map { [$0] } ?? [])
        let device = try catalogue.device(named: device)
        let older =
          try out.map { path in
            try CalibrateCommand.hasEntries(path, of: "kernels")
              ? try catalogue.kernels(inFile: path) : []
          } ?? []
        let tables = try KernelTables(reading: files, on: device)
        var progress = Progress("kernels", of: tables.kernels.count)
        var fitted: [FittedKernel] = []
        for rows in tables.kernels {
          fitted.append(try rows.fitted(holdOutSeed: holdOutSeed))
          progress.advance()
        }
        progress.finish()
        let names = files.map { URL(fileURLWithPath: $0).lastPathComponent }
        let entries = fitted.map {
          KernelCalibration(
            $0, device: device, citation: source ?? names.joined(separator: ", "), date: date)
        }
        try output?.write(KernelEntries(entries).merged(into: older).yaml)
        for picture in pictures == nil ? [] : KernelPicture.all(fitted, title: device.name) {
          let name = "\(device.name)-\(picture.family.rawValue).svg"
          try pictures?.write(picture.svg, to: name, startingWith: "<svg")
        }
        let found = KernelReport(fitted, device: device, leftOut: tables.leftOut)
        try printResult(json ? try jsonText(found) : found.text)
      }
    }

    /// The catalogue's own entries with what these rows say of them.
    private func judge() throws {
      guard report == nil, source == nil, date == nil else {
        throw CommandFailure("--keep-numbers fits nothing: leave --report, --source and --date out")
      }
      let output = try out.map { try TextOutput($0, startingWith: "") }
      let catalogue = try HardwareCatalogue.load(extraFiles: catalogue.map { [$0] } ?? [])
      let device = try catalogue.device(named: device)
      let tables = try KernelTables(reading: files, on: device)
      let older =
        try out.map { path in
          try CalibrateCommand.hasEntries(path, of: "kernels")
            ? try catalogue.kernels(inFile: path) : []
        } ?? []
      let entries = try tables.kernels.map { rows in
        let own = catalogue.kernels.last {
          $0.device == device.name && $0.family == rows.family && $0.kernel == rows.kernel
        }
        guard let own else {
          throw CalibrationError.noCalibration(family: "\(rows.family.rawValue) \(rows.kernel)")
        }
        return own.judged(by: rows)
      }
      try output?.write(KernelEntries(entries).merged(into: older).yaml)
      let found = try KernelReport(tables, device: device, by: device, in: catalogue)
      try printResult(json ? try jsonText(found) : found.text)
    }
  }
}
