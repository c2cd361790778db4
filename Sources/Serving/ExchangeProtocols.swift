import Fabric
import Hardware
import Units

/// What the communication library adds to the bytes of a deployment's exchanges.
public struct ExchangeProtocols: Sendable {
  public var dispatch: CollectiveProtocol
  public var combine: CollectiveProtocol
  public var tensorExchange: CollectiveProtocol
  /// The part of each device's compute units that dispatch and combine occupy, 0 to 1.
  public var occupancy = 0.0
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
    in catalogue: HardwareCatalogue
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
      for remark in found.remarks where !remarks.contains(remark) { remarks.append(remark) }
      return CollectiveProtocol(
        found.cost, scaleUp: scaleUp, scaleOut: scaleOut, nodes: cluster.nodeCount)
    }
    dispatch = find(tokens.there, library) ?? dispatch
    combine = find(tokens.back, library) ?? combine
    tensorExchange = find(.allToAll, .nccl) ?? tensorExchange
  }
}
