import Results
import Serving
import Units

/// One number of a run that a published figure can be held to.
public enum Metric: String, CaseIterable, Hashable, Sendable {
  case throughput
  case throughputPerDevice = "throughput-per-device"
  case iterationTime = "iteration-time"
  case iterationTimeMedian = "iteration-time-p50"
  case iterationTime99 = "iteration-time-p99"
  case timePerToken = "time-per-token"
  case energy
  case energyPerToken = "energy-per-token"
  case expertsTime = "experts-time"
  case deviceUtilisation = "device-utilisation"

  /// What it is, for help.
  public var meaning: String {
    switch self {
    case .throughput: "tokens a second, of all devices"
    case .throughputPerDevice: "tokens a second over the number of devices"
    case .iterationTime: "the mean iteration's time"
    case .iterationTimeMedian: "the median iteration's time"
    case .iterationTime99: "one iteration in a hundred takes longer"
    case .timePerToken: "what a sequence waits for one: sequences / throughput"
    case .energy: "joules of the mean iteration, all devices, idle too"
    case .energyPerToken: "joules for each token, all devices, idle too"
    case .deviceUtilisation: "the share of its time in which the mean device runs kernels"
    case .expertsTime: "from dispatch to combine, with the ways of weights and the slowest device"
    }
  }

  public var unit: FigureUnit {
    switch self {
    case .throughput, .throughputPerDevice: .tokenRate
    case .iterationTime, .iterationTimeMedian, .iterationTime99, .timePerToken, .expertsTime: .time
    case .energy, .energyPerToken: .energy
    case .deviceUtilisation: .percent
    }
  }
}

/// What a figure is about: a metric, or the mean device's time in one stage of an iteration.
public enum Quality: Hashable, Sendable {
  case metric(Metric)
  /// Named as summaries name it; `waiting` is one as well.
  case stage(String)

  /// What a scenario's stages can be called.
  public static let stages = Stage.allCases.map(\.name) + [waiting]
  static let waiting = "waiting"

  public var unit: FigureUnit {
    switch self {
    case .metric(let metric): metric.unit
    case .stage: .time
    }
  }

  /// As `of` is written.
  var words: String {
    switch self {
    case .metric(let metric): metric.rawValue
    case .stage(let stage): "stage '\(stage)'"
    }
  }

  /// In ``FigureUnit``'s base unit; nil where the run does not have it: a stage without work, energy
  /// that is not known.
  func value(in summary: RunSummary) -> Double? {
    switch self {
    case .metric(let metric): metric.value(in: summary)
    case .stage(let name):
      summary.stages.first { $0.stage == name && ($0.tasks > 0 || name == Self.waiting) }?
        .meanDeviceSecondsPerIteration
    }
  }
}

extension Metric {
  fileprivate func value(in summary: RunSummary) -> Double? {
    let energy = summary.taskEnergyJoules + summary.idleEnergyJoules
    switch self {
    case .throughput: return summary.tokensPerSecond
    case .throughputPerDevice: return summary.tokensPerSecondPerDevice
    case .iterationTime: return summary.iteration.meanSeconds
    case .iterationTimeMedian: return summary.iteration.medianSeconds
    case .iterationTime99: return summary.iteration.percentile99Seconds
    case .timePerToken:
      return summary.sequences > 0 && summary.tokensPerSecond > 0
        ? Double(summary.sequences) / summary.tokensPerSecond : nil
    case .energy:
      return energy > 0 && summary.measuredIterations > 0
        ? energy / Double(summary.measuredIterations) : nil
    case .energyPerToken: return energy > 0 ? summary.energyJoulesPerToken : nil
    case .deviceUtilisation:
      return summary.utilisation.first { $0.kind == "cores" }.map { $0.mean * 100 }
    case .expertsTime: return expertsTime(in: summary)
    }
  }

  /// Everybody's combine begins when the slowest device is done, so that a device's work and its
  /// waiting for the combine are the same sum for all.
  private func expertsTime(in summary: RunSummary) -> Double? {
    func stage(_ stage: Stage) -> RunSummary.Stage? {
      summary.stages.first { $0.stage == stage.name }
    }
    guard let experts = stage(.experts), experts.tasks > 0 else { return nil }
    let ways = [Stage.weightReads, .expertTransfer, .vectorTransfer]
      .compactMap { stage($0)?.meanDeviceSecondsPerIteration }
    return ways.reduce(experts.meanDeviceSecondsPerIteration, +)
      + (stage(.combine)?.meanWaitBeforeSecondsPerIteration ?? 0)
  }
}
