import ArgumentParser
import Foundation

/// What can be measured. A benchmark is a function that returns rows; add it here.
let benchmarks: [Benchmark] = [
  Benchmark(name: "hold") { try holdBenchmark(quick: $0 == .quick) },
  Benchmark(name: "phold") { try pholdBenchmark(quick: $0 == .quick) },
  Benchmark(name: "allocations") { try allocationsBenchmark(quick: $0 == .quick) },
  Benchmark(name: "replay") { try replayBenchmark(quick: $0 == .quick) },
  Benchmark(name: "step") { try stepBenchmark(quick: $0 == .quick) },
  Benchmark(name: "kernels") { try kernelsBenchmark(quick: $0 == .quick) },
  Benchmark(name: "all-to-all", run: allToAllBenchmark),
  Benchmark(name: "exchange") { try exchangeBenchmark(quick: $0 == .quick) },
]

struct Benchmark: Sendable {
  var name: String
  var run: @Sendable (Effort) throws -> [BenchmarkRow]
}

enum Effort {
  /// Seconds instead of minutes, at the price of spread.
  case quick
  case usual
  /// Also what takes a peer hours.
  case full
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

  @Flag(help: "Also the cases that take a peer very long.")
  var full = false

  private static var known: String { benchmarks.map(\.name).joined(separator: ", ") }

  func validate() throws {
    if quick && full { throw ValidationError("--quick and --full exclude each other") }
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
      rows += try benchmark.run(full ? .full : quick ? .quick : .usual)
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
