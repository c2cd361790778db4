import Hardware
import Models
import Roofline
import Serving
import Units

/// What goes over links, between devices and between them and their companions.
extension LeastWork {
  func addLinks(
    _ links: Work, _ stage: Stage, layer: Int?, to work: inout IterationWork
  ) {
    for (resource, name) in [(Resource.scaleUp, "within nodes"), (.network, "between nodes")] {
      let bytes = links.bytes(of: resource)
      guard bytes > .zero, machine.has(resource) else { continue }
      work.add(Work(bytes, of: resource), stage: stage.name, name: name, layer: layer)
    }
  }

  /// Every device but one gets a token's keys and values of all layers; where attention is sliced, each
  /// slice of them goes to every other device with the same slice.
  func addContextGather(tokens: Double, to work: inout IterationWork) {
    let model = deployment.model
    let each = model.layers(of: workload.phase).reduce(Bytes.zero) {
      $0
        + model.keyValueBytesPerToken(
          layer: $1, deployment.precisions.kvCache, tensorParallel: width)
    }
    let all = tokens * Double(width)
    let (near, far) = leastPeers(among: deployment.cluster.deviceIndices) { device in
      stride(from: device % width, to: deployment.cluster.deviceCount, by: width)
    }
    var links = Work(each * (all * near), of: .scaleUp)
    links.add(Work(each * (all * far), of: .network))
    addLinks(links, .contextGather, layer: nil, to: &work)
  }

  /// Peers in a device's node and elsewhere, the fewest of any device's each.
  private func leastPeers<Peers: Sequence<Int>>(
    among devices: Range<Int>, _ peers: (Int) -> Peers
  ) -> (near: Double, far: Double) {
    let cluster = deployment.cluster
    var least = (near: cluster.deviceCount, far: cluster.deviceCount)
    for device in devices {
      var (near, far) = (0, 0)
      for peer in peers(device) where peer != device {
        if cluster.node(of: peer) == cluster.node(of: device) { near += 1 } else { far += 1 }
      }
      least = (min(least.near, near), min(least.far, far))
    }
    return (Double(least.near), Double(least.far))
  }

  /// What `count` passes of reducing and gathering tokens within their groups put on links: each device
  /// has its share of the tokens for every other of its group.
  func tensorExchange(_ passes: [Pass], passes count: Int) -> Work {
    guard width > 1 else { return Work() }
    return passes.lazy.flatMap(\.shares).reduce(into: Work()) {
      $0.add(tensorExchange($1, passes: count))
    }
  }

  private func tensorExchange(_ share: Share, passes: Int) -> Work {
    let cluster = deployment.cluster
    let vector = deployment.precisions.outputs.bytes * Double(deployment.model.hidden)
    var (within, between) = (0.0, 0.0)
    guard returnsHome else {
      // Which group has how many is not known.
      let (near, far) = leastPeers(among: cluster.deviceIndices) { device in
        device / width * width..<(device / width + 1) * width
      }
      let times = vector * Double(passes) * share.tokens
      var work = Work(Bytes(times * near), of: .scaleUp)
      work.add(Work(Bytes(times * far), of: .network))
      return work
    }
    for first in stride(from: 0, to: cluster.deviceCount, by: width) {
      let group = first..<first + width
      guard workload.requests == nil else {
        // Nor, where passes have some tokens and then others, which device of it.
        let (near, far) = leastPeers(among: group) { _ in group }
        within += Double(share.mix.tokens) * near
        between += Double(share.mix.tokens) * far
        continue
      }
      for device in group {
        let position = device - first
        let tokens = share.mix.tokens
        let own = tokens * (position + 1) / width - tokens * position / width
        let near = group.count { cluster.node(of: $0) == cluster.node(of: device) }
        within += Double(own * (near - 1))
        between += Double(own * (width - near))
      }
    }
    let times = vector * Double(passes) * share.times * share.groups / groups
    var work = Work(Bytes(within * times), of: .scaleUp)
    work.add(Work(Bytes(between * times), of: .network))
    return work
  }
}

// MARK: - Companions

extension LeastWork {
  /// What goes to companions and comes back; both ends in their memories where keys and values live there.
  struct Vectors {
    var there = Bytes.zero
    var back = Bytes.zero
    var endsInMemory = false
  }

  func add(_ vectors: Vectors, layer: Int?, to work: inout IterationWork) {
    let ways = [
      (Resource.linkToCompanion, "to companions", vectors.there),
      (.companionLink, "from companions", vectors.back),
    ]
    for (link, name, bytes) in ways where bytes > .zero && machine.has(link) {
      var moved = Work(bytes, of: link)
      if vectors.endsInMemory { moved.add(Work(bytes, of: .companionMemory)) }
      work.add(moved, stage: Stage.vectorTransfer.name, name: name, layer: layer)
    }
  }

  /// Of a layer whose keys and values are with the companion: queries, keys and values of decoded tokens
  /// there and results back, and keys and values of prompts there.
  func attentionVectors(_ passes: [Pass], layer: Int) -> Vectors {
    var vectors = Vectors(endsInMemory: true)
    guard deployment.hostCache != nil else { return vectors }
    for share in passes.lazy.flatMap(\.shares) {
      let places = share.times * share.groups * Double(width)
      deployment.model.attention(
        layer: layer, of: share.mix.parts, deployment.precisions, tensorParallel: width
      ) { kernel in
        guard case .attention(let core) = kernel.shape else { return }
        let cached = core.cacheElementsWritten * kernel.precisions.kvCache.bytes
        vectors.there = vectors.there + Bytes(cached * places)
        guard core.phase == .decode else { return }
        let output = kernel.precisions.outputs.bytes * places
        vectors.there = vectors.there + Bytes(core.queryElements * output)
        vectors.back = vectors.back + Bytes(core.outputElements * output)
      }
    }
    return vectors
  }

  /// Of tokens whose experts are all with companions behind links: each is sent once to a companion that
  /// has all experts, else for every expert. Where device or companion may run an expert, none need be sent.
  func expertVectors(tokens: Double) -> Vectors {
    guard deployment.execution.experts == .companion else { return Vectors() }
    let rows =
      deployment.placement.groups == 1
      ? tokens : tokens * Double(deployment.model.experts.topK)
    let elements =
      rows * Double(deployment.parallelism.experts.tensor) * Double(deployment.model.hidden)
    return Vectors(
      there: Bytes(elements * deployment.exchange.dispatch.bytes),
      back: Bytes(elements * deployment.exchange.combine.bytes))
  }

  /// Weights that are not the device's come once an iteration, whatever its microbatches.
  ///
  /// - Parameter ahead: What of them had come before.
  func addWeightStream(times: Double, ahead: Bytes = .zero, to work: inout IterationWork) {
    guard deployment.execution.streamed != nil else { return }
    let once = deployment.streamedModelBytes
    let count = max(0, times - ahead / once)
    let layers = deployment.streamedLayerBytes
    for (layer, bytes) in layers.enumerated() where bytes > .zero {
      var moved = Work(bytes * count, of: .companionMemory)
      moved.add(Work(bytes * count, of: .companionLink))
      moved.add(Work(bytes * count, of: .memory))
      work.add(
        moved, stage: Stage.weightStream.name, name: "weights",
        layer: layer < deployment.model.layers ? layer : nil)
    }
  }
}
