import Engine
import Fabric
import Hardware
import Models
import Placement
import Testing
import Units

@testable import Serving

/// Why scenarios refuse these kinds and options: a run is the same without them. A library's start-up is
/// estimated from the longest message of a schedule, and of the flat exchange from the mean one, so that
/// the kinds are compared with the node's own start-up, which is the same for all.
@Suite("Exchanges that are the flat one")
struct OneExchangeTests {
  private func log(
    _ cluster: Cluster, _ algorithm: CollectiveAlgorithm, chunks: Int? = nil, width: Int? = nil,
    library: CollectiveLibrary? = nil, multiprocessors: Int? = nil
  ) throws -> RunLog {
    let devices = cluster.deviceCount
    let model = smallModel(experts: 16)
    return try run(
      Deployment(
        model: model, cluster: cluster, precisions: Precisions(.bf16),
        parallelism: Parallelism(attention: (devices, 1), experts: (devices, 1)),
        placement: .contiguous(layers: 3, experts: 16, groups: devices),
        exchange: .init(
          dispatch: .bf16, combine: .bf16, algorithm: algorithm,
          options: CollectiveOptions(chunks: chunks, tensorWidth: width)),
        protocols: library.map {
          ExchangeProtocols(
            $0, multiprocessors: multiprocessors, cluster, model, in: try HardwareCatalogue.load())
        }),
      trace: skewedTrace(experts: 16), batch: 256)
  }

  @Test("on one node")
  func oneNode() throws {
    let cluster = try dgxH100()
    let flat = try log(cluster, .flat)
    for algorithm in [CollectiveAlgorithm.hierarchical, .biLevel, .twoHop] {
      #expect(try log(cluster, algorithm).ends == flat.ends, "\(algorithm)")
    }
    #expect(try log(cluster, .tensorCoordinated, width: 1).ends == flat.ends)
    #expect(try log(cluster, .leader).ends != flat.ends)
    #expect(try log(cluster, .tensorCoordinated, width: 2).ends != flat.ends)
  }

  @Test("with one device a node")
  func oneEach() throws {
    let cluster = try dgxH100(8, devices: 1)
    let flat = try log(cluster, .flat)
    for algorithm in [CollectiveAlgorithm.hierarchical, .biLevel, .twoHop, .leader] {
      #expect(try log(cluster, algorithm).ends == flat.ends, "\(algorithm)")
    }
  }

  @Test("in chunks, and with multiprocessors that nothing else wants")
  func options() throws {
    let cluster = try dgxH100()
    let flat = try log(cluster, .flat)
    let nccl = try log(cluster, .flat, library: .nccl)
    #expect(try log(cluster, .flat, chunks: 4).ends == flat.ends)
    #expect(try log(cluster, .flat, library: .nccl, multiprocessors: 20).ends == nccl.ends)
    let low = try log(cluster, .flat, library: .deepEPLowLatency)
    #expect(
      try log(cluster, .flat, library: .deepEPLowLatency, multiprocessors: 40).ends == low.ends)
    let few = try log(cluster, .flat, library: .deepEPNormal, multiprocessors: 4)
    #expect(try log(cluster, .flat, library: .deepEPNormal, multiprocessors: 40).ends != few.ends)
  }
}
