import Units

/// How long iterations took. Percentiles are nearest-rank: times that an iteration really had.
public struct IterationTimes: Hashable, Sendable {
  public var mean: Seconds
  public var median: SimTime
  public var percentile99: SimTime
  public var minimum: SimTime
  public var maximum: SimTime
}

extension RunResult {
  /// The durations of all measured iterations together.
  public var measuredTime: SimTime { iterations.reduce(.zero) { $0 + $1.duration } }

  /// Tokens of all measured iterations.
  public var tokens: Int { iterations.reduce(0) { $0 + $1.tokens } }

  /// Tokens per second of measured time, over all devices.
  public var throughput: TokenRate { Tokens(tokens) / Seconds(measuredTime) }

  public var throughputPerDevice: TokenRate { throughput / Double(description.deviceCount) }

  public var iterationTimes: IterationTimes {
    let sorted = iterations.map(\.duration).sorted()
    func percentile(_ hundredths: Int) -> SimTime {
      sorted[max(1, (sorted.count * hundredths + 99) / 100) - 1]
    }
    return IterationTimes(
      mean: Seconds(measuredTime) / Double(sorted.count), median: percentile(50),
      percentile99: percentile(99), minimum: percentile(0), maximum: percentile(100))
  }

  /// A device's time in a stage; the last stage is waiting.
  public func time(ofDevice device: Int, inStage stage: Int) -> SimTime {
    deviceTimes[device * stages.count + stage]
  }

  /// The mean device's time in a stage, over the measured time. The shares of all stages and of
  /// waiting add up to 1.
  public func share(of stage: StageRecord) -> Double {
    stage.meanDeviceTime / Seconds(measuredTime)
  }

  /// The mean device's time in a stage in one iteration.
  public func timePerIteration(of stage: StageRecord) -> Seconds {
    stage.meanDeviceTime / Double(iterations.count)
  }

  /// What bounds a stage, as shares of its tasks' time, largest first.
  public func bounds(ofStage stage: Int) -> [(name: String, share: Double)] {
    let records = bounds.filter { $0.stage == stage }
    let total = records.reduce(Seconds.zero) { $0 + $1.taskTime }
    guard total > .zero else { return [] }
    return records.map { (description.bounds[$0.bound], $0.taskTime / total) }
      .filter { $0.1 > 0 }
      .enumerated().sorted { ($1.element.1, $0.offset) < ($0.element.1, $1.offset) }
      .map(\.element)
  }
}

extension RunResult {
  /// Spent by tasks, over all devices and stages.
  public var taskEnergy: Joules { stages.reduce(.zero) { $0 + $1.energy } }

  public var totalEnergy: Joules { taskEnergy + idleEnergy }

  /// Joules for each token; nil where no token was counted.
  public var energyPerToken: Joules? { tokens > 0 ? totalEnergy / Double(tokens) : nil }
}
