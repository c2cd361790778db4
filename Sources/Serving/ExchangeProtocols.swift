import Fabric
import Hardware
import Models
import Units

/// What the communication library adds to the bytes of a deployment's exchanges.
public struct ExchangeProtocols: Sendable {
  public var dispatch: CollectiveProtocol
  public var combine: CollectiveProtocol
  public var tensorExchange: CollectiveProtocol
  public var contextGather: CollectiveProtocol
  /// The part of each device's compute units that dispatch and combine occupy, 0 to 1.
  public var occupancy = 0.0
  /// Compute units of each device that dispatch and combine occupy, where some are given to them.
  public private(set) var multiprocessors: Int?
  /// What is the same in every dispatch and combine of a library that sends token by token: experts of
  /// a rank, and the multiprocessors at work; nil for one that sends a rank's part in one piece.
  public var tokenwise: (expertsPerRank: Double, multiprocessors: Int)?
  /// Nil where no library's costs are asked for.
  public private(set) var library: CollectiveLibrary?
  /// Whether a device gets a copy of a token for each of the token's experts on it; else one for all.
  var copiesForEachExpert: Bool { library?.copiesForEachExpert ?? false }
  /// What results must say of it.
  public var remarks: [String] = []

  /// The same start-up for every exchange, and links as they are.
  public init(startUp: SimTime) {
    dispatch = CollectiveProtocol(startUp: .constant(startUp))
    combine = dispatch
    tensorExchange = dispatch
    contextGather = dispatch
  }

  /// What the catalogue knows of a library on a cluster; exchanges inside attention groups and
  /// gathers are NCCL's.
  ///
  /// - Parameters:
  ///   - library: Nil for none: exchanges start up in no time.
  ///   - attentionWidth: Devices of an attention group.
  ///   - multiprocessors: That the library is given on each device; nil for none.
  ///   - residence: Where tokens are between layers.
  public init(
    _ library: CollectiveLibrary?, multiprocessors: Int?, _ cluster: Cluster,
    _ model: ModelArchitecture, attentionWidth: Int = 1,
    residence: Deployment.TokenResidence = .home, in catalogue: HardwareCatalogue
  ) {
    let node = cluster.node
    // Without a library exchanges take what their links take.
    self.init(startUp: library == nil ? .zero : node.scaleUp.collectiveLatency)
    if let multiprocessors, let all = cluster.device.computeUnits {
      occupancy = min(1, Double(multiprocessors) / Double(all))
      self.multiprocessors = multiprocessors
    }
    guard let library else { return }
    self.library = library
    let tokens: (there: CollectiveOperation, back: CollectiveOperation) =
      library == .nccl ? (.allToAll, .allToAll) : (.dispatch, .combine)
    func find(
      _ operation: CollectiveOperation, _ library: CollectiveLibrary, ranks: Int, nodes: Int
    ) -> CollectiveProtocol? {
      // Planes are links inside one large node.
      let crosses = nodes > 1 && node.scaleUp.kind != .planes
      let nodes = crosses ? nodes : 1
      let scaleUp = node.scaleUp.port.link
      let scaleOut = crosses ? node.network?.port.link : nil
      guard
        let found = catalogue.collectiveCost(
          for: operation, library, scaleUp: scaleUp, scaleOut: scaleOut,
          ranks: ranks, nodes: nodes)
      else {
        let startUp = node.scaleUp.collectiveLatency
        remarks.append("uncalibrated: \(operation.rawValue) starts up in \(startUp)")
        return nil
      }
      // In bytes that were measured, so that the remark is of ranks and nodes.
      let load = CollectiveLoad(
        wireBytes: found.cost.range.bytes.lowerBound, ranks: ranks, nodes: nodes)
      // One device exchanges nothing.
      for remark in found.remarks + found.cost.remarks(for: load)
      where ranks > 1 && !remarks.contains(remark) { remarks.append(remark) }
      return CollectiveProtocol(
        found.cost, scaleUp: scaleUp, scaleOut: scaleOut, nodes: nodes)
    }
    let (devices, nodes) = (cluster.deviceCount, cluster.nodeCount)
    dispatch = find(tokens.there, library, ranks: devices, nodes: nodes) ?? dispatch
    combine = find(tokens.back, library, ranks: devices, nodes: nodes) ?? combine
    if attentionWidth > 1 {
      let spanned = max(1, attentionWidth / cluster.devicesPerNode)
      tensorExchange =
        find(.allToAll, .nccl, ranks: attentionWidth, nodes: spanned) ?? tensorExchange
    }
    // Among devices with the same slice.
    let groups = devices / max(1, attentionWidth)
    if residence == .transition, groups > 1 {
      contextGather =
        find(.allGather, .nccl, ranks: groups, nodes: min(groups, nodes)) ?? contextGather
    }
    guard library != .nccl else { return }
    // The kernels for many tokens take what they are given, by default 20; those for few take what the
    // number of experts makes of the device.
    var exchange = ExpertExchange(
      tokens: 1, hidden: model.hidden, topK: model.experts.topK, experts: model.experts.count,
      ranks: cluster.deviceCount, nodes: cluster.nodeCount)
    if let multiprocessors { exchange.multiprocessors = multiprocessors }
    if let all = cluster.device.computeUnits {
      exchange.deviceMultiprocessors = all
    } else if library == .deepEPLowLatency {
      remarks.append(
        "uncalibrated: \(library.rawValue) is taken to find \(exchange.deviceMultiprocessors) "
          + "multiprocessors, as \(cluster.device.name)'s are unknown")
    }
    let load = exchange.load(.dispatch, library)
    tokenwise = (load.expertsPerRank, load.multiprocessors)
  }
}
