import ArgumentParser
import Foundation
import Hardware
import Models
import Results
import StrictYAML
import Units

/// `switchyard catalogue [devices|links|nodes|models] [NAME] [--json]`
struct CatalogueCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "catalogue",
    abstract: "Lists the devices, links, nodes and models that scenarios may name.",
    discussion: """
      Without a name: a table of the section. With a name: every number of the entry with the \
      document it comes from; numbers from memory are marked 'unverified'.

        switchyard catalogue nodes
        switchyard catalogue devices h100-sxm
      """)

  enum Section: String, CaseIterable, ExpressibleByArgument {
    case devices, links, nodes, models
  }

  @Argument(help: "devices, links, nodes or models; all of them where left out.")
  var section: Section?

  @Argument(help: "The entry to show in full.")
  var name: String?

  @Flag(help: "Print JSON instead of a table.")
  var json = false

  func run() throws {
    try reportingFailures(list)
  }

  private func list() throws {
    let listings = try (section.map { [$0] } ?? Section.allCases).map(listing)
    if let name, let listing = listings.first {
      let entry = try listing.entry(named: name)
      try printResult(json ? try CatalogueJSON.text(entry.json) : entry.text)
    } else if json {
      let sections = listings.map { ($0.title, $0.entries.map(\.json)) }
      try printResult(try CatalogueJSON.text(Dictionary(uniqueKeysWithValues: sections)))
    } else {
      let tables = listings.map { listing in
        (section == nil ? "\(listing.title)\n" : "") + listing.table.lines.joined(separator: "\n")
      }
      try printResult(tables.joined(separator: "\n\n"))
    }
  }

  private func listing(of section: Section) throws -> CatalogueListing {
    switch section {
    case .devices: .devices(try HardwareCatalogue.load())
    case .links: .links(try HardwareCatalogue.load())
    case .nodes: .nodes(try HardwareCatalogue.load())
    case .models: .models(try ModelCatalogue.load())
    }
  }
}

/// One section of the catalogue, ready to be printed.
struct CatalogueListing {
  var title: String
  var entries: [CatalogueEntryView]
  var table: TextTable
  /// Throws the section's own error for an unknown name; answers with the entry's listed name.
  var find: (String) throws -> String

  func entry(named name: String) throws -> CatalogueEntryView {
    let found = try find(name)
    return entries.first { $0.name == found } ?? entries[0]
  }
}

extension CatalogueListing {
  static func devices(_ catalogue: HardwareCatalogue) -> CatalogueListing {
    var table = TextTable([
      .left("name"), .left("kind"), .right("16 bit"), .right("fp8"), .right("memory"), .left(""),
      .right("bandwidth"), .right("scale-up"), .right("power"), .left("fractions"),
    ])
    for device in catalogue.devices {
      let rates = [device.peakRates[.bf16] ?? device.peakRates[.fp16], device.peakRates[.fp8]]
      table.add(
        [device.name, device.kind.rawValue] + rates.map { $0?.description ?? "-" } + [
          "\(device.memory.capacity)", device.memory.kind, "\(device.memory.bandwidth)",
          device.scaleUp.map { "\($0.bandwidth)" } ?? "-", "\(device.thermalDesignPower)",
          device.efficiency.relative.map { "like \($0)" } ?? "own",
        ])
    }
    return CatalogueListing(
      title: "devices", entries: catalogue.devices.map(CatalogueEntryView.init), table: table,
      find: { try catalogue.device(named: $0).name })
  }

  static func links(_ catalogue: HardwareCatalogue) -> CatalogueListing {
    var table = TextTable([
      .left("name"), .left("kind"), .right("nominal"), .right("measured"), .right("latency"),
      .left("what it is"),
    ])
    for link in catalogue.links {
      table.add([
        link.name, link.kind.rawValue, "\(link.bandwidth)",
        link.measuredBandwidth.map { "\($0)" } ?? "-", "\(link.latency)", link.fullName,
      ])
    }
    return CatalogueListing(
      title: "links", entries: catalogue.links.map(CatalogueEntryView.init), table: table,
      find: { try catalogue.link(named: $0).name })
  }

  static func nodes(_ catalogue: HardwareCatalogue) -> CatalogueListing {
    var table = TextTable([
      .left("name"), .left("devices"), .left("scale-up"), .left(""), .right("port"), .left("host"),
      .right("memory"), .left("network"),
    ])
    for node in catalogue.nodes {
      table.add([
        node.name, "\(node.deviceCount) x \(node.device.name)", node.scaleUp.layout,
        node.scaleUp.port.link.name, "\(node.scaleUp.port.bandwidth)",
        "\(node.host.sockets) x \(node.host.processor.name)", "\(node.host.memoryCapacity)",
        node.network.map { "\($0.cardCount) x \($0.port.link.name)" } ?? "-",
      ])
    }
    return CatalogueListing(
      title: "nodes", entries: catalogue.nodes.map(CatalogueEntryView.init), table: table,
      find: { try catalogue.node(named: $0).name })
  }

  static func models(_ catalogue: ModelCatalogue) -> CatalogueListing {
    var table = TextTable([
      .left("name"), .right("layers"), .right("hidden"), .right("experts"), .right("top-k"),
      .right("shared"), .right("parameters"), .right("active"),
    ])
    for entry in catalogue.entries {
      let model = entry.architecture
      let counts = [model.experts.count, model.experts.topK, model.experts.shared]
      table.add(
        [entry.name, "\(model.layers)", "\(model.hidden)"]
          + counts.map { $0 == 0 ? "-" : "\($0)" }
          + [billions(model.parameters.total), billions(model.parameters.active)])
    }
    return CatalogueListing(
      title: "models", entries: catalogue.entries.map(CatalogueEntryView.init), table: table,
      find: { try catalogue.named($0).name })
  }
}

/// `46.7 B`: parameters in billions.
func billions(_ count: Int) -> String { fixed(Double(count) / 1e9, decimals: 1) + " B" }
