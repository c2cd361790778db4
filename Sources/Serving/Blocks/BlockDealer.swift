import Fabric
import Models
import Traces

/// Deals the blocks of each iteration, and remembers what devices keep of each other's experts.
struct BlockDealer {
  private let execution: BlockExecution
  private let hosts: [[[Int]]]
  /// The layers with experts that tokens go through, by their places among them.
  private let positions: Range<Int>
  private let network: Network
  private(set) var distances: DeviceDistances
  private(set) var dealing: BlockDealing
  private(set) var work: BlockWork
  private var allocator: BlockAllocator?
  /// One for each device; empty without duplicates.
  private var duplicates: [DuplicateStore] = []
  /// Whether a duplicate of an expert may be kept, `[layer][expert]`; nil for all.
  private var isPredicted: [Bool]?
  private var seen: SuccessionCounts?
  private var tokensBefore: [Int] = []
  /// Tokens of the expert at hand, by device.
  private var tokens: [Int]

  init(
    _ deployment: Deployment, _ execution: BlockExecution, positions: Range<Int>,
    _ routes: RouteTable
  ) {
    self.execution = execution
    self.positions = positions
    hosts = deployment.placement.hosts
    network = deployment.network
    distances = DeviceDistances(network, routes)
    let devices = deployment.cluster.deviceCount
    let (layers, experts) = (deployment.placement.layers, deployment.placement.experts)
    dealing = BlockDealing(
      layers: layers, experts: experts, tokensPerBlock: execution.tokensPerBlock)
    work = BlockWork(layers: layers, devices: devices)
    tokens = [Int](repeating: 0, count: devices)
    if case .allocator(let candidates) = execution.choice {
      allocator = BlockAllocator(BlockCosts(deployment), candidates: candidates, devices: devices)
    }
    guard let kept = execution.duplicates else { return }
    let store = DuplicateStore(
      capacity: deployment.duplicateCapacity, experts: layers * experts)
    duplicates = [DuplicateStore](repeating: store, count: devices)
    if kept.predicted != nil {
      isPredicted = [Bool](repeating: false, count: layers * experts)
      seen = SuccessionCounts(layers: layers, experts: experts)
    }
  }

  /// Lets reads take other ways.
  mutating func follow(_ routes: RouteTable) { distances = DeviceDistances(network, routes) }

  /// Deals a batch and counts its copies anew.
  ///
  /// - Throws: Where not every row is computed once: a defect.
  mutating func deal(
    _ batch: ReplayBatch, of trace: RoutingTrace, _ counts: inout RoutingCounts
  ) throws(ServingError) {
    predict(batch, of: trace, counts)
    dealing.cut(counts.expertTokens)
    work.removeAll()
    var turn = 0
    for layer in positions {
      let range = layer * dealing.experts..<(layer + 1) * dealing.experts
      let routed = counts.expertTokens[range]
      if allocator != nil { allocate(layer: layer, routed) } else { dealInTurn(layer, &turn) }
      gather(layer: layer, routed)
      let rows = routed.reduce(0) { $0 + Int($1) }
      guard work.rows(layer: layer) == rows else {
        throw .lawBroken("layer \(layer) computes \(work.rows(layer: layer)) of \(rows) rows")
      }
    }
    counts.replayDealt(batch, of: trace, dealing)
  }

  /// Learns from the tokens that followed the last batch's, and expects what follows these.
  private mutating func predict(
    _ batch: ReplayBatch, of trace: RoutingTrace, _ counts: RoutingCounts
  ) {
    guard let predicted = execution.duplicates?.predicted else { return }
    seen?.add(tokensBefore, followedBy: batch.tokens, of: trace)
    tokensBefore = batch.tokens
    guard let seen else { return }
    var isPredicted = [Bool](repeating: false, count: hosts.count * dealing.experts)
    for layer in positions {
      for expert in seen.likeliest(predicted, after: counts.expertTokens, layer: layer) {
        isPredicted[layer * dealing.experts + expert] = true
      }
    }
    self.isPredicted = isPredicted
  }

  private mutating func allocate(layer: Int, _ routed: ArraySlice<UInt32>) {
    let duplicates = duplicates
    let first = layer * dealing.experts
    allocator?.deal(
      layer: layer, tokens: routed, hosts: hosts[layer], distances,
      hasDuplicate: { !duplicates.isEmpty && duplicates[$1].contains(first + $0) },
      into: &dealing)
  }

  /// Block after block to device after device, from layer to layer without a break.
  private mutating func dealInTurn(_ layer: Int, _ turn: inout Int) {
    for expert in 0..<dealing.experts {
      for block in 0..<dealing.blocks(layer: layer, expert: expert) {
        dealing[layer: layer, expert: expert, block: block] = turn
        turn = (turn + 1) % tokens.count
      }
    }
  }

  /// Adds up what each device has of each expert, and which weights it must read for it.
  private mutating func gather(layer: Int, _ routed: ArraySlice<UInt32>) {
    for expert in 0..<dealing.experts {
      let holders = hosts[layer][expert]
      for holder in holders { work.experts[layer * tokens.count + holder] += 1 }
      let all = Int(routed[routed.startIndex + expert])
      guard all > 0 else { continue }
      for block in 0..<dealing.blocks(layer: layer, expert: expert) {
        let device = dealing[layer: layer, expert: expert, block: block]
        tokens[device] += dealing.tokens(inBlock: block, of: all)
      }
      for device in tokens.indices where tokens[device] > 0 {
        work.loads[layer * tokens.count + device].add(tokens[device])
        tokens[device] = 0
        guard !holders.contains(device) else { continue }
        work.experts[layer * tokens.count + device] += 1
        fetch(layer: layer, expert: expert, to: device, holders)
      }
    }
  }

  /// Weights that a device does not hold: a duplicate's, or the nearest holder's, which may be kept.
  private mutating func fetch(layer: Int, expert: Int, to device: Int, _ holders: [Int]) {
    let number = layer * dealing.experts + expert
    if !duplicates.isEmpty, duplicates[device].contains(number) {
      duplicates[device].use(number)
      work.useDuplicate()
      return
    }
    work.read(
      layer: layer, by: device, from: distances.nearest(of: holders, to: device))
    guard !duplicates.isEmpty, isPredicted?[number] ?? true else { return }
    duplicates[device].keep(number)
    work.keep(layer: layer, by: device)
  }
}
