import Results

extension PaperValidation {
  /// A table of all figures, how many are met, and below it what the papers leave open.
  public var text: String {
    var table = TextTable([
      .left("system"), .left("figure"), .right("published"), .right("simulated"), .right("error"),
      .right("tolerance"), .left("verdict"),
    ])
    for row in rows { table.add([row.system, row.figure.name] + row.numbers) }
    let sections = [table.description, verdict + "\n"] + (notes.isEmpty ? [] : [notesText])
    return sections.joined(separator: "\n")
  }

  /// The same as a table in Markdown, with sources, the open points as a list below it.
  public var markdown: String {
    let titles = [
      "system", "figure", "published", "simulated", "error", "tolerance", "verdict", "source",
    ]
    func line(_ cells: [String]) -> String {
      "| " + cells.map { $0.escapedForMarkdown }.joined(separator: " | ") + " |\n"
    }
    var text = line(titles) + "|---|---|---:|---:|---:|---:|---|---|\n"
    for row in rows {
      text += line([row.system, row.figure.name] + row.numbers + [row.figure.source])
    }
    text += "\n\(verdict).\n"
    if !notes.isEmpty {
      text += "\nUnknown:\n\n" + notes.map { " - \($0.escapedForMarkdown)\n" }.joined()
    }
    return text
  }

  private var verdict: String {
    "\(rows.count - missed) of \(rows.count) \(rows.count == 1 ? "figure" : "figures") met, "
      + "from \(runCount) \(runCount == 1 ? "run" : "runs")"
      + leftOut.map { "; \($0.system) left out: it needs '\($0.missing)', which is not there" }
      .joined()
  }

  private var notes: [String] {
    rows.compactMap { row in
      row.figure.unknown.map { "\(row.system), \(row.figure.name): \($0)" }
    }
  }

  private var notesText: String { "unknown\n" + notes.map { "  - \($0)\n" }.joined() }
}

extension PaperValidation.Row {
  /// Published, simulated, error, tolerance and verdict.
  fileprivate var numbers: [String] {
    let unit = figure.unit
    return [
      unit.text(figure.published), unit.text(simulated), figure.tolerance.text(ofError: error),
      figure.tolerance.text, isMet ? "met" : "missed",
    ]
  }
}

extension String {
  fileprivate var escapedForMarkdown: String { replacing("|", with: "\\|") }
}
