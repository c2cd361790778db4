import Models
import Roofline
import Serving

/// Operators of attention, of what stands beside routed experts, of the prediction layer and of the head.
extension LeastWork {
  /// An operator of one launch.
  private typealias Cell = (role: Operator.Role, work: Work)
  /// One of all passes.
  private typealias Sum = (role: Operator.Role, launches: Launches)

  /// Operators of one share on `count` devices of each group.
  private func cells(
    _ share: Share, devices count: Double, _ operators: ((Operator) -> Void) -> Void
  ) -> [Cell] {
    var cells: [Cell] = []
    operators { kernel in
      // Experts' kernels may gather their rows.
      guard kernel.role != .permutation else { return }
      let places = count * share.groups
      cells.append(
        (
          kernel.role,
          machine.work(
            of: kernel, on: processor(of: kernel), times: places * share.times,
            weights: places * share.weights)
        ))
    }
    return cells
  }

  /// Who runs an operator. A companion that runs attention runs the decoded tokens' own, not that to an
  /// encoder's output.
  private func processor(of kernel: Operator) -> Processor {
    guard case .attention(let core) = kernel.shape, core.phase == .decode else { return .device }
    switch deployment.execution.attention {
    case .device: return .device
    case .companion: return kernel.role == .attentionCore ? .companion : .device
    case .fastest: return .shared
    }
  }

  private func add(_ sums: [Sum], _ stage: Stage, layer: Int?, to work: inout IterationWork) {
    for sum in sums {
      work.add(sum.launches, stage: stage.name, name: sum.role.words, layer: layer)
    }
  }

  /// The operators of all passes: those of a pass are launches for all of its shares, and those of one
  /// role follow each other.
  private func sums(_ passes: [Pass], _ each: (Share) -> [Cell]) -> [Sum] {
    var places: [Operator.Role: Int] = [:]
    var sums: [Sum] = []
    for pass in passes {
      var own: [Cell] = []
      for share in pass.shares {
        let more = each(share)
        if own.count == more.count, zip(own, more).allSatisfy({ $0.role == $1.role }) {
          for index in own.indices { own[index].work.add(more[index].work) }
        } else {
          own += more
        }
      }
      for cell in own {
        let launches = Launches(cell.work, on: machine)
        if let place = places[cell.role] {
          sums[place].launches.add(launches)
        } else {
          places[cell.role] = sums.count
          sums.append((cell.role, launches))
        }
      }
    }
    return sums
  }

  func addModel(_ all: [Pass], to work: inout IterationWork) {
    let (model, precisions) = (deployment.model, deployment.precisions)
    let layers = model.layers(of: workload.phase)
    let passes = all.filter { $0.tokens > 0 }
    guard !passes.isEmpty else { return }
    let wide = Double(width)
    let embedding = sums(passes) { share in
      cells(share, devices: wide) {
        model.embedding(newTokens: share.mix.tokens, precisions, $0)
      }
    }
    add(embedding, .embedding, layer: nil, to: &work)
    var attention: [AttentionKind: [Sum]] = [:]
    let dense = sums(passes) { share in
      cells(share, devices: wide) {
        model.denseFeedForward(
          newTokens: share.mix.tokens, precisions, tensorParallel: width, $0)
      }
    }
    let own = expertLayer(passes)
    let exchange = tensorExchange(passes, passes: 2)
    var vectors: [AttentionKind: Vectors] = [:]
    for layer in layers {
      let kind = model.attentionKind(layer: layer)
      let known = attention[kind] ?? sums(passes) { self.attention($0, layer: layer) }
      attention[kind] = known
      add(known, .attention, layer: layer, to: &work)
      let moved = vectors[kind] ?? attentionVectors(passes, layer: layer)
      vectors[kind] = moved
      add(moved, layer: layer, to: &work)
      if model.hasExperts(layer: layer) {
        for (stage, sums) in own { add(sums, stage, layer: layer, to: &work) }
        addLinks(exchange, .tensorExchange, layer: layer, to: &work)
      } else {
        add(dense, .denseFeedForward, layer: layer, to: &work)
        addLinks(exchange * 2, .tensorExchange, layer: layer, to: &work)
      }
    }
    guard layers.upperBound == model.layers else { return }
    addHead(passes, positions: { $0.outputs }, to: &work)
  }

  private func attention(_ share: Share, layer: Int) -> [Cell] {
    cells(share, devices: Double(width)) {
      deployment.model.attention(
        layer: layer, of: share.mix.parts, deployment.precisions, tensorParallel: width, $0)
    }
  }

  private func addHead(
    _ passes: [Pass], positions: (IterationMix) -> Int, to work: inout IterationWork
  ) {
    let head = sums(passes) { share in
      cells(share, devices: Double(width)) {
        deployment.model.head(
          sequences: positions(share.mix), deployment.precisions, tensorParallel: width, $0)
      }
    }
    add(head, .head, layer: nil, to: &work)
  }

  /// What a layer with experts has besides attention and routed experts. Devices of a group have each
  /// their own tokens.
  private func expertLayer(_ passes: [Pass]) -> [(Stage, [Sum])] {
    let (model, precisions) = (deployment.model, deployment.precisions)
    let isApart = deployment.placement.sharedGroups > 0
    let divided = passes.map { pass in
      Pass(shares: pass.shares.flatMap { parts(of: $0) }, times: pass.times)
    }
    func all(_ body: @escaping (Int, (Operator) -> Void) -> Void) -> [Sum] {
      sums(divided) { part in cells(part, devices: 1) { body(part.mix.tokens, $0) } }
    }
    return [
      (.gate, all { model.gate(newTokens: $0, precisions, $1) }),
      (
        .sharedExperts,
        isApart
          ? sums(passes) { sharedExpertsApart($0) }
          : all { model.sharedExperts(newTokens: $0, precisions, $1) }
      ),
      (.weightedSum, all { model.combination(newTokens: $0, precisions, $1) }),
    ]
  }

  /// What the devices of a group have each of its tokens; without those that have none.
  private func parts(of share: Share) -> [Share] {
    (0..<width).compactMap { position in
      let tokens = share.mix.tokens
      let own = tokens * (position + 1) / width - tokens * position / width
      guard own > 0 else { return nil }
      var part = share
      part.mix = IterationMix(parts: [TokenBatch(decoding: own, context: 1)], outputs: 0)
      return part
    }
  }

  /// Shared experts of groups of their own: weights are read by as many of these as must have tokens.
  private func sharedExpertsApart(_ share: Share) -> [Cell] {
    let slices = deployment.parallelism.experts.tensor
    let all = deployment.placement.sharedGroups
    let ranks = deployment.cluster.deviceCount
    // Each rank's tokens go to one of them; no more ranks share one than must.
    var active = share.groups / Double((ranks + all - 1) / all)
    // Of requests' groups some may have none, and then this many tokens go to as many at least.
    if workload.requests == nil { active = active.rounded(.up) }
    active = min(Double(all), active)
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

  /// - Parameter passes: Of the model, for the first guess, and of the further ones.
  func addGuesses(_ passes: [Pass], to work: inout IterationWork) {
    guard workload.speculation != nil, let last = deployment.model.expertLayers.last else { return }
    let input = sums(passes) { share in
      cells(share, devices: Double(width)) {
        deployment.model.predictionInput(newTokens: share.mix.tokens, deployment.precisions, $0)
      }
    }
    add(input, .embedding, layer: nil, to: &work)
    add(sums(passes) { attention($0, layer: last) }, .attention, layer: nil, to: &work)
    for (stage, sums) in expertLayer(passes) { add(sums, stage, layer: nil, to: &work) }
    addLinks(tensorExchange(passes, passes: 2), .tensorExchange, layer: nil, to: &work)
    addHead(passes, positions: { $0.sequences }, to: &work)
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
