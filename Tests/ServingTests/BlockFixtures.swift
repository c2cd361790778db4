import Fabric
import Hardware
import Models
import Placement
import Serving
import Units

/// A wafer of dojo dies of another size.
///
/// - Parameter bandwidth: Of a link, where it is another.
func wafer(_ dimensions: Int..., bandwidth: Bandwidth? = nil) throws -> Cluster {
  var node = try HardwareCatalogue.load().node(named: "dojo-wafer")
  node.scaleUp.dimensions = dimensions
  node.deviceCount = dimensions.reduce(1, *)
  if let bandwidth { node.scaleUp.port.bandwidth = bandwidth }
  return try Cluster(node, count: 1)
}

func deployment(
  _ cluster: Cluster, _ blocks: BlockExecution?, model: ModelArchitecture = smallModel(),
  placement: ExpertPlacement? = nil, fidelity: FabricPlan.Fidelity = .ports
) throws -> Deployment {
  let devices = cluster.deviceCount
  return try Deployment(
    model: model, cluster: cluster, precisions: Precisions(.bf16),
    parallelism: Parallelism(attention: (devices, 1), experts: (devices, 1)),
    placement: try placement
      ?? .contiguous(
        layers: model.expertLayers.count, experts: model.experts.count, groups: devices),
    exchange: .init(dispatch: .bf16, combine: .bf16), fabric: FabricPlan(fidelity: fidelity),
    execution: ExpertExecution(experts: blocks.map { .blocks($0) } ?? .resident))
}

extension BlockExecution {
  static func everywhere(_ tokens: Int, _ duplicates: Duplicates? = nil) -> BlockExecution {
    BlockExecution(tokensPerBlock: tokens, choice: .everywhere, duplicates: duplicates)
  }

  static func allocator(_ tokens: Int, _ duplicates: Duplicates? = nil) -> BlockExecution {
    BlockExecution(
      tokensPerBlock: tokens, choice: .allocator(candidates: nil), duplicates: duplicates)
  }
}
