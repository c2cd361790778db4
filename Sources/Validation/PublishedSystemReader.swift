import Scenario
import StrictYAML

extension PublishedSystem {
  /// Reads an `expected.yaml`. The scenarios that it names must be there, but are not read.
  ///
  /// - Throws: ``Problems``: everything that is wrong, each at its place.
  public init(path: String) throws(Problems) {
    let problems = ProblemCollector()
    let found = PublishedSystemReader(path: path, problems: problems)
      .system(try Value.contents(ofFile: path))
    try problems.throwIfAny()
    guard let found else {
      throw Problems([
        Problem("holds no figures", at: Location(file: path, line: 1, column: 1))
      ])
    }
    self = found
  }
}

/// Reads one file; each function adds what is wrong to the collector and yields nil then.
struct PublishedSystemReader {
  let path: String
  let problems: ProblemCollector

  private static let simulatedExample = "{ratio: [new.yaml, old.yaml], of: throughput}"

  func system(_ value: Value) -> PublishedSystem? {
    let reader = MappingReader(value, problems, context: "a file of published figures")
    let system = reader.text("system", example: "MoNDE")
    let list = reader.required("figures").flatMap { $0.sequence("figures", problems) }
    let missing = missingData(reader)
    reader.finish()
    if let list, list.isEmpty {
      problems.add("'figures' is empty; list at least one", at: reader.location(of: "figures"))
    }
    let figures = (list ?? []).compactMap(figure)
    checkNames(list ?? [])
    guard let system, !figures.isEmpty else { return nil }
    return PublishedSystem(
      system: system, path: path, figures: figures, missingData: missing)
  }

  /// `needs: [../../data/recorded.csv]`: files that not everybody has.
  private func missingData(_ reader: MappingReader) -> String? {
    guard let value = reader.optional("needs"), let list = value.sequence("needs", problems) else {
      return nil
    }
    for file in list.compactMap({ $0.text("needs", problems) }) {
      let resolved = file.hasPrefix("/") ? file : folder + file
      if reasonNotToRead(resolved) != nil { return file }
    }
    return nil
  }

  /// Two figures of one name could not be told apart in a table.
  private func checkNames(_ figures: [Value]) {
    var seen: Set<String> = []
    for figure in figures {
      guard let name = figure["name"], case .scalar(let text) = name.content else { continue }
      if !seen.insert(text).inserted {
        problems.add("another figure is called '\(text)' as well", at: name.location)
      }
    }
  }

  private func figure(_ value: Value) -> PublishedFigure? {
    let reader = MappingReader(value, problems, context: "a figure")
    let name = reader.text("name", example: "decode, speed-up over moving parameters")
    let published = reader.required("published", example: "6.7")
    let simulated = reader.required("simulated", example: Self.simulatedExample)
      .flatMap(self.simulated)
    let written = reader.required("tolerance", example: "10 %")
    let source = reader.text("source", example: "arXiv 2405.18832, figure 6")
    let unknown = reader.optionalText("unknown")
    reader.finish()
    // What is simulated says which units the other two have.
    let number = simulated.flatMap { simulated in
      published.flatMap { simulated.unit.read("published", $0, problems) }
    }
    let tolerance = written.flatMap {
      Tolerance.read($0, published: number, unit: simulated?.unit, problems)
    }
    guard let name, let number, let simulated, let tolerance, let source else { return nil }
    return PublishedFigure(
      name: name, published: number, simulated: simulated, tolerance: tolerance, source: source,
      unknown: unknown)
  }

  // MARK: - What is simulated

  private func simulated(_ value: Value) -> SimulatedFigure? {
    let kinds =
      ["value"] + SimulatedFigure.Pair.allCases.map(\.rawValue)
      + SimulatedFigure.Several.allCases.map(\.rawValue)
    guard case .mapping = value.content else {
      problems.add(
        "'simulated' is a mapping, not \(value.kindName); write it like 'simulated: "
          + "\(Self.simulatedExample)'", at: value.location)
      return nil
    }
    let reader = MappingReader(value, problems)
    let given = kinds.filter(reader.has)
    guard given.count == 1 else {
      let found = given.isEmpty ? "none" : given.map { "'\($0)'" }.joined(separator: " and ")
      problems.add(
        "'simulated' has one of \(kinds.joined(separator: ", ")); found: \(found)",
        at: value.location)
      return nil
    }
    let kind = given[0]
    defer { reader.finish() }
    guard let content = reader.optional(kind) else { return nil }
    if let several = SimulatedFigure.Several(rawValue: kind) {
      return self.several(several, content)
    }
    let quality = reader.required("of", example: Metric.throughput.rawValue).flatMap(self.quality)
    guard let pair = SimulatedFigure.Pair(rawValue: kind) else {
      guard let run = run(content), let quality else { return nil }
      return .value(run, of: quality)
    }
    guard let runs = content.sequence(kind, problems) else { return nil }
    guard runs.count == 2 else {
      problems.add(
        "'\(kind)' is of two runs, not \(runs.count); write it like '\(kind): [new.yaml, old.yaml]'",
        at: content.location)
      return nil
    }
    guard let new = run(runs[0]), let old = run(runs[1]), let quality else { return nil }
    return .pair(pair, new, old, of: quality)
  }

  private func several(_ several: SimulatedFigure.Several, _ content: Value) -> SimulatedFigure? {
    guard let list = content.sequence(several.rawValue, problems) else { return nil }
    guard !list.isEmpty else {
      problems.add("'\(several.rawValue)' of nothing; list at least one", at: content.location)
      return nil
    }
    let figures = list.map(simulated)
    for (figure, value) in zip(figures, list) {
      guard let figure, let first = figures[0], figure.unit != first.unit else { continue }
      problems.add(
        "'\(several.rawValue)' of different things: this is written like '\(figure.unit.example)', "
          + "the first like '\(first.unit.example)'", at: value.location)
      return nil
    }
    let known = figures.compactMap { $0 }
    return known.count == list.count ? .several(several, known) : nil
  }

  /// `throughput`, or `{stage: experts}`.
  private func quality(_ value: Value) -> Quality? {
    guard case .mapping = value.content else {
      return value.word("of", Metric.self, problems).map { .metric($0) }
    }
    let reader = MappingReader(value, problems)
    let stage = reader.text("stage", example: "experts")
    let place = reader.optional("stage")?.location ?? value.location
    reader.finish()
    guard let stage else { return nil }
    guard Quality.stages.contains(stage) else {
      let meant = nearest(to: stage, among: Quality.stages).map { "did you mean '\($0)'?" }
      let known = "one of: \(Quality.stages.joined(separator: ", "))"
      problems.add("'\(stage)' is not a stage; \(meant ?? known)", at: place)
      return nil
    }
    return .stage(stage)
  }

  // MARK: - Runs

  /// A path, or `{scenario: PATH, set: [SETTING, ...]}`.
  private func run(_ value: Value) -> ScenarioRun? {
    guard case .mapping = value.content else {
      return value.text("scenario", problems).flatMap { run($0, [], at: value.location) }
    }
    let reader = MappingReader(value, problems)
    let scenario = reader.required("scenario", example: "near-data.yaml")
    let name = scenario?.text("scenario", problems)
    let list = reader.required("set", example: "[workload.batch=64]")
      .flatMap { $0.sequence("set", problems) }
    let settings = list?.map { $0.text("set", problems) }
    reader.finish()
    guard let scenario, let name, let settings, !settings.contains(nil) else { return nil }
    return run(name, settings.compactMap { $0 }, at: scenario.location)
  }

  private func run(_ name: String, _ settings: [String], at place: Location) -> ScenarioRun? {
    let resolved = name.hasPrefix("/") ? name : folder + name
    if let reason = reasonNotToRead(resolved) {
      problems.add("scenario '\(resolved)' cannot be read: \(reason)", at: place)
      return nil
    }
    return ScenarioRun(path: resolved, settings: settings, place: place)
  }

  /// The folder of the file with its slash; empty for the current one.
  private var folder: String {
    path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
  }
}
