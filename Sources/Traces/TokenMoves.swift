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
public struct TokenMoves: Sendable {
  public let slots: ExpertSlots
  private let tables: ReplayTables
  /// `[layer][device]`, and one row more for what comes behind the last layer.
  private var held: [UInt32]
  /// Copies on their way to experts and on their way from them, `[layer][from][to]`; what stays on a
  /// device is 0.
  private var dispatched: [UInt32]
  private var combined: [UInt32]

  public init(slots: ExpertSlots) {
    self.slots = slots
    tables = ReplayTables(slots)
    held = [UInt32](repeating: 0, count: (slots.layers + 1) * slots.devices)
    dispatched = [UInt32](repeating: 0, count: slots.layers * slots.devices * slots.devices)
    combined = dispatched
  }

  /// Tokens that a device has when a layer begins; behind the last layer those that are its own.
  public func held(layer: Int, device: Int) -> Int { Int(held[layer * slots.devices + device]) }

  /// Copies that go from a device to another for their experts there.
  public func dispatched(layer: Int, from source: Int, to target: Int) -> Int {
    Int(dispatched[(layer * slots.devices + source) * slots.devices + target])
  }

  /// Copies that go from their experts' device to where they are added up.
  public func combined(layer: Int, from source: Int, to target: Int) -> Int {
    Int(combined[(layer * slots.devices + source) * slots.devices + target])
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
    let devices = slots.devices
    let mask = tables.stride - 1
    var targets = [Int](repeating: 0, count: topK)
    for rank in 0..<batch.ranks {
      let home = Int(slots.homeDevice[rank])
      let firstRow = slots.classOfRank[rank] * slots.layers
      for token in batch.tokens[batch.rankStarts[rank]..<batch.rankStarts[rank + 1]] {
        var place = home
        for layer in layers {
          held[layer * devices + place] += 1
          let row = ids + (token * slots.layers + layer) * topK
          let table = tables.device + (firstRow + layer) * tables.stride
          var distinct = 0
          for choice in 0..<topK {
            let target = Int(table[Int(truncatingIfNeeded: row[choice]) & mask])
            guard !targets[..<distinct].contains(target) else { continue }
            targets[distinct] = target
            distinct += 1
          }
          let next = layer == layers.upperBound - 1 ? home : targets[0]
          let base = layer * devices
          for target in targets[..<distinct] {
            if target != place { dispatched[(base + place) * devices + target] += 1 }
            if target != next { combined[(base + target) * devices + next] += 1 }
          }
          place = next
        }
        held[layers.upperBound * devices + home] += 1
      }
    }
  }
}
