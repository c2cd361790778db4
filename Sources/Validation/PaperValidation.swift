import Results
import Scenario
import StrictYAML
import Threading

/// Published figures beside simulated ones.
///
///     let systems = try PublishedSystem.all(under: ["scenarios/papers"])
///     let validation = try PaperValidation(systems, threads: 2) { scenario in
///       RunSummary(try simulate(scenario))
///     }
///     print(validation.text)
public struct PaperValidation: Sendable {
  /// One figure.
  public struct Row: Sendable {
    public let system: String
    /// The file that the figure stands in.
    public let file: String
    public let figure: PublishedFigure
    /// In the base unit of ``PublishedFigure/unit``.
    public let simulated: Double

    /// In the tolerance's unit.
    public var error: Double {
      figure.tolerance.error(of: simulated, published: figure.published)
    }
    public var isMet: Bool { figure.tolerance.allows(error) }
  }

  /// By file, then in the file's order.
  public let rows: [Row]
  /// Systems whose data are not there, and the first file that is missing.
  public let leftOut: [(system: String, missing: String)]
  /// How many different runs it took.
  public let runCount: Int

  /// Runs every scenario that the figures need, once for each set of settings, and computes the
  /// figures. All scenarios are read before the first one runs; nothing depends on `threads`.
  ///
  /// - Parameters:
  ///   - threads: How many scenarios run at a time.
  ///   - ended: Told before the first and after each run how many of how many have ended.
  ///   - simulate: Runs one.
  /// - Throws: ``Problems`` of scenarios, and of figures that a run has no number for;
  ///   ``FailedRun``, the first of them, where one ended early.
  public init(
    _ all: [PublishedSystem], threads: Int,
    ended: @escaping @Sendable (Int, Int) -> Void = { _, _ in },
    simulate: @escaping @Sendable (Scenario) throws -> RunSummary
  ) throws {
    leftOut = all.compactMap { system in system.missingData.map { (system.system, $0) } }
    let systems = all.filter { $0.missingData == nil }
    let runs = Self.distinctRuns(of: systems)
    try Self.check(runs, threads: threads)
    ended(0, runs.count)
    let results = inParallel(
      runs.count, threads: threads,
      work: { index in Result { try simulate(try runs[index].load()) } },
      ended: { ended($0, runs.count) })
    var summaries: [ScenarioRun.Identity: RunSummary] = [:]
    for (run, result) in zip(runs, results) {
      do {
        summaries[run.identity] = try result.get()
      } catch { throw FailedRun(run: run, reason: error) }
    }
    let problems = ProblemCollector()
    let found = summaries
    rows = systems.flatMap { system in
      system.figures.compactMap { figure in
        figure.simulated.evaluate({ found[$0.identity] }, problems).map {
          Row(system: system.system, file: system.path, figure: figure, simulated: $0)
        }
      }
    }
    runCount = runs.count
    try problems.throwIfAny()
  }

  private static func distinctRuns(of systems: [PublishedSystem]) -> [ScenarioRun] {
    var seen: Set<ScenarioRun.Identity> = []
    return systems.flatMap(\.figures).flatMap(\.simulated.runs)
      .filter { seen.insert($0.identity).inserted }
  }

  /// Reads all scenarios, so that a mistake in the last one is told before hours of work. They are
  /// not kept: their traces may be large.
  private static func check(_ runs: [ScenarioRun], threads: Int) throws(Problems) {
    let found = inParallel(runs.count, threads: threads) { index -> Problems? in
      do throws(Problems) {
        _ = try runs[index].load()
        return nil
      } catch { return error }
    }
    let problems = ProblemCollector()
    for case let found? in found { problems.add(found) }
    try problems.throwIfAny()
  }
}

extension PaperValidation {
  public var missed: Int { rows.count { !$0.isMet } }
}
