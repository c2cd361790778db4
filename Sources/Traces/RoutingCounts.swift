import Foundation

/// The tokens of one iteration: for each source rank, which tokens of the trace it holds.
public struct ReplayBatch: Sendable {
  /// Token indices, the ranks' one after the other.
  public private(set) var tokens: [Int] = []
  /// Where each rank's tokens begin, and in the end their number: `ranks + 1` entries.
  public private(set) var rankStarts: [Int] = [0]

  public init() {}

  public init(ranks: [[Int]]) {
    for tokens in ranks { appendRank(tokens) }
  }

  public var ranks: Int { rankStarts.count - 1 }

  /// Adds a rank that holds `tokens`, which may be none.
  public mutating func appendRank(_ newTokens: some Sequence<Int>) {
    tokens.append(contentsOf: newTokens)
    rankStarts.append(tokens.count)
  }

  /// Forgets the ranks, keeps the memory.
  public mutating func removeAll() {
    tokens.removeAll(keepingCapacity: true)
    rankStarts.removeAll(keepingCapacity: true)
    rankStarts.append(0)
  }
}

/// What a batch of tokens asks of experts, devices and links, counted from a trace.
///
///     var counts = RoutingCounts(slots: slots)
///     try counts.replay(batch, of: trace)
///     let load = counts.slotTokens[layer * slots.slotsPerLayer + slot]
///
/// A token goes once to each device that holds at least one of its experts, however many, or once for
/// each of them where ``copiesForEachExpert``: a *copy*. Copies are what dispatch sends and combine
/// returns. Everything is a whole number, so the result does not depend on the number of threads. Memory
/// is kept between replays.
public struct RoutingCounts: Sendable {
  public let slots: ExpertSlots
  /// Whether ``copies`` is kept; the sums are, either way.
  public let keepsMatrix: Bool
  /// Whether a device gets a copy of a token for each of the token's experts on it; else one for all.
  public var copiesForEachExpert: Bool { tables.copiesForEachExpert }

  /// Tokens that chose an expert, `[layer][expert]`.
  public private(set) var expertTokens: [UInt32] = []
  /// Tokens that go to a slot, `[layer][slot]`, with rows of ``ExpertSlots/slotsPerLayer``.
  public private(set) var slotTokens: [UInt32] = []
  /// Copies from a rank to a device, its own included: `[rank][layer][device]`; empty where the
  /// matrix is not kept.
  public internal(set) var copies: [UInt32] = []
  /// Copies that leave a rank's own device, `[rank][layer]`.
  public private(set) var sent: [UInt32] = []
  /// Copies for experts on a rank's own device, `[rank][layer]`.
  public private(set) var stayed: [UInt32] = []
  /// Copies that a device gets from ranks that live on others, `[layer][device]`.
  public private(set) var received: [UInt32] = []
  /// The part of ``sent`` that goes to devices of the rank's own node, `[rank][layer]`.
  public private(set) var sentWithinNode: [UInt32] = []
  /// The part of ``received`` that comes from ranks of the device's own node, `[layer][device]`.
  public private(set) var receivedWithinNode: [UInt32] = []
  /// Copies on a device, wherever they come from, `[layer][device]`: tokens with work there, where a
  /// token has one copy on it.
  public private(set) var deviceTokens: [UInt32] = []

  public init(slots: ExpertSlots, keepsMatrix: Bool = true, copiesForEachExpert: Bool = false) {
    self.slots = slots
    self.keepsMatrix = keepsMatrix
    tables = ReplayTables(slots, copiesForEachExpert: copiesForEachExpert)
  }

  let tables: ReplayTables
  /// One for each thread, kept between replays.
  private var workspaces: [ReplayWorkspace] = []

  /// Counts a batch; earlier counts are forgotten.
  ///
  /// O(tokens x layers x k), about 1 to 2 ns for each selection, plus O(ranks x layers x devices).
  /// A trace whose selections were not verified may hold ids that no expert has; they are counted
  /// for some expert, and never followed out of bounds.
  ///
  /// - Parameter threads: ranks are divided among as many threads.
  /// - Throws: ``TraceError/otherModel(file:trace:wanted:)`` where the trace does not fit the slots.
  public mutating func replay(
    _ batch: ReplayBatch, of trace: RoutingTrace, threads: Int = 1
  ) throws(TraceError) {
    try trace.check(layers: slots.layers, experts: slots.experts, topK: trace.shape.topK)
    precondition(batch.ranks == slots.ranks, "the batch has the ranks that the slots were made for")
    precondition(
      batch.tokens.allSatisfy { (0..<trace.tokens).contains($0) }, "tokens are in the trace")
    zero(&sent, count: slots.ranks * slots.layers)
    zero(&sentWithinNode, count: slots.ranks * slots.layers)
    zero(&stayed, count: slots.ranks * slots.layers)
    zero(&copies, count: keepsMatrix ? slots.ranks * slots.layers * slots.devices : 0)
    let shares = shareOut(batch, among: max(1, min(threads, slots.ranks)))
    while workspaces.count < shares.count { workspaces.append(ReplayWorkspace(tables)) }
    // A copy of these counts may be at work on another thread: it keeps the workspaces they shared.
    for index in workspaces.indices where !isKnownUniquelyReferenced(&workspaces[index]) {
      workspaces[index] = ReplayWorkspace(tables)
    }
    replay(shares, of: batch, trace)
    addUp(shares.count)
    addShared(batch)
  }

  /// Adds the copies that all tokens of a rank make for the shared experts' devices. O(ranks x layers).
  private mutating func addShared(_ batch: ReplayBatch) {
    guard let sharedDevice = slots.sharedDevice else { return }
    for rank in 0..<batch.ranks {
      let tokens = UInt32(batch.rankStarts[rank + 1] - batch.rankStarts[rank])
      let target = Int(sharedDevice[rank])
      let home = Int(slots.homeDevice[rank])
      let isNeighbour = home / slots.devicesPerNode == target / slots.devicesPerNode
      for layer in 0..<slots.layers {
        let place = layer * slots.devices + target
        deviceTokens[place] += tokens
        if keepsMatrix {
          copies[(rank * slots.layers + layer) * slots.devices + target] += tokens
        }
        guard home != target else {
          stayed[rank * slots.layers + layer] += tokens
          continue
        }
        sent[rank * slots.layers + layer] += tokens
        received[place] += tokens
        guard isNeighbour else { continue }
        sentWithinNode[rank * slots.layers + layer] += tokens
        receivedWithinNode[place] += tokens
      }
    }
  }

  /// Contiguous ranges of ranks with about equally many tokens.
  private func shareOut(_ batch: ReplayBatch, among threads: Int) -> [Range<Int>] {
    var shares: [Range<Int>] = []
    var first = 0
    for thread in 1...threads {
      let goal = batch.tokens.count * thread / threads
      var end = first
      while end < batch.ranks, thread == threads || batch.rankStarts[end + 1] <= goal { end += 1 }
      if end > first { shares.append(first..<end) }
      first = end
    }
    return shares
  }

  private mutating func replay(_ shares: [Range<Int>], of batch: ReplayBatch, _ trace: RoutingTrace)
  {
    let (tables, workspaces, keepsMatrix) = (tables, workspaces, keepsMatrix)
    sent.withUnsafeMutableBufferPointer { sent in
      sentWithinNode.withUnsafeMutableBufferPointer { within in
        stayed.withUnsafeMutableBufferPointer { stayed in
          copies.withUnsafeMutableBufferPointer { copies in
            guard let sent = sent.baseAddress, let within = within.baseAddress,
              let stayed = stayed.baseAddress
            else { return }
            // Threads write to disjoint ranks of these, and to workspaces of their own.
            nonisolated(unsafe) let results = ReplayResults(
              sent: sent, sentWithinNode: within, stayed: stayed,
              copies: keepsMatrix ? copies.baseAddress : nil)
            let work: @Sendable (Int) -> Void = { index in
              workspaces[index].replay(ranks: shares[index], of: batch, trace, tables, results)
            }
            if shares.count == 1 {
              work(0)
            } else {
              DispatchQueue.concurrentPerform(iterations: shares.count, execute: work)
            }
          }
        }
      }
    }
  }

  /// Sums what the threads counted.
  private mutating func addUp(_ threads: Int) {
    let (layers, experts, devices) = (slots.layers, slots.experts, slots.devices)
    zero(&expertTokens, count: layers * experts)
    zero(&slotTokens, count: layers * slots.slotsPerLayer)
    zero(&received, count: layers * devices)
    zero(&receivedWithinNode, count: layers * devices)
    zero(&deviceTokens, count: layers * devices)
    for workspace in workspaces[..<threads] {
      for index in 0..<layers * devices {
        received[index] += workspace.deviceTokens[index] - workspace.homeTokens[index]
        receivedWithinNode[index] += workspace.nodeTokens[index] - workspace.homeTokens[index]
        deviceTokens[index] += workspace.deviceTokens[index]
      }
      for replicaClass in 0..<slots.replicaClasses {
        for layer in 0..<layers {
          let row = workspace.expertTokens + (replicaClass * layers + layer) * tables.stride
          let table = (replicaClass * layers + layer) * experts
          for expert in 0..<experts {
            expertTokens[layer * experts + expert] += row[expert]
            let slot = Int(slots.slotOfExpert[table + expert])
            slotTokens[layer * slots.slotsPerLayer + slot] += row[expert]
          }
        }
      }
    }
  }
}

private func zero(_ counts: inout [UInt32], count: Int) {
  if counts.count == count {
    counts.withUnsafeMutableBufferPointer { $0.update(repeating: 0) }
  } else {
    counts = [UInt32](repeating: 0, count: count)
  }
}
