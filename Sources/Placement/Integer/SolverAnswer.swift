/// What stands in a solver's answer, before it is held to the program.
struct SolverAnswer {
  enum Outcome { case optimal, stopped, infeasible, unbounded }

  var outcome: Outcome
  /// One number for each column; `nil` where the solver has no values.
  var values: [Double]?
  var bound: Double?
}

/// How each solver is asked, and how its answer reads.
extension IntegerSolver.Kind {
  func arguments(_ files: IntegerSolver.Files, seconds: Double, hasStart: Bool) -> [String] {
    switch self {
    case .cbc:
      [files.program] + (hasStart ? ["-mipstart", files.start] : [])
        + [
          "-timeMode", "elapsed", "-sec", "\(max(seconds, 0.001))", "-threads", "0",
          "-randomSeed", "1", "-randomCbcSeed", "1", "-ratioGap", "0", "-allowableGap", "1e-9",
          "-solve", "-solution", files.answer,
        ]
    case .highs: ["--options_file", files.options, files.program]
    }
  }

  /// What is said in a file of options; `nil` where all is said on the command line.
  func options(_ files: IntegerSolver.Files, seconds: Double, hasStart: Bool) -> String? {
    guard self == .highs else { return nil }
    return """
      threads = 1
      parallel = off
      random_seed = 1
      time_limit = \(max(seconds, 0.001))
      mip_rel_gap = 0
      mip_abs_gap = 1e-9
      write_solution_to_file = true
      solution_file = \(files.answer)
      \(hasStart ? "read_solution_file = \(files.start)\n" : "")
      """
  }

  /// A start as the solver reads it: its own form of an answer.
  func startText(_ values: [Double], of program: IntegerProgram) -> String {
    let numbers = values.map(IntegerProgram.number)
    switch self {
    case .cbc:
      // Zeros may be left out, and numbers that follow from the binaries too.
      var text = "Stopped on time - objective value 0\n"
      for (position, column) in program.columns.enumerated()
      where column.kind == .binary && values[position] != 0 {
        text += "\(position) \(column.name) 1\n"
      }
      return text
    case .highs:
      var text = "Model status\nUnknown\n\n# Primal solution values\nFeasible\nObjective 0\n"
      text += "# Columns \(numbers.count)\n"
      for (column, number) in zip(program.columns, numbers) { text += "\(column.name) \(number)\n" }
      return text
    }
  }

  func read(
    _ answer: String, log: String, program: IntegerProgram
  ) throws(IntegerSolverError) -> SolverAnswer {
    switch self {
    case .cbc: try readCBC(answer, log: log, program: program)
    case .highs: try readHiGHS(answer, log: log, program: program)
    }
  }

  /// CBC: a first line of words and the objective, then a line for each column that is not zero:
  /// position, name, value, reduced cost; two stars before those that break a bound. Its bound is
  /// only in the log, with three decimals.
  private func readCBC(
    _ answer: String, log: String, program: IntegerProgram
  ) throws(IntegerSolverError) -> SolverAnswer {
    let lines = answer.split(whereSeparator: \.isNewline)
    let verdict = lines[0]
    let outcome: SolverAnswer.Outcome
    if verdict.hasPrefix("Optimal") {
      outcome = .optimal
    } else if verdict.hasPrefix("Infeasible") || verdict.hasPrefix("Integer infeasible") {
      outcome = .infeasible
    } else if verdict.hasPrefix("Unbounded") {
      outcome = .unbounded
    } else if verdict.hasPrefix("Stopped") {
      outcome = .stopped
    } else {
      throw malformed("it begins with '\(verdict.prefix(80))'")
    }
    let bound = number(after: "Lower bound:", in: log).map { $0 - 0.0005 }
    guard outcome == .optimal || outcome == .stopped, !verdict.contains("no integer solution")
    else { return SolverAnswer(outcome: outcome, values: nil, bound: bound) }
    var values = [Double](repeating: 0, count: program.columns.count)
    for line in lines.dropFirst() {
      let words = line.split(separator: " ").drop { $0 == "**" }
      guard let first = words.first, let position = Int(first), words.count >= 3,
        program.columns.indices.contains(position),
        words[words.startIndex + 1] == program.columns[position].name,
        let value = Double(words[words.startIndex + 2]), value.isFinite
      else { throw malformed("'\(line.prefix(80))' is no column and its value") }
      values[position] = value
    }
    return SolverAnswer(outcome: outcome, values: values, bound: bound)
  }

  /// HiGHS: headings, each followed by what they announce; values in the order of columns. Its
  /// bound is only in the log.
  private func readHiGHS(
    _ answer: String, log: String, program: IntegerProgram
  ) throws(IntegerSolverError) -> SolverAnswer {
    let lines = answer.split(whereSeparator: \.isNewline)
    guard lines.count >= 2, lines[0] == "Model status" else {
      throw malformed("it begins with '\(lines[0].prefix(80))'")
    }
    let outcome: SolverAnswer.Outcome =
      switch lines[1] {
      case "Optimal": .optimal
      case "Infeasible": .infeasible
      case "Unbounded", "Primal infeasible or unbounded": .unbounded
      default: .stopped
      }
    let bound = number(after: "Dual bound", in: log).map { $0 - abs($0) * 1e-11 }
    guard let heading = lines.firstIndex(of: "# Primal solution values"),
      heading + 1 < lines.count, lines[heading + 1] == "Feasible",
      let columns = lines[heading...].firstIndex(where: { $0.hasPrefix("# Columns") })
    else { return SolverAnswer(outcome: outcome, values: nil, bound: bound) }
    var values: [Double] = []
    values.reserveCapacity(program.columns.count)
    for (column, line) in zip(program.columns, lines[(columns + 1)...]) {
      let words = line.split(separator: " ")
      guard words.count == 2, words[0] == column.name, let value = Double(words[1]), value.isFinite
      else { throw malformed("'\(line.prefix(80))' is not '\(column.name)' and its value") }
      values.append(value)
    }
    guard values.count == program.columns.count else {
      throw malformed("it ends after \(values.count) of \(program.columns.count) columns")
    }
    return SolverAnswer(outcome: outcome, values: values, bound: bound)
  }

  /// The number that follows a label at the beginning of the last line that has both.
  private func number(after label: String, in log: String) -> Double? {
    var found: Double?
    for line in log.split(whereSeparator: \.isNewline) {
      let text = line.drop { $0 == " " }
      guard text.hasPrefix(label) else { continue }
      let word = text.dropFirst(label.count).split(separator: " ").first ?? ""
      if let value = Double(word), value.isFinite { found = value }
    }
    return found
  }

  private func malformed(_ detail: String) -> IntegerSolverError {
    .malformedAnswer(solver: rawValue, detail: detail)
  }
}
