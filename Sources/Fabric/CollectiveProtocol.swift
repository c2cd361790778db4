import Hardware
import Units

/// What the library that carries a collective adds to the bytes on the links.
///
/// A collective that the library does in one call was measured as a whole: its start-up holds the
/// latency of the scale-up links as well. An algorithm that is made of calls, one for each phase,
/// starts up for each.
public struct CollectiveProtocol: Sendable {
  public enum StartUp: Sendable {
    /// As fitted to measurements.
    case fitted(CollectiveCost)
    /// The same for every call.
    case constant(SimTime)
  }

  public var startUp: StartUp
  /// What the whole collective asks of a rank, in the terms in which its cost was fitted; nil where
  /// that is to be seen from the messages.
  public var wholeLoad: CollectiveLoad?
  public var shares: ProtocolShares

  public init(startUp: StartUp = .constant(.zero), shares: ProtocolShares = ProtocolShares()) {
    self.startUp = startUp
    self.shares = shares
  }

  /// What was fitted for links of these kinds, on so many nodes.
  public init(_ cost: CollectiveCost, scaleUp: Link, scaleOut: Link?, nodes: Int) {
    var shares = ProtocolShares(scaleUp: cost.share / scaleUp.efficiency)
    if let scaleOut, !cost.networkShares.isEmpty {
      shares.card = cost.networkShare(nodes: nodes) / scaleOut.efficiency
    }
    self.init(startUp: .fitted(cost), shares: shares)
  }

  /// What passes before the bytes of a collective flow.
  public func startUp(of load: CollectiveLoad) -> SimTime {
    switch startUp {
    case .fitted(let cost): SimTime(roundingUp: cost.startUp(of: load))
    case .constant(let time): time
    }
  }

  /// What the multiprocessors take to handle the copies, whatever the links would allow.
  public func handlingTime(of load: CollectiveLoad) -> Seconds {
    if case .fitted(let cost) = startUp { return cost.handlingTime(of: load) }
    return .zero
  }

  /// Of each phase: where each is a call, its own, and none for one that only sorts copies; else the
  /// first one has the collective's.
  public func startUps(
    of schedule: MessageSchedule, _ phases: SchedulePhases, _ layout: RankLayout, perPhase: Bool
  ) -> [SimTime] {
    let loads = schedule.loads(of: phases, layout)
    if perPhase { return loads.map { $0.wireBytes.value > 0 ? startUp(of: $0) : .zero } }
    guard var whole = loads.first(where: { $0.wireBytes.value > 0 }) ?? loads.first else {
      return []
    }
    // One call is as long as all that its busiest rank sends.
    whole.wireBytes = loads.reduce(.zero) { $0 + $1.wireBytes }
    whole.ranks = layout.rankCount
    return [startUp(of: wholeLoad ?? whole)] + [SimTime](repeating: .zero, count: loads.count - 1)
  }

  /// Whether the start-up was fitted, and so holds the latency of the scale-up links.
  public var isFitted: Bool {
    if case .fitted = startUp { return true }
    return false
  }
}

extension CollectiveAlgorithm {
  /// Whether each phase of an all-to-all is a call of its own, with its own start-up.
  public var isMadeOfCalls: Bool {
    switch self {
    case .hierarchical, .leader, .biLevel, .tensorCoordinated: true
    case .flat, .twoHop, .ring, .tree, .halvingDoubling, .inSwitch, .direct,
      .hierarchicalInSwitch:
      false
    }
  }
}

extension MessageSchedule {
  /// What each phase asks of its busiest rank. O(steps + phases x ranks).
  func loads(of phases: SchedulePhases, _ layout: RankLayout) -> [CollectiveLoad] {
    var sent = [Double](repeating: 0, count: layout.rankCount)
    var peers = [Int](repeating: 0, count: layout.rankCount)
    return (0..<phases.count).map { phase in
      for rank in sent.indices {
        sent[rank] = 0
        peers[rank] = 0
      }
      var longest = 0.0
      for index in phases[phase] {
        let step = steps[index]
        guard step.kind == .message, step.source >= 0 else { continue }
        sent[Int(step.source)] += step.bytes
        peers[Int(step.source)] += 1
        longest = max(longest, step.bytes)
      }
      return CollectiveLoad(
        wireBytes: Bytes(sent.max() ?? 0), messageBytes: Bytes(longest),
        ranks: (peers.max() ?? 0) + 1, nodes: layout.nodes.count)
    }
  }
}
