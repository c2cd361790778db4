import Foundation
import Testing

@testable import Traces

/// Whether every request of `sample` is a request of `whole`, id for id, under the name that
/// `rename` gives it.
private func isPart(
  _ sample: RoutingTrace, of whole: RoutingTrace, rename: (String) -> String = { $0 }
) -> Bool {
  sample.sequences.allSatisfy { part in
    guard let all = whole.sequences.first(where: { $0.name == rename(part.name) }),
      (part.prefillTokens, part.decodeTokens) == (all.prefillTokens, all.decodeTokens)
    else { return false }
    return (0..<part.tokens).allSatisfy { token in
      (0..<whole.shape.layers).allSatisfy { layer in
        sample.selections(token: part.firstToken + token, layer: layer)
          == whole.selections(token: all.firstToken + token, layer: layer)
      }
    }
  }
}

@Test(.enabled(if: SharedData.isPresent, "\(SharedData.absence)"))
func theDeepSeekSampleEqualsItsRequestsInTheWholeSet() throws {
  let sample = try imported(SharedData.deepSeekSample)
  #expect(sample.sequences.count == 10 && sample.shape.layerIDs == Array(1...26))
  #expect(isPart(sample, of: try imported(SharedData.deepSeek)))
}

@Test(.enabled(if: SharedData.isPresent, "\(SharedData.absence)"))
func theGPTOSSSampleEqualsItsRequestsInTheWholeSet() throws {
  var options = ImportOptions()
  options.gateFormat = .float16
  let sample = try imported(SharedData.gptOSSSample, options: options)
  #expect(sample.sequences.count == 4)
  // data__mmlu_validation__anatomy__X.json stands for mmlu_validation/anatomy/X.json, and X itself
  // has single underscores.
  let whole = try imported(SharedData.gptOSS)
  #expect(
    isPart(sample, of: whole) {
      $0.replacingOccurrences(of: "data__", with: "").replacingOccurrences(of: "__", with: "/")
    })
  // The recorder printed probabilities of the selected four, which add up to 1 but for rounding.
  let weights = try #require(sample.gateWeights(token: 100, layer: 5))
  #expect(abs(weights.reduce(0, +) - 1) < 0.02)
}

@Test(.enabled(if: SharedData.isPresent, "\(SharedData.absence)"))
func theMixtralSampleEqualsItsRequestsInTheWholeSet() throws {
  let sample = try imported(SharedData.mixtralSample)
  #expect(sample.sequences.count == 6)
  #expect(isPart(sample, of: try imported(SharedData.mixtral)))
}

@Test(.enabled(if: SharedData.isPresent, "\(SharedData.absence)"))
func aTruncatedRawLayoutIsNamed() throws {
  try withTemporaryFolder { folder in
    let source = URL(fileURLWithPath: SharedData.olmoe)
    let stem = source.path.replacingOccurrences(of: ".experts.bin", with: "")
    for suffix in [".meta.json", ".requests.csv"] {
      try FileManager.default.copyItem(atPath: stem + suffix, toPath: folder + "/o" + suffix)
    }
    let bytes = try Data(contentsOf: source)
    // 607 tokens of 16 layers, top-8.
    try bytes.dropLast().write(to: URL(fileURLWithPath: folder + "/o.experts.bin"))
    #expect(
      sentence { try importTrace(from: folder + "/o.experts.bin", to: folder + "/x.routing") }
        == "\(folder)/o.experts.bin: the trace is truncated: 77696 bytes are needed, "
        + "the file has 77695")
    try (bytes + [0]).write(to: URL(fileURLWithPath: folder + "/o.experts.bin"))
    #expect(
      sentence { try importTrace(from: folder + "/o.experts.bin", to: folder + "/x.routing") }
        == "\(folder)/o.experts.bin: there are more than the 607 tokens that "
        + "\(folder)/o.meta.json says")
    #expect(!FileManager.default.fileExists(atPath: folder + "/x.routing"))
  }
}
