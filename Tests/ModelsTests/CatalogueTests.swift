import Foundation
import StrictYAML
import Testing

@testable import Models

@Suite struct CatalogueTests {
  func problems(_ yaml: String) throws -> [String] {
    let collector = ProblemCollector()
    _ = CatalogueFile(reading: try Value(parsing: yaml, file: "m.yaml"), collector)
    do { try collector.throwIfAny() } catch { return error.list.map(\.description) }
    return []
  }

  func entry(_ change: (String) -> String = { $0 }) throws -> [String] {
    try problems(
      change(
        """
        sources: {paper: A paper}
        models:
          small:
            title: Small
            source: paper
            layers: 4
            hidden: 64
            vocabulary: 100
            attention: {kind: grouped, heads: 8, key-value-heads: 2, head-dimension: 8}
            feed-forward: {matrices: 3, intermediate: 256}
            experts: {count: 8, top-k: 2, intermediate: 32, layers: {after: 1}}

        """))
  }

  @Test func aWellFormedEntryIsRead() throws { #expect(try entry() == []) }

  @Test func anUnknownModelIsToldWithItsNeighbour() throws {
    let catalogue = try ModelCatalogue.shared.get()
    let error = #expect(throws: UnknownModel.self) { try catalogue.named("mixtral-8x7") }
    #expect(
      error?.sentence
        == "there is no model 'mixtral-8x7' in the catalogue; did you mean 'mixtral-8x7b'?")
    let spaced = #expect(throws: UnknownModel.self) { try catalogue.named("GPT OSS 20B") }
    #expect(spaced?.sentence.hasSuffix("did you mean 'gpt-oss-20b'?") == true)
    let begun = #expect(throws: UnknownModel.self) { try catalogue.named("jamba") }
    #expect(begun?.sentence.contains("jamba-1.5-large, jamba-v0.1") == true)
    let strange = #expect(throws: UnknownModel.self) { try catalogue.named("zzz") }
    #expect(strange?.sentence.contains("known models: dbrx, deepseek-moe-16b") == true)
  }

  @Test func anotherNameFindsTheSameModel() throws {
    let catalogue = try ModelCatalogue.shared.get()
    #expect(try catalogue.named("deepseek-r1").name == "deepseek-v3")
  }

  @Test func numbersFromMemoryAreNamed() throws {
    let catalogue = try ModelCatalogue.shared.get()
    #expect(try catalogue.named("glam-143b").unverified == ["vocabulary"])
    #expect(try catalogue.named("mixtral-8x7b").unverified == [])
    let citation = try catalogue.named("gpt-oss-20b").citations["attention.full-attention-every"]
    #expect(citation?.contains("huggingface/transformers") == true)
  }

  @Test func aNumberWithoutASourceIsAProblem() throws {
    let found = try entry { $0.replacing("    source: paper\n", with: "") }
    #expect(
      found.first
        == "m.yaml:5:13: 'layers' has no source; write 'layers: [4, source-id]' or put "
        + "'source: source-id' beside it")
    #expect(found.count == 12)
  }

  @Test func anUnknownSourceIsAProblem() throws {
    let found = try entry { $0.replacing("hidden: 64", with: "hidden: [64, papr]") }
    #expect(
      found == ["m.yaml:7:18: 'papr' is not one of this file's sources; did you mean 'paper'?"])
  }

  @Test func contradictionsAreProblems() throws {
    func only(_ old: String, _ new: String) throws -> String? {
      let found = try entry { $0.replacing(old, with: new) }
      #expect(found.count == 1, "\(found)")
      return found.first
    }
    #expect(
      try only("top-k: 2", "top-k: 9")
        == "m.yaml:11:32: 'top-k' is 9; it must be from 1 to 8")
    // And nothing of layers without experts: nobody knows whether there are any.
    #expect(
      try entry {
        $0.replacing("top-k: 2", with: "top-k: 9").replacing(", layers: {after: 1}", with: "")
          .replacing(", intermediate: 256", with: "")
      } == ["m.yaml:11:32: 'top-k' is 9; it must be from 1 to 8"])
    #expect(
      try only("top-k: 2", "top-k: 2, router-groups: 3")
        == "m.yaml:11:35: 'router-groups' is 3, which does not divide 8 experts evenly")
    #expect(try entry { $0.replacing("top-k: 2", with: "top-k: 2, router-groups: 4") } == [])
    #expect(
      try only("key-value-heads: 2", "key-value-heads: 3")?.contains(
        "8 heads cannot share 3 key-value heads evenly") == true)
    #expect(
      try only("{after: 1}", "{after: 4}")
        == "m.yaml:11:61: 'layers' names none of the 4 layers")
    #expect(
      try only("{after: 1}", "all")
        == "m.yaml:10:33: 'intermediate' has no effect: every layer has experts")
    #expect(try only("{after: 1}", "[1, 7]")?.contains("'layers' is 7") == true)
    #expect(
      try only(", intermediate: 256", "")
        == "m.yaml:10:19: 'intermediate' is missing")
    #expect(
      try only("layers: 4", "layers: 4\n    encoder-layers: 4")?.contains(
        "the decoder needs some") == true)
    #expect(
      try only("kind: grouped", "kind: groupd")
        == "m.yaml:9:23: 'groupd' is not a value of 'kind'; did you mean 'grouped'?")
    #expect(
      try only("title: Small", "title: Small\n    like: large")?.contains(
        "'like' names 'large', which is not a model of this file") == true)
  }

  @Test func anArchitectureMayStandInAScenario() throws {
    let text = """
      name: tiny
      layers: 2
      hidden: 64
      vocabulary: 100
      attention: {kind: latent, heads: 4, key-value-rank: 16, rotary-dimension: 4,
        plain-dimension: 8, value-dimension: 8}
      feed-forward: {matrices: 2}
      experts: {count: 4, top-k: 1, intermediate: 32, shared: {count: 1, intermediate: 32}}
      """
    let collector = ProblemCollector()
    let reader = MappingReader(try Value(parsing: text, file: "s.yaml"), collector)
    let model = try #require(ModelArchitecture(reading: reader, name: "unnamed"))
    #expect(collector.isEmpty)
    #expect(model.name == "tiny")
    // Attention, by hand: 64 x 4 x 12 + 64 x 20 + 16 x 4 x 16 + 4 x 8 x 64
    #expect(model.attentionParameters(layer: 0) == 3072 + 1280 + 1024 + 2048)
  }

  @Test func aNameThatStandsInTwoFilesIsAProblem() throws {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent(
      "models-\(UUID().uuidString).yaml"
    ).path
    defer { try? FileManager.default.removeItem(atPath: path) }
    try """
    sources: {here: This test}
    models:
      opt-66b:
        title: Another
        source: here
        layers: 2
        hidden: 64
        vocabulary: 100
        attention: {kind: grouped, heads: 8, key-value-heads: 2, head-dimension: 8}
        feed-forward: {matrices: 2, intermediate: 256}
    """.write(toFile: path, atomically: true, encoding: .utf8)
    let error = #expect(throws: Problems.self) { try ModelCatalogue.load(extraFiles: [path]) }
    #expect(error?.description.contains("the model 'opt-66b' is already in") == true)
  }
}
