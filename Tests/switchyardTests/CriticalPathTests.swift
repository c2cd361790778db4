import Foundation
import Testing

/// What the critical path says of a resource, against runs on a machine that has one per cent more of it.
@Suite("One per cent more")
struct CriticalPathTests {
  let bench: Workbench

  init() throws { bench = try Workbench() }

  private struct Run: Decodable {
    struct Bound: Decodable {
      struct Resource: Decodable {
        var resource: String
        var criticalPathShare: Double?
      }
      var resources: [Resource]
      var remarks: [String]
    }
    var bound: Bound
    var tokensPerSecond: Double

    func share(_ resource: String) -> Double {
      bound.resources.first { $0.resource == resource }?.criticalPathShare ?? .nan
    }
  }

  /// A GPU behind PCIe whose model is in the host's memory.
  private func run(
    copies: String = "fair", batching: String = "continuous", arithmetic: Double = 1,
    link: Double = 1
  ) throws -> Run {
    try bench.write(
      """
      sources: {me: a test}
      devices:
        my-gpu:
          full-name: GPU
          kind: gpu
          source: me
          compute: {fp32: 37.4 TFLOPS, bf16: \(149.7 * arithmetic) TFLOPS}
          memory: {kind: gddr6, capacity: 48 GB, bandwidth: 696 GB/s, cache: 6 MB}
          host-link: {link: my-pcie, bandwidth: 31.5 GB/s}
          power: {thermal-design: 300 W, idle: 45 W}
          efficiency: {like: rtx-a6000}
        my-host:
          full-name: host
          kind: cpu
          source: me
          compute: {fp32: 5.9 TFLOPS}
          memory: {kind: ddr4, capacity: 375 GB, bandwidth: 204.8 GB/s, cache: 60 MB}
          host-link: {link: my-pcie, bandwidth: 31.5 GB/s}
          power: {thermal-design: 270 W, idle: 81 W}
          efficiency: {fractions: {fp32: 0.7}, measured-bandwidth: 150 GB/s, launch-latency: 5 us}
      links:
        my-pcie:
          full-name: PCIe
          source: me
          kind: host
          bandwidth: \(31.5 * link) GB/s
          measured: \(19.5 * link) GB/s
          latency: 1 us
      nodes:
        my-node:
          full-name: node
          source: me
          devices: {device: my-gpu, count: 1}
          scale-up: {kind: host}
          collective-latency: 12.8 us
          host: {processor: my-host, sockets: 1, memory: 375 GB}
          companion: {device: my-host, link: my-pcie, bandwidth: \(31.5 * link) GB/s}
      """, to: "mine.yaml")
    try bench.write(
      """
      switchyard: 1
      catalogue: [mine.yaml]
      name: streamed
      model: mixtral-8x7b
      cluster: {nodes: 1 x my-node, device-memory: 16 GB}
      precision: bf16
      workload: {routing: {drawn: uniform}, batch: 4000, prompt: 98 tokens, output: 32 tokens}
      policies:
        batching: {kind: \(batching), microbatches: 2, budget: 18000 tokens}
        execution: {kind: streamed, attention: companion, kv-cache: 70 GB, copies: \(copies)}
      measure: {warmup: 1 iterations, iterations: 6}
      """, to: "scenario.yaml")
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(
      Run.self, from: Data(try bench.output(of: "run", "scenario.yaml", "--json").utf8))
  }

  @Test(
    "gives the share of the critical path, to two hundredths",
    arguments: [
      ("fair", "continuous"), ("{kind: queued, chunk: layer}", "continuous"),
      ("fair", "prompts-first"),
    ])
  func shares(copies: String, batching: String) throws {
    let base = try run(copies: copies, batching: batching)
    let more = try run(copies: copies, batching: batching, arithmetic: 1.001)
    let faster = try run(copies: copies, batching: batching, link: 1.001)
    func gain(_ other: Run) -> Double { (other.tokensPerSecond / base.tokensPerSecond - 1) / 0.001 }
    #expect(abs(base.share("arithmetic") - gain(more)) < 0.02)
    #expect(abs(base.share("links from companions") - gain(faster)) < 0.02)
    // These schedules are bound by the one, by both, and by the other.
    #expect(base.share("arithmetic") + base.share("links from companions") > 0.9)
  }
}
