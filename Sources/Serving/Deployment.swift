import Fabric
import Hardware
import Models
import Placement
import Units

/// How a model is spread over a cluster.
///
/// Attention runs in `attention.data` groups, each with its own sequences; the devices of a group
/// slice its heads (`attention.tensor`). Experts live on `experts.expert` groups, whose devices slice
/// each expert (`experts.tensor`). Both products are the number of devices, and device d is in
/// attention group d / attention.tensor and expert group d / experts.tensor.
public struct Parallelism: Hashable, Sendable {
  public var attention: (data: Int, tensor: Int) { (attentionData, attentionTensor) }
  public var experts: (expert: Int, tensor: Int) { (expertGroups, expertTensor) }
  private var attentionData: Int
  private var attentionTensor: Int
  private var expertGroups: Int
  private var expertTensor: Int

  public init(attention: (data: Int, tensor: Int), experts: (expert: Int, tensor: Int)) {
    attentionData = attention.data
    attentionTensor = attention.tensor
    expertGroups = experts.expert
    expertTensor = experts.tensor
  }
}

/// A model on a cluster: everything that is decided before the first request.
public struct Deployment: Sendable {
  public var model: ModelArchitecture
  public var cluster: Cluster
  public var precisions: Precisions
  public var parallelism: Parallelism
  public var placement: ExpertPlacement
  /// Which copy of an expert with several a token goes to.
  public let replicaChoice: ReplicaChoice
  public var exchange: Exchange
  public let execution: ExpertExecution
  public let protocols: ExchangeProtocols
  public let fabric: FabricPlan
  /// The cluster's network, whole.
  public let network: Network

  /// How tokens get to their experts and back.
  public struct Exchange: Hashable, Sendable {
    /// What a token's vector is sent in on its way to its experts, and on its way back.
    public var dispatch: Precision
    public var combine: Precision
    public var overlap: Overlap
    public var residence: TokenResidence
    /// Of all-to-all: ``CollectiveKind/algorithms``.
    public var algorithm: CollectiveAlgorithm
    public var options: CollectiveOptions

    public init(
      dispatch: Precision, combine: Precision, overlap: Overlap = .none,
      residence: TokenResidence = .home, algorithm: CollectiveAlgorithm = .flat,
      options: CollectiveOptions = CollectiveOptions()
    ) {
      self.residence = residence
      self.dispatch = dispatch
      self.combine = combine
      self.overlap = overlap
      self.algorithm = algorithm
      self.options = options
    }
  }

  /// What runs while tokens are on their way to their experts.
  public enum Overlap: String, CaseIterable, Hashable, Sendable {
    case none
    /// The shared experts, which need no other device's tokens.
    case sharedExperts = "shared-experts"
  }

  /// Where tokens are between layers.
  public enum TokenResidence: String, CaseIterable, Hashable, Sendable {
    /// Each returns to its own device, where its keys and values are.
    case home
    /// Each stays where its experts' results were added up, on the device of one of them, and goes on
    /// from there; on a group of devices where these slice experts. Attention runs wherever tokens are, so
    /// that every device keeps the keys and values of
    /// all sequences, and an iteration ends with everybody giving the others those of its new tokens.
    case transition
  }

  /// - Parameter protocols: The node's own start-up for every exchange where nil.
  /// - Throws: ``ServingError`` where the parallelism does not fit the cluster or the placement the
  ///   model.
  public init(
    model: ModelArchitecture, cluster: Cluster, precisions: Precisions, parallelism: Parallelism,
    placement: ExpertPlacement, replicaChoice: ReplicaChoice = .even, exchange: Exchange,
    protocols: ExchangeProtocols? = nil, fabric: FabricPlan = FabricPlan(),
    execution: ExpertExecution = .resident
  ) throws(ServingError) {
    let devices = cluster.deviceCount
    let (attention, experts) = (parallelism.attention, parallelism.experts)
    guard attention.data * attention.tensor == devices else {
      throw .parallelism("attention", attention.data, attention.tensor, devices: devices)
    }
    guard experts.expert * experts.tensor == devices else {
      throw .parallelism("experts", experts.expert, experts.tensor, devices: devices)
    }
    guard attention.tensor <= model.attention.heads else {
      throw .tooManySlices("attention", attention.tensor, of: model.attention.heads, "heads")
    }
    guard experts.tensor <= max(1, model.experts.intermediate) else {
      throw .tooManySlices(
        "experts", experts.tensor, of: model.experts.intermediate, "intermediate columns")
    }
    guard model.experts.count > 0, model.expertLayers.count > 0 else {
      throw .noExperts(model.name)
    }
    guard placement.groups == experts.expert, placement.layers == model.expertLayers.count,
      placement.experts == model.experts.count
    else {
      throw .placementMismatch(
        placement: (placement.layers, placement.experts, placement.groups),
        wanted: (model.expertLayers.count, model.experts.count, experts.expert))
    }
    self.model = model
    self.cluster = cluster
    self.precisions = precisions
    self.parallelism = parallelism
    self.placement = placement
    self.replicaChoice = replicaChoice
    self.exchange = exchange
    self.protocols =
      protocols ?? ExchangeProtocols(startUp: cluster.node.scaleUp.collectiveLatency)
    self.fabric = fabric
    self.execution = execution
    do throws(FabricError) {
      var network = try Network(NetworkPlan(cluster, topology: fabric.topology))
      try network.check(fabric.changes, beside: cluster.node.companion)
      try network.check(fabric)
      if self.protocols.dispatch.isFitted { network.dropScaleUpLatency() }
      self.network = network
    } catch { throw .fabric(error) }
    try execution.check(on: cluster.node, precisions)
    if exchange.algorithm == .tensorCoordinated, experts.tensor > 1 {
      throw .communication(
        "tensor-coordinated communication sends a token to one rank of a group, and slices of an "
          + "expert need it on all; use another kind")
    }
    guard !sendsOnceToNode || cluster.devicesPerNode % experts.tensor == 0 else {
      throw .communication(
        "slices of an expert on \(experts.tensor) devices lie in several nodes, so no token goes to "
          + "its node once; use another kind of communication")
    }
    try checkSharedGroups()
    try checkReplicaChoice()
    try checkResidence()
    try checkLibrary()
    do throws(CollectiveError) {
      _ = try MessageSchedule.sizeBound(
        operation: .allToAll, algorithm: exchange.algorithm, bytes: Bytes(1), layout: rankLayout,
        options: exchange.options)
    } catch { throw .collective(error) }
    try checkBlocks()
    try checkStreaming()
    if let beside = besideBudget, beside.needed > beside.capacity {
      throw .execution(
        "the companion of a device would need \(beside.needed) of its \(beside.capacity) of memory "
          + "for \(beside.copies) experts")
    }
  }

  /// Whether routed experts live in companions' own memories.
  public var expertsLiveBeside: Bool {
    execution.experts.usesCompanion && cluster.node.companion?.sharesMemory == false
  }

  /// What the experts of the fullest group take of its companion's memory, and what that has; nil
  /// where they do not live there.
  var besideBudget: (needed: Bytes, copies: Int, capacity: Bytes)? {
    guard expertsLiveBeside, let memory = cluster.node.companion?.processor.memory else {
      return nil
    }
    let copies = placement.fullestGroup.copies
    let each = model.expertBytes(precisions, tensorSlices: parallelism.experts.tensor)
    return (each * Double(copies), copies, memory.capacity)
  }

  private func checkSharedGroups() throws(ServingError) {
    let shared = placement.sharedGroups
    guard shared > 0 else { return }
    guard model.experts.sharedIntermediate > 0 else {
      throw .sharedGroups(
        "'\(model.name)' has no shared experts to give expert groups of their own")
    }
    guard shared < placement.groups else {
      throw .sharedGroups(
        "\(shared) of \(placement.groups) expert groups for shared experts leave none for routed "
          + "ones")
    }
    guard execution.experts == .resident else {
      throw .sharedGroups(
        "shared experts have expert groups of their own, whose devices share no work with companions; "
          + "use execution 'resident'")
    }
    guard !sendsOnceToNode else {
      throw .communication(
        "shared experts have expert groups of their own, and a token goes to one of them whatever "
          + "else goes to that node; use another kind of communication")
    }
    guard exchange.overlap != .sharedExperts else {
      throw .communication(
        "'overlap: shared-experts' has no effect where these have expert groups of their own")
    }
  }

  private func checkReplicaChoice() throws(ServingError) {
    func refuse(_ reason: String) -> ServingError { .option(.replicaChoice, reason) }
    switch replicaChoice {
    case .even: break
    case .leastLoaded:
      throw refuse(
        "copies cannot be taken by load in a run, where each rank's copy is fixed beforehand: use 'even' "
          + "or 'nearest'")
    case .nearest:
      guard blocks == nil else {
        throw refuse(
          "'replica-choice' has no effect on experts in blocks, which are dealt to any device")
      }
      guard cluster.nodeCount == 1 || cluster.devicesPerNode % parallelism.experts.tensor == 0
      else {
        throw refuse(
          "slices of an expert on \(parallelism.experts.tensor) devices lie in several nodes, so no copy is "
            + "near by its node: use 'even'")
      }
    }
  }

  private func checkResidence() throws(ServingError) {
    guard exchange.residence == .transition else { return }
    func refuse(_ reason: String) -> ServingError {
      .option(.tokenResidence, "with 'model: transition' \(reason)")
    }
    guard exchange.algorithm == .flat, exchange.options.chunks == nil else {
      throw refuse("tokens go from device to device by themselves; use kind 'flat' without chunks")
    }
    guard parallelism.attention.tensor == parallelism.experts.tensor else {
      throw refuse(
        "a token is on the devices that slice its expert, and they slice its attention: give attention "
          + "and experts the same 'tensor', not \(parallelism.attention.tensor) and "
          + "\(parallelism.experts.tensor)")
    }
    guard placement.sharedGroups == 0 else {
      throw refuse("shared experts cannot have expert groups of their own so far")
    }
    guard execution == .resident else {
      throw refuse("experts and attention are their device's own; use execution 'resident'")
    }
    guard model.stateBytes(precisions).value == 0 else {
      throw refuse(
        "every device would need the recurrent state of every sequence of '\(model.name)' after each "
          + "token, which is not possible so far")
    }
  }

  /// A library that sends token by token has one way of its own to do it, which its costs are of.
  private func checkLibrary() throws(ServingError) {
    guard let library = protocols.library, protocols.tokenwise != nil else { return }
    func refuse(_ reason: String) -> ServingError {
      .option(.library, "'\(library.rawValue)' \(reason)")
    }
    guard exchange.residence == .home else {
      throw refuse(
        "brings tokens back to where they came from; with 'model: transition' use 'nccl'")
    }
    guard blocks == nil else {
      throw refuse("sends tokens to where their experts live; with experts in blocks use 'nccl'")
    }
    let hasPlanes = cluster.node.scaleUp.kind == .planes
    let passesCards = cluster.nodeCount > 1 && cluster.devicesPerNode > 1 && !hasPlanes
    let forwards = !library.copiesForEachExpert && passesCards
    let own: CollectiveAlgorithm = forwards ? .twoHop : .flat
    guard exchange.algorithm == own || !library.copiesForEachExpert && hasPlanes else {
      throw refuse(
        forwards
          ? "sends a token once to a node, which hands it on: use kind 'two-hop'"
          : "sends tokens straight to their devices: use kind 'flat'")
    }
  }

  /// One copy of a token on its way to an expert, with what the library sends beside it.
  public var dispatchedCopy: Bytes {
    let element = exchange.dispatch.bytes
    return Bytes(Double(model.hidden) * element)
      + (protocols.library?.bytesBesideCopy(hidden: model.hidden, element: element) ?? .zero)
  }

  /// One copy of a token on its way back.
  public var combinedCopy: Bytes { Bytes(Double(model.hidden) * exchange.combine.bytes) }

  /// How the rows of routed experts lie on their device, as the library of the exchange leaves them.
  public var expertLayout: ExpertLayout {
    protocols.library == .deepEPLowLatency ? .masked : .packed
  }

  /// Which devices share a node.
  public var rankLayout: RankLayout {
    RankLayout(ranks: cluster.deviceCount, perNode: cluster.devicesPerNode)
  }

  /// Whether what each device sends and gets says what an exchange costs; else who sends to whom is
  /// needed.
  public var portsSuffice: Bool {
    exchange.algorithm == .flat && parallelism.experts.tensor == 1 && blocks == nil
      && fabric.portsSuffice(network)
  }

  /// Whether the algorithm sends a token once to a node that several of its experts live in.
  public var sendsOnceToNode: Bool {
    exchange.algorithm == .twoHop || exchange.algorithm == .biLevel
  }

  /// Whether tokens pass one by one over both hops, as a library forwards them, so that neither hop
  /// waits for all of the other.
  public var streamsHops: Bool {
    exchange.algorithm == .twoHop && protocols.library == .deepEPNormal
  }

  /// The expert group of a device.
  public func expertGroup(of device: Int) -> Int { device / parallelism.experts.tensor }
  /// The attention group of a device.
  public func attentionGroup(of device: Int) -> Int { device / parallelism.attention.tensor }
}

extension ModelArchitecture {
  /// The model's layers that have experts, in order.
  public var expertLayers: [Int] { (0..<layers).filter { hasExperts(layer: $0) } }

  /// Those that tokens of a phase go through, by their places among all of them.
  public func expertPositions(of phase: Phase) -> Range<Int> {
    let range = layers(of: phase)
    let all = expertLayers
    return all.count { $0 < range.lowerBound }..<all.count { $0 < range.upperBound }
  }
}

extension Deployment {
  /// The same with experts elsewhere.
  ///
  /// - Parameter choice: Among copies, in place of the deployment's.
  /// - Throws: ``ServingError`` where the placement does not fit the model or the parallelism.
  public func placing(
    _ placement: ExpertPlacement, choice: ReplicaChoice? = nil
  ) throws(ServingError) -> Deployment {
    try Deployment(
      model: model, cluster: cluster, precisions: precisions, parallelism: parallelism,
      placement: placement, replicaChoice: choice ?? replicaChoice, exchange: exchange,
      protocols: protocols, fabric: fabric, execution: execution)
  }
}
