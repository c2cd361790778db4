import Results
import StrictYAML

/// A number that is computed from runs.
///
/// ```yaml
/// {value: a.yaml, of: iteration-time}
/// {ratio: [a.yaml, b.yaml], of: throughput}         # a / b
/// {reduction: [new.yaml, old.yaml], of: energy}     # 1 - new/old, in per cent
/// {gain: [new.yaml, old.yaml], of: throughput}      # new/old - 1, in per cent
/// {mean: [{...}, {...}]}                            # arithmetic; also maximum
/// ```
public indirect enum SimulatedFigure: Sendable {
  case value(ScenarioRun, of: Quality)
  case pair(Pair, ScenarioRun, ScenarioRun, of: Quality)
  /// Of one or more figures with one unit.
  case several(Several, [SimulatedFigure])

  /// What is made of two runs.
  public enum Pair: String, CaseIterable, Sendable {
    case ratio
    case reduction
    case gain
  }

  /// What is made of several figures.
  public enum Several: String, CaseIterable, Sendable {
    case mean
    case maximum
  }

  public var unit: FigureUnit {
    switch self {
    case .value(_, let quality): quality.unit
    case .pair(.ratio, _, _, _): .number
    case .pair: .percent
    case .several(_, let figures): figures.first?.unit ?? .number
    }
  }

  /// In the order in which they are written.
  public var runs: [ScenarioRun] {
    switch self {
    case .value(let run, _): [run]
    case .pair(_, let first, let second, _): [first, second]
    case .several(_, let figures): figures.flatMap(\.runs)
    }
  }
}

extension SimulatedFigure {
  /// The number, in the base unit of ``unit``; nil where a run does not have what is asked for, or
  /// the second of a pair is zero, which the collector has then.
  ///
  /// - Parameter summaries: Of all ``runs``.
  func evaluate(
    _ summaries: (ScenarioRun) -> RunSummary?, _ problems: ProblemCollector
  ) -> Double? {
    func number(_ run: ScenarioRun, _ quality: Quality) -> Double? {
      guard let summary = summaries(run) else { return nil }
      guard let value = quality.value(in: summary) else {
        problems.add(
          "the run of '\(run.path)' has no \(quality.words)", at: run.place)
        return nil
      }
      return value
    }
    switch self {
    case .value(let run, let quality):
      return number(run, quality)
    case .pair(let pair, let new, let old, let quality):
      guard let a = number(new, quality), let b = number(old, quality) else { return nil }
      guard b != 0 else {
        problems.add(
          "'\(pair.rawValue)' divides by the \(quality.words) of '\(old.path)', which is zero",
          at: old.place)
        return nil
      }
      return pair.of(a, b)
    case .several(let several, let figures):
      let values = figures.compactMap { $0.evaluate(summaries, problems) }
      return values.count == figures.count ? several.of(values) : nil
    }
  }
}

extension SimulatedFigure.Pair {
  func of(_ new: Double, _ old: Double) -> Double {
    switch self {
    case .ratio: new / old
    case .reduction: (1 - new / old) * 100
    case .gain: (new / old - 1) * 100
    }
  }
}

extension SimulatedFigure.Several {
  func of(_ values: [Double]) -> Double {
    switch self {
    case .mean: values.reduce(0, +) / Double(values.count)
    case .maximum: values.max() ?? 0
    }
  }
}
