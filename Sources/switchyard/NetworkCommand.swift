import ArgumentParser
import Fabric
import Foundation
import Hardware
import Results
import Scenario
import Units

/// `switchyard network SCENARIO|CLUSTER [--show …] [--collective … --bytes …]`
struct NetworkCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "network",
    abstract: "Shows a network, or says what a collective costs on it.",
    discussion: """
      The network is that of a scenario's 'cluster' and 'fabric', or described in one line: nodes, \
      topology, network cards. Topologies: non-blocking, rail-optimised, fat-tree, dragonfly, mesh, \
      torus, full-mesh, file; options of theirs stand in braces.

        switchyard network '8 x dgx-h100, rail-optimised, ndr400'
        switchyard network '2 x dgx-a100' --collective all-to-all --bytes 1GiB
        switchyard network '40 x dgx-h100, {kind: fat-tree, cards-per-leaf: 64, spines: 8, \
      oversubscription: 2}' --show bisection
        switchyard network scenario.yaml --collective all-reduce --bytes 64MiB --algorithm ring

      A collective has the network to itself. Every message is a flow, flows share links max-min \
      fairly, and what the library adds (launch, protocol) comes from the catalogue, fitted to \
      measurements.
      """)

  @Argument(
    help: ArgumentHelp("A scenario file, or a cluster in one line.", valueName: "network"))
  var network: String

  @Option(
    name: .customLong("set"),
    help: ArgumentHelp("Change a value of the scenario, as in run.", valueName: "path=value"))
  var settings: [String] = []

  enum View: String, CaseIterable, ExpressibleByArgument { case links, routes, bisection }

  @Option(help: "links: every link. routes: the ways from a device. bisection: half to half.")
  var show: View?

  @Option(help: ArgumentHelp("With --show routes: the device they begin at.", valueName: "device"))
  var from: Int?

  @OptionGroup(title: "Collectives") var question: CollectiveOptionGroup

  @Flag(help: "Print JSON.")
  var json = false

  func run() throws {
    try reportingFailures {
      let description = try load()
      if question.collective != nil {
        guard show == nil, from == nil else {
          throw CommandFailure("--show has no effect with --collective; ask for one of them")
        }
        let answer = try CollectiveAnswer(question, description)
        try answer.writeHeatMap()
        try printResult(json ? try answer.json() : answer.text)
        return
      }
      try question.requireNothing()
      guard from == nil || show == .routes else {
        throw CommandFailure("--from has no effect without --show routes")
      }
      let view = try NetworkView(description)
      switch show {
      case nil: try printResult(json ? try view.overview.json() : view.overview.text)
      case .links: try printResult(json ? try view.links.json() : view.links.text)
      case .routes:
        let routes = try view.routes(from: from ?? 0)
        try printResult(json ? try routes.json() : routes.text)
      case .bisection:
        let bisection = try view.bisection()
        try printResult(json ? try bisection.json() : bisection.text)
      }
    }
  }

  private func load() throws -> NetworkDescription {
    let isFile =
      FileManager.default.fileExists(atPath: network) || network.hasSuffix(".yaml")
      || network.hasSuffix(".yml")
    return isFile
      ? try NetworkDescription(path: network, settings: settings)
      : try NetworkDescription(text: network, settings: settings)
  }
}

/// What asks for a collective.
struct CollectiveOptionGroup: ParsableArguments {
  @Option(help: "all-to-all, all-reduce, all-gather, reduce-scatter, broadcast or send.")
  var collective: String?

  @Option(
    help: ArgumentHelp(
      "All-to-all: what each rank holds for all. All-gather: what each has in the end. Else the buffer.",
      valueName: "amount"))
  var bytes: String?

  @Option(help: ArgumentHelp("The first so many devices; all where left out.", valueName: "number"))
  var ranks: Int?

  @Option(
    help: ArgumentHelp(
      "flat, hierarchical, leader, bi-level, tensor-coordinated, two-hop; ring, tree, "
        + "halving-doubling, in-switch, hierarchical-in-switch, direct.", valueName: "name"))
  var algorithm: String?

  @Option(
    help: ArgumentHelp(
      "For all-to-all, in place of --bytes: bytes from each rank (row) to each (column).",
      valueName: "file.csv"))
  var matrix: String?

  @Option(help: ArgumentHelp("Parts, pipelined.", valueName: "number"))
  var chunks: Int?

  @Option(help: ArgumentHelp("Where a broadcast or a send begins.", valueName: "rank"))
  var root: Int?

  @Option(help: ArgumentHelp("Where a send ends.", valueName: "rank"))
  var target: Int?

  @Option(
    help: ArgumentHelp(
      "Ranks that hold the same rows, for tensor-coordinated.", valueName: "number"))
  var tensorWidth: Int?

  @Option(
    help: ArgumentHelp(
      "Whose launch and protocol are added: nccl, or none.",
      valueName: "name"))
  var library: String?

  @Option(
    help: ArgumentHelp(
      "Write the bytes from each rank to each as CSV.", valueName: "file.csv"))
  var heatMap: String?

  func requireNothing() throws {
    let given: [(String, Bool)] = [
      ("--bytes", bytes != nil), ("--ranks", ranks != nil), ("--algorithm", algorithm != nil),
      ("--matrix", matrix != nil), ("--chunks", chunks != nil), ("--root", root != nil),
      ("--target", target != nil), ("--tensor-width", tensorWidth != nil),
      ("--library", library != nil), ("--heat-map", heatMap != nil),
    ]
    if let (name, _) = given.first(where: \.1) {
      throw CommandFailure("\(name) has no effect without --collective")
    }
  }
}
