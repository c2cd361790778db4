import Units

/// The closed-form bound on a run beside what was simulated: no schedule of the same work on the same
/// machine is faster.
public struct RunBound: Hashable, Sendable {
  /// What a kind of resource has to do with it.
  public struct Roof: Hashable, Sendable {
    public var resource: String
    /// Which of ``RunDescription/bounds`` tasks have that it binds; empty where no task is bound by it alone.
    public var taskBounds: [String]
    /// Its time at its peak, everything divided perfectly, over the bound's; 1 for what binds.
    public var shareOfBound: Double
    /// Per cent of throughput for one per cent more of it: by the bound, and by operators one after
    /// the other at their peaks.
    public var elasticityOfBound: Double
    public var elasticityInTurn: Double

    public init(
      resource: String, taskBounds: [String], shareOfBound: Double, elasticityOfBound: Double,
      elasticityInTurn: Double
    ) {
      self.resource = resource
      self.taskBounds = taskBounds
      self.shareOfBound = shareOfBound
      self.elasticityOfBound = elasticityOfBound
      self.elasticityInTurn = elasticityInTurn
    }
  }

  public var throughput: TokenRate
  /// The resource that binds.
  public var boundBy: String
  public var roofs: [Roof]

  public init(throughput: TokenRate, boundBy: String, roofs: [Roof]) {
    self.throughput = throughput
    self.boundBy = boundBy
    self.roofs = roofs
  }
}

extension RunResult {
  /// Simulated throughput over the bound, 0 to 1; nil where no bound is known.
  public var fractionOfBound: Double? { bound.map { throughput / $0.throughput } }

  /// The share of the mean device's time in which tasks of each bound run, waiting left out: an
  /// estimate of what one per cent more of it would give, in per cent.
  ///
  /// A stage's time is divided like its tasks' time.
  public func simulatedElasticity(of taskBounds: [String]) -> Double {
    stages.reduce(0) { sum, record in
      guard record.stage != description.waitingStage else { return sum }
      let shares = bounds(ofStage: record.stage).filter { taskBounds.contains($0.name) }
      return sum + share(of: record) * shares.reduce(0) { $0 + $1.share }
    }
  }

  /// The same of a roof; nil where no task is bound by it alone.
  func simulatedElasticity(of roof: RunBound.Roof) -> Double? {
    roof.taskBounds.isEmpty ? nil : simulatedElasticity(of: roof.taskBounds)
  }

  /// The share of the mean device's time in which it waits.
  public var waitingShare: Double {
    stages.first { $0.stage == description.waitingStage }.map { share(of: $0) } ?? 0
  }

  /// Why more of a resource gives less in the simulation than closed forms say, or more: a sentence
  /// for each reason that costs at least a tenth of the time.
  public var boundRemarks: [String] {
    guard let bound else { return [] }
    let least = 0.1
    var remarks: [String] = []
    func percent(_ share: Double) -> String { fixed(share * 100, decimals: 0) + " %" }
    let latency = simulatedElasticity(of: ["latency"])
    if latency >= least {
      remarks.append(
        "latency: in \(percent(latency)) of the time launches and start-ups bound, which more of any "
          + "resource does not shorten")
    }
    if waitingShare >= least {
      remarks.append(
        "imbalance and turns: the mean device waits \(percent(waitingShare)) of the time for others"
      )
    }
    for roof in bound.roofs {
      let more = simulatedElasticity(of: roof.taskBounds) - roof.elasticityInTurn
      guard more >= least else { continue }
      remarks.append(
        "contention and what is reached: \(roof.resource) bound tasks for \(percent(more)) more of the "
          + "time than at its peak and divided evenly")
    }
    return remarks
  }
}
