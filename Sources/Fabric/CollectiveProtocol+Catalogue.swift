import Hardware
import Units

extension CollectiveProtocol {
  /// What the catalogue knows of a library on these machines, and what results must say of it.
  ///
  /// Machines of several kinds count as the first. Where the library has no cost for the operation,
  /// its start-up is the node's ``Node/ScaleUp/collectiveLatency``.
  ///
  /// - Parameters:
  ///   - algorithm: The one asked for; nil for the library's own choice.
  ///   - bytes: Nil with a traffic matrix.
  public static func found(
    in catalogue: HardwareCatalogue, _ library: CollectiveLibrary, _ operation: CollectiveKind,
    algorithm: CollectiveAlgorithm?, bytes: Bytes?, _ plan: NetworkPlan, layout: RankLayout
  ) -> (protocol: CollectiveProtocol, remarks: [String]) {
    guard let node = plan.machines.first?.node else { return (CollectiveProtocol(), []) }
    let scaleUp = node.scaleUp.port.link
    let scaleOut = layout.nodes.count > 1 ? node.network?.port.link : nil
    // By itself the library lets switches add only where one joins all ranks.
    let isBehindSwitch =
      layout.nodes.count == 1 && node.scaleUp.kind == .switched && !plan.topology.joinsDevices
    let usesSwitch =
      algorithm == .inSwitch
      || (algorithm == nil && operation == .allReduce && isBehindSwitch)
    let found = CollectiveOperation(rawValue: operation.rawValue).flatMap {
      catalogue.collectiveCost(
        for: $0, library, scaleUp: scaleUp, scaleOut: scaleOut, ranks: layout.rankCount,
        nodes: layout.nodes.count, isFloatingPoint: usesSwitch)
    }
    guard let found else {
      let startUp = node.scaleUp.collectiveLatency
      return (
        CollectiveProtocol(startUp: .constant(startUp)),
        ["uncalibrated: \(operation.rawValue) starts up in \(startUp)"]
      )
    }
    var own = CollectiveProtocol(
      found.cost, scaleUp: scaleUp, scaleOut: scaleOut, nodes: layout.nodes.count)
    var remarks = found.remarks
    if let bytes, let operation = CollectiveOperation(rawValue: operation.rawValue) {
      var load = CollectiveLoad(
        operation, buffer: bytes, ranks: layout.rankCount, algorithm: found.cost.algorithm)
      load.nodes = layout.nodes.count
      own.wholeLoad = load
      remarks += found.cost.remarks(for: load)
    }
    return (own, remarks)
  }
}
