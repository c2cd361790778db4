import Units

/// How much of a stage's work one thing bounds.
public struct BoundRecord: Hashable, Sendable {
  public var stage: Int
  /// Index into ``RunDescription/bounds``.
  public var bound: Int
  public var tasks: Int
  /// From release to end, summed over the tasks; an exchange of all devices counts once.
  public var taskTime: Seconds
}
