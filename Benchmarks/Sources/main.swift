import ArgumentParser
import Foundation

/// What can be measured. A benchmark is a function that returns rows; add it here.
let benchmarks: [Benchmark] = [
  Benchmark(name: "hold", run: holdBenchmark),
  Benchmark(name: "phold", run: pholdBenchmark),
  Benchmark(name: "allocations", run: allocationsBenchmark),
  Benchmark(name: "replay", run: replayBenchmark),
  Benchmark(name: "step", run: stepBenchmark),
]

struct Benchmark: Sendable {
  var name: String
  /// `quick` asks for seconds instead of minutes, at the price of spread.
  var run: @Sendable (_ quick: Bool) throws -> [BenchmarkRow]
}

struct Benchmarks: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "benchmarks",
    abstract: "Measures Switchyard, side by side with other programs where these are at hand.")

  @Argument(help: "Which to run, of \(Self.known). All by default.")
  var names: [String] = []

  @Option(help: "Also write the rows to this file, as JSON.")
  var json: String?

  @Flag(help: "Fewer and shorter repetitions.")
  var quick = false

  private static var known: String { benchmarks.map(\.name).joined(separator: ", ") }

  func validate() throws {
    for name in names where !benchmarks.contains(where: { $0.name == name }) {
      throw ValidationError("there is no benchmark '\(name)'; there are \(Self.known)")
    }
  }

  func run() throws {
    #if DEBUG
      say("This is a debug build: its numbers mean nothing. Use swift run -c release benchmarks.")
    #endif
    var rows: [BenchmarkRow] = []
    for benchmark in benchmarks where names.isEmpty || names.contains(benchmark.name) {
      say("running \(benchmark.name)")
      rows += try benchmark.run(quick)
    }
    print(table(of: rows))
    if let json {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
      try encoder.encode(rows).write(to: URL(fileURLWithPath: json))
    }
  }
}

Benchmarks.main()
