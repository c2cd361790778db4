import Fabric
import Hardware
import Models
import Units

/// What the communication library adds to the bytes of a deployment's exchanges.
public struct ExchangeProtocols: Sendable {
  public var dispatch: CollectiveProtocol
  public var combine: CollectiveProtocol
  public var tensorExchange: CollectiveProtocol
  /// The part of each device's compute units that dispatch and combine occupy, 0 to 1.
  public var occupancy = 0.0
  /// What is the same in every dispatch and combine of a library that sends token by token: experts of
  /// a rank, and the multiprocessors at work; nil for one that sends a rank's part in one piece.
  public var tokenwise: (expertsPerRank: Double, multiprocessors: Int)?
  /// What results must say of it.
  public var remarks: [String] = []

  /// The same start-up for every exchange, and links as they are.
  public init(startUp: SimTime) {
    dispatch = CollectiveProtocol(startUp: .constant(startUp))
    combine = dispatch
    tensorExchange = dispatch
  }

  /// What the catalogue knows of a library on a cluster; exchanges inside attention groups are NCCL's.
  ///
  /// - Parameters:
  ///   - library: Nil for none: exchanges start up in the node's collective latency.
  ///   - multiprocessors: That the library is given on each device; nil for none.
  public init(
    _ library: CollectiveLibrary?, multiprocessors: Int?, _ cluster: Cluster,
    _ model: ModelArchitecture, in catalogue: HardwareCatalogue
  ) {
    let node = cluster.node
    self.init(startUp: node.scaleUp.collectiveLatency)
    if let multiprocessors, let all = cluster.device.computeUnits {
      occupancy = min(1, Double(multiprocessors) / Double(all))
    }
    guard let library else { return }
    let tokens: (there: CollectiveOperation, back: CollectiveOperation) =
      library == .nccl ? (.allToAll, .allToAll) : (.dispatch, .combine)
    func find(
      _ operation: CollectiveOperation, _ library: CollectiveLibrary
    ) -> CollectiveProtocol? {
      let crosses = cluster.nodeCount > 1 && node.scaleUp.kind != .planes
      let scaleUp = node.scaleUp.port.link
      let scaleOut = crosses ? node.network?.port.link : nil
      guard
        let found = catalogue.collectiveCost(
          for: operation, library, scaleUp: scaleUp, scaleOut: scaleOut,
          ranks: cluster.deviceCount, nodes: cluster.nodeCount)
      else { return nil }
      // In bytes that were measured, so that the remark is of ranks and nodes.
      let load = CollectiveLoad(
        wireBytes: found.cost.range.bytes.lowerBound, ranks: cluster.deviceCount,
        nodes: cluster.nodeCount)
      for remark in found.remarks + found.cost.remarks(for: load)
      where !remarks.contains(remark) { remarks.append(remark) }
      return CollectiveProtocol(
        found.cost, scaleUp: scaleUp, scaleOut: scaleOut, nodes: cluster.nodeCount)
    }
    dispatch = find(tokens.there, library) ?? dispatch
    combine = find(tokens.back, library) ?? combine
    tensorExchange = find(.allToAll, .nccl) ?? tensorExchange
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
