import Units

/// What is in the memory of the companion beside the device with the most experts.
public struct CompanionMemory: Hashable, Sendable {
  /// The companion's name in the catalogue, and its full one.
  public var name: String
  public var fullName: String
  public var device: Int
  /// Whether the companion works on the device's own memory; else it has one of its own.
  public var isDevices: Bool
  /// Whether a policy gives the companion work, or keeps experts with it.
  public var isUsed: Bool
  /// Copies of routed experts that live there, and what each takes.
  public var copies: Int
  public var expertBytes: Bytes
  public var capacity: Bytes
  /// Weights that live there besides experts', and room for keys and values.
  public var otherWeights = Bytes.zero
  public var cache = Bytes.zero

  public var total: Bytes { expertBytes * Double(copies) + otherWeights + cache }

  /// `beside each device monde-ndp, experts take 206 GB of its 512 GB`, for results.
  public var words: String {
    let what =
      otherWeights == .zero ? "experts" : cache == .zero ? "weights" : "weights and KV cache"
    return "beside each device \(name)"
      + (!isUsed
        ? ", unused"
        : isDevices ? " on the device's memory" : ", \(what) take \(total) of its \(capacity)")
  }
}

extension Deployment {
  /// Nil where the cluster's devices have no companions.
  public var companionMemory: CompanionMemory? {
    guard let companion = cluster.node.companion else { return nil }
    let fullest = placement.fullestGroup
    let slices = parallelism.experts.tensor
    var memory = CompanionMemory(
      name: companion.processor.name, fullName: companion.processor.fullName,
      device: fullest.group * slices, isDevices: companion.sharesMemory,
      isUsed: execution.usesCompanion,
      copies: expertsLiveBeside || execution.streamed != nil ? fullest.copies : 0,
      expertBytes: model.expertBytes(precisions, tensorSlices: slices),
      capacity: (companion.sharesMemory ? cluster.device : companion.processor).memory.capacity)
    if execution.streamed != nil {
      memory.otherWeights = streamedModelBytes - memory.total
      memory.cache = hostCache ?? .zero
    }
    return memory
  }
}
