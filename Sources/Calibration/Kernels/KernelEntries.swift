import Foundation
import Hardware
import Units

/// Entries of a catalogue's `kernels`, as a file.
public struct KernelEntries {
  /// Sorted by name, each name once.
  public private(set) var calibrations: [KernelCalibration]

  public init(_ calibrations: [KernelCalibration]) {
    self.calibrations = calibrations.sorted { $0.name < $1.name }
  }

  /// These entries in place of those of the same name in `older`.
  public func merged(into older: [KernelCalibration]) -> KernelEntries {
    let names = Set(calibrations.map(\.name))
    return KernelEntries(older.filter { !names.contains($0.name) } + calibrations)
  }

  /// A catalogue file: numbers with five digits, so that reading and writing it again changes
  /// nothing.
  public var yaml: String {
    var citations: [String] = []
    for entry in calibrations where !citations.contains(entry.citation) {
      citations.append(entry.citation)
    }
    var lines = Self.header.split(separator: "\n").map(String.init)
    lines += ["", "sources:"]
    for (index, citation) in citations.enumerated() {
      lines += YAMLText.folded("  kernels-\(index + 1): >-", citation)
    }
    lines += ["", "kernels:"]
    for entry in calibrations {
      let source = (citations.firstIndex(of: entry.citation) ?? 0) + 1
      lines += ["  \(entry.name):", "    source: kernels-\(source)"]
      lines += entry.yamlLines.map { "    " + $0 }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private static let header = """
    # What kernels take: the numbers of each family's law (Sources/Hardware/Kernels), for one library's
    # kernels on one device. Written by 'switchyard calibrate', not by hand.
    #
    # family    gemm: GEMMLaw; grouped-gemm: GroupedGEMMLaw; experts: FusedExpertsLaw;
    #           attention-decode, attention-prompt, latent-decode, latent-prompt, streaming: the laws
    #           of those names
    # kernel    the library's kernel and the type of its numbers, as the measurements name them
    # measured  the least and the most of each size among the rows; what lies outside says so
    # fit       relative errors: 0.05 is five percent; held-out rows were not seen by the fit that is
    #           judged by them; not-told: terms that the rows do not tell apart from others, which were
    #           held; decades: of the rows that take so many seconds or up to ten times that
    """
}

extension KernelCalibration {
  /// What a fit found, as an entry.
  public init(_ fitted: FittedKernel, device: Device, citation: String, date: String) {
    let errors = ErrorSummary(fitted.errors)
    let heldOut = ErrorSummary(fitted.heldOutErrors)
    self.init(
      name: Self.entryName(device.name, fitted.family, fitted.kernel), device: device.name,
      family: fitted.family, kernel: fitted.kernel, values: fitted.values, measured: fitted.sizes,
      fit: Fit(
        date: date, rows: errors.count, median: errors.median, ninetieth: errors.ninetieth,
        worst: errors.worst, heldOut: heldOut.count, heldOutMedian: heldOut.median,
        heldOutNinetieth: heldOut.ninetieth, decades: fitted.errors.decades,
        untold: fitted.untold), citation: citation)
  }

  /// The same numbers, with the sizes and the errors of `rows`, which they were fitted to; held-out
  /// errors stay those of the fit.
  public func judged(by rows: any KernelRows) -> KernelCalibration {
    var entry = self
    let all = rows.errors(of: values)
    let errors = ErrorSummary(all)
    entry.measured = rows.sizes
    entry.fit.rows = errors.count
    entry.fit.median = errors.median
    entry.fit.ninetieth = errors.ninetieth
    entry.fit.worst = errors.worst
    entry.fit.decades = all.decades
    return entry
  }

  /// `h100-sxm-gemm-torch-mm-bfloat16`: at most 64 lowercase letters, digits and hyphens.
  static func entryName(_ device: String, _ family: KernelFamily, _ kernel: String) -> String {
    let words = "\(device)-\(family.rawValue)-\(kernel)".lowercased().map { character in
      character.isASCII && (character.isLetter || character.isNumber) ? character : "-"
    }
    return String(String(words).prefix(64))
  }

  fileprivate var yamlLines: [String] {
    ["device: \(device)", "family: \(family.rawValue)", "kernel: \(kernel)", "terms:"]
      + zip(family.terms, values).map { "  \($0.key): \($0.written($1))" }
      + (measured.isEmpty ? [] : ["measured:"])
      + zip(family.sizeNames, measured).map { name, range in
        "  \(name): \(range.lowerBound) to \(range.upperBound)"
      }
      + [
        "fit:", "  date: '\(fit.date)'", "  rows: \(fit.rows)",
        "  median: \(fixed(fit.median, decimals: 4))",
        "  ninetieth: \(fixed(fit.ninetieth, decimals: 4))",
        "  worst: \(fixed(fit.worst, decimals: 4))", "  held-out: \(fit.heldOut)",
        "  held-out-median: \(fixed(fit.heldOutMedian, decimals: 4))",
        "  held-out-ninetieth: \(fixed(fit.heldOutNinetieth, decimals: 4))",
      ] + (fit.untold.isEmpty ? [] : ["  not-told: \(fit.untold.joined(separator: ", "))"])
      + (fit.decades.isEmpty ? [] : ["  decades:"]) + fit.decades.map { "    \($0.yaml)" }
  }
}

extension KernelCalibration.Fit.Decade {
  fileprivate var yaml: String {
    "1e\(exponent): {rows: \(rows), median: \(fixed(median, decimals: 4)), "
      + "ninetieth: \(fixed(ninetieth, decimals: 4)), worst: \(fixed(worst, decimals: 4))}"
  }
}

extension [KernelRowError] {
  /// By the power of ten that the measured time begins with, ascending.
  var decades: [KernelCalibration.Fit.Decade] {
    Dictionary(grouping: self, by: \.decade).sorted { $0.key < $1.key }.map { exponent, rows in
      let errors = ErrorSummary(rows)
      return .init(
        exponent: exponent, rows: errors.count, median: errors.median,
        ninetieth: errors.ninetieth, worst: errors.worst)
    }
  }
}
