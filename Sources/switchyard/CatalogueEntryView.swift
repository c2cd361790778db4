import Foundation
import Hardware
import Models
import Results
import StrictYAML
import Units

/// One catalogue entry as a person or a program reads it.
struct CatalogueEntryView {
  var name: String
  var fullName: String
  /// What the entry says in words: kind, links, parts.
  var words: [(key: String, value: String)]
  /// Every number with its source.
  var numbers: [SourcedFact]
  /// What follows from the numbers.
  var derived: [(key: String, value: String)]
  var remarks: [String]
  var notes: String
}

extension CatalogueEntryView {
  init(_ device: Device) {
    var words = [("kind", device.kind.rawValue), ("memory", device.memory.kind)]
    let ends = [
      ("scale-up", device.scaleUp), ("host-link", device.hostLink), ("network", device.network),
    ]
    for (key, end) in ends { if let end { words.append((key, end.link)) } }
    let model = KernelCostModel(device)
    var derived = [("memory bandwidth reached", "\(model.achievableBandwidth)")]
    for precision in Precision.allCases where device.peakRates[precision] != nil {
      derived.append(("\(precision.rawValue) reached", "\(model.achievableRate(for: precision))"))
      if let energy = try? device.energyPerFLOP(for: precision) {
        derived.append(("\(precision.rawValue) energy", "\(energy)"))
      }
    }
    derived.append(("launch latency", "\(model.launchLatency)"))
    self.init(
      name: device.name, fullName: device.fullName, words: words, numbers: device.facts,
      derived: derived, remarks: device.remarks, notes: device.notes)
  }

  init(_ link: Link) {
    self.init(
      name: link.name, fullName: link.fullName, words: [("kind", link.kind.rawValue)],
      numbers: link.facts, derived: [("bandwidth used", "\(link.effectiveBandwidth)")],
      remarks: link.remarks, notes: link.notes)
  }

  init(_ node: Node) {
    let port = node.scaleUp.port
    var words = [
      ("device", node.device.name),
      ("scale-up", "\(node.scaleUp.layout), \(port.link.name)"),
      ("host", node.host.processor.name), ("host-link", node.hostLink.link.name),
    ]
    var derived = [
      ("scale-up port used", "\(port.effectiveBandwidth)"),
      ("host link used", "\(node.hostLink.effectiveBandwidth)"),
      ("host memory bandwidth", "\(node.host.memoryBandwidth)"),
      ("device memory", "\(node.device.memory.capacity * Double(node.deviceCount))"),
    ]
    if let companion = node.companion {
      words.append(("companion", companion.processor.name))
      words.append(("companion memory", companion.port?.link.name ?? "the device's"))
    }
    if let network = node.network {
      words.append(("network", network.port.link.name))
      derived.append(("network card used", "\(network.port.effectiveBandwidth)"))
    }
    self.init(
      name: node.name, fullName: node.fullName, words: words, numbers: node.facts,
      derived: derived, remarks: node.remarks, notes: node.notes)
  }

  /// Models keep the source of each number by its path, and the numbers in an architecture.
  init(_ entry: ModelCatalogue.Entry) {
    let model = entry.architecture
    let unverified = Set(entry.unverified)
    let values = Self.values(of: entry)
    let numbers = entry.citations.keys.sorted().map { key in
      let source = unverified.contains(key) ? SourcedFact.nameless : ""
      return SourcedFact(
        key: key, value: values[key] ?? "", source: source, citation: entry.citations[key] ?? "")
    }
    let words = entry.otherNames.isEmpty ? [] : [("also", entry.otherNames.joined(separator: ", "))]
    let derived = [
      ("parameters", billions(model.parameters.total)),
      ("active parameters", billions(model.parameters.active)),
      ("KV cache of a token, bf16", "\(model.keyValueBytesPerToken(.bf16))"),
    ]
    let memory = entry.unverified.sorted().joined(separator: ", ")
    self.init(
      name: entry.name, fullName: entry.title, words: words, numbers: numbers, derived: derived,
      remarks: memory.isEmpty ? [] : ["unverified: \(entry.name): \(memory)"],
      notes: entry.note ?? "")
  }

  /// The numbers of an architecture by their path in a catalogue file.
  private static func values(of entry: ModelCatalogue.Entry) -> [String: String] {
    let model = entry.architecture
    var values: [String: Int] = [
      "layers": model.layers, "hidden": model.hidden, "vocabulary": model.vocabulary,
      "encoder-layers": model.encoderLayers, "feed-forward.matrices": model.feedForward.matrices,
      "feed-forward.intermediate": model.feedForward.intermediate,
      "experts.count": model.experts.count, "experts.top-k": model.experts.topK,
      "experts.router-groups": model.experts.routerGroups,
      "experts.intermediate": model.experts.intermediate,
      "experts.shared.count": model.experts.shared,
      "experts.shared.intermediate": model.experts.sharedIntermediate,
      "experts.residual-intermediate": model.experts.residualIntermediate,
      "attention.heads": model.attention.heads,
    ]
    switch model.attention {
    case .grouped(let attention):
      values["attention.key-value-heads"] = attention.keyValueHeads
      values["attention.head-dimension"] = attention.headDimension
      values["attention.window"] = attention.window
    case .latent(let attention):
      values["attention.query-rank"] = attention.queryRank
      values["attention.key-value-rank"] = attention.keyValueRank
      values["attention.rotary-dimension"] = attention.rotaryDimension
      values["attention.plain-dimension"] = attention.plainDimension
      values["attention.value-dimension"] = attention.valueDimension
    }
    var texts = values.mapValues(String.init)
    let expertLayers = ranges(of: (0..<model.layers).filter { model.hasExperts(layer: $0) })
    for key in ["", ".after", ".every", ".offset"] { texts["experts.layers" + key] = expertLayers }
    texts["published.parameters"] = entry.publishedParameters.map { billions(Int($0)) }
    texts["published.active-parameters"] = entry.publishedActiveParameters.map {
      billions(Int($0))
    }
    return texts
  }
}

extension SourcedFact {
  /// The short name of the source; where there is none, the citation itself.
  fileprivate var label: String {
    if hasShortName { return source }
    return isUnverified ? "unverified: \(citation)" : citation
  }

  fileprivate var hasShortName: Bool { !source.isEmpty && source != Self.nameless }

  /// Stands for the source of a model's number from memory, whose short name is not kept.
  fileprivate static let nameless = "unverified"
}

extension CatalogueEntryView {
  /// Each source once, in the order of the numbers.
  private var cited: [SourcedFact] {
    var seen: Set<String> = []
    return numbers.filter { $0.hasShortName && seen.insert($0.source).inserted }
  }

  var text: String {
    var parts = ["\(name): \(fullName)"]
    func block(_ title: String, _ rows: [[String]]) {
      guard !rows.isEmpty else { return }
      var table = TextTable(rows[0].map { _ in .left("") })
      for row in rows { table.add(row) }
      parts.append(title + table.lines.joined(separator: "\n"))
    }
    parts += words.map { "  \($0.key): \($0.value)" }
    block("\nnumbers\n", numbers.map { ["  " + $0.key, $0.value, $0.label] })
    block("\nsources\n", cited.map { ["  " + $0.source, $0.citation] })
    block("\nwhat follows\n", derived.map { ["  " + $0.key, $0.value] })
    if !remarks.isEmpty {
      parts.append("\nresults will say\n" + remarks.map { "  " + $0 }.joined(separator: "\n"))
    }
    if !notes.isEmpty { parts.append("\n" + notes) }
    return parts.joined(separator: "\n")
  }

  var json: CatalogueJSON {
    CatalogueJSON(
      name: name, title: fullName,
      parts: Dictionary(words.map { ($0.key, $0.value) }, uniquingKeysWith: { a, _ in a }),
      numbers: numbers.map {
        CatalogueJSON.Number(
          key: $0.key, value: $0.value, source: $0.citation, unverified: $0.isUnverified)
      },
      derived: Dictionary(derived.map { ($0.key, $0.value) }, uniquingKeysWith: { a, _ in a }),
      remarks: remarks, notes: notes)
  }
}

/// A catalogue entry as `--json` prints it; keys are sorted.
struct CatalogueJSON: Encodable {
  var name: String
  var title: String
  var parts: [String: String]
  var numbers: [Number]
  var derived: [String: String]
  var remarks: [String]
  var notes: String

  struct Number: Encodable {
    var key: String
    /// As the catalogue file has it, with its unit.
    var value: String
    var source: String
    var unverified: Bool
  }

  static func text(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
  }
}
