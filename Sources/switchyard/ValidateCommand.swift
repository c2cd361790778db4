import ArgumentParser
import Calibration
import Hardware
import Models

struct ValidateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "validate",
    abstract: "Compares predictions with what was measured or published; fits nothing.",
    subcommands: [Kernels.self, Papers.self])
}

extension ValidateCommand {
  struct Kernels: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "kernels",
      abstract: "Says how well the catalogue's entries predict measured kernels.",
      discussion: """
        Reads the same tables as 'calibrate'. Where the catalogue has no numbers for the device, those \
        of its nearest relative are taken, with the device's own data sheet, and the report says so.

          switchyard validate kernels gemm.csv.xz --device a100-sxm-80gb
        """)

    @Argument(help: ArgumentHelp("Tables of kernels of one device.", valueName: "measurements"))
    var files: [String]

    @Option(help: "The catalogue's device that was measured.")
    var device: String

    @Option(
      help: ArgumentHelp(
        "A file with entries of your own, which go before the program's.", valueName: "file"))
    var catalogue: String?

    @Option(
      help: ArgumentHelp(
        "Take the numbers fitted on this device, with the data sheet of --device.",
        valueName: "device"))
    var numbersOf: String?

    @Option(help: "The catalogue's model whose layers were profiled, for tables that need it.")
    var model: String?

    @Flag(help: "Print JSON instead of tables.")
    var json = false

    func run() throws {
      try reportingFailures {
        let catalogue = try HardwareCatalogue.load(extraFiles: catalogue.map { [$0] } ?? [])
        let device = try catalogue.device(named: device)
        let owner = try numbersOf.map { try catalogue.device(named: $0) }
        let model = try model.map { try ModelCatalogue.load().named($0).architecture }
        let tables = try KernelTables(reading: files, on: device, of: model)
        let report = try KernelReport(tables, device: device, by: owner ?? device, in: catalogue)
        try printResult(json ? try jsonText(report) : report.text)
      }
    }
  }
}
