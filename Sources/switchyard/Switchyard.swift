import ArgumentParser
import Foundation

@main
struct Switchyard: ParsableCommand {
  static let version = "0.1.0"

  static let configuration = CommandConfiguration(
    commandName: "switchyard",
    abstract: "Simulates the hardware that serves Mixture-of-Experts language models.",
    discussion: """
      A scenario file describes hardware, model, workload and policies; switchyard replays recorded \
      expert selections through device and network models and says how fast it would run and what \
      bounds it.

        switchyard run scenarios/quickstart.yaml
        switchyard check scenarios/quickstart.yaml
        switchyard run scenarios/quickstart.yaml --set workload.batch=64
        switchyard trace stats traces/switchyard-docs-moe.routing
        switchyard catalogue devices h100-sxm

      Results go to standard output, everything else to standard error. Exit code 2 means that what \
      was asked for is wrong, 1 that a run failed.
      """,
    version: version,
    // All of them say their names themselves: finding these out is a quarter of what a command begins with.
    subcommands: [
      RunCommand.self, CheckCommand.self, PlaceCommand.self, CompareCommand.self, TraceCommand.self,
      CatalogueCommand.self, NetworkCommand.self, CalibrateCommand.self, ValidateCommand.self,
      CostCommand.self, PredictCommand.self,
    ])

  /// An option of which only the last would count, though it is given several times.
  private static func repeatedOption(_ arguments: [String]) -> String? {
    var seen: Set<Substring> = []
    for argument in arguments.prefix(while: { $0 != "--" }) where argument.hasPrefix("--") {
      let name = argument.prefix { $0 != "=" }
      if name != "--set", !seen.insert(name).inserted { return String(name) }
    }
    return nil
  }

  static func main() {
    do {
      if let option = repeatedOption(CommandLine.arguments) {
        throw CommandFailure("\(option) stands twice, and only one would count; give it once")
      }
      var command = try parseAsRoot()
      try command.run()
    } catch let failure as CommandFailure {
      FileHandle.standardError.write(Data("switchyard: \(failure.sentence)\n".utf8))
      Foundation.exit(failure.exitCode)
    } catch {
      // Help and the version are no failures; a wrong option is wrong input like any other.
      guard exitCode(for: error) == .success else {
        FileHandle.standardError.write(Data((fullMessage(for: error) + "\n").utf8))
        Foundation.exit(2)
      }
      exit(withError: error)
    }
  }
}
