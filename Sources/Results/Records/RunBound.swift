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

    /// Of ``resource``, which is one thing or several.
    fileprivate var verb: String { resource.hasSuffix("s") ? "are" : "is" }

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

  /// The share of ``criticalPath`` that any of these bounds: per cent of throughput for one per cent
  /// more of them, as long as the path stays the longest and kernels' times go with what bounds them.
  public func criticalShare(of taskBounds: [String]) -> Double {
    guard measuredTime > .zero else { return 0 }
    let time = criticalPath.reduce(0.0) { sum, record in
      taskBounds.contains(description.bounds[record.bound]) ? sum + record.time.value : sum
    }
    return time / measuredTime.seconds
  }

  /// The same of a roof; nil where no task is bound by it alone.
  func criticalShare(of roof: RunBound.Roof) -> Double? {
    roof.taskBounds.isEmpty ? nil : criticalShare(of: roof.taskBounds)
  }

  /// The share of the mean device's time in which it waits.
  public var waitingShare: Double {
    stages.first { $0.stage == description.waitingStage }.map { share(of: $0) } ?? 0
  }

  /// Why more of a resource gives less on the critical path than closed forms say, or more: a sentence
  /// for each reason that is a tenth of the time or more.
  public var boundRemarks: [String] {
    guard let bound else { return [] }
    let least = 0.1
    var remarks: [String] = []
    func percent(_ share: Double) -> String { fixed(share * 100, decimals: 0) + " %" }
    let latency = description.latencyBound.map { criticalShare(of: [description.bounds[$0]]) } ?? 0
    if latency >= least {
      remarks.append(
        "latency: \(percent(latency)) of the critical path are launches and start-ups, which more of "
          + "any resource does not shorten")
    }
    if waitingShare >= least {
      remarks.append(
        "imbalance and turns: the mean device waits \(percent(waitingShare)) of the time for others"
      )
    }
    for roof in bound.roofs {
      guard let share = criticalShare(of: roof) else { continue }
      // Of what latency leaves, operators in turn would have this.
      let more = share - roof.elasticityInTurn * (1 - latency)
      if more >= least {
        remarks.append(
          "what is reached, imbalance and contention: \(roof.resource) \(roof.verb) \(percent(more)) "
            + "more of the critical path than of operators in turn at peaks and divided evenly")
      } else if more <= -least {
        remarks.append(
          "overlap: \(roof.resource) \(roof.verb) \(percent(-more)) less of the critical path than of "
            + "operators in turn: other work hides it, or takes longer than at its peak")
      }
    }
    return remarks
  }
}
