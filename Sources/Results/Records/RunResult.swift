import Units

/// A finished run: what was run, and what was measured, as plain values.
///
/// The derived figures (throughput, shares, imbalance) are members of extensions; everything that
/// is written to a file is computed from these values alone.
public struct RunResult: Hashable, Sendable {
  public var description: RunDescription
  public var iterations: [IterationRecord]
  /// One for each of ``RunDescription/stagesAndWaiting``, in that order.
  public var stages: [StageRecord]
  /// The pairs that occurred, by stage, then bound.
  public var bounds: [BoundRecord]
  /// What the iterations' ends waited for, by stage, then bound; together ``measuredTime`` where tasks of an
  /// iteration follow one another without a gap, as they do in a simulation.
  public var criticalPath: [CriticalRecord]
  /// The pairs that took or awaited any time, by layer, then stage.
  public var layers: [LayerRecord]
  /// Time of each device in each stage, device-major: `[device][stage]`, waiting last. A device's
  /// parts add up to ``measuredTime`` exactly.
  public var deviceTimes: [SimTime]
  /// The layers that routed any token, in order.
  public var loads: [LayerLoad]
  /// In the order of ``RunDescription/resources``.
  public var resources: [ResourceRecord]
  /// What went from device to device; nil unless it was asked for.
  public var pairs: PairTraffic?
  /// Nil where no copies of others' experts were kept.
  public var duplicates: DuplicateUse?
  /// Nil where nobody worked it out.
  public var bound: RunBound?
  /// Nil where nothing was believed of the placement, or it was compared with no other.
  public var placement: PlacementBelief?
  /// Drawn by all devices because they are on, whatever they do.
  public var idleEnergy: Joules
  /// In the order in which tasks ended; empty unless asked for.
  public var spans: [TaskSpan]
}
