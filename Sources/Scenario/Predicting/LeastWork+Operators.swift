import Models
import Roofline
import Serving

/// Operators of attention, of what stands beside routed experts, of the prediction layer and of the head.
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

  func addModel(_ all: [Share], to work: inout IterationWork) {
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

  /// Of decoded tokens' cores.
  private var attentionProcessor: Processor {
    guard deployment.execution.attention != .device else { return .device }
    return deployment.execution.streamed == nil ? .shared : .companion
  }

  private func attention(_ share: Share, layer: Int) -> [Cell] {
    cells(
      share, devices: Double(width),
      coreOn: attentionProcessor
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

  func addGuesses(
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

extension Operator.Role {
  /// `query key value`.
  var words: String { Self.allWords[Int(rawValue)] }

  private static let allWords = allCases.map { role in
    "\(role)".reduce(into: "") { words, letter in
      words += letter.isUppercase ? " " + letter.lowercased() : String(letter)
    }
  }
}
