import Units

/// Flows that begin at the same moment on shared links: when is each of them done?
///
///     var flows = SimultaneousFlows()
///     let out = flows.addLink(capacity: Bandwidth(50e9))
///     let uplink = flows.addLink(capacity: Bandwidth(400e9))
///     flows.addFlow(Bytes(1.5e6))
///     flows.cross(out)                        // of the flow added last
///     flows.cross(uplink)
///     let done = flows.completions()          // done.ends[0] in seconds
///
/// At every instant the rates are max-min fair among flows: with x_i the rate of flow i and a_ij its
/// amount on link j, the sum over i of a_ij x_i is at most C_j, and no x_i can be raised without
/// lowering one that is no larger. That is what ``Engine`` gives tasks whose demands are a_ij times
/// their size when all a_ij are 1; this is the same answer in a fraction of the time, because rates
/// are kept for groups of flows and, of an earlier instant, for all that a change leaves alone.
///
/// Flows that are alike may be counted as one. Where n flows of a class cross a link, one flow of
/// that size with the amount n stands for them, and one link stands for all links that are loaded the
/// same: symmetry collapses an exchange among hundreds of ranks to a handful of rows.
public struct SimultaneousFlows: Sendable {
  /// C_j in bytes per second.
  private(set) var capacities: [Double] = []
  /// In bytes.
  private(set) var sizes: [Double] = []
  /// The most that each flow reaches by itself, in bytes per second.
  private(set) var caps: [Double] = []
  /// Flow i crosses `links[k]` with `amounts[k]` for k in `rowStart[i]..<rowStart[i + 1]`.
  private(set) var rowStart: [Int32] = [0]
  private(set) var links: [Int32] = []
  private(set) var amounts: [Double] = []

  public init() {}

  public var linkCount: Int { capacities.count }
  public var flowCount: Int { sizes.count }

  /// Adds a link, one direction of it, and returns its number. A flow over a link without capacity
  /// is never done. Amortised O(1).
  public mutating func addLink(capacity: Bandwidth) -> Int {
    capacities.append(capacity.value > 0 ? capacity.value : 0)
    return capacities.count - 1
  }

  /// Adds a flow and returns its number. Amortised O(1).
  ///
  /// - Parameter cap: The most that the flow reaches by itself, whatever the links would give it.
  @discardableResult
  public mutating func addFlow(_ size: Bytes, cap: Bandwidth = Bandwidth(.infinity)) -> Int {
    sizes.append(size.value > 0 ? size.value : 0)
    caps.append(cap.value > 0 ? cap.value : 0)
    rowStart.append(Int32(links.count))
    return sizes.count - 1
  }

  /// Lets the flow that was added last cross a link. Amortised O(1).
  ///
  /// - Parameter amount: What it takes of the link for each byte of its size; for a class of equal
  ///   flows, how many of them cross the link. Amounts that are not above zero are dropped.
  public mutating func cross(_ link: Int, amount: Double = 1) {
    precondition(capacities.indices.contains(link), "there is no such link")
    guard flowCount > 0, amount > 0 else { return }
    links.append(Int32(link))
    amounts.append(amount)
    rowStart[flowCount] = Int32(links.count)
  }

  /// Drops all flows and keeps the links and the memory. O(1).
  public mutating func removeFlows() {
    sizes.removeAll(keepingCapacity: true)
    caps.removeAll(keepingCapacity: true)
    links.removeAll(keepingCapacity: true)
    amounts.removeAll(keepingCapacity: true)
    rowStart.removeAll(keepingCapacity: true)
    rowStart.append(0)
  }

  func row(_ flow: Int) -> Range<Int> { Int(rowStart[flow])..<Int(rowStart[flow + 1]) }

  /// max over links of load / capacity: no schedule is faster, and flows whose rates follow their
  /// sizes are as fast. O(crossings).
  public var longestLinkTime: Seconds {
    var load = [Double](repeating: 0, count: linkCount)
    for flow in 0..<flowCount {
      for entry in row(flow) { load[Int(links[entry])] += amounts[entry] * sizes[flow] }
    }
    return Seconds(zip(load, capacities).map { $0 > 0 ? $0 / $1 : 0 }.max() ?? 0)
  }

  /// When each flow is done. The time this takes grows with the number of different instants at which
  /// flows are done: flows that end together cost little more than one.
  public func completions() -> FlowCompletions {
    var solver = CompletionSolver(self)
    let ends = solver.run()
    var completions = FlowCompletions(
      ends: ends, instants: solver.instants,
      linkBusySeconds: [Double](repeating: 0, count: linkCount),
      linkFlowSeconds: [Double](repeating: 0, count: linkCount))
    for flow in 0..<flowCount {
      for entry in row(flow) {
        let link = Int(links[entry])
        completions.linkBusySeconds[link] = max(completions.linkBusySeconds[link], ends[flow])
        completions.linkFlowSeconds[link] += amounts[entry] * ends[flow]
      }
    }
    return completions
  }
}

/// When ``SimultaneousFlows`` are done, in seconds after they began.
public struct FlowCompletions: Sendable {
  /// For each flow, in the order in which they were added; infinite for one over a link without
  /// capacity.
  public internal(set) var ends: [Double]
  /// At how many different instants flows were done.
  public internal(set) var instants: Int
  /// For each link, the time in which it had flows.
  public internal(set) var linkBusySeconds: [Double]
  /// For each link, the sum over flows of the time they were on it, times their amounts. Less
  /// load / capacity, this is what flows waited.
  public internal(set) var linkFlowSeconds: [Double]

  /// The time at which the last flow is done.
  public var makespan: Seconds { Seconds(ends.max() ?? 0) }
}
