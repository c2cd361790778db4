import Models
import Units

/// What is where when a device does not hold the model.
extension Deployment {
  /// Host memory for keys and values where decoded tokens' attention runs there; nil elsewhere.
  public var hostCache: Bytes? {
    guard let streamed = execution.streamed, execution.attention == .companion,
      let memory = cluster.node.companion?.processor.memory
    else { return nil }
    return streamed.cache ?? max(.zero, memory.capacity - streamedModelBytes)
  }

  /// Tokens whose keys and values have room in host memory; nil where they are the device's.
  var cacheTokens: Int? {
    guard let cache = hostCache else { return nil }
    let each = model.keyValueBytesPerToken(precisions.kvCache)
    return each > .zero ? Int(min(1e15, cache / each)) : nil
  }

  func checkStreaming() throws(ServingError) {
    guard let streamed = execution.streamed, let companion = cluster.node.companion else { return }
    guard cluster.deviceCount == 1 else {
      throw .execution(
        "'streamed' runs on one device so far; the cluster has \(cluster.deviceCount)")
    }
    guard model.encoderLayers == 0 else {
      throw .execution(
        "'streamed' is for models without an encoder so far; '\(model.name)' has one")
    }
    guard model.stateBytes(precisions).value == 0 else {
      throw .execution(
        "'streamed' is for models without recurrent state so far; '\(model.name)' has some")
    }
    if streamed.cache != nil, execution.attention == .device {
      throw .option(
        .cacheRoom,
        "'kv-cache' has no effect with the attention of the device, in whose memory the cache lives"
      )
    }
    if streamed.copies != nil, execution.attention == .device {
      throw .option(
        .copies,
        "'copies' has no effect with the attention of the device: nothing but weights takes the link"
      )
    }
    if case .queued(let queue) = streamed.copies, let chunk = queue.chunk,
      chunk < CopyQueue.leastChunk
    {
      throw .option(
        .copies,
        "'chunk' is \(chunk); pieces of less than \(CopyQueue.leastChunk) would be too many to simulate"
      )
    }
    let (weights, capacity) = (streamedModelBytes, companion.processor.memory.capacity)
    guard weights + (streamed.cache ?? .zero) <= capacity else {
      let cache = streamed.cache.map { " + KV cache \($0)" } ?? ""
      let sentence =
        "the memory of '\(companion.processor.name)' has \(capacity); needed are weights "
        + "\(weights)\(cache) = \(weights + (streamed.cache ?? .zero))"
      throw streamed.cache == nil ? .execution(sentence) : .option(.cacheRoom, sentence)
    }
  }
}

extension Workload {
  /// Holds requests to the KV cache in host memory and to the budget of an iteration.
  func checkStreaming(_ deployment: Deployment) throws(ServingError) {
    let parts = batching.microbatches
    let places = (batch + parts - 1) / parts
    if let requests, let budget = batching.budget, let part = batching.budgetOfMicrobatch {
      guard part >= requests.prompt + requests.output else {
        throw .option(
          .budget,
          "a budget of \(budget) tokens leaves \(part) for each microbatch; a request of "
            + "\(requests.prompt) + \(requests.output) tokens, which begins anew where it lost its cache, "
            + "would never go through")
      }
      guard part >= places else {
        throw .option(
          .budget,
          "a budget of \(budget) tokens leaves \(part) for each microbatch, whose \(places) requests "
            + "have a token each when all are decoded; take \(places * parts) or more, or fewer requests"
        )
      }
    }
    guard let room = deployment.cacheTokens, let cache = deployment.hostCache else { return }
    guard let requests else {
      guard batch * context > room else { return }
      throw .option(
        .cacheRoom,
        "\(batch) sequences of \(context) tokens need the keys and values of \(batch * context) "
          + "tokens; \(cache) of host memory have room for \(room), or \(room / context) sequences")
    }
    let most = requests.prompt + requests.output
    guard most <= room / parts else {
      throw .option(
        .cacheRoom,
        "a request of \(requests.prompt) + \(requests.output) tokens needs more keys and values than "
          + "the \(room / parts) tokens that a microbatch has room for in \(cache) of host memory")
    }
    // Requests that begin one by one have half of their output on average.
    let isTogether = batching.admission == .together
    let mean = Double(requests.prompt) + Double(requests.output) * (isTogether ? 1 : 0.5)
    guard mean * Double(batch) <= Double(room) else {
      let each =
        isTogether
        ? "\(requests.prompt) + \(requests.output)"
        : "\(requests.prompt) + \(requests.output)/2"
      throw .option(
        .cacheRoom,
        "\(batch) requests of \(each) tokens\(isTogether ? "" : " on average") need the keys and "
          + "values of \(Int((mean * Double(batch)).rounded(.up))) tokens; \(cache) of host memory have "
          + "room for \(room), or \(Int(Double(room) / mean)) requests")
    }
  }
}
