import Units

/// How long one thing bound one stage on the chain of tasks that the iterations' ends waited for.
public struct CriticalRecord: Hashable, Sendable {
  public var stage: Int
  /// Index into ``RunDescription/bounds``.
  public var bound: Int
  /// Over all measured iterations.
  public var time: Seconds
}
