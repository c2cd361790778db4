import Scenario
import Testing
import Units

@Suite("Predictions for weights in host memory")
struct StreamingPredictionTests {
  let folder: ScenarioFolder

  init() throws { folder = try ScenarioFolder() }

  private let requests = [
    "context: 16 tokens": "prompt: 9 tokens\n  output: 3 tokens\n  requests: 1000",
    ", phase: decode": "",
  ]

  private func prediction(
    _ changes: [String: String], policies: String = "batching: continuous"
  ) throws -> StreamingPrediction? {
    let changes = changes.merging(requests) { one, _ in one }
      .merging(["placement: contiguous": policies]) { one, _ in one }
    return try ScenarioPrediction(folder.load(replacing: changes)).streamed
  }

  @Test("a device has its part of the requests", arguments: [1, 2, 4, 8])
  func requests(devices: Int) throws {
    let found = try prediction([
      "1 x dgx-h100": "1 x dgx-h100, devices-per-node: \(devices)",
      "{data: 8}": "{data: \(devices)}", "{expert: 8}": "{expert: \(devices)}",
    ])
    #expect(try #require(found).requests == 1000 / devices)
  }

  /// The link of an A40 that was measured at 19.5 GB/s, whether the scenario streams weights over it or not.
  @Test("a machine has one link to its host")
  func link() throws {
    let machine = [
      "1 x dgx-h100": "1 x a40-xeon-8380", "{data: 8}": "{data: 1}", "{expert: 8}": "{expert: 1}",
    ]
    let resident = try #require(try prediction(machine))
    let streamed = try #require(
      try prediction(
        machine,
        policies: "batching: continuous\n  execution: {kind: streamed, attention: companion}"))
    #expect(abs(resident.lens.host.link.value - 19.5e9) < 1)
    #expect(resident.lens.host == streamed.lens.host)
    #expect(resident.hostMemory == streamed.hostMemory)
    #expect(resident.hostBandwidth == streamed.hostBandwidth)
    #expect(resident.lens.model == streamed.lens.model)
  }

  @Test("windows are not counted, which it says")
  func windows() throws {
    func found(_ prompt: Int) throws -> StreamingPrediction {
      try #require(
        try prediction([
          "model: tiny.yaml": "model: gpt-oss-20b",
          "trace: tiny.routing": "drawn: uniform",
          "1 x dgx-h100": "1 x a40-xeon-8380", "{data: 8}": "{data: 1}",
          "{expert: 8}": "{expert: 1}",
          "context: 16 tokens": "prompt: \(prompt) tokens\n  output: 28 tokens",
        ]))
    }
    // Every second layer has a window of 128 tokens.
    #expect(try !found(100).ignoresWindows)
    #expect(try found(101).ignoresWindows)
  }
}
