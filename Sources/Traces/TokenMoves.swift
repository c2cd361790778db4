/// Where tokens are, layer after layer, when they do not return to their own device.
///
///     var moves = TokenMoves(slots: slots)
///     try moves.replay(batch, of: trace, layers: 0..<slots.layers)
///     let tokens = moves.held(layer: 3, device: 5)
///
/// A token begins on its own device. In each layer a copy goes to every other device that holds any of its
/// experts; what they make of it is added up on the device of the expert that the token's row of the trace
/// names first, and there it stays (inference by inter-layer expert affinity: Yao et al., IPDPS 2024). After
/// the last layer it is added up on its own device. Everything is a whole number.
///
/// Where experts are sliced, the slots' devices are groups of as many devices as there are slices, and a
/// token is on a group. One of the group's devices *owns* it: the one with the place that the token's own
/// device has in its group, as tensor-parallel ranks exchange with those of their own number. The owner
/// sends copies to all slices of an expert, and all send what they made of it to the next owner, who adds
/// it up: as much as where tokens return home, from and to other devices.
public struct TokenMoves: Sendable {
  public let slots: ExpertSlots
  /// Devices of a group.
  public let slices: Int
  public var devices: Int { slots.devices * slices }
  private let tables: ReplayTables
  /// By owner: `[layer][device]`, and one row more for what comes behind the last layer.
  private var held: [UInt32]
  /// Copies on their way to the experts of a group, `[layer][owner][group]`, those that stay with it
  /// among them.
  private var dispatched: [UInt32]
  /// The same on their way from them, `[layer][group][owner]`.
  private var combined: [UInt32]
  /// Tokens that a slot gets, `[layer][slot]` with rows of ``ExpertSlots/slotsPerLayer``. Those of
  /// ``RoutingCounts``, unless the copy depends on where a token is.
  public private(set) var slotTokens: [UInt32]

  /// - Parameter slices: Of each expert; ranks are devices, `slices` of a group in a row.
  public init(slots: ExpertSlots, slices: Int = 1) {
    precondition(slices >= 1 && (slices == 1 || slots.ranks == slots.devices * slices))
    self.slots = slots
    self.slices = slices
    tables = ReplayTables(slots)
    let devices = slots.devices * slices
    held = [UInt32](repeating: 0, count: (slots.layers + 1) * devices)
    dispatched = [UInt32](repeating: 0, count: slots.layers * slots.devices * devices)
    combined = dispatched
    slotTokens = [UInt32](repeating: 0, count: slots.layers * slots.slotsPerLayer)
  }

  /// Tokens that a device owns when a layer begins; behind the last layer those that are its own.
  public func held(layer: Int, device: Int) -> Int { Int(held[layer * devices + device]) }

  /// The same of all devices of a group.
  public func held(layer: Int, group: Int) -> Int {
    let first = layer * devices + group * slices
    return held[first..<first + slices].reduce(0) { $0 + Int($1) }
  }

  /// Copies that go from a device to another for their experts there.
  public func dispatched(layer: Int, from source: Int, to target: Int) -> Int {
    guard source != target else { return 0 }
    return Int(dispatched[(layer * devices + source) * slots.devices + target / slices])
  }

  /// Copies that go from their experts' device to where they are added up.
  public func combined(layer: Int, from source: Int, to target: Int) -> Int {
    guard source != target else { return 0 }
    return Int(combined[(layer * slots.devices + source / slices) * devices + target])
  }

  /// Follows a batch's tokens; earlier ones are forgotten. O(tokens x layers x k^2), plus
  /// O(layers x devices^2).
  ///
  /// - Parameter layers: Those that the tokens go through, of the slots'.
  /// - Throws: ``TraceError/otherModel(file:trace:wanted:)`` where the trace does not fit the slots.
  public mutating func replay(
    _ batch: ReplayBatch, of trace: RoutingTrace, layers: Range<Int>
  ) throws(TraceError) {
    try trace.check(layers: slots.layers, experts: slots.experts, topK: trace.shape.topK)
    precondition(batch.ranks == slots.ranks, "the batch has the ranks that the slots were made for")
    precondition(
      batch.tokens.allSatisfy { (0..<trace.tokens).contains($0) }, "tokens are in the trace")
    for index in held.indices { held[index] = 0 }
    for index in dispatched.indices { dispatched[index] = 0 }
    for index in combined.indices { combined[index] = 0 }
    for index in slotTokens.indices { slotTokens[index] = 0 }
    trace.withIDs { ids in
      switch ids {
      case .narrow(let ids): follow(batch, ids, topK: trace.shape.topK, layers)
      case .wide(let ids): follow(batch, ids, topK: trace.shape.topK, layers)
      }
    }
  }

  private mutating func follow<ID: FixedWidthInteger & UnsignedInteger>(
    _ batch: ReplayBatch, _ ids: UnsafePointer<ID>, topK: Int, _ layers: Range<Int>
  ) {
    let (groups, devices) = (slots.devices, devices)
    let mask = tables.stride - 1
    var targets = [Int](repeating: 0, count: topK)
    for rank in 0..<batch.ranks {
      let home = Int(slots.homeDevice[rank])
      let slice = slices > 1 ? rank % slices : 0
      for token in batch.tokens[batch.rankStarts[rank]..<batch.rankStarts[rank + 1]] {
        var place = home
        for layer in layers {
          let owner = place * slices + slice
          held[layer * devices + owner] += 1
          let replicaClass = slots.classOfDevice?[place] ?? slots.classOfRank[rank]
          let table = replicaClass * slots.layers + layer
          let device = tables.device + table * tables.stride
          let row = ids + (token * slots.layers + layer) * topK
          var distinct = 0
          for choice in 0..<topK {
            let expert = Int(truncatingIfNeeded: row[choice]) & mask
            let slot = slots.slotOfExpert[table * slots.experts + expert]
            slotTokens[layer * slots.slotsPerLayer + Int(slot)] += 1
            let target = Int(device[expert])
            guard !targets[..<distinct].contains(target) else { continue }
            targets[distinct] = target
            distinct += 1
          }
          let next = layer == layers.upperBound - 1 ? home : targets[0]
          for target in targets[..<distinct] {
            dispatched[(layer * devices + owner) * groups + target] += 1
            combined[(layer * groups + target) * devices + next * slices + slice] += 1
          }
          place = next
        }
        held[layers.upperBound * devices + home * slices + slice] += 1
      }
    }
  }
}
