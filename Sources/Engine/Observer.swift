import Units

/// Told what happens while a graph runs. Observers measure; they cannot change the run.
///
/// Calls come in the order of simulated time. The engine is generic over its observer, so one that
/// does nothing costs nothing.
public protocol Observer {
  /// Every task that this one waits for is done, and it has its turn, where it takes turns; its latency
  /// begins. If not the first call of a run, the task that was told to be done before it was the last of
  /// those that held it up.
  mutating func taskReleased(
    _ task: TaskID, _ label: TaskLabel, at time: SimTime, latency: SimTime)
  /// The task is done; it was released at `start`.
  mutating func taskFinished(
    _ task: TaskID, _ label: TaskLabel, from start: SimTime, to end: SimTime, energy: Joules)
}

extension Observer {
  public mutating func taskReleased(
    _ task: TaskID, _ label: TaskLabel, at time: SimTime, latency: SimTime
  ) {}
}

/// Observes nothing.
public struct NoObserver: Observer {
  public init() {}
  public mutating func taskFinished(
    _ task: TaskID, _ label: TaskLabel, from start: SimTime, to end: SimTime, energy: Joules
  ) {}
}
