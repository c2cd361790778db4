/// Which device computes each block of an expert's tokens.
///
///     var dealing = BlockDealing(counts.expertTokens, layers: 58, experts: 256, tokensPerBlock: 50)
///     dealing[layer: 3, expert: 17, block: 0] = 4
///     counts.replayDealt(batch, of: trace, dealing)
///
/// The tokens of a batch that choose an expert, in the order of ranks and of each rank's tokens, are cut
/// in blocks of one length, of which the last may be shorter. Memory is kept between batches.
public struct BlockDealing: Sendable {
  public let layers: Int
  public let experts: Int
  public let tokensPerBlock: Int
  /// Where the blocks of `[layer][expert]` begin, and in the end their number.
  public private(set) var starts: [Int] = [0]
  /// Of each block.
  var devices: [UInt16] = []

  public init(layers: Int, experts: Int, tokensPerBlock: Int) {
    precondition(tokensPerBlock > 0, "a block has tokens")
    self.layers = layers
    self.experts = experts
    self.tokensPerBlock = tokensPerBlock
  }

  /// Cuts a new batch; all blocks are device 0's. O(layers x experts + blocks).
  ///
  /// - Parameter expertTokens: `[layer][expert]`.
  public mutating func cut(_ expertTokens: [UInt32]) {
    precondition(expertTokens.count == layers * experts, "each expert of each layer has a count")
    starts.removeAll(keepingCapacity: true)
    starts.append(0)
    var blocks = 0
    for tokens in expertTokens {
      blocks += (Int(tokens) + tokensPerBlock - 1) / tokensPerBlock
      starts.append(blocks)
    }
    devices.removeAll(keepingCapacity: true)
    devices.append(contentsOf: repeatElement(0, count: blocks))
  }

  public var blockCount: Int { devices.count }

  /// Blocks of an expert.
  public func blocks(layer: Int, expert: Int) -> Int {
    let cell = layer * experts + expert
    return starts[cell + 1] - starts[cell]
  }

  /// Tokens of an expert's block, of `all` that the expert has.
  public func tokens(inBlock block: Int, of all: Int) -> Int {
    min(tokensPerBlock, all - block * tokensPerBlock)
  }

  public subscript(layer layer: Int, expert expert: Int, block block: Int) -> Int {
    get { Int(devices[starts[layer * experts + expert] + block]) }
    set { devices[starts[layer * experts + expert] + block] = UInt16(newValue) }
  }
}

extension RoutingCounts {
  /// Counts ``copies`` anew: a token goes once to each device that computes a block it is in. All other
  /// counts stay those of the slots. O(tokens x layers x k).
  ///
  /// - Parameters:
  ///   - batch: The one that was replayed last.
  ///   - dealing: Cut from ``expertTokens``.
  public mutating func replayDealt(
    _ batch: ReplayBatch, of trace: RoutingTrace, _ dealing: BlockDealing
  ) {
    precondition(keepsMatrix, "the matrix is kept")
    precondition(
      dealing.layers == slots.layers && dealing.experts == slots.experts,
      "the dealing is of the same experts")
    for index in copies.indices { copies[index] = 0 }
    guard dealing.blockCount > 0 else { return }
    var cursors = DealingCursors(dealing, devices: slots.devices)
    let topK = trace.shape.topK
    copies.withUnsafeMutableBufferPointer { copies in
      trace.withIDs { ids in
        for rank in 0..<batch.ranks {
          for place in batch.rankStarts[rank]..<batch.rankStarts[rank + 1] {
            let token = batch.tokens[place]
            switch ids {
            case .narrow(let ids):
              cursors.take(token, of: rank, ids, topK, dealing, &copies)
            case .wide(let ids):
              cursors.take(token, of: rank, ids, topK, dealing, &copies)
            }
          }
        }
      }
    }
  }
}

/// How far each expert's tokens are dealt, and who got the token at hand.
private struct DealingCursors {
  /// Tokens so far, `[layer][expert]`.
  private var tokens: [UInt32]
  /// The last (token, layer) that went to each device.
  private var stamps: [UInt64]
  private var stamp: UInt64 = 0
  private let devices: Int

  init(_ dealing: BlockDealing, devices: Int) {
    tokens = [UInt32](repeating: 0, count: dealing.layers * dealing.experts)
    stamps = [UInt64](repeating: 0, count: devices)
    self.devices = devices
  }

  mutating func take<ID: FixedWidthInteger & UnsignedInteger>(
    _ token: Int, of rank: Int, _ ids: UnsafePointer<ID>, _ topK: Int, _ dealing: BlockDealing,
    _ copies: inout UnsafeMutableBufferPointer<UInt32>
  ) {
    let length = UInt32(truncatingIfNeeded: dealing.tokensPerBlock)
    var choice = token * dealing.layers * topK
    for layer in 0..<dealing.layers {
      stamp += 1
      let row = (rank * dealing.layers + layer) * devices
      for _ in 0..<topK {
        // A damaged id is counted as the last expert rather than followed.
        let expert = min(Int(truncatingIfNeeded: ids[choice]), dealing.experts - 1)
        choice += 1
        let cell = layer * dealing.experts + expert
        let first = dealing.starts[cell]
        let last = dealing.starts[cell + 1] - 1
        let block = first + Int(tokens[cell] / length)
        tokens[cell] += 1
        guard last >= first else { continue }
        let device = Int(dealing.devices[min(block, last)])
        guard stamps[device] != stamp else { continue }
        stamps[device] = stamp
        copies[row + device] += 1
      }
    }
  }
}
