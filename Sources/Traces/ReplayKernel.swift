// The inner loops of replay: raw memory, no arrays, generic over the width of an expert id. The
// faces are ``RoutingCounts`` and ``RoutingTrace/expertTokens(in:)``.
//
// Loop order: rank, block of tokens, layer, token. A block's rows, which lie anywhere in the trace,
// are first copied together (128 tokens of 58 x 8 ids are 59 KB), each row's cache lines at once;
// layer by layer they would be waited for one at a time. The layers then pass over the copy, and a
// layer's tables stay in the first-level cache as well: 512 B of devices for 256 experts, 1 KB of
// counts, 1.3 KB of cells for 320 devices.

/// Tokens that are taken through all layers at once.
private let blockTokens = 128

/// The devices of all experts, with rows of a power of two, so that masking an id keeps even a
/// damaged one within its row. Sendable because nothing is written after `init`.
final class ReplayTables: @unchecked Sendable {
  let slots: ExpertSlots
  /// The row length: experts rounded up to a power of two.
  let stride: Int
  /// `[class][layer][stride]`
  let device: UnsafeMutablePointer<UInt16>
  /// `[class][layer]`: whether no device holds two experts, so that a token's devices are distinct
  /// because its experts are.
  private(set) var isOneExpertEach: [Bool] = []
  /// Whether a device gets a copy of a token for each of the token's experts on it, and not one for all.
  let copiesForEachExpert: Bool

  init(_ slots: ExpertSlots, copiesForEachExpert: Bool = false) {
    self.slots = slots
    self.copiesForEachExpert = copiesForEachExpert
    stride = powerOfTwo(notBelow: slots.experts)
    let rows = slots.replicaClasses * slots.layers
    device = .allocate(capacity: rows * stride)
    device.initialize(repeating: 0, count: rows * stride)
    // The last row that a device had an expert in.
    var rowOfDevice = [Int](repeating: -1, count: slots.devices)
    for row in 0..<rows {
      var isOneEach = true
      let layer = row % slots.layers
      for expert in 0..<slots.experts {
        let slot = Int(slots.slotOfExpert[row * slots.experts + expert])
        let place = slots.deviceOfSlot[layer * slots.slotsPerLayer + slot]
        device[row * stride + expert] = place
        isOneEach = isOneEach && rowOfDevice[Int(place)] != row
        rowOfDevice[Int(place)] = row
      }
      isOneExpertEach.append(isOneEach)
    }
  }

  deinit { device.deallocate() }
}

/// Where threads write what they count of each rank.
struct ReplayResults {
  /// `[rank][layer]`
  let sent: UnsafeMutablePointer<UInt32>
  let sentWithinNode: UnsafeMutablePointer<UInt32>
  let stayed: UnsafeMutablePointer<UInt32>
  /// `[rank][layer][device]`, where it is kept.
  let copies: UnsafeMutablePointer<UInt32>?
}

/// What one thread counts. Sendable because `RoutingCounts` gives each to one thread at a time and
/// never shares one with a copy of itself.
final class ReplayWorkspace: @unchecked Sendable {
  /// `[class][layer][stride]`
  let expertTokens: UnsafeMutablePointer<UInt32>
  private let expertRows: Int
  /// `[layer][device]`: copies that come to a device, those of them from ranks of its node, and those
  /// from ranks that live on it.
  let deviceTokens: UnsafeMutablePointer<UInt32>
  let nodeTokens: UnsafeMutablePointer<UInt32>
  let homeTokens: UnsafeMutablePointer<UInt32>
  /// `[device]`: the stamp of the last token that went there in the upper half, and how many copies
  /// of the block did in the lower.
  private let cells: UnsafeMutablePointer<UInt32>
  private let deviceRows: Int
  private let devices: Int
  /// A block's rows, one after the other.
  private var rows: UnsafeMutableRawBufferPointer?

  init(_ tables: ReplayTables) {
    expertRows = tables.slots.replicaClasses * tables.slots.layers * tables.stride
    devices = tables.slots.devices
    deviceRows = tables.slots.layers * devices
    expertTokens = .allocate(capacity: expertRows)
    homeTokens = .allocate(capacity: deviceRows)
    nodeTokens = .allocate(capacity: deviceRows)
    deviceTokens = .allocate(capacity: deviceRows)
    cells = .allocate(capacity: devices)
    cells.initialize(repeating: 0, count: devices)
  }

  deinit {
    rows?.deallocate()
    expertTokens.deallocate()
    homeTokens.deallocate()
    nodeTokens.deallocate()
    deviceTokens.deallocate()
    cells.deallocate()
  }

  /// Counts the tokens of some ranks.
  func replay(
    ranks: Range<Int>, of batch: ReplayBatch, _ trace: RoutingTrace, _ tables: ReplayTables,
    _ results: ReplayResults
  ) {
    expertTokens.initialize(repeating: 0, count: expertRows)
    homeTokens.initialize(repeating: 0, count: deviceRows)
    nodeTokens.initialize(repeating: 0, count: deviceRows)
    deviceTokens.initialize(repeating: 0, count: deviceRows)
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
              replay(block, rank: rank, ids, trace.shape.topK, tables, results)
            case .wide(let ids):
              replay(block, rank: rank, ids, trace.shape.topK, tables, results)
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
    _ tables: ReplayTables, _ results: ReplayResults
  ) {
    let layers = tables.slots.layers
    let ids = gather(block, ids, row: layers &* topK)
    let home = Int(tables.slots.homeDevice[rank])
    let firstNeighbour = home / tables.slots.devicesPerNode &* tables.slots.devicesPerNode
    let neighbours = firstNeighbour..<min(firstNeighbour &+ tables.slots.devicesPerNode, devices)
    let firstRow = tables.slots.classOfRank[rank] &* layers
    for layer in 0..<layers {
      let row = (firstRow &+ layer) &* tables.stride
      if tables.isOneExpertEach[firstRow &+ layer] {
        countDevices(
          block.count, ids + layer &* topK, tokenStride: layers &* topK, topK,
          device: tables.device + row, mask: tables.stride &- 1)
        takeExperts(
          tables.slots.experts, device: tables.device + row, expertTokens: expertTokens + row)
      } else if tables.copiesForEachExpert {
        countDevicesAndExperts(
          block.count, ids + layer &* topK, tokenStride: layers &* topK, topK,
          device: tables.device + row, expertTokens: expertTokens + row, mask: tables.stride &- 1)
      } else {
        count(
          block.count, ids + layer &* topK, tokenStride: layers &* topK, topK,
          device: tables.device + row, expertTokens: expertTokens + row, mask: tables.stride &- 1)
      }
      let place = rank &* layers &+ layer
      results.sentWithinNode[place] &+= drainNode(home: home, neighbours, layer: layer)
      results.stayed[place] &+= cells[home] & 0xFFFF
      results.sent[place] &+= drain(
        home: home, deviceTokens: deviceTokens + layer &* devices,
        copies: results.copies.map { $0 + place &* devices })
    }
  }

  /// Copies a block's rows together.
  private func gather<ID>(
    _ block: UnsafeBufferPointer<Int>, _ ids: UnsafePointer<ID>, row: Int
  ) -> UnsafePointer<ID> {
    let bytes = blockTokens * row * MemoryLayout<ID>.stride
    if (rows?.count ?? 0) < bytes {
      rows?.deallocate()
      rows = .allocate(byteCount: bytes, alignment: 64)
    }
    guard let base = rows?.baseAddress else { return ids }
    let room = base.assumingMemoryBound(to: ID.self)
    var place = room
    for token in block {
      place.update(from: ids + token &* row, count: row)
      place += row
    }
    return UnsafePointer(room)
  }

  /// One layer of a block: counts experts, and marks each token's devices once.
  ///
  /// The usual values of k are spelled out, so that the compiler unrolls their loops.
  @inline(__always)
  private func count<ID: FixedWidthInteger & UnsignedInteger>(
    _ tokens: Int, _ ids: UnsafePointer<ID>, tokenStride: Int, _ topK: Int,
    device: UnsafePointer<UInt16>, expertTokens: UnsafeMutablePointer<UInt32>, mask: Int
  ) {
    let cells = cells
    @inline(__always)
    func count(_ topK: Int) {
      var stamp: UInt32 = 0
      var row = ids
      for _ in 0..<tokens {
        stamp &+= 1 << 16
        for choice in 0..<topK {
          let expert = Int(truncatingIfNeeded: row[choice]) & mask
          expertTokens[expert] &+= 1
          let place = Int(device[expert])
          let cell = cells[place]
          let marked = stamp | ((cell &+ 1) & 0xFFFF)
          cells[place] = cell >= stamp ? cell : marked
        }
        row += tokenStride
      }
    }
    switch topK {
    case 1: count(1)
    case 2: count(2)
    case 4: count(4)
    case 6: count(6)
    case 8: count(8)
    default: count(topK)
    }
  }

  /// One layer of a block where a token's devices are distinct without looking: counts them only.
  @inline(__always)
  private func countDevices<ID: FixedWidthInteger & UnsignedInteger>(
    _ tokens: Int, _ ids: UnsafePointer<ID>, tokenStride: Int, _ topK: Int,
    device: UnsafePointer<UInt16>, mask: Int
  ) {
    let cells = cells
    @inline(__always)
    func count(_ topK: Int) {
      var row = ids
      for _ in 0..<tokens {
        for choice in 0..<topK {
          cells[Int(device[Int(truncatingIfNeeded: row[choice]) & mask])] &+= 1
        }
        row += tokenStride
      }
    }
    switch topK {
    case 1: count(1)
    case 2: count(2)
    case 4: count(4)
    case 6: count(6)
    case 8: count(8)
    default: count(topK)
    }
  }

  /// One layer of a block: counts experts, and a copy for each of them.
  private func countDevicesAndExperts<ID: FixedWidthInteger & UnsignedInteger>(
    _ tokens: Int, _ ids: UnsafePointer<ID>, tokenStride: Int, _ topK: Int,
    device: UnsafePointer<UInt16>, expertTokens: UnsafeMutablePointer<UInt32>, mask: Int
  ) {
    var row = ids
    for _ in 0..<tokens {
      for choice in 0..<topK {
        let expert = Int(truncatingIfNeeded: row[choice]) & mask
        expertTokens[expert] &+= 1
        cells[Int(device[expert])] &+= 1
      }
      row += tokenStride
    }
  }

  /// What a device got is what its one expert got.
  @inline(__always)
  private func takeExperts(
    _ experts: Int, device: UnsafePointer<UInt16>, expertTokens: UnsafeMutablePointer<UInt32>
  ) {
    for expert in 0..<experts { expertTokens[expert] &+= cells[Int(device[expert])] }
  }

  /// Adds the cells of a rank's node to its sums; returns the copies that go to its neighbours.
  @inline(__always)
  private func drainNode(home: Int, _ neighbours: Range<Int>, layer: Int) -> UInt32 {
    let base = layer &* devices
    let atHome = cells[home] & 0xFFFF
    homeTokens[base &+ home] &+= atHome
    var total: UInt32 = 0
    for device in neighbours {
      let count = cells[device] & 0xFFFF
      nodeTokens[base &+ device] &+= count
      total &+= count
    }
    return total &- atHome
  }

  /// Adds a block's cells to the sums and empties them; returns the copies that leave home.
  @inline(__always)
  private func drain(
    home: Int, deviceTokens: UnsafeMutablePointer<UInt32>, copies: UnsafeMutablePointer<UInt32>?
  ) -> UInt32 {
    let cells = cells
    let atHome = cells[home] & 0xFFFF
    var total: UInt32 = 0
    if let copies {
      for device in 0..<devices {
        let count = cells[device] & 0xFFFF
        total &+= count
        copies[device] &+= count
      }
    } else {
      for device in 0..<devices { total &+= cells[device] & 0xFFFF }
    }
    for device in 0..<devices {
      deviceTokens[device] &+= cells[device] & 0xFFFF
      cells[device] = 0
    }
    return total &- atHome
  }
}

func powerOfTwo(notBelow count: Int) -> Int {
  count <= 1 ? 1 : 1 << (Int.bitWidth - (count - 1).leadingZeroBitCount)
}
