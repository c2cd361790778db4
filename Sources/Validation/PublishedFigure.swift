import StrictYAML

/// One figure of a paper, and how it is simulated.
public struct PublishedFigure: Sendable {
  public let name: String
  /// In the base unit of ``unit``.
  public let published: Double
  public let simulated: SimulatedFigure
  public let tolerance: Tolerance
  /// The document, and where in it the figure stands.
  public let source: String
  /// What the paper leaves open and the scenarios had to choose.
  public let unknown: String?

  public var unit: FigureUnit { simulated.unit }
}

/// The figures of one system: an `expected.yaml` beside the scenarios that it names.
///
/// ```yaml
/// system: MoNDE
/// figures:
///   - name: NLLB-MoE encoder, speed-up over moving parameters
///     published: 6.7                     # or 49.4 ms, 1943 tokens/s, 16.4 %, 12 mJ
///     simulated: {ratio: [near-data.yaml, parameter-movement.yaml], of: throughput}
///     tolerance: 10 %                    # of the published figure; or 5 points, of a percentage
///     source: arXiv 2405.18832, figure 6
///     unknown: batch size                # may be left out
/// ```
///
/// How `simulated` is written: ``SimulatedFigure``; its runs: ``ScenarioRun``.
public struct PublishedSystem: Sendable {
  /// The name of every such file.
  public static let fileName = "expected.yaml"

  public let system: String
  /// The file, from where the program stands.
  public let path: String
  public let figures: [PublishedFigure]
  /// Of the files that its scenarios read and that are not beside them, the first that is not there:
  /// such a system is left out. Nil where all are.
  public var missingData: String?
}
