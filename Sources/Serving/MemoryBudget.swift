import Models
import Units

/// What the fullest device has to hold, part by part, and what it has.
public struct MemoryBudget: Hashable, Sendable {
  public struct Part: Hashable, Sendable {
    public var name: String
    /// How the bytes came about: `"416 experts x 17.3 MB"`.
    public var arithmetic: String
    public var bytes: Bytes
  }

  public var device: Int
  public var parts: [Part]
  public var capacity: Bytes

  public var total: Bytes { parts.reduce(.zero) { $0 + $1.bytes } }
  public var fits: Bool { total <= capacity }

  /// Weights and KV cache only: activations, buffers and fragmentation come on top.
  public init(_ deployment: Deployment, _ workload: Workload) {
    let model = deployment.model
    let precisions = deployment.precisions
    let tensor = deployment.parallelism.attention.tensor
    let slices = deployment.parallelism.experts.tensor
    let (group, copies) = deployment.placement.fullestGroup
    device = group * slices
    capacity = deployment.cluster.device.memory.capacity
    parts = []

    func add(_ name: String, _ count: Int, _ what: String, _ each: Bytes) {
      guard count > 0, each.value > 0 else { return }
      parts.append(
        Part(name: name, arithmetic: "\(count) \(what) x \(each)", bytes: each * Double(count)))
    }
    let layers = model.expertLayers.count
    let attention = (0..<model.layers).reduce(Bytes.zero) {
      $0 + model.attentionBytes(layer: $1, precisions, tensorParallel: tensor)
    }
    add("experts", copies, "copies", model.expertBytes(precisions, tensorSlices: slices))
    if let duplicates = deployment.blocks?.duplicates {
      add("duplicates", 1, "share of the memory", capacity * duplicates.share)
    }
    add("attention", 1, "share of all layers", attention)
    add("shared experts", layers, "layers", model.sharedExpertBytes(precisions))
    add("gates", layers, "layers", model.gateBytes(precisions))
    add(
      "dense feed-forward", model.layers - layers, "layers",
      model.denseFeedForwardBytes(precisions, tensorParallel: tensor))
    add("embedding", 1, "table", model.embeddingBytes(precisions))
    add("head", 1, "matrix", model.headBytes(precisions, tensorParallel: tensor))
    let cache = model.keyValueBytes(
      context: Double(workload.context), precisions.kvCache, tensorParallel: tensor)
    add("KV cache", workload.batch, "sequences of \(workload.context) tokens", cache)
    add(
      "recurrent state", workload.batch, "sequences",
      model.stateBytes(precisions, tensorParallel: tensor))
  }

  /// What one more sequence takes on the device.
  public static func perSequence(_ deployment: Deployment, context: Int) -> Bytes {
    let tensor = deployment.parallelism.attention.tensor
    return deployment.model.keyValueBytes(
      context: Double(context), deployment.precisions.kvCache, tensorParallel: tensor)
      + deployment.model.stateBytes(deployment.precisions, tensorParallel: tensor)
  }

  /// The sentence that refuses a deployment that does not fit, with its arithmetic.
  var refusal: String {
    let sum = parts.map { "\($0.name) \($0.bytes) (\($0.arithmetic))" }.joined(separator: " + ")
    return "device \(device) would need \(total) of its \(capacity) of memory: \(sum)"
  }
}
