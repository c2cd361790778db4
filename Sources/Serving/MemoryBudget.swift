import Models
import Units

/// What a device has to hold, part by part, and what it has: the fullest one, or one of a group.
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
  ///
  /// - Parameter asked: The expert group whose devices are meant; the fullest where nil.
  public init(_ deployment: Deployment, _ workload: Workload, group asked: Int? = nil) {
    let model = deployment.model
    let precisions = deployment.precisions
    let tensor = deployment.parallelism.attention.tensor
    let slices = deployment.parallelism.experts.tensor
    let placement = deployment.placement
    let routed =
      asked.map { (group: $0, copies: placement.copies(group: $0)) } ?? placement.fullestGroup
    let layers = model.expertLayers.count
    let expert = model.expertBytes(precisions, tensorSlices: slices)
    // Where shared experts live apart, the fullest device has them or routed ones.
    let isApart = deployment.placement.sharedGroups > 0
    let shared = model.sharedExpertBytes(precisions, tensorParallel: isApart ? slices : 1)
    let sharedAreFullest = shared * Double(layers) > expert * Double(routed.copies)
    let holdsShared =
      isApart && (asked.map { $0 < placement.sharedGroups } ?? sharedAreFullest)
    let copies = holdsShared ? 0 : routed.copies
    let group = holdsShared ? asked ?? 0 : routed.group
    device = group * slices
    capacity = deployment.cluster.device.memory.capacity
    parts = []

    func add(_ name: String, _ count: Int, _ what: String, _ each: Bytes) {
      guard count > 0, each.value > 0 else { return }
      parts.append(
        Part(name: name, arithmetic: "\(count) \(what) x \(each)", bytes: each * Double(count)))
    }
    if deployment.execution.streamed != nil {
      addStreamed(deployment, workload)
      return
    }
    let attention = (0..<model.layers).reduce(Bytes.zero) {
      $0 + model.attentionBytes(layer: $1, precisions, tensorParallel: tensor)
    }
    if !deployment.expertsLiveBeside {
      add("experts", copies, "copies", expert)
    } else if deployment.execution.experts.runsOnDevice {
      add("fetched experts", deployment.placement.mostCopiesOfLayer, "copies of a layer", expert)
    }
    if let duplicates = deployment.blocks?.duplicates {
      add("duplicates", 1, "share of the memory", capacity * duplicates.share)
    }
    add("attention", 1, "share of all layers", attention)
    add("shared experts", !isApart || holdsShared ? layers : 0, "layers", shared)
    add("gates", layers, "layers", model.gateBytes(precisions))
    add(
      "dense feed-forward", model.layers - layers, "layers",
      model.denseFeedForwardBytes(precisions, tensorParallel: tensor))
    add("embedding", 1, "table", model.embeddingBytes(precisions))
    add("head", 1, "matrix", model.headBytes(precisions, tensorParallel: tensor))
    add(
      "KV cache", workload.batch * Self.groupsKept(deployment),
      "sequences of \(workload.context) tokens",
      Self.cache(deployment, workload))
    add(
      "recurrent state", workload.batch, "sequences",
      model.stateBytes(precisions, tensorParallel: tensor))
    guard workload.speculation != nil, let last = model.expertLayers.last else { return }
    let own = deployment.placement.copies(layer: layers - 1, group: group)
    add(
      "prediction layer", 1, "layer",
      model.attentionBytes(layer: last, precisions, tensorParallel: tensor)
        + model.predictionInputBytes(precisions) + model.gateBytes(precisions)
        + expert * Double(own) + (!isApart || holdsShared ? shared : .zero))
  }

  /// Attention groups whose sequences a device keeps the keys and values of.
  private static func groupsKept(_ deployment: Deployment) -> Int {
    deployment.exchange.residence == .transition ? deployment.parallelism.attention.data : 1
  }

  /// A device whose weights are streamed holds those of two layers, what its kernels work on, and the KV
  /// cache where attention is its own.
  private mutating func addStreamed(_ deployment: Deployment, _ workload: Workload) {
    let buffers = deployment.streamBufferBytes
    parts.append(
      Part(name: "weight buffers", arithmetic: "2 x \(buffers * 0.5) of a layer", bytes: buffers))
    let model = deployment.model
    let tokens = workload.mostTokensOfMicrobatch
    let each = model.workingBytesPerToken(deployment.precisions)
    parts.append(
      Part(
        name: "activations", arithmetic: "\(tokens) tokens of a microbatch x \(each)",
        bytes: each * Double(tokens)))
    guard deployment.execution.attention == .device else { return }
    let cache = Self.perSequence(deployment, workload)
    parts.append(
      Part(
        name: "KV cache",
        arithmetic: "\(workload.batch) sequences of \(workload.context) tokens x \(cache)",
        bytes: cache * Double(workload.batch)))
  }

  /// Of one sequence on a device; a prediction layer keeps as much as the last layer with experts.
  private static func cache(_ deployment: Deployment, _ workload: Workload) -> Bytes {
    let model = deployment.model
    let precision = deployment.precisions.kvCache
    let tensor = deployment.parallelism.attention.tensor
    // A decoder keeps as much for each token of the encoder's output.
    let context = Double(workload.context + workload.source)
    let cache = model.keyValueBytes(context: context, precision, tensorParallel: tensor)
    guard workload.speculation != nil, let last = model.expertLayers.last else { return cache }
    let each = model.keyValueBytesPerToken(layer: last, precision, tensorParallel: tensor)
    return cache + each * min(context, model.window(layer: last))
  }

  /// What one more sequence of every attention group takes on the device.
  public static func perSequence(_ deployment: Deployment, _ workload: Workload) -> Bytes {
    guard deployment.hostCache == nil else { return .zero }
    return cache(deployment, workload) * Double(groupsKept(deployment))
      + deployment.model.stateBytes(
        deployment.precisions, tensorParallel: deployment.parallelism.attention.tensor)
  }

  /// The sentence that refuses a deployment that does not fit, with its arithmetic.
  var refusal: String {
    let sum = parts.map { "\($0.name) \($0.bytes) (\($0.arithmetic))" }.joined(separator: " + ")
    return "device \(device) would need \(total) of its \(capacity) of memory: \(sum)"
  }
}
