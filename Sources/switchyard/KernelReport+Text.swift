import Calibration
import Results
import Units

extension KernelReport {
  /// The report as tables.
  var text: String {
    var blocks = kernels.map(\.text)
    var all = TextTable(Self.columns("errors by family", hasHeldOut), indent: 2)
    for family in families { all.add(family.cells(hasHeldOut)) }
    blocks.append(all.lines.joined(separator: "\n"))
    for (reason, count) in leftOut.sorted(by: { $0.key < $1.key }) {
      blocks.append("left out: \(count) \(count == 1 ? "row" : "rows"): \(reason)")
    }
    return blocks.joined(separator: "\n\n")
  }

  private var hasHeldOut: Bool { families.contains { $0.heldOut != nil } }

  fileprivate static func columns(_ title: String, _ hasHeldOut: Bool) -> [TextTable.Column] {
    let errors: [TextTable.Column] = [
      .right("rows"), .right("median"), .right("90 %"), .right("worst"),
    ]
    return [.left(title)] + errors
      + (hasHeldOut ? [.right("held out"), .right("median"), .right("90 %"), .right("worst")] : [])
  }
}

extension KernelReport.ErrorClass {
  fileprivate func cells(_ hasHeldOut: Bool) -> [String] {
    func cells(_ summary: ErrorSummary) -> [String] {
      ["\(summary.count)"]
        + (summary.count == 0
          ? ["-", "-", "-"]
          : [summary.median, summary.ninetieth, summary.worst].map(percent))
    }
    return [name] + cells(errors) + (hasHeldOut ? heldOut.map(cells) ?? ["", "", "", ""] : [])
  }
}

extension KernelReport.Kernel {
  fileprivate var text: String {
    let hasHeldOut = errors.heldOut != nil
    var lines = ["\(family) \(kernel)" + (entry.map { ", by \($0)" } ?? "")]
    lines += remarks.map { "  - \($0)" }
    if !terms.isEmpty {
      var numbers = TextTable([.left(""), .right(""), .right(""), .left("")], indent: 2)
      for term in terms {
        let held = term.isUntold ? "not told" : "held"
        let error = term.relativeError.map { "+- \(percent($0))" } ?? held
        numbers.add(term.key, term.value, error, term.meaning)
      }
      lines += numbers.lines
      if terms.contains(where: \.isUntold) {
        lines.append("  not told: these rows do not tell the number apart from others; it was held")
      }
      if terms.contains(where: { $0.relativeError == nil && !$0.isUntold }) {
        lines.append("  held: fixed for kernels of this kind")
      }
    }
    var classes = TextTable(KernelReport.columns("errors", hasHeldOut), indent: 2)
    for one in [errors] + byTime { classes.add(one.cells(hasHeldOut)) }
    lines += classes.lines
    var worst = TextTable(
      [.left("worst rows"), .right("measured"), .right("predicted"), .right("error")], indent: 2)
    for row in worstRows {
      worst.add(
        row.place, "\(Seconds(row.measuredMicroseconds * 1e-6))",
        "\(Seconds(row.predictedMicroseconds * 1e-6))", percent(row.error))
    }
    return (lines + worst.lines).joined(separator: "\n")
  }
}
