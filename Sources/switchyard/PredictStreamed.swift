import Results
import Roofline
import Scenario
import Units

/// What `predict` says of weights that stream from host memory to one device.
struct PredictStreamed: Encodable {
  /// Whether they do, or would.
  var isStreamed: Bool
  var modelBytes: Double
  var hostLinkBytesPerSecond: Double
  var hostMemoryBytes: Double
  var cacheBytes: Double
  var cacheTokens: Double
  var passSeconds: Double
  /// By the model's operators.
  var flopsPerByteOfOneToken: Double
  var saturatingTokens: Double
  /// Equations 1 and 2, which hold for models like Mixtral.
  var equation1FlopsPerByte: Double
  var equation2Tokens: Double
  /// By the kernels' costs.
  var gpuTokensPerSecond: Double
  var gpuSaturatingTokens: Double
  /// Equation 3.
  var parallelismMemoryEfficiency: Double
  /// Equation 4: prompts' and generated tokens, and the generated ones.
  var firstStageTokensPerSecond: Double
  var firstStageGeneratedPerSecond: Double
  var boundBy: String
  /// Equations 5 and 6.
  var hostBandwidthNeeded: Double
  var hostBandwidth: Double
  var cpuFlopsNeeded: Double
  /// Equation 7.
  var gainOfOverlap: Double
  /// Whether some layers have a window, as if none had.
  var ignoresWindows: Bool
  /// The reconstruction of equations 9 to 14.
  var secondStageRequests: Double
  var secondStageGeneratedPerSecond: Double
  var secondStageUtilisation: Double

  /// So many requests fill and drain the second stage's pipeline once, where the scenario does not say how
  /// many; MoE-Lens' least.
  static let requests = 20_000.0

  init(_ streamed: StreamingPrediction) {
    let lens = streamed.lens
    isStreamed = streamed.isStreamed
    let first = lens.firstStage
    secondStageRequests = streamed.requests.map(Double.init) ?? Self.requests
    let second = lens.secondStage(MoELens.Batch(requests: secondStageRequests))
    modelBytes = lens.model.value
    hostLinkBytesPerSecond = lens.host.link.value
    hostMemoryBytes = streamed.hostMemory.value
    cacheBytes = lens.host.cache.value
    cacheTokens = lens.slots.value
    passSeconds = lens.pass.value
    flopsPerByteOfOneToken = lens.modelIntensity(ofTokens: 1)
    saturatingTokens = lens.modelSaturatingTokens.value
    equation1FlopsPerByte = lens.intensity(ofTokens: 1)
    equation2Tokens = lens.saturatingTokens.value
    gpuTokensPerSecond = lens.host.gpu.value
    gpuSaturatingTokens = streamed.saturation.value
    parallelismMemoryEfficiency = lens.parallelismMemoryEfficiency
    firstStageTokensPerSecond = first.throughput.value
    firstStageGeneratedPerSecond = first.generated.value
    boundBy =
      first.isBoundByGPU
      ? "the GPU"
      : "the cache and the host" + (first.waitsForHostMemory ? "'s memory" : " link")
    hostBandwidthNeeded = lens.hostBandwidth.value
    hostBandwidth = streamed.hostBandwidth.value
    cpuFlopsNeeded = lens.cpuArithmetic(elementBytes: streamed.cacheElementBytes).value
    gainOfOverlap = lens.gainOfOverlap
    ignoresWindows = streamed.ignoresWindows
    secondStageGeneratedPerSecond = second.generated.value
    secondStageUtilisation = second.utilisation
  }

  var text: String {
    var table = TextTable([
      .left(
        (isStreamed ? "weights" : "if weights were") + " in host memory, one device (MoE-Lens)"),
      .right(""), .left(""),
    ])
    func add(_ name: String, _ value: String, _ words: String = "") {
      table.add("  " + name, value, words)
    }
    add("weights", "\(Bytes(modelBytes))", "of \(Bytes(hostMemoryBytes)) of host memory")
    add("one pass over them", "\(Seconds(passSeconds))", "at \(Bandwidth(hostLinkBytesPerSecond))")
    add("room for the cache", "\(Bytes(cacheBytes))", "\(Tokens(cacheTokens.rounded()))")
    add(
      "tokens that saturate the GPU", fourDigits(saturatingTokens.rounded()),
      "at its peak, \(fourDigits(equation2Tokens.rounded())) by N_e/N_k alone; "
        + "\(fourDigits(gpuSaturatingTokens)) by its kernels")
    add("GPU alone", "\(TokenRate(gpuTokensPerSecond))", "by its kernels")
    add("tokens for each token-slot", fourDigits(parallelismMemoryEfficiency), "in a pass")
    add(
      "stage 1", "\(TokenRate(firstStageTokensPerSecond))",
      "\(TokenRate(firstStageGeneratedPerSecond)) of them generated; bound by \(boundBy)")
    add(
      "stage 2 (reconstructed)", "\(TokenRate(secondStageGeneratedPerSecond))",
      "generated, \(Int(secondStageRequests)) requests; "
        + "GPU \(fixed(secondStageUtilisation * 100, decimals: 0)) % used")
    add(
      "host memory needs", "\(Bandwidth(hostBandwidthNeeded))",
      "of \(Bandwidth(hostBandwidth)), where decoded tokens attend to the whole cache in a pass")
    add("CPU attention needs", "\(ComputeRate(cpuFlopsNeeded))", "there")
    add(
      "prompts beside answers", fixed(gainOfOverlap, decimals: 2), "times the cache, in effect")
    if ignoresWindows {
      add("windows of attention", "", "not counted: every layer as if it kept all tokens")
    }
    return table.description
  }
}
