import StrictYAML
import Testing
import Units

@testable import Models

/// What the project's table of models says of each: counts in billions that were computed when the
/// table was made, what the makers publish, and the exact sizes.
struct Row: CustomTestStringConvertible, Sendable {
  let name: String
  let total: Double
  let active: Double
  let publishedTotal: Double
  let publishedActive: Double
  let keyValueBytes: Int
  let expertParameters: Int

  init(
    _ name: String, _ total: Double, _ active: Double, _ publishedTotal: Double,
    _ publishedActive: Double, _ keyValueBytes: Int, _ expertParameters: Int
  ) {
    self.name = name
    self.total = total
    self.active = active
    self.publishedTotal = publishedTotal
    self.publishedActive = publishedActive
    self.keyValueBytes = keyValueBytes
    self.expertParameters = expertParameters
  }

  var testDescription: String { name }

  /// Columns computed_total_params_B, computed_active_B, published_total_B, published_active_B,
  /// kv_bytes_per_token_bf16 and expert_params of facts/models.csv, row by row.
  static let all = [
    Row("deepseek-moe-16b", 16.38, 2.82, 16.4, 2.8, 229_376, 8_650_752),
    Row("deepseek-v2-lite", 15.71, 2.66, 15.7, 2.4, 31_104, 8_650_752),
    Row("deepseek-v2", 235.74, 21.33, 236, 21, 69_120, 23_592_960),
    Row("deepseek-v3", 671.03, 37.44, 671, 37, 70_272, 44_040_192),
    Row("kimi-k2", 1026.41, 32.7, 1043, 32.6, 70_272, 44_040_192),
    Row("qwen1.5-moe-a2.7b", 14.32, 2.69, 14.3, 2.7, 196_608, 8_650_752),
    Row("qwen2-57b-a14b", 57.41, 14.24, 57.4, 14.2, 57_344, 27_525_120),
    Row("qwen3-30b-a3b", 30.53, 3.34, 30.5, 3.3, 98_304, 4_718_592),
    Row("qwen3-235b-a22b", 235.09, 22.14, 235, 22, 192_512, 18_874_368),
    Row("mixtral-8x7b", 46.7, 12.88, 46.7, 12.9, 131_072, 176_160_768),
    Row("mixtral-8x22b", 140.63, 39.16, 141, 39, 229_376, 301_989_888),
    Row("dbrx", 131.6, 36.47, 132, 36, 163_840, 198_180_864),
    Row("grok-1", 315.68, 83.75, 314, 86, 262_144, 603_979_776),
    Row("glam-143b", 142.79, 9.64, 143, 9.8, 524_288, 134_217_728),
    Row("opt-66b", 65.69, 65.69, 66, 66, 2_359_296, 0),
    Row("llama3-70b", 70.55, 70.55, 70.6, 70.6, 327_680, 0),
    Row("switch-base-8", 0.62, 0.22, 0.62, 0.22, 36_864, 4_718_592),
    Row("switch-base-16", 1.07, 0.22, 1.07, 0.22, 36_864, 4_718_592),
    Row("switch-base-32", 1.98, 0.22, 2.0, 0.22, 36_864, 4_718_592),
    Row("switch-base-64", 3.79, 0.22, 3.8, 0.22, 36_864, 4_718_592),
    Row("switch-base-128", 7.42, 0.22, 7.4, 0.22, 36_864, 4_718_592),
    Row("switch-base-256", 14.66, 0.22, 14.7, 0.22, 36_864, 4_718_592),
    Row("switch-large-128", 26.31, 0.74, 26.4, 0.8, 98_304, 8_388_608),
    Row("nllb-moe-54b", 54.48, 3.75, 54.5, 4, 196_608, 33_554_432),
    Row("olmoe-1b-7b", 6.92, 1.28, 6.9, 1.3, 131_072, 6_291_456),
    Row("phi-3.5-moe", 41.87, 6.64, 41.9, 6.6, 131_072, 78_643_200),
    Row("llama-4-scout", 107.77, 17.17, 109, 17, 196_608, 125_829_120),
    Row("llama-4-maverick", 400.71, 17.17, 400, 17, 196_608, 125_829_120),
    Row("gpt-oss-20b", 20.91, 4.18, 20.9, 3.6, 49_152, 24_883_200),
    Row("gpt-oss-120b", 116.79, 5.7, 116.8, 5.1, 73_728, 24_883_200),
    Row("snowflake-arctic", 478.58, 17.29, 480, 17, 143_360, 104_595_456),
    Row("jamba-v0.1", 51.56, 12.1, 51.6, 12, 16_384, 176_160_768),
    Row("jamba-1.5-large", 398.53, 94.12, 398, 94, 36_864, 603_979_776),
  ]
}

extension ModelCatalogue {
  /// Read once for all tests.
  static let shared = Result { () throws(Problems) in try ModelCatalogue.load() }
}

@Suite struct ModelTableTests {
  let catalogue: ModelCatalogue

  init() throws { catalogue = try ModelCatalogue.shared.get() }

  /// Within 0.5 %, or within the table's last digit (0.005e9) for models so small that it is more.
  /// The table leaves routers out of its active counts, so that they are taken off ours (384 columns
  /// in each of 60 layers are 0.5 % of Kimi K2's); it took a Mamba layer as about 6 h^2, where we
  /// count its matrices (0.02 % of Jamba).
  @Test(arguments: Row.all) func parametersAgreeWithTheTable(row: Row) throws {
    let model = try catalogue.named(row.name).architecture
    let routers = model.experts.layers.count * model.gateParameters
    let total = Double(model.parameters.total) / 1e9
    let active = Double(model.parameters.active - routers) / 1e9
    #expect(abs(total - row.total) <= max(0.005 * row.total, 0.0051), "\(total)")
    #expect(abs(active - row.active) <= max(0.005 * row.active, 0.0051), "\(active)")
  }

  /// No further from what the makers publish than the table is.
  @Test(arguments: Row.all) func parametersAgreeWithTheMakers(row: Row) throws {
    let entry = try catalogue.named(row.name)
    let parameters = entry.architecture.parameters
    let published = row.publishedTotal
    let slack = abs(row.total - published) + max(0.005 * published, 0.0051)
    #expect(abs(Double(parameters.total) / 1e9 - published) <= slack)
    let stated = try #require(entry.publishedParameters)
    let statedActive = try #require(entry.publishedActiveParameters)
    #expect(abs(stated / 1e9 - published) < 1e-9)
    #expect(abs(statedActive / 1e9 - row.publishedActive) < 1e-9)
  }

  @Test(arguments: Row.all) func cacheAndExpertSizesAreTheTablesExactly(row: Row) throws {
    let model = try catalogue.named(row.name).architecture
    #expect(model.keyValueBytesPerToken(.bf16) == Bytes(row.keyValueBytes))
    // The dense models' one "expert" would be nothing.
    let expert = model.experts.count == 0 ? 0 : model.expertParameters()
    #expect(expert == row.expertParameters)
    #expect(model.expertBytes(Precisions(.bf16)) == Bytes(2 * row.expertParameters))
  }

  @Test func theCatalogueHasTheTablesModelsAndNoUnknownSources() {
    #expect(Set(catalogue.entries.map(\.name)).isSuperset(of: Row.all.map(\.name)))
    for entry in catalogue.entries {
      #expect(!entry.citations.isEmpty, "\(entry.name)")
    }
  }
}

@Test func jambaKeepsAStateForEachSequenceInItsMambaLayers() throws {
  // 28 of 32 layers; 8192 channels x (16 states + 4 of the convolution) x 2 bytes = 327,680 B each.
  let jamba = try ModelCatalogue.load().named("jamba-v0.1").architecture
  #expect(jamba.stateBytes(Precisions(.bf16)) == Bytes(28 * 327_680))
}
