import Fabric
import Hardware
import Models
import Traces
import Units

/// What the tokens of one microbatch ask of experts and links in an iteration.
struct RoutedLoad {
  private let deployment: Deployment
  private(set) var batch = ReplayBatch()
  private(set) var counts: RoutingCounts
  /// With nodes in place of devices; nil where nobody asks what goes to a node once.
  private(set) var nodeCounts: RoutingCounts?
  private(set) var traffic: LayerTraffic
  /// Nil where tokens return to their own device in every layer.
  private(set) var moves: TokenMoves?
  /// Nil where experts are computed where they live.
  private(set) var blocks: BlockDealer?

  /// The layers with experts that tokens of the phase go through, by their places among them.
  private let positions: Range<Int>

  /// - Parameters:
  ///   - positions: The layers with experts that the tokens go through.
  ///   - slots: Of the deployment's placement.
  ///   - nodeSlots: Slots by node in place of device, where that is asked for.
  ///   - routes: Of the network, where its ports do not say all.
  ///   - keepsMatrix: Even where the traffic does not need it.
  init(
    _ deployment: Deployment, positions: Range<Int>, slots: ExpertSlots, nodeSlots: ExpertSlots?,
    routes: RouteTable? = nil, keepsMatrix: Bool
  ) {
    self.deployment = deployment
    self.positions = positions
    let traffic = LayerTraffic(deployment)
    // `||` captures its right side: with a member in it, optimised code destroys an owner that is not
    // there yet (Swift 6.3.1).
    let needsMatrix = traffic.needsMatrix
    self.traffic = traffic
    counts = RoutingCounts(
      slots: slots, keepsMatrix: keepsMatrix || needsMatrix,
      copiesForEachExpert: deployment.protocols.copiesForEachExpert)
    nodeCounts = nodeSlots.map { RoutingCounts(slots: $0) }
    moves =
      deployment.exchange.residence == .transition
      ? TokenMoves(slots: slots, slices: deployment.parallelism.experts.tensor) : nil
    if let execution = deployment.blocks, let routes {
      blocks = BlockDealer(deployment, execution, positions: positions, routes)
    }
  }

  /// Lets weights take other ways.
  mutating func follow(_ routes: RouteTable?) {
    if let routes { blocks?.follow(routes) }
  }

  /// Draws the tokens of a microbatch's places and counts their routing.
  mutating func replay(
    _ places: Range<Int>, from source: inout TokenSource, of trace: RoutingTrace, threads: Int
  ) throws(ServingError) {
    source.nextBatch(
      of: places, into: &batch, devicesPerGroup: deployment.parallelism.attention.tensor)
    try count(trace, threads: threads)
  }

  /// Counts the routing of the first token of each sequence of another load.
  mutating func replay(
    firstOf other: RoutedLoad, from source: TokenSource, of trace: RoutingTrace, threads: Int
  ) throws(ServingError) {
    source.firstTokens(
      of: other.batch, into: &batch, devicesPerGroup: deployment.parallelism.attention.tensor)
    try count(trace, threads: threads)
  }

  /// Makes a microbatch of requests' next iteration and counts its routing.
  mutating func replay(
    _ requests: inout RequestBatches, microbatch: Int, of trace: RoutingTrace, threads: Int
  ) throws(ServingError) {
    requests.next(
      microbatch, into: &batch, devicesPerGroup: deployment.parallelism.attention.tensor)
    try count(trace, threads: threads)
  }

  private mutating func count(_ trace: RoutingTrace, threads: Int) throws(ServingError) {
    do {
      try counts.replay(batch, of: trace, threads: threads)
      try nodeCounts?.replay(batch, of: trace, threads: threads)
      try moves?.replay(batch, of: trace, layers: positions)
    } catch { throw .trace(error) }
    try checkTokens()
    try blocks?.deal(batch, of: trace, &counts)
    if moves == nil { try traffic.count(counts) }
  }

  /// Tokens in = tokens out: every layer routes each token to k experts, and once to a device of the
  /// shared ones where they have devices of their own.
  private func checkTokens() throws(ServingError) {
    let experts = deployment.model.experts
    let expected = batch.tokens.count * experts.topK
    let shared = deployment.placement.sharedGroups
    for layer in 0..<deployment.placement.layers {
      let range = layer * experts.count..<(layer + 1) * experts.count
      let routed = range.reduce(0) { $0 + Int(counts.expertTokens[$1]) }
      guard routed == expected else {
        throw .lawBroken("layer \(layer) routes \(routed) of \(expected) selections")
      }
      if let moves, positions.contains(layer) {
        let slots = counts.slots.slotsPerLayer
        let reached = (layer * slots..<(layer + 1) * slots).reduce(0) {
          $0 + Int(moves.slotTokens[$1])
        }
        guard reached == expected else {
          throw .lawBroken("layer \(layer) brings \(reached) of \(expected) selections to experts")
        }
      }
      guard shared > 0 else { continue }
      let served = (0..<shared).reduce(0) { $0 + sharedTokens(layer: layer, group: $1) }
      guard served == batch.tokens.count else {
        throw .lawBroken(
          "layer \(layer) brings \(served) of \(batch.tokens.count) tokens to shared experts")
      }
    }
  }

  /// What the multiprocessors of the busiest device handle in a layer's dispatch, or in its way back, by
  /// a library that sends token by token: copies that they make, for each device that gets one (for each
  /// expert, where these get their own), or that experts have made; and those that they take in or add
  /// up, one for each node that a token goes to where the library sends one to a node, else the token
  /// itself. What stays is among them.
  func handled(layer: Int, isReturn: Bool) -> (copied: Int, staged: Int) {
    func most(_ counts: RoutingCounts) -> Int {
      (0..<counts.slots.ranks).reduce(0) { most, rank in
        let cell = rank * counts.slots.layers + layer
        return max(most, Int(counts.sent[cell]) + Int(counts.stayed[cell]))
      }
    }
    let tokens = (0..<batch.ranks).reduce(0) {
      max($0, batch.rankStarts[$1 + 1] - batch.rankStarts[$1])
    }
    let staged = nodeCounts.map(most) ?? tokens
    guard isReturn else {
      return (most(counts) * deployment.parallelism.experts.tensor, staged)
    }
    let devices = counts.slots.devices
    let made = counts.deviceTokens[layer * devices..<(layer + 1) * devices].max()
    return (Int(made ?? 0), staged)
  }

  /// Tokens that one of the groups with nothing but shared experts serves in a layer.
  func sharedTokens(layer: Int, group: Int) -> Int {
    Int(counts.deviceTokens[layer * counts.slots.devices + group])
  }

  /// Tokens that go to a copy of an expert.
  ///
  /// - Parameter cell: `[layer][slot]`, with rows of as many slots as any layer has.
  func slotTokens(_ cell: Int) -> Int { Int(moves?.slotTokens[cell] ?? counts.slotTokens[cell]) }

  /// Rows that the routed experts of a group get in a layer.
  ///
  /// - Parameter slots: The group's, of the layer.
  func routedRows(layer: Int, slots own: [Int32]) -> GroupedLoad {
    var load = GroupedLoad()
    for slot in own {
      load.add(slotTokens(layer * counts.slots.slotsPerLayer + Int(slot)))
    }
    return load
  }

  /// The experts of a group that have tokens in a layer.
  ///
  /// - Parameter slots: The group's, of the layer.
  func experts(layer: Int, slots own: [Int32]) -> [ExpertShares.Expert] {
    own.indices.compactMap { place in
      let cell = layer * counts.slots.slotsPerLayer + Int(own[place])
      let tokens = slotTokens(cell)
      return tokens > 0 ? ExpertShares.Expert(place: place, tokens: tokens) : nil
    }
  }

  /// Adds what is asked of each device to `sum`, by layers of the model.
  func add(to sum: inout IterationLoad) {
    let devices = deployment.cluster.deviceCount
    let slices = deployment.parallelism.experts.tensor
    let (dispatch, combine) = (deployment.dispatchedCopy, deployment.combinedCopy)
    for (position, layer) in deployment.model.expertLayers.enumerated()
    where positions.contains(position) {
      func add(_ tokens: Int, toGroup group: Int) {
        for device in group * slices..<(group + 1) * slices {
          sum.tokens[layer * devices + device] += tokens
        }
      }
      for slot in 0..<counts.slots.slotCount[position] where blocks == nil {
        let cell = position * counts.slots.slotsPerLayer + slot
        add(slotTokens(cell), toGroup: Int(counts.slots.deviceOfSlot[cell]))
      }
      for group in 0..<deployment.placement.sharedGroups {
        add(sharedTokens(layer: position, group: group), toGroup: group)
      }
      if let work = blocks?.work {
        for device in 0..<devices {
          add(Int(work.loads[position * devices + device].rows), toGroup: device)
        }
      }
      for device in 0..<devices {
        sum.bytesSent[layer * devices + device] +=
          moves?.bytesSent(layer: position, device: device, dispatch: dispatch, combine: combine)
          ?? traffic.bytesSent(
            layer: position, device: device, dispatch: dispatch, combine: combine)
      }
    }
  }
}

extension TokenMoves {
  /// Bytes that a device puts on its ports in a layer's dispatch and combine together.
  fileprivate func bytesSent(layer: Int, device: Int, dispatch: Bytes, combine: Bytes) -> Int {
    var (there, back) = (0, 0)
    for other in 0..<devices {
      there += dispatched(layer: layer, from: device, to: other)
      back += combined(layer: layer, from: device, to: other)
    }
    return Int((Double(there) * dispatch.value + Double(back) * combine.value).rounded())
  }
}
