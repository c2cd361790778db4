import Fabric
import Hardware
import Models
import Testing
import Traces
import Units

@testable import Engine
@testable import Serving

@Suite("Weights that a die reads from another")
struct WeightReadTests {
  /// What the reads of one layer put on links and memories.
  private struct Reads {
    var links: [String: Double]
    var memories: [Double]
    var times: [SimTime]
    var tasks: Int
  }

  /// - Parameters:
  ///   - reads: (reader, holder, experts).
  ///   - kept: Of each, how many experts are kept.
  private func reads(
    _ cluster: Cluster, _ reads: [(Int, Int, Int)], kept: Int = 0,
    fidelity: FabricPlan.Fidelity = .ports
  ) throws -> Reads {
    let model = smallModel(experts: 50)
    let deployment = try deployment(cluster, .everywhere(4), model: model, fidelity: fidelity)
    let workload = Workload(
      trace: try skewedTrace(experts: 50), phase: .decode, batch: 4, context: 64,
      routing: .asRecorded)
    let resources = ClusterResources(cluster, deployment.network)
    let routes = try RouteTable(RouteFinder(deployment.network))
    var planner = StepPlanner(
      deployment, workload, resources, routes,
      factors: [Double](repeating: 1, count: deployment.network.links.count))
    func totals(_ reads: [(Int, Int, Int)]) -> ([Double], [SimTime], Int) {
      var work = BlockWork(layers: 1, devices: cluster.deviceCount)
      for (reader, holder, experts) in reads {
        for _ in 0..<experts { work.read(layer: 0, by: reader, from: holder) }
        for _ in 0..<kept { work.keep(layer: 0, by: reader) }
      }
      var graph = TaskGraph()
      _ = planner.appendReads(work, layer: 0, label: 1, after: [], to: &graph)
      let times = (0..<graph.taskCount).map {
        graph.timeAlone(TaskID(index: $0), on: resources.table)
      }
      return (graph.totalDemands(on: resources.table), times, graph.taskCount)
    }
    let (demands, times, tasks) = totals(reads)
    var links: [String: Double] = [:]
    for (index, link) in deployment.network.links.enumerated() {
      let bytes = demands[Int(resources.links[index].index)]
      if bytes > 0 { links[link.name] = bytes }
    }
    let memories = resources.devices.map { demands[Int($0.memory.index)] }
    return Reads(links: links, memories: memories, times: times, tasks: tasks)
  }

  /// 3 matrices of 1024 x 512 in bf16.
  private let expert = 3.0 * 1024 * 512 * 2

  @Test("go along x, then y, on a mesh of 2 x 2")
  func small() throws {
    let found = try reads(try wafer(2, 2), [(3, 0, 2)])
    #expect(
      found.links == [
        "device 0 -> device 1": 2 * expert, "device 1 -> device 3": 2 * expert,
      ])
    // Out of the holder's memory; the reader's has them only where they are kept.
    #expect(found.memories == [2 * expert, 0, 0, 0])
    let half = try reads(try wafer(2, 2), [(3, 0, 2)], kept: 1)
    #expect(half.links == found.links && half.memories == [2 * expert, 0, 0, expert])
    // A command over two hops, the bytes over two hops, and one link's time.
    let expected = 800e-9 + 2 * expert / 1.7e12
    #expect(found.times.count == 1)
    #expect(abs(found.times[0].seconds - expected) < 1e-12)
  }

  @Test("go along x, then y, on a mesh of 5 x 5, and add up on the links they share")
  func large() throws {
    // 7 is at (2, 1), 20 at (0, 4), 22 at (2, 4).
    let found = try reads(try wafer(5, 5), [(7, 20, 1), (7, 22, 2)])
    #expect(
      found.links == [
        "device 20 -> device 21": expert, "device 21 -> device 22": expert,
        "device 22 -> device 17": 3 * expert, "device 17 -> device 12": 3 * expert,
        "device 12 -> device 7": 3 * expert,
      ])
    #expect(found.memories[20] == expert && found.memories[22] == 2 * expert)
    #expect(found.memories.reduce(0, +) == 3 * expert)
  }

  @Test("are one task by ports, and one for each pair by flows")
  func fidelity() throws {
    let pairs = [(7, 20, 1), (7, 22, 2), (3, 4, 1)]
    let ports = try reads(try wafer(5, 5), pairs)
    let flows = try reads(try wafer(5, 5), pairs, fidelity: .flows)
    // Of die 7's two a task more, which is done when both are.
    #expect(ports.tasks == 1 && flows.tasks == 4)
    #expect(ports.links == flows.links && ports.memories == flows.memories)
  }

  @Test("are over before the layer's combine begins")
  func order() throws {
    let log = try run(try deployment(try wafer(2, 2), .everywhere(4)), iterations: 2)
    let reads = log.tasks.filter { $0.label.stage == Stage.weightReads.rawValue }
    #expect(!reads.isEmpty)
    for read in reads {
      let combine = try #require(
        log.tasks.first {
          $0.label.stage == Stage.combine.rawValue && $0.label.layer == read.label.layer
            && $0.end > read.start
        })
      let dispatch = try #require(
        log.tasks.last {
          $0.label.stage == Stage.dispatch.rawValue && $0.label.layer == read.label.layer
            && $0.end <= read.start
        })
      #expect(read.end <= combine.start && dispatch.end <= read.start)
    }
  }
}
