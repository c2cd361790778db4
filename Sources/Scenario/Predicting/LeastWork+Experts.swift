import Hardware
import Models
import Roofline
import Serving
import Units

/// Routed experts, wherever they run, and what goes over links.
extension LeastWork {
  /// - Parameters:
  ///   - given: Tokens of all groups that go through the model; those of the workload's iterations
  ///     where nil.
  ///   - times: How many of these there are.
  func add(
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

  /// Every device but one gets a token's keys and values of all layers; where attention is sliced, each
  /// slice of them goes to every other device with the same slice.
  private func addContextGather(tokens: Double, to work: inout IterationWork) {
    let model = deployment.model
    let each = model.layers(of: workload.phase).reduce(Bytes.zero) {
      $0
        + model.keyValueBytesPerToken(
          layer: $1, deployment.precisions.kvCache, tensorParallel: width)
    }
    let all = tokens * Double(width)
    let (near, far) = leastPeers { device in
      stride(from: device % width, to: deployment.cluster.deviceCount, by: width)
    }
    var links = Work(each * (all * near), of: .scaleUp)
    links.add(Work(each * (all * far), of: .network))
    addLinks(links, .contextGather, layer: nil, to: &work)
  }

  /// Weights that are not the device's come once an iteration, whatever its microbatches.
  ///
  /// - Parameter ahead: What of them had come before.
  func addWeightStream(times: Double, ahead: Bytes = .zero, to work: inout IterationWork) {
    guard deployment.execution.streamed != nil else { return }
    let bytes = max(.zero, deployment.streamedModelBytes * times - ahead)
    var moved = Work(bytes, of: .companionMemory)
    moved.add(Work(bytes, of: .companionLink))
    moved.add(Work(bytes, of: .memory))
    work.add(moved, stage: Stage.weightStream.name, name: "weights", layer: nil)
  }

  private func addExperts(
    rows: Double, activeCopies: Double, layer: Int, to work: inout IterationWork
  ) {
    guard rows > 0 else { return }
    let slices = deployment.parallelism.experts.tensor
    let processor: Processor =
      switch deployment.execution.experts {
      case .resident, .blocks, .fetch, .streamed: .device
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
  func tensorExchange(_ shares: [Share], passes: Int) -> Work {
    guard width > 1 else { return Work() }
    return shares.reduce(into: Work()) { $0.add(tensorExchange($1, passes: passes)) }
  }

  /// Peers in a device's node and elsewhere, the fewest of any device's each.
  private func leastPeers<Peers: Sequence<Int>>(
    _ peers: (Int) -> Peers
  ) -> (near: Double, far: Double) {
    let cluster = deployment.cluster
    var least = (near: cluster.deviceCount, far: cluster.deviceCount)
    for device in cluster.deviceIndices {
      var (near, far) = (0, 0)
      for peer in peers(device) where peer != device {
        if cluster.node(of: peer) == cluster.node(of: device) { near += 1 } else { far += 1 }
      }
      least = (min(least.near, near), min(least.far, far))
    }
    return (Double(least.near), Double(least.far))
  }

  private func tensorExchange(_ share: Share, passes: Int) -> Work {
    let cluster = deployment.cluster
    let vector = deployment.precisions.outputs.bytes * Double(deployment.model.hidden)
    var (within, between) = (0.0, 0.0)
    guard returnsHome else {
      // Which group has how many is not known.
      let (near, far) = leastPeers { device in
        device / width * width..<(device / width + 1) * width
      }
      let times =
        vector * Double(passes) * Double(share.mix.tokens) * share.times * share.groups
      var work = Work(Bytes(times * near), of: .scaleUp)
      work.add(Work(Bytes(times * far), of: .network))
      return work
    }
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

  func addLinks(
    _ links: Work, _ stage: Stage, layer: Int?, to work: inout IterationWork
  ) {
    for (resource, name) in [(Resource.scaleUp, "within nodes"), (.network, "between nodes")] {
      let bytes = links.bytes(of: resource)
      guard bytes > .zero, machine.has(resource) else { continue }
      work.add(Work(bytes, of: resource), stage: stage.name, name: name, layer: layer)
    }
  }
}
