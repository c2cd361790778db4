import Engine
import Fabric
import Hardware
import Models
import Placement
import Testing
import Units

@testable import Serving

@Suite("Exchanges whose bytes were not measured")
struct ExchangesOutsideMeasuredTests {
  /// What a run says where dispatch was measured with these bytes and combine with any.
  private func remarks(
    dispatchOf range: ClosedRange<Bytes>
  ) throws -> [String] {
    var (dispatch, combine) = (
      CollectiveCost(launch: Seconds(1e-6)), CollectiveCost(launch: Seconds(1e-6))
    )
    (dispatch.name, combine.name) = ("narrow", "wide")
    dispatch.range = .init(bytes: range, ranks: 8...8)
    combine.range = .init(bytes: Bytes(1)...Bytes(1e12), ranks: 8...8)
    var protocols = ExchangeProtocols(startUp: .zero)
    protocols.dispatch = CollectiveProtocol(startUp: .fitted(dispatch))
    protocols.combine = CollectiveProtocol(startUp: .fitted(combine))
    let deployment = try Deployment(
      model: smallModel(), cluster: try dgxH100(), precisions: Precisions(.bf16),
      parallelism: Parallelism(attention: (8, 1), experts: (8, 1)),
      placement: .contiguous(layers: 3, experts: 8, groups: 8),
      exchange: .init(dispatch: .bf16, combine: .bf16), protocols: protocols)
    let workload = Workload(
      trace: try skewedTrace(), phase: .decode, batch: 16, context: 512, routing: .asRecorded)
    var simulation = try Simulation(
      deployment, workload, Measurement(warmup: 0, iterations: 3), seed: 7)
    var log = RunLog()
    try simulation.run(observer: &log)
    return simulation.remarksOnExchanges
  }

  @Test("are named with what was measured, once a stage")
  func named() throws {
    let above = try remarks(dispatchOf: Bytes(1)...Bytes(2))
    #expect(above.count == 1)
    #expect(
      above.first?.hasPrefix("extrapolated: in dispatch the busiest device sent ") == true
        && above.first?.hasSuffix(" where narrow was measured with 1 B to 2 B") == true, "\(above)")
    let below = try remarks(dispatchOf: Bytes(1e9)...Bytes(1e9))
    #expect(below.first?.hasSuffix(" where narrow was measured with 1 GB") == true, "\(below)")
  }

  @Test("are not, where all were")
  func within() throws {
    #expect(try remarks(dispatchOf: Bytes(1)...Bytes(1e12)).isEmpty)
  }
}
