import Foundation
import Hardware
import StrictYAML
import Units

/// Entries of a catalogue's `collectives`, as a file.
public struct CollectiveEntries {
  /// Sorted by name, each name once.
  public private(set) var costs: [CollectiveCost]

  public init(_ costs: [CollectiveCost]) {
    self.costs = costs.sorted { $0.name < $1.name }
  }

  /// These entries in place of those of the same name in `older`.
  public func merged(into older: [CollectiveCost]) -> CollectiveEntries {
    let names = Set(costs.map(\.name))
    return CollectiveEntries(older.filter { !names.contains($0.name) } + costs)
  }

  /// A catalogue file: numbers with seven digits, so that reading and writing it again changes
  /// nothing.
  public var yaml: String {
    let sources = sourceIDs
    var lines = Self.header.split(separator: "\n").map(String.init)
    lines += ["", "sources:"] + sources.flatMap { YAMLText.folded("  \($0.id): >-", $0.citation) }
    lines += ["", "collectives:"]
    for cost in costs {
      let source = sources.first { $0.citation == cost.citation }?.id ?? ""
      lines += ["  \(cost.name):", "    source: \(source)"] + cost.yamlLines.map { "    " + $0 }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  /// One id for each data set: `nccl-nvlink4`.
  private var sourceIDs: [(id: String, citation: String)] {
    var sources: [(id: String, citation: String)] = []
    for cost in costs where !sources.contains(where: { $0.citation == cost.citation }) {
      let word = "\(cost.library.rawValue)-\(cost.scaleUp)"
      let alike = sources.count { $0.id == word || $0.id.hasPrefix(word + "-set-") }
      sources.append((alike == 0 ? word : "\(word)-set-\(alike + 1)", cost.citation))
    }
    return sources
  }

  private static let header = """
    # What collectives cost beside the bytes that a fluid of links knows; see CollectiveCost for the
    # form that the numbers belong to. Written by 'switchyard calibrate collectives', not by hand.
    #
    # launch, per-rank, per-doubling, per-expert   start-up: of one rank, each further rank, each
    #                    doubling of the nodes, each expert that lives on a rank
    # protocol           what a message costs more, and what it costs at most more
    # copy-bandwidth     of a rank's own part; for dispatch and combine of one copy of a token
    # ramp               for 1 MiB on the wire, growing with the square root of the bytes
    # share, network-shares   of the nominal bandwidth of a rank's ports; the second by node count
    # multiprocessors    what one of them copies for devices, and takes in or adds up
    # range              what was measured; bytes are what each rank sends
    # fit                relative errors: 0.05 is five percent; held-out rows were not seen by the
    #                    fit that is judged by them
    """
}

extension CollectiveCost {
  /// Key and value of each term that costs something, in the file's order.
  /// `multiprocessors.copying` stands for a key inside a mapping.
  var writtenTerms: [(key: String, value: String)] {
    func time(_ span: Seconds) -> String? {
      span == .zero ? nil : "\(sevenDigits(span.value * 1e6)) us"
    }
    func rate(_ bandwidth: Bandwidth?) -> String? {
      bandwidth.map { "\(sevenDigits($0.value / 1e9)) GB/s" }
    }
    let all: [(String, String?)] =
      [
        ("launch", time(launch) ?? "0 us"), ("per-rank", time(perRank)),
        ("per-doubling", time(perDoubling)), ("per-expert", time(perExpert)),
        ("protocol.bandwidth", rate(protocolBandwidth)),
        ("protocol.ceiling", protocolBandwidth.flatMap { _ in time(protocolCeiling) }),
        ("copy-bandwidth", rate(copyBandwidth)), ("ramp", time(ramp)),
        ("share", sevenDigits(share)),
      ] + networkShares.map { ("network-shares.\($0.nodes)", sevenDigits($0.share)) } + [
        ("multiprocessors.copying", rate(copyingBandwidth)),
        ("multiprocessors.staging", rate(stagingBandwidth)),
      ]
    return all.compactMap { key, value in value.map { (key, $0) } }
  }

  fileprivate var yamlLines: [String] {
    var lines = ["library: \(library.rawValue)", "operation: \(operation.rawValue)"]
    if algorithm != .ranks { lines.append("algorithm: \(algorithm.rawValue)") }
    lines.append("scale-up: \(scaleUp)")
    if let scaleOut { lines.append("scale-out: \(scaleOut)") }
    var written: Set<String> = []
    for (key, value) in writtenTerms {
      guard let dot = key.firstIndex(of: ".") else {
        lines.append("\(key): \(value)")
        continue
      }
      let group = String(key[..<dot])
      guard written.insert(group).inserted else { continue }
      let inside = writtenTerms.filter { $0.key.hasPrefix(group + ".") }.map {
        "\($0.key.dropFirst(group.count + 1)): \($0.value)"
      }
      lines.append("\(group): {\(inside.joined(separator: ", "))}")
    }
    let least = sevenDigits(range.bytes.lowerBound.value.rounded(.down))
    let most = sevenDigits(range.bytes.upperBound.value.rounded(.up))
    return lines + [
      "range:", "  least-bytes: \(least) B", "  most-bytes: \(most) B",
      "  least-ranks: \(range.ranks.lowerBound)", "  most-ranks: \(range.ranks.upperBound)",
      "  least-nodes: \(range.nodes.lowerBound)", "  most-nodes: \(range.nodes.upperBound)",
      "fit:", "  date: '\(fit.date)'", "  rows: \(fit.rows)", "  held-out: \(fit.heldOut)",
      "  median: \(fixed(fit.median, decimals: 4))",
      "  ninetieth: \(fixed(fit.ninetieth, decimals: 4))",
      "  worst: \(fixed(fit.worst, decimals: 4))",
      "  held-out-median: \(fixed(fit.heldOutMedian, decimals: 4))",
    ]
  }
}

/// Seven significant digits without trailing zeros; whole numbers keep all digits.
private func sevenDigits(_ value: Double) -> String {
  guard value != 0, value.isFinite else { return "0" }
  if value == value.rounded(), abs(value) < 1e15 { return "\(Int64(value))" }
  let digits = max(0, min(9, 6 - Int(log10(abs(value)).rounded(.down))))
  return fixed(value, decimals: digits, droppingZeros: true)
}
