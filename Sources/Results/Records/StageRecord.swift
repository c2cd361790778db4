import Units

/// What one stage took over all measured iterations. The last stage of a result is waiting.
public struct StageRecord: Hashable, Sendable {
  /// Index into ``RunDescription/stagesAndWaiting``.
  public var stage: Int
  /// Tasks done; an exchange of all devices counts once.
  public var tasks: Int
  /// The part of a device's time that went to the stage, as the mean over devices.
  public var meanDeviceTime: Seconds
  public var maxDeviceTime: Seconds
  /// The part of a device's time that it waited for this stage to begin, as the mean over devices.
  /// For the stage that stands for waiting: the wait for the end of the iteration.
  public var meanWaitBefore: Seconds
  /// Spent by the stage's tasks over all devices, without what devices draw when idle.
  public var energy: Joules
}
