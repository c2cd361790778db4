import Fabric
import Hardware
import Models
import Roofline
import Serving
import Units

/// Puts together the least that a deployment's iterations ask of its machine.
///
///     let least = LeastWork(deployment, workload)
///     let iteration = least.iteration(expecting: sample)         // before a run
///     let realised = least.iterations(needed)                    // of a run
///     least.machine.times(of: iteration.total).bound
///
/// Operators are the model's own, on as many devices as the parallelism says, and whatever a schedule
/// might spare is left out: weights are read once by each device in each microbatch that has tokens
/// there; of experts only those with tokens; rows are gathered for experts by the experts' kernels; a
/// token goes only to devices that have one of its experts; work that device or companion may do counts
/// for both together. Launches, latencies, achieved fractions of peaks, waiting and imbalance are left
/// out. So no simulated run is faster.
public struct LeastWork: Sendable {
  public let machine: Machine
  let deployment: Deployment
  let workload: Workload
  private let devices: Double
  private let groups: Double
  private let width: Int

  public init(_ deployment: Deployment, _ workload: Workload) {
    self.deployment = deployment
    self.workload = workload
    let mayChange = !deployment.fabric.changes.isEmpty
    machine = Machine(
      deployment.cluster,
      scaleUp: deployment.network.bandwidthOutOfDevices(deployment.cluster, mayChange: mayChange),
      network: deployment.network.bandwidthOutOfNodes(deployment.cluster))
    devices = Double(deployment.cluster.deviceCount)
    groups = Double(deployment.parallelism.attention.data)
    width = deployment.parallelism.attention.tensor
  }

  /// Tokens that attention groups take through the layers together: a mix, how many groups have such
  /// a one, and how often.
  struct Share {
    var mix: IterationMix
    var groups: Double
    /// Of the work.
    var times = 1.0
    /// Of reading the weights.
    var weights = 1.0

    func repeated(_ count: Double) -> Share {
      var share = self
      share.times *= count
      share.weights *= count
      return share
    }
  }

  /// What a pass through the experts of the layers asks, beside the shares.
  struct Routed {
    /// Expert copies to read, by place among the layers with experts.
    var activeCopies: [Double]
    /// The same of copies of tokens, in dispatch alone.
    var copiesWithinNode: [Double]
    var copiesBetweenNodes: [Double]
  }
}

// MARK: - What is asked

extension LeastWork {
  /// One iteration, as the trace's own selections (or the scenario's law) let expect it: see
  /// ``DistinctExperts``. Of requests the mean one.
  ///
  /// - Returns: Beside it the copies of experts with tokens, by place among the layers with experts.
  public func iteration(
    expecting sample: RoutingSample
  ) -> (work: IterationWork, activeCopies: [Double]) {
    var work = IterationWork(layers: deployment.model.layers)
    let nothing = [Double](repeating: 0, count: sample.probabilities.count)
    var routed = Routed(
      activeCopies: nothing, copiesWithinNode: nothing, copiesBetweenNodes: nothing)
    let positions = deployment.model.expertPositions(of: workload.phase)
    let last = max(0, routed.activeCopies.count - 1)
    func expect(_ tokens: Double, at position: Int) {
      routed.activeCopies[position] += DistinctExperts.expected(
        probabilities: sample.probabilities[position], tokens: tokens,
        copies: deployment.placement.hasReplicas
          ? deployment.placement.hosts[position].map(\.count) : nil)
      // Where else tokens are depends on each.
      guard returnsHome else { return }
      routed.copiesWithinNode[position] += sample.copiesWithinNode[position] * tokens
      routed.copiesBetweenNodes[position] += sample.copiesBetweenNodes[position] * tokens
    }
    for (model, guesses) in shares() {
      for position in positions { expect(tokens(of: model), at: position) }
      if workload.speculation != nil { expect(tokens(of: model), at: last) }
      for guess in guesses { expect(tokens(of: guess), at: last) }
      addModel(model, to: &work)
      addGuesses(model, guesses, to: &work)
    }
    add(routed, to: &work)
    return (work, routed.activeCopies)
  }

  /// Iterations that a simulation has run. O(mixes x kinds of layers x operators + layers).
  public func iterations(_ needed: NeededLoad) -> IterationWork {
    var work = IterationWork(layers: deployment.model.layers)
    let count = Double(needed.iterations)
    if needed.mixes.isEmpty {
      for (model, guesses) in shares() {
        addModel(model.map { $0.repeated(count) }, to: &work)
        addGuesses(
          model.map { $0.repeated(count) }, guesses.map { $0.map { $0.repeated(count) } }, to: &work
        )
      }
    } else {
      addModel(needed.mixes.map { Share(mix: $0, groups: 1) }, to: &work)
    }
    let tokens = needed.mixes.isEmpty ? nil : Double(needed.mixes.reduce(0) { $0 + $1.tokens })
    add(
      Routed(
        activeCopies: needed.activeCopies.map(Double.init),
        copiesWithinNode: needed.copiesWithinNode.map(Double.init),
        copiesBetweenNodes: needed.copiesBetweenNodes.map(Double.init)),
      to: &work, tokens: tokens, times: needed.mixes.isEmpty ? count : 1)
    return work
  }

  /// Tokens that an iteration is paid for: those it gives, or takes in of prompts.
  public var tokensPerIteration: Tokens {
    Tokens(workload.countedTokensPerSequence * Double(workload.batch) * groups)
  }

  /// For each microbatch what goes through the model, and through the prediction layer for each guess
  /// after the first.
  private func shares() -> [(model: [Share], guesses: [[Share]])] {
    if let lengths = workload.requests { return [(model: shares(of: lengths), guesses: [])] }
    return (0..<workload.batching.microbatches).map { index in
      let own = workload.microbatch(index)
      let further = max(0, (workload.speculation?.tokens ?? 0) - 1)
      let guess = Share(mix: own.withoutSpeculation.mix, groups: groups)
      return (
        model: [Share(mix: own.mix, groups: groups, weights: leastReads)],
        guesses: Array(repeating: [guess], count: further)
      )
    }
  }

  /// How many of the groups read a layer's weights at least, over all: one has tokens, where these need not
  /// be on their own devices.
  private var leastReads: Double { returnsHome ? 1 : 1 / groups }

  private var returnsHome: Bool { deployment.exchange.residence == .home }

  /// The mean iteration of requests: in each, a request of n output tokens is decoded with
  /// probability (n - 1)/n, at any of its n - 1 ages, and begins with probability 1/n.
  private func shares(of lengths: RequestLengths) -> [Share] {
    let (batch, output) = (workload.batch, Double(lengths.output))
    let decoded = Share(
      mix: IterationMix(
        parts: [
          TokenBatch(decoding: batch, context: Double(lengths.prompt) + output / 2)
        ], outputs: batch),
      groups: groups, times: (output - 1) / output)
    let begun = Share(
      mix: IterationMix(
        parts: [
          TokenBatch(
            prefilling: batch * lengths.prompt, of: batch, context: Double(lengths.prompt))
        ], outputs: batch),
      groups: groups, times: 1 / output, weights: lengths.output > 1 ? 0 : 1)
    return lengths.output > 1 ? [decoded, begun] : [begun]
  }

  private func tokens(of shares: [Share]) -> Double {
    shares.reduce(0) { $0 + Double($1.mix.tokens) * $1.groups * $1.times }
  }
}

// MARK: - Operators

extension LeastWork {
  private typealias Cell = (role: Operator.Role, work: Work)

  /// Operators of one share on `count` devices of each group.
  private func cells(
    _ share: Share, devices count: Double, coreOn core: Processor = .device,
    _ operators: ((Operator) -> Void) -> Void
  ) -> [Cell] {
    var cells: [Cell] = []
    operators { kernel in
      // Experts' kernels may gather their rows.
      guard kernel.role != .permutation else { return }
      var processor = Processor.device
      if case .attention(let shape) = kernel.shape, shape.phase == .decode { processor = core }
      let places = count * share.groups
      cells.append(
        (
          kernel.role,
          machine.work(
            of: kernel, on: processor, times: places * share.times, weights: places * share.weights)
        ))
    }
    return cells
  }

  private func add(
    _ cells: [Cell], _ stage: Stage, layer: Int?, to work: inout IterationWork
  ) {
    for cell in cells {
      work.add(cell.work, stage: stage.name, name: cell.role.words, layer: layer)
    }
  }

  /// The operators of all shares, those of one role together.
  private func cells(_ shares: [Share], _ each: (Share) -> [Cell]) -> [Cell] {
    guard shares.count > 1 else { return shares.flatMap(each) }
    var places: [Operator.Role: Int] = [:]
    var sum: [Cell] = []
    for share in shares {
      for cell in each(share) {
        if let place = places[cell.role] {
          sum[place].work.add(cell.work)
        } else {
          places[cell.role] = sum.count
          sum.append(cell)
        }
      }
    }
    return sum
  }

  private func addModel(_ all: [Share], to work: inout IterationWork) {
    let (model, precisions) = (deployment.model, deployment.precisions)
    let layers = model.layers(of: workload.phase)
    let shares = all.filter { $0.mix.tokens > 0 }
    guard !shares.isEmpty else { return }
    let wide = Double(width)
    let embedding = cells(shares) { share in
      cells(share, devices: wide) {
        model.embedding(newTokens: share.mix.tokens, precisions, $0)
      }
    }
    add(embedding, .embedding, layer: nil, to: &work)
    var attention: [AttentionKind: [Cell]] = [:]
    let dense = cells(shares) { share in
      cells(share, devices: wide) {
        model.denseFeedForward(
          newTokens: share.mix.tokens, precisions, tensorParallel: width, $0)
      }
    }
    let own = expertLayer(shares)
    let exchange = tensorExchange(shares, passes: 2)
    for layer in layers {
      let kind = model.attentionKind(layer: layer)
      let known = attention[kind] ?? cells(shares) { self.attention($0, layer: layer) }
      attention[kind] = known
      add(known, .attention, layer: layer, to: &work)
      if model.hasExperts(layer: layer) {
        for (stage, cells) in own { add(cells, stage, layer: layer, to: &work) }
        addLinks(exchange, .tensorExchange, layer: layer, to: &work)
      } else {
        add(dense, .denseFeedForward, layer: layer, to: &work)
        addLinks(exchange * 2, .tensorExchange, layer: layer, to: &work)
      }
    }
    guard layers.upperBound == model.layers else { return }
    addHead(shares, positions: { $0.outputs }, to: &work)
  }

  private func attention(_ share: Share, layer: Int) -> [Cell] {
    cells(
      share, devices: Double(width),
      coreOn: deployment.execution.attention == .device ? .device : .shared
    ) {
      deployment.model.attention(
        layer: layer, of: share.mix.parts, deployment.precisions, tensorParallel: width, $0)
    }
  }

  private func addHead(
    _ shares: [Share], positions: (IterationMix) -> Int, to work: inout IterationWork
  ) {
    let head = cells(shares) { share in
      cells(share, devices: Double(width)) {
        deployment.model.head(
          sequences: positions(share.mix), deployment.precisions, tensorParallel: width, $0)
      }
    }
    add(head, .head, layer: nil, to: &work)
  }

  /// What a layer with experts has besides attention and routed experts. Devices of a group have each
  /// their own tokens.
  private func expertLayer(_ shares: [Share]) -> [(Stage, [Cell])] {
    let (model, precisions) = (deployment.model, deployment.precisions)
    let isApart = deployment.placement.sharedGroups > 0
    func all(_ body: @escaping (Int, (Operator) -> Void) -> Void) -> [Cell] {
      let positions = shares.flatMap { share in (0..<width).map { (share, $0) } }
      var parts: [Share] = []
      for (share, position) in positions {
        let tokens = share.mix.tokens
        var part = share
        part.mix = IterationMix(
          parts: [
            TokenBatch(
              decoding: tokens * (position + 1) / width - tokens * position / width, context: 1)
          ], outputs: 0)
        parts.append(part)
      }
      return cells(parts) { part in
        cells(part, devices: 1) { each in
          if part.mix.tokens > 0 { body(part.mix.tokens, each) }
        }
      }
    }
    return [
      (.gate, all { model.gate(newTokens: $0, precisions, $1) }),
      (
        .sharedExperts,
        isApart
          ? cells(shares) { sharedExpertsApart($0) }
          : all { model.sharedExperts(newTokens: $0, precisions, $1) }
      ),
      (.weightedSum, all { model.combination(newTokens: $0, precisions, $1) }),
    ]
  }

  /// Shared experts of groups of their own: weights are read by as many of these as must have tokens.
  private func sharedExpertsApart(_ share: Share) -> [Cell] {
    let slices = deployment.parallelism.experts.tensor
    let all = deployment.placement.sharedGroups
    let ranks = deployment.cluster.deviceCount
    // Each rank's tokens go to one of them; no more ranks share one than must.
    let active = min(Double(all), (share.groups / Double((ranks + all - 1) / all)).rounded(.up))
    var cells: [Cell] = []
    deployment.model.sharedExperts(
      newTokens: share.mix.tokens, deployment.precisions, tensorParallel: slices
    ) { kernel in
      let each = Double(slices)
      cells.append(
        (
          kernel.role,
          machine.work(
            of: kernel, times: each * share.groups * share.times,
            weights: each * active * share.weights)
        ))
    }
    return cells
  }

  private func addGuesses(
    _ model: [Share], _ further: [[Share]], to work: inout IterationWork
  ) {
    guard workload.speculation != nil, let last = deployment.model.expertLayers.last else { return }
    for shares in [model] + further {
      let input = cells(shares) { share in
        cells(share, devices: Double(width)) {
          deployment.model.predictionInput(newTokens: share.mix.tokens, deployment.precisions, $0)
        }
      }
      add(input, .embedding, layer: nil, to: &work)
      add(cells(shares) { attention($0, layer: last) }, .attention, layer: nil, to: &work)
      for (stage, cells) in expertLayer(shares) { add(cells, stage, layer: nil, to: &work) }
      addLinks(tensorExchange(shares, passes: 2), .tensorExchange, layer: nil, to: &work)
      addHead(shares, positions: { $0.sequences }, to: &work)
    }
  }
}

// MARK: - Experts and links

extension LeastWork {
  /// - Parameters:
  ///   - given: Tokens of all groups that go through the model; those of the workload's iterations
  ///     where nil.
  ///   - times: How many of these there are.
  private func add(
    _ routed: Routed, to work: inout IterationWork, tokens given: Double? = nil, times: Double = 1
  ) {
    let model = deployment.model
    let positions = deployment.model.expertPositions(of: workload.phase)
    var tokens = [Double](repeating: 0, count: routed.activeCopies.count)
    let all = given ?? shares().reduce(0) { $0 + self.tokens(of: $1.model) }
    for position in positions { tokens[position] += all }
    if workload.speculation != nil, let last = tokens.indices.last {
      for (model, guesses) in shares() {
        tokens[last] += self.tokens(of: model)
        tokens[last] += guesses.reduce(0) { $0 + self.tokens(of: $1) }
      }
    }
    for (position, layer) in model.expertLayers.enumerated() {
      func move(_ each: Bytes, _ stage: Stage) {
        var links = Work(each * routed.copiesWithinNode[position], of: .scaleUp)
        links.add(Work(each * routed.copiesBetweenNodes[position], of: .network))
        addLinks(links, stage, layer: layer, to: &work)
      }
      move(deployment.dispatchedCopy, .dispatch)
      addExperts(
        rows: tokens[position] * times * Double(model.experts.topK),
        activeCopies: routed.activeCopies[position], layer: layer, to: &work)
      move(deployment.combinedCopy, .combine)
    }
    if !returnsHome { addContextGather(tokens: all * times, to: &work) }
  }

  /// Every device but one gets a token's keys and values of all layers.
  private func addContextGather(tokens: Double, to work: inout IterationWork) {
    let model = deployment.model
    let each = model.layers(of: workload.phase).reduce(Bytes.zero) {
      $0 + model.keyValueBytesPerToken(layer: $1, deployment.precisions.kvCache)
    }
    let neighbours = Double(deployment.cluster.devicesPerNode)
    var links = Work(each * (tokens * (neighbours - 1)), of: .scaleUp)
    links.add(Work(each * (tokens * (devices - neighbours)), of: .network))
    addLinks(links, .contextGather, layer: nil, to: &work)
  }

  private func addExperts(
    rows: Double, activeCopies: Double, layer: Int, to work: inout IterationWork
  ) {
    guard rows > 0 else { return }
    let slices = deployment.parallelism.experts.tensor
    let processor: Processor =
      switch deployment.execution.experts {
      case .resident, .blocks, .fetch: .device
      case .companion: .companion
      case .fastest, .split: .shared
      }
    // One row of one expert, which is as linear in both as all of them are.
    deployment.model.routedExperts(
      tokens: 1, activeExperts: 1, deployment.precisions, tensorSlices: slices
    ) { kernel in
      let each = Double(slices)
      work.add(
        machine.work(
          of: kernel, on: processor, times: rows * each, weights: activeCopies * each),
        stage: Stage.experts.name, name: kernel.role.words, layer: layer)
    }
    addTransfers(activeCopies * Double(slices), layer: layer, to: &work)
  }

  /// Weights that come out of companions' own memories, whoever computes with them.
  private func addTransfers(_ copies: Double, layer: Int, to work: inout IterationWork) {
    guard deployment.expertsLiveBeside, deployment.execution.experts != .companion else { return }
    let slices = deployment.parallelism.experts.tensor
    let bytes =
      deployment.model.expertBytes(deployment.precisions, tensorSlices: slices) * copies
    var moved = Work(bytes, of: .companionMemory)
    if deployment.execution.experts == .fetch {
      moved.add(Work(bytes, of: .companionLink))
      moved.add(Work(bytes, of: .memory))
    }
    work.add(moved, stage: Stage.expertTransfer.name, name: "experts' weights", layer: layer)
  }

  /// What one pass of reducing and gathering a share's tokens within its groups puts on links, times
  /// `passes`: each device has its share of the tokens for every other of its group.
  private func tensorExchange(_ shares: [Share], passes: Int) -> Work {
    guard width > 1 else { return Work() }
    return shares.reduce(into: Work()) { $0.add(tensorExchange($1, passes: passes)) }
  }

  private func tensorExchange(_ share: Share, passes: Int) -> Work {
    let cluster = deployment.cluster
    let vector = deployment.precisions.outputs.bytes * Double(deployment.model.hidden)
    var (within, between) = (0.0, 0.0)
    for device in cluster.deviceIndices {
      let first = device / width * width
      let position = device % width
      let tokens = share.mix.tokens
      let own = tokens * (position + 1) / width - tokens * position / width
      let near = (first..<first + width).count { cluster.node(of: $0) == cluster.node(of: device) }
      within += Double(own * (near - 1))
      between += Double(own * (width - near))
    }
    let times = vector * Double(passes) * share.times * share.groups / groups
    var work = Work(Bytes(within * times), of: .scaleUp)
    work.add(Work(Bytes(between * times), of: .network))
    return work
  }

  private func addLinks(
    _ links: Work, _ stage: Stage, layer: Int?, to work: inout IterationWork
  ) {
    for (resource, name) in [(Resource.scaleUp, "within nodes"), (.network, "between nodes")] {
      let bytes = links.bytes(of: resource)
      guard bytes > .zero, machine.has(resource) else { continue }
      work.add(Work(bytes, of: resource), stage: stage.name, name: name, layer: layer)
    }
  }
}

extension Operator.Role {
  /// `query key value`.
  var words: String { Self.allWords[Int(rawValue)] }

  private static let allWords = allCases.map { role in
    "\(role)".reduce(into: "") { words, letter in
      words += letter.isUppercase ? " " + letter.lowercased() : String(letter)
    }
  }
}
