// The inner loops of replay: raw memory, no arrays, generic over the width of an expert id. The
// faces are ``RoutingCounts`` and ``RoutingTrace/expertTokens(in:)``.
//
// Loop order: rank, block of tokens, layer, token. A block's rows (64 tokens of 58 x 8 ids are 30 KB) stay
// in the first-level cache while the layers pass over them, and a layer's tables are small enough
// to stay there as well: 512 B of devices for 256 experts, 1 KB of counts, 1.3 KB for 320 devices.

/// Tokens that are taken through all layers at once.
private let blockTokens = 64

/// The devices of all experts, with rows of a power of two, so that masking an id keeps even a
/// damaged one within its row.
final class ReplayTables: @unchecked Sendable {
  let slots: ExpertSlots
  /// The row length: experts rounded up to a power of two.
  let stride: Int
  /// `[class][layer][stride]`
  let device: UnsafeMutablePointer<UInt16>

  init(_ slots: ExpertSlots) {
    self.slots = slots
    stride = powerOfTwo(notBelow: slots.experts)
    let rows = slots.replicaClasses * slots.layers
    device = .allocate(capacity: rows * stride)
    device.initialize(repeating: 0, count: rows * stride)
    for row in 0..<rows {
      let layer = row % slots.layers
      for expert in 0..<slots.experts {
        let slot = Int(slots.slotOfExpert[row * slots.experts + expert])
        device[row * stride + expert] = slots.deviceOfSlot[layer * slots.slotsPerLayer + slot]
      }
    }
  }

  deinit { device.deallocate() }
}

/// What one thread counts.
final class ReplayWorkspace: @unchecked Sendable {
  /// `[class][layer][stride]`
  let expertTokens: UnsafeMutablePointer<UInt32>
  private let expertRows: Int
  /// `[layer][device]`
  let received: UnsafeMutablePointer<UInt32>
  let deviceTokens: UnsafeMutablePointer<UInt32>
  /// `[device]`: the stamp of the last token that went there in the upper half, and how many tokens
  /// of the block did in the lower.
  private let cells: UnsafeMutablePointer<UInt32>
  private let deviceRows: Int
  private let devices: Int

  init(_ tables: ReplayTables) {
    expertRows = tables.slots.replicaClasses * tables.slots.layers * tables.stride
    devices = tables.slots.devices
    deviceRows = tables.slots.layers * devices
    expertTokens = .allocate(capacity: expertRows)
    received = .allocate(capacity: deviceRows)
    deviceTokens = .allocate(capacity: deviceRows)
    cells = .allocate(capacity: devices)
    cells.initialize(repeating: 0, count: devices)
  }

  deinit {
    expertTokens.deallocate()
    received.deallocate()
    deviceTokens.deallocate()
    cells.deallocate()
  }

  /// Counts the tokens of some ranks. `sent` is `[rank][layer]`, `copies` `[rank][layer][device]`.
  func replay(
    ranks: Range<Int>, of batch: ReplayBatch, _ trace: RoutingTrace, _ tables: ReplayTables,
    sent: UnsafeMutablePointer<UInt32>?, copies: UnsafeMutablePointer<UInt32>?
  ) {
    expertTokens.initialize(repeating: 0, count: expertRows)
    received.initialize(repeating: 0, count: deviceRows)
    deviceTokens.initialize(repeating: 0, count: deviceRows)
    guard let sent else { return }
    batch.tokens.withUnsafeBufferPointer { tokens in
      guard let tokens = tokens.baseAddress else { return }
      trace.withIDs { ids in
        for rank in ranks {
          var start = batch.rankStarts[rank]
          let end = batch.rankStarts[rank + 1]
          while start < end {
            let block = UnsafeBufferPointer(
              start: tokens + start, count: min(blockTokens, end - start))
            switch ids {
            case .narrow(let ids):
              replay(block, rank: rank, ids, trace.shape.topK, tables, sent: sent, copies: copies)
            case .wide(let ids):
              replay(block, rank: rank, ids, trace.shape.topK, tables, sent: sent, copies: copies)
            }
            start += blockTokens
          }
        }
      }
    }
  }

  /// One rank's block through all layers.
  private func replay<ID: FixedWidthInteger & UnsignedInteger>(
    _ block: UnsafeBufferPointer<Int>, rank: Int, _ ids: UnsafePointer<ID>, _ topK: Int,
    _ tables: ReplayTables, sent: UnsafeMutablePointer<UInt32>,
    copies: UnsafeMutablePointer<UInt32>?
  ) {
    let layers = tables.slots.layers
    let home = Int(tables.slots.homeDevice[rank])
    let firstRow = tables.slots.classOfRank[rank] &* layers
    for layer in 0..<layers {
      let row = (firstRow &+ layer) &* tables.stride
      count(
        block, ids + layer &* topK, tokenStride: layers &* topK, topK,
        device: tables.device + row, expertTokens: expertTokens + row, mask: tables.stride &- 1)
      let place = rank &* layers &+ layer
      let elsewhere = drain(
        home: home, received: received + layer &* devices,
        deviceTokens: deviceTokens + layer &* devices, copies: copies.map { $0 + place &* devices })
      sent[place] &+= elsewhere
    }
  }

  /// One layer of a block: counts experts, and marks each token's devices once.
  @inline(__always)
  private func count<ID: FixedWidthInteger & UnsignedInteger>(
    _ block: UnsafeBufferPointer<Int>, _ ids: UnsafePointer<ID>, tokenStride: Int, _ topK: Int,
    device: UnsafePointer<UInt16>, expertTokens: UnsafeMutablePointer<UInt32>, mask: Int
  ) {
    let cells = cells
    var stamp: UInt32 = 0
    for token in block {
      let row = ids + token &* tokenStride
      stamp &+= 1 << 16
      var choice = 0
      while choice < topK {
        let expert = Int(truncatingIfNeeded: row[choice]) & mask
        expertTokens[expert] &+= 1
        let place = Int(device[expert])
        let cell = cells[place]
        let isNew = cell & 0xFFFF_0000 != stamp
        cells[place] = isNew ? stamp | (cell &+ 1) & 0xFFFF : cell
        choice &+= 1
      }
    }
  }

  /// Adds a block's cells to the sums and empties them; returns the copies that leave home.
  @inline(__always)
  private func drain(
    home: Int, received: UnsafeMutablePointer<UInt32>,
    deviceTokens: UnsafeMutablePointer<UInt32>, copies: UnsafeMutablePointer<UInt32>?
  ) -> UInt32 {
    let cells = cells
    let atHome = cells[home] & 0xFFFF
    var total: UInt32 = 0
    for device in 0..<devices {
      let count = cells[device] & 0xFFFF
      cells[device] = 0
      total &+= count
      deviceTokens[device] &+= count
      received[device] &+= count
      if let copies { copies[device] &+= count }
    }
    received[home] &-= atHome
    return total &- atHome
  }
}

func powerOfTwo(notBelow count: Int) -> Int {
  count <= 1 ? 1 : 1 << (Int.bitWidth - (count - 1).leadingZeroBitCount)
}
