import Foundation
import Statistics

@testable import Traces

/// A trace of random selections: `sequences` of `tokens` tokens, the first half of each prefill.
func randomTrace(
  layers: Int, experts: Int, topK: Int, sequences: Int = 4, tokens: Int = 10, seed: UInt64 = 1
) throws -> RoutingTrace {
  var stream = RandomStream(seed: seed, name: "random trace")
  var selections: [UInt16] = []
  for _ in 0..<sequences * tokens * layers {
    var chosen: Set<Int> = []
    while chosen.count < topK {
      let expert = stream.below(experts)
      if chosen.insert(expert).inserted { selections.append(UInt16(expert)) }
    }
  }
  return try RoutingTrace(
    shape: RoutingShape(
      model: "random", layerIDs: Array(1...layers), experts: experts, topK: topK),
    origin: .recorded, provenance: "test",
    sequences: (0..<sequences).map {
      TraceSequence(
        name: "sequence \($0)", source: "test", firstToken: $0 * tokens, prefillTokens: tokens / 2,
        decodeTokens: tokens - tokens / 2)
    },
    selections: selections)
}

/// Runs `body` with a folder of its own, removed afterwards.
func withTemporaryFolder<Result>(_ body: (String) throws -> Result) throws -> Result {
  let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
    "switchyard-traces-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: folder) }
  return try body(folder.path)
}

/// The sentence that a person reads when `body` fails; `nil` when it does not.
func sentence(of body: () throws -> Void) -> String? {
  do {
    try body()
    return nil
  } catch let error as TraceError {
    return error.sentence
  } catch {
    return "another error: \(error)"
  }
}
