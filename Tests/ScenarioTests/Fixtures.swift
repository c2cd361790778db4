import Foundation
import Scenario
import StrictYAML
import Testing
import Traces

/// A folder of its own with a small model, a trace of it and a scenario that uses both.
///
/// The model has 4 layers, experts in the last 3: 8 of them, top-2. The trace has 6 sequences of 3
/// prefill and 4 decode tokens.
final class ScenarioFolder {
  let path: String

  static let model = """
    layers: 4
    hidden: 64
    vocabulary: 1000
    attention: {kind: grouped, heads: 8, key-value-heads: 2, head-dimension: 16}
    feed-forward: {matrices: 3, intermediate: 256}
    experts: {count: 8, top-k: 2, intermediate: 128, layers: {after: 1}}
    """

  /// Tests replace parts of it; lines count from 1.
  static let scenario = """
    switchyard: 1
    name: Tiny
    model: tiny.yaml
    cluster: {nodes: 1 x dgx-h100}
    precision: {weights: bf16, activations: bf16, kv-cache: bf16}
    parallelism: {attention: {data: 8}, experts: {expert: 8}}
    workload:
      routing: {trace: tiny.routing, phase: decode}
      batch: 4
      context: 16 tokens
    policies:
      placement: contiguous
    measure: {warmup: 2 iterations, iterations: 3}
    seed: 7

    """

  init() throws {
    path =
      FileManager.default.temporaryDirectory
      .appendingPathComponent("switchyard-scenario-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    try write("tiny.yaml", Self.model)
    try writeTrace("tiny.routing")
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String) -> String { path + "/" + name }

  func write(_ name: String, _ text: String) throws {
    try Data(text.utf8).write(to: URL(fileURLWithPath: file(name)))
  }

  /// Every token chooses experts 0 to top-k - 1.
  func writeTrace(
    _ name: String, layerIDs: [Int] = [1, 2, 3], experts: Int = 8, topK: Int = 2,
    prefill: Int = 3, decode: Int = 4, origin: TraceOrigin = .recorded
  ) throws {
    let shape = try RoutingShape(
      model: "tiny", layerIDs: layerIDs, experts: experts, topK: topK)
    let writer = try RoutingTraceWriter(
      to: file(name), shape: shape, origin: origin, provenance: "made by a test")
    let row = (0..<layerIDs.count).flatMap { _ in (0..<UInt16(topK)) }
    for sequence in 0..<6 {
      try writer.append(
        sequence: "sequence \(sequence)", prefillTokens: prefill, decodeTokens: decode,
        selections: (0..<prefill + decode).flatMap { _ in row })
    }
    try writer.finish()
  }

  /// Writes the scenario with some of its parts replaced and loads it.
  func load(
    replacing changes: [String: String] = [:], settings: [String] = [], seed: UInt64? = nil
  ) throws -> Scenario {
    var text = Self.scenario
    for (part, other) in changes {
      guard text.contains(part) else { throw MissingPart(part: part) }
      text = text.replacingOccurrences(of: part, with: other)
    }
    return try load(text: text, settings: settings, seed: seed)
  }

  func load(text: String, settings: [String] = [], seed: UInt64? = nil) throws -> Scenario {
    try write("scenario.yaml", text)
    return try Scenario.load(path: file("scenario.yaml"), settings: settings, seed: seed)
  }

  /// What a person reads of the scenario with some parts replaced; the folder's name left out.
  func problems(
    replacing changes: [String: String] = [:], settings: [String] = [], seed: UInt64? = nil
  ) throws -> [String] {
    try sentences { _ = try load(replacing: changes, settings: settings, seed: seed) }
  }

  /// Expects one sentence about a placement policy, of what begins with `place` in it.
  func expectPlacement(
    _ policy: String, at place: String, _ sentence: String,
    location: SourceLocation = #_sourceLocation
  ) throws {
    let line = "  placement: " + policy
    let column = try #require(line.ranges(of: place).last).lowerBound
    #expect(
      try problems(replacing: ["contiguous": policy])
        == [
          "scenario.yaml:12:\(line.distance(from: line.startIndex, to: column) + 1): \(sentence)"
        ],
      sourceLocation: location)
  }

  func problems(text: String) throws -> [String] { try sentences { _ = try load(text: text) } }

  private func sentences(_ body: () throws -> Void) throws -> [String] {
    do {
      try body()
      return []
    } catch let problems as Problems {
      return problems.list.map {
        $0.description.replacingOccurrences(of: path + "/", with: "")
      }
    }
  }
}

struct MissingPart: Error { var part: String }
